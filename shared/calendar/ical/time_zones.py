"""What a calendar's TZIDs mean (RFC 5545, 3.2.19): IANA names, Windows names, paths that end with one, or its own
VTIMEZONE.

Names are believed first: a VTIMEZONE is often old or shortened. Series repeat on a wall clock, which we know by IANA
names only. A VTIMEZONE of its own making is therefore recognised by what it does: an IANA zone that shows the same time
all through the sampled years is the same clock.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from functools import cached_property, lru_cache
from io import StringIO
from typing import TYPE_CHECKING

from dateutil import tz

from shared.calendar import zones
from shared.calendar.ical import lines
from shared.core.errors import InvalidError

if TYPE_CHECKING:
    from collections.abc import Callable

    from shared.calendar.ical.lines import Component

MAX_OBSERVANCES = 200
"""A VTIMEZONE of more is not looked into."""

_SAMPLES = tuple(datetime(2024, 1, 3, 12, tzinfo=UTC) + timedelta(days=9) * number for number in range(290))  # to 2031
_EPOCH = 1970
_RULE = re.compile(r"FREQ=YEARLY(?:;(?:BYMONTH|BYDAY|BYMONTHDAY|UNTIL|INTERVAL|WKST|COUNT)=[\w,+-]+)*", re.IGNORECASE)
_START = re.compile(r"(\d{4})(\d{4}T\d{6})Z?", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Zone:
    """A clock. `name` is its IANA name; None where only its rules are known, which is enough for a single event."""

    name: str | None
    clock: tzinfo


class Zones:
    """The zones of one calendar. `default` gives the IANA name of the clock that floating times are read on; it is
    asked only if there are some."""

    def __init__(self, calendar: Component, *, default: Callable[[], str]) -> None:
        self._default = default
        self._defined = {one.value("TZID"): one for one in calendar.components("VTIMEZONE")}
        self._known: dict[str, Zone | None] = {}

    @cached_property
    def default(self) -> Zone:
        """The clock of floating times."""
        name = self._default()
        return Zone(name=name, clock=zones.zone(name))

    def zone(self, tzid: str) -> Zone:
        """The zone of that TZID. Raises InvalidError if neither the IANA database nor the calendar knows it."""
        found = self.find(tzid)
        if found is None:
            raise InvalidError(
                "The event names a time zone that neither the IANA database nor its calendar defines.",
                code="ZONE.UNKNOWN",
            )
        return found

    def find(self, tzid: str) -> Zone | None:
        """The zone of that TZID, if anybody knows it."""
        if tzid not in self._known:
            self._known[tzid] = self._find(tzid)
        return self._known[tzid]

    def _find(self, tzid: str) -> Zone | None:
        definition = self._defined.get(tzid)
        location = "" if definition is None else definition.value("X-LIC-LOCATION")
        for name in (*_suffixes(tzid), location):
            if name and (known := iana(name)) is not None:
                return Zone(name=known, clock=zones.zone(known))
        return None if definition is None else _by_its_rules(str(definition))


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


@lru_cache(maxsize=256)
def _by_its_rules(definition: str) -> Zone | None:
    """The zone that a VTIMEZONE defines: calendars repeat theirs in every resource."""
    (component,) = lines.require(f"BEGIN:VCALENDAR\r\n{definition}END:VCALENDAR").components("VTIMEZONE")
    clock = _clock(component)
    if clock is None:
        return None
    try:
        offsets = [moment.replace(tzinfo=clock).utcoffset() for moment in _SAMPLES]
    except (ValueError, TypeError, OverflowError):
        return None
    for name in zones.common():
        candidate = zones.zone(name)
        if all(
            moment.replace(tzinfo=candidate).utcoffset() == offset
            for moment, offset in zip(_SAMPLES, offsets, strict=True)
        ):
            return Zone(name=name, clock=candidate)
    return Zone(name=None, clock=clock)


def _clock(definition: Component) -> tzinfo | None:
    """What dateutil makes of a VTIMEZONE, if it is plain enough to be safe."""
    kept = ["BEGIN:VTIMEZONE", f"TZID:{definition.value('TZID')}"]
    parts = [part for part in definition.parts if isinstance(part, lines.Component)]
    if len(parts) > MAX_OBSERVANCES:
        return None
    for part in parts:
        rule, start = part.value("RRULE"), _START.fullmatch(part.value("DTSTART"))
        if start is None or (rule and not _RULE.fullmatch(rule)):
            return None
        year = max(int(start[1]), _EPOCH)  # Outlook begins in 1601, and every year since would be gone through
        kept += [f"BEGIN:{part.name}", f"DTSTART:{year}{start[2]}"]
        names = ("TZOFFSETFROM", "TZOFFSETTO", "RRULE")
        kept += [f"{name}:{part.value(name)}" for name in names if part.value(name)]
        kept.append(f"END:{part.name}")
    text = "\r\n".join([*kept, "END:VTIMEZONE", ""])
    try:
        return tz.tzical(StringIO(text)).get()
    except (ValueError, TypeError, KeyError, IndexError, AttributeError):
        return None
