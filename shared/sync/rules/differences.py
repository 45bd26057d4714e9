"""From a mirror as it should be and what was written, to the fewest writes that bring it there. Pure."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from shared.calendar import mask
from shared.calendar.codec import span_to_json

if TYPE_CHECKING:
    from collections.abc import Mapping

    from shared.calendar.mirror import Appearance, Mirror

CANCELLED = "cancelled"
"""Stands for the fingerprint of an occurrence that we took out."""
SEEN_CANCELLED = "seen cancelled"
"""The same of one that a pull found to be gone: taking it out once more is harmless, and if that was done by a worker
who was killed, it is recorded at last (promise 12)."""
GONE = frozenset({CANCELLED, SEEN_CANCELLED})


@dataclass(frozen=True, slots=True, kw_only=True)
class Applied:
    """Fingerprints of what was last written: the root, its shape (rule and first start), each occurrence that differs.

    `root` is None while nothing is known to be there.
    """

    root: str | None
    shape: str
    overrides: dict[str, str]

    def to_json(self) -> dict[str, Any]:
        """For the mapping's `applied` column."""
        return {"root": self.root, "shape": self.shape, "overrides": self.overrides}

    @classmethod
    def from_json(cls, value: dict[str, Any] | None) -> Applied:
        """The inverse of `to_json`; None is a mirror that was never written."""
        if value is None:
            return cls(root=None, shape="", overrides={})
        return cls(root=value["root"], shape=value["shape"], overrides=value["overrides"])

    def forget(self, places: Mapping[str, str], *, everything: bool = False) -> Applied:
        """What still stands after somebody else changed these places ("" is the root), or all of it: by place the
        checksum that it has now, CANCELLED for an occurrence that is gone, "" where nobody knows."""
        marks = {CANCELLED: SEEN_CANCELLED}
        changed = {place: marks.get(checksum, "") for place, checksum in places.items() if place}
        kept = dict.fromkeys(self.overrides, "") if everything else self.overrides
        root = None if everything or "" in places else self.root
        return replace(self, root=root, overrides={**kept, **changed})


@dataclass(frozen=True, slots=True, kw_only=True)
class Differences:
    """The writes: the root or not, and per occurrence its new appearance or None to take it out."""

    root: Appearance | None
    occurrences: dict[str, Appearance | None]
    applied: Applied
    """The fingerprints once all of it is written."""
    reshaped: bool
    """The rule is written anew, and with it every occurrence that differs."""

    def __bool__(self) -> bool:
        return self.root is not None or bool(self.occurrences)


def compare(mirror: Mirror, applied: Applied) -> Differences:
    """What to write. Occurrences that fell back to the rule are written as the rule has them, or taken out, and are
    remembered: once written, an occurrence keeps its own content whatever becomes of the root (Google).

    A changed rule or start rewrites every occurrence that differs: providers may drop them with the old rule. The
    same holds when a cancelled occurrence returns, which Graph allows only by writing the rule anew.
    """
    looks: dict[str, Appearance | None] = dict(mirror.overrides)
    if mirror.root.recurrence:
        for key in applied.overrides.keys() - looks.keys():
            one = mask.as_the_rule_has_it(mirror.root, key)
            if one is not None or applied.overrides[key] not in GONE:
                looks[key] = one
    wanted = {key: CANCELLED if one is None else one.fingerprint() for key, one in looks.items()}
    shape = _shape(mirror.root)
    fingerprint = mirror.root.fingerprint()
    returned = any(applied.overrides.get(key) in GONE and now != CANCELLED for key, now in wanted.items())
    reshaped = applied.root is None or applied.shape != shape or returned

    occurrences = {key: one for key, one in looks.items() if reshaped or applied.overrides.get(key) != wanted[key]}
    return Differences(
        root=mirror.root if reshaped or applied.root != fingerprint else None,
        occurrences=dict(sorted(occurrences.items())),
        applied=Applied(root=fingerprint, shape=shape, overrides=wanted),
        reshaped=reshaped,
    )


def _shape(root: Appearance) -> str:
    if not root.recurrence:
        return ""
    span = span_to_json(root.span)
    return hashlib.sha256(json.dumps([span, list(root.recurrence)], sort_keys=True).encode()).hexdigest()
