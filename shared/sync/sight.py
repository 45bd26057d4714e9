"""What a page shows of a mirror, as checksums by place."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from shared.calendar import codec
from shared.calendar.span import occurrence_key
from shared.sync.rules.differences import CANCELLED

if TYPE_CHECKING:
    from collections.abc import Iterable

    from shared.calendar.event import Event, Unit
    from shared.crypto.keyring import DataKey
    from shared.providers.port import Upserted
    from shared.sync.store.mappings import Mapping


@dataclass(slots=True, kw_only=True)
class Sight:
    """All that a page shows of one mirror: checksums by place, the root's ETag, or that it is gone.

    Together, because Google tells of a series and of each occurrence that differs apart.
    """

    mapping: Mapping
    seen: dict[str, str] = field(default_factory=dict)
    etag: str | None = None
    is_gone: bool = False

    def add(self, change: Upserted, *, key: DataKey) -> None:
        """Note what one item says."""
        if not change.event.is_override:
            self.is_gone = change.event.is_cancelled
            self.etag = change.event.etag
        # Also of a series that is gone: what differs in it is still there when it is revived.
        self.seen |= observed_of((change.event, *(change.overrides or ())), key=key)

    @property
    def differing(self) -> dict[str, str]:
        """The checksums of the places that look otherwise than they were left."""
        return differing(self.mapping, self.seen)


def differing(mapping: Mapping, seen: dict[str, str]) -> dict[str, str]:
    """Those of the places `seen` of a mirror that look otherwise than they were left."""
    known = mapping.observed or {}
    return {place: checksum for place, checksum in seen.items() if known.get(place) != checksum}


def observed(event: Event, *, key: DataKey) -> dict[str, str]:
    """The checksum of a mirror, or of one of its occurrences, as the provider shows it, by place ("" is the root)."""
    place = occurrence_key(event.original_start) if event.original_start is not None else ""
    # In which colour somebody likes to see a mirror is their own affair.
    plain = event if event.text is None else replace(event, text=replace(event.text, categories=()))
    return {place: CANCELLED if event.is_cancelled else key.checksum(codec.content(plain))}


def observed_of(events: Iterable[Event], *, key: DataKey) -> dict[str, str]:
    """`observed` of several items of one mirror."""
    return {place: checksum for event in events for place, checksum in observed(event, key=key).items()}


def of_unit(unit: Unit, *, key: DataKey) -> dict[str, str]:
    """`observed` of a whole mirror."""
    return observed_of((unit.root, *unit.overrides), key=key)
