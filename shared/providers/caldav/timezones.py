"""Time zones of iCalendar: what a TZID means (RFC 5545, 3.2.19), and the VTIMEZONE that goes with one we write.

Names are believed first: a VTIMEZONE is often old or shortened. Where no part of a name is known, its
offsets tell.
"""

from __future__ import annotations

import re
from calendar import monthrange
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from importlib import resources
from io import StringIO
from typing import TYPE_CHECKING

from dateutil import tz

from shared.calendar import zones
from shared.calendar.rules import WEEKDAYS
from shared.core.errors import InvalidError
from shared.providers.caldav import lines

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import tzinfo

    from shared.providers.caldav.lines import Component

MAX_LINES = 200
"""A VTIMEZONE longer than this is not looked into."""

_RULE = re.compile(r"FREQ=YEARLY(?:;(?:BYMONTH|BYDAY|BYMONTHDAY|UNTIL|INTERVAL|WKST|COUNT)=[\w,+-]+)*", re.IGNORECASE)
_START = re.compile(r"(\d{4})(\d{4}T\d{6})Z?", re.ASCII)
_EPOCH = 1970
_NAME = r"(?:[A-Za-z]+|<[+-]?\w+>)"
_CLOCK = r"[+-]?\d+(?::\d+){0,2}"
_CHANGE = rf"M\d+\.\d\.\d(?:/{_CLOCK})?"
_POSIX = re.compile(
    rf"(?P<name>{_NAME})(?P<standard>{_CLOCK})"
    rf"(?:(?P<summer>{_NAME})(?P<offset>{_CLOCK})?,(?P<begin>{_CHANGE}),(?P<end>{_CHANGE}))?"
)
_PROBES = range(0, 366, 5)


@lru_cache(maxsize=1024)
def by_name(tzid: str) -> str | None:
    """The IANA name behind a TZID: IANA and Windows names, also with a prefix such as Mozilla's or libical's."""
    parts = tzid.strip().strip('"').split("/")
    for first in range(len(parts)):
        try:
            return zones.resolve("/".join(parts[first:]).strip())
        except InvalidError:
            continue
    return None


def of(tzid: str, calendar: Component, *, year: int) -> str | None:
    """The IANA zone that a TZID means in this resource around `year`; None if nobody knows."""
    if name := by_name(tzid):
        return name
    for definition in calendar.components("VTIMEZONE"):
        if definition.value("TZID") != tzid:
            continue
        location = by_name(definition.value("X-LIC-LOCATION"))
        return location or _by_offsets(definition, year)
    return None


@lru_cache(maxsize=64)
def vtimezone(zone: str) -> Component | None:
    """The VTIMEZONE of an IANA zone as its rules are now; None for UTC, which needs none.

    From the POSIX rule at the end of the zone's TZif file (RFC 9636, 3.3): programs know IANA names, and this is for
    those that do not. The icalendar library's own is four times as long, and an hour late on each day of change.
    """
    match = _POSIX.fullmatch(_posix(zone))
    if zone in ("UTC", "Etc/UTC") or match is None:
        return None
    standard = -_seconds(match["standard"])
    if not match["summer"]:
        observances = [_observance("STANDARD", standard, standard, match["name"], None)]
    else:
        summer = -_seconds(match["offset"]) if match["offset"] else standard + 3600
        observances = [
            _observance("DAYLIGHT", standard, summer, match["summer"], match["begin"]),
            _observance("STANDARD", summer, standard, match["name"], match["end"]),
        ]
    return lines.Component("VTIMEZONE", [lines.Line("TZID", "", zone), *observances])


def _posix(zone: str) -> str:
    folder, _, name = zone.rpartition("/")
    try:
        data = resources.files("tzdata").joinpath("zoneinfo", *folder.split("/"), name).read_bytes()
    except (OSError, ValueError):
        return ""
    return data.rstrip(b"\n").rpartition(b"\n")[2].decode("ascii", errors="replace")


def _seconds(text: str) -> int:
    """`-5:30` or `3` as seconds."""
    hours, *rest = text.lstrip("+-").split(":")
    minutes, seconds = (*map(int, rest), 0, 0)[:2]
    return (int(hours) * 3600 + minutes * 60 + seconds) * (-1 if text.startswith("-") else 1)


def _observance(kind: str, before: int, after: int, name: str, change: str | None) -> Component:
    parts = [
        lines.Line("DTSTART", "", f"{_EPOCH}0101T000000"),
        lines.Line("TZOFFSETFROM", "", _offset(before)),
        lines.Line("TZOFFSETTO", "", _offset(after)),
        lines.Line("TZNAME", "", name.strip("<>")),
    ]
    if change is not None:
        start, rule = _yearly(change)
        parts[0] = lines.Line("DTSTART", "", start)
        parts.append(lines.Line("RRULE", "", rule))
    return lines.Component(kind, list(parts))


def _yearly(change: str) -> tuple[str, str]:
    """The first change since 1970 and its RRULE, from `M3.5.0/2`: the last Sunday of March at two."""
    day, _, clock = change.partition("/")  # week 5 means the last
    month, week, weekday = (int(number) for number in day[1:].split("."))
    shift, seconds = divmod(_seconds(clock or "2"), 86400)
    last = monthrange(_EPOCH + 1, month)[1]
    first_day = (last - 6 if week == 5 else 7 * week - 6) + shift
    name = WEEKDAYS[(weekday + 6 + shift) % 7]
    week_begins = datetime(_EPOCH, month, 1) + timedelta(days=first_day - 1)  # noqa: DTZ001 - a wall clock
    found = week_begins + timedelta(days=(WEEKDAYS.index(name) - week_begins.weekday()) % 7)
    if shift:
        days = [day for day in range(first_day, first_day + 7) if 1 <= day <= last]
        rule = f"FREQ=YEARLY;BYMONTH={month};BYMONTHDAY={','.join(map(str, days))};BYDAY={name}"
    else:
        rule = f"FREQ=YEARLY;BYMONTH={month};BYDAY={-1 if week == 5 else week}{name}"
    return (found + timedelta(seconds=seconds)).strftime("%Y%m%dT%H%M%S"), rule


def _offset(seconds: int) -> str:
    sign, minutes = "-" if seconds < 0 else "+", abs(seconds) // 60
    return f"{sign}{minutes // 60:02}{minutes % 60:02}"


def _by_offsets(definition: Component, year: int) -> str | None:
    """The first well-known zone with the same offsets throughout the year."""
    clock = _clock(definition)
    if clock is None:
        return None
    begin = datetime(year, 1, 1, 12, tzinfo=UTC)
    probes = [begin + timedelta(days=days) for days in _PROBES]
    try:
        offsets = [moment.replace(tzinfo=None).replace(tzinfo=clock).utcoffset() for moment in probes]
    except (ValueError, TypeError, OverflowError):
        return None
    for name in _candidates():
        place = zones.zone(name)
        if [moment.replace(tzinfo=place).utcoffset() for moment in probes] == offsets:
            return name
    return None


def _clock(definition: Component) -> tzinfo | None:
    """What dateutil makes of a VTIMEZONE, if it is plain enough to be safe."""
    kept = ["BEGIN:VTIMEZONE", f"TZID:{definition.value('TZID')}"]
    parts = [part for part in definition.parts if isinstance(part, lines.Component)]
    if len(parts) > MAX_LINES:
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


@lru_cache(maxsize=1)
def _candidates() -> tuple[str, ...]:
    """One zone for each that Windows knows: those that people live in."""
    return tuple(dict.fromkeys(_windows()))


def _windows() -> Iterator[str]:
    from tzlocal.windows_tz import win_tz

    for name in ("UTC", "Europe/Berlin", "Europe/London", "America/New_York", "Asia/Tokyo", *win_tz.values()):
        if zones.is_iana(name):
            yield name
