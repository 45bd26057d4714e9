"""The signed mark on every mirror: it names the mapping, and holds only in the calendar that it was made for.

So a mirror that a person copies into another calendar is an event like any other, and one that comes back through a
ring of links is recognised even when our database has forgotten it (promise 4).
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING
from uuid import UUID, uuid5

from shared.crypto import signatures

if TYPE_CHECKING:
    from collections.abc import Sequence

_ALPHABET = "0123456789abcdefghijklmnopqrstuv"


def make(secrets: Sequence[bytes], mapping_id: UUID, *, calendar_id: str) -> str:
    """The marker of a mirror in the provider's calendar `calendar_id`."""
    return f"{mapping_id.hex}.{signatures.sign(secrets[0], _statement(mapping_id, calendar_id))}"


def verify(secrets: Sequence[bytes], marker: str | None, *, calendar_id: str) -> UUID | None:
    """The mapping that a marker names, if we signed it for this calendar; None for any other text."""
    head, _, signature = (marker or "").partition(".")
    try:
        mapping_id = UUID(hex=head)
    except ValueError:
        return None
    return mapping_id if signatures.verify(secrets, _statement(mapping_id, calendar_id), signature) else None


def mapping_id(link_id: UUID, source_event_id: str) -> UUID:
    """The id of the mapping of a source event in a link (UUID version 5): whoever makes it again finds its mirrors."""
    return uuid5(link_id, source_event_id)


def mirror_key(link_id: UUID, source_event_id: str, incarnation: int) -> str:
    """The deterministic key of a mirror: 32 characters of base32hex, Google's alphabet for event ids.

    `incarnation` rises when a mirror is known to be gone, so that its successor never collides with a tombstone.
    """
    digest = hashlib.sha256(f"{link_id.hex}\n{source_event_id}\n{incarnation}".encode()).digest()
    number = int.from_bytes(digest[:20])
    return "".join(_ALPHABET[(number >> shift) & 31] for shift in range(155, -1, -5))


def _statement(mapping_id: UUID, calendar_id: str) -> str:
    return f"kalends-mirror\n{mapping_id.hex}\n{calendar_id}"
