"""A VTIMEZONE of an IANA zone (RFC 5545, 3.6.5): yearly rules where it has them, as Outlook wants them; else one
observance for each change."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING

from shared.calendar import rules, zones
from shared.calendar.ical.lines import Component, Line

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from zoneinfo import ZoneInfo


@dataclass(frozen=True, slots=True, kw_only=True)
class _Change:
    """The clock moves at `at`, by the offset that held before."""

    at: datetime
    before: timedelta
    after: timedelta
    name: str
    is_summer: bool

    def pattern(self, *, from_the_end: bool) -> tuple[object, ...]:
        """What years have in common that change alike: `-1SU` of the month, or `2SU`."""
        ordinal = (self.at.day - 1) // 7 + 1
        if from_the_end:
            month_ends = (self.at.replace(day=28) + timedelta(days=4)).replace(day=1) - timedelta(days=1)
            ordinal = -((month_ends.day - self.at.day) // 7 + 1)
        weekday = rules.WEEKDAYS[self.at.weekday()]
        return self.at.month, f"{ordinal}{weekday}", self.at.time(), self.before, self.after, self.name


@lru_cache(maxsize=256)
def component(zone_name: str, *, first: int, last: int) -> Component:
    """The component, good from the year `first` to `last` (and beyond, where the zone has yearly rules). It is shared:
    leave it as it is."""
    zone = zones.zone(zone_name)
    first -= 1  # what holds when the first year begins, began in the year before
    changes = list(_changes(zone, first, last))
    yearly = _yearly(changes)
    observances = [_observance(group) for group in (yearly or [[one] for one in changes])]
    if not yearly:
        begins = datetime(first, 1, 1, tzinfo=UTC).astimezone(zone)
        offset = begins.utcoffset() or timedelta()
        standing = _Change(
            at=datetime(first, 1, 1),  # noqa: DTZ001 - on the zone's own wall clock
            before=offset,
            after=offset,
            name=begins.tzname() or zone_name,
            is_summer=bool(begins.dst()),
        )
        observances = [_observance([standing]), *observances]
    names = [Line("TZID", "", zone_name), Line("X-LIC-LOCATION", "", zone_name)]
    return Component("VTIMEZONE", [*names, *observances])


def _changes(zone: ZoneInfo, first: int, last: int) -> Iterator[_Change]:
    moment, end = datetime(first, 1, 1, tzinfo=UTC), datetime(last + 1, 1, 1, tzinfo=UTC)
    while moment < end:
        following = moment + timedelta(days=1)
        if _state(moment, zone) != _state(following, zone):
            yield _change(moment, following, zone)
        moment = following


def _change(low: datetime, high: datetime, zone: ZoneInfo) -> _Change:
    while high - low > timedelta(minutes=1):
        middle = low + (high - low) / 2
        middle = middle.replace(second=0, microsecond=0)
        low, high = (middle, high) if _state(middle, zone) == _state(low, zone) else (low, middle)
    before, after = low.astimezone(zone), high.astimezone(zone)
    offset = before.utcoffset() or timedelta()
    return _Change(
        at=(high + offset).replace(tzinfo=None),
        before=offset,
        after=after.utcoffset() or timedelta(),
        name=after.tzname() or "",
        is_summer=bool(after.dst()),
    )


def _state(moment: datetime, zone: ZoneInfo) -> tuple[object, ...]:
    local = moment.astimezone(zone)
    return local.utcoffset(), local.tzname()


def _yearly(changes: Sequence[_Change]) -> list[list[_Change]]:
    """The changes in two groups, spring and autumn, if each year has the same; else nothing."""
    groups = [[one for one in changes if one.is_summer], [one for one in changes if not one.is_summer]]
    years = sorted({one.at.year for one in changes})
    if len(years) < 2 or any([one.at.year for one in group] != years for group in groups):
        return []
    return groups if all(_pattern(group) for group in groups) else []


def _pattern(group: Iterable[_Change]) -> str:
    """BYDAY of a yearly rule that makes all of these; empty if there is none."""
    for from_the_end in (True, False):
        found = {one.pattern(from_the_end=from_the_end) for one in group}
        if len(found) == 1:
            return str(found.pop()[1])
    return ""


def _observance(group: Sequence[_Change]) -> Component:
    first = group[0]
    yearly = f"FREQ=YEARLY;BYMONTH={first.at.month};BYDAY={_pattern(group)}"
    return Component(
        "DAYLIGHT" if first.is_summer else "STANDARD",
        [
            Line("DTSTART", "", f"{first.at:%Y%m%dT%H%M%S}"),
            *([Line("RRULE", "", yearly)] if len(group) > 1 else []),
            Line("TZNAME", "", first.name),
            Line("TZOFFSETFROM", "", _offset(first.before)),
            Line("TZOFFSETTO", "", _offset(first.after)),
        ],
    )


def _offset(offset: timedelta) -> str:
    sign = "-" if offset < timedelta() else "+"
    minutes = abs(offset) // timedelta(minutes=1)
    return f"{sign}{minutes // 60:02}{minutes % 60:02}"
