"""What a calendar's TZIDs mean: IANA names, Windows names, paths that end with one, or its own VTIMEZONE.

Series repeat on a wall clock, which we know by IANA names only. A VTIMEZONE of its own making is therefore recognised
by what it does: an IANA zone that shows the same time all through the sampled years is the same clock.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from typing import TYPE_CHECKING

from shared.calendar import zones
from shared.core.errors import InvalidError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from shared.calendar.ical.grammar import Component

_SAMPLES = tuple(datetime(2024, 1, 3, tzinfo=UTC) + timedelta(days=9) * number for number in range(290))  # to 2031


@dataclass(frozen=True, slots=True, kw_only=True)
class Zone:
    """A clock. `name` is its IANA name; None where only its rules are known, which is enough for a single event."""

    name: str | None
    clock: tzinfo


class Zones:
    """The zones of one calendar. `default` is the IANA name of the clock that floating times are read on."""

    def __init__(self, components: Iterable[Component], *, default: str) -> None:
        self.default = Zone(name=default, clock=zones.zone(default))
        self._defined = {
            tzid.value.strip(): component
            for component in components
            if component.name == "VTIMEZONE" and (tzid := component.find("TZID")) is not None
        }
        self._known: dict[str, Zone | None] = {}

    def zone(self, tzid: str) -> Zone:
        """The zone of that TZID. Raises InvalidError if neither the IANA database nor the calendar knows it."""
        if tzid not in self._known:
            self._known[tzid] = self._find(tzid)
        found = self._known[tzid]
        if found is None:
            raise InvalidError(
                "The event names a time zone that neither the IANA database nor its calendar defines.",
                code="ZONE.UNKNOWN",
            )
        return found

    def _find(self, tzid: str) -> Zone | None:
        component = self._defined.get(tzid)
        location = component and component.find("X-LIC-LOCATION")
        for name in (*_suffixes(tzid), location.value.strip() if location else ""):
            if name and (known := iana(name)) is not None:
                return Zone(name=known, clock=zones.zone(known))
        return None if component is None else self._by_its_rules(component)

    def _by_its_rules(self, component: Component) -> Zone | None:
        clock = _clock(component)
        if clock is None:
            return None
        offsets = [clock.utcoffset(moment.replace(tzinfo=None)) for moment in _SAMPLES]
        for name in (self.default.name or "UTC", *zones.common()):
            candidate = zones.zone(name)
            if all(
                candidate.utcoffset(moment.replace(tzinfo=None)) == offset
                for moment, offset in zip(_SAMPLES, offsets, strict=True)
            ):
                return Zone(name=name, clock=candidate)
        return Zone(name=None, clock=clock)


def iana(name: str) -> str | None:
    """The IANA name of what a calendar calls a zone, if it can be told from the name."""
    try:
        return zones.resolve(name)
    except InvalidError:
        return None


def _suffixes(tzid: str) -> list[str]:
    """`/mozilla.org/20050126_1/Europe/Berlin` and what it ends with: the globally unique names of RFC 5545, 3.8.3.1."""
    parts = tzid.strip().strip("/").split("/")
    return ["/".join(parts[number:]) for number in range(min(len(parts), 8))]


def _clock(component: Component) -> tzinfo | None:
    from icalendar import Timezone  # a quarter of a second that few calendars need

    try:
        defined = Timezone.from_ical("\r\n".join(component.whole))
        if not isinstance(defined, Timezone):
            return None
        clock: tzinfo = defined.to_tz(lookup_tzid=False)
        clock.utcoffset(datetime(2026, 1, 1))  # noqa: DTZ001 - on its own wall clock
    except Exception:
        return None
    return clock
