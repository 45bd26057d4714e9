"""Promise 1: a change that deletes a large part of a link's mirrors waits for a person. Pure."""

from __future__ import annotations

ALWAYS_ALLOWED = 5
"""So many deletions in one run are never held, however small the link."""

SHARE_ALLOWED = 0.10
"""A larger share of the link's mirrors than this in one run is held."""


def must_hold(deletions: int, *, mirrors: int) -> bool:
    """Whether `deletions` in one run of a link that has `mirrors` mirrors must wait for approval."""
    return deletions > max(ALWAYS_ALLOWED, mirrors * SHARE_ALLOWED)
