"""patternedRecurrence: which days a series falls on (vendor docs: recurrencePattern, recurrenceRange).

A series has at most one occurrence a day, so an occurrence is known by its day in the series' own zone. Days
that a month does not have fall on its last day (MS-OXOCAL, "Month" pattern), unlike in RFC 5545.
"""

import calendar
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from functools import lru_cache
from itertools import islice, takewhile
from typing import Any

from infra.local.simulators.microsoft import errors, zones

DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_INDEXES = ("first", "second", "third", "fourth", "last")
_NEEDS = {
    "daily": (),
    "weekly": ("daysOfWeek",),
    "absoluteMonthly": ("dayOfMonth",),
    "relativeMonthly": ("daysOfWeek",),
    "absoluteYearly": ("dayOfMonth", "month"),
    "relativeYearly": ("daysOfWeek", "month"),
}
_PATTERN_KEYS = {"type", "interval", "month", "dayOfMonth", "daysOfWeek", "firstDayOfWeek", "index"}
_RANGE_KEYS = {"type", "startDate", "endDate", "recurrenceTimeZone", "numberOfOccurrences"}
_NO_DATE = "0001-01-01"


@dataclass(frozen=True, slots=True, kw_only=True)
class Recurrence:
    """A pattern and its range. Weekdays count from Monday (0); `zone` is a Windows name.

    `until` (inclusive) and `count` are both None when the series has no end.
    """

    type: str
    interval: int
    month: int = 0
    day_of_month: int = 0
    weekdays: frozenset[int] = frozenset()
    first_weekday: int = 6
    index: str = "first"
    start: date
    until: date | None = None
    count: int | None = None
    zone: str

    def days(self) -> Iterator[date]:
        """Every day of the series, in order; endless when the series is."""
        if self.count is not None:
            return islice(self._pattern_days(), self.count)
        until = self.until
        return self._pattern_days() if until is None else takewhile(lambda day: day <= until, self._pattern_days())

    def first(self) -> date | None:
        """The first day, or None when the range holds no day of the pattern."""
        return next(self.days(), None)

    def holds(self, day: date) -> bool:
        """Whether the series falls on this day."""
        return day in days_between(self, day, day)

    def neighbours(self, day: date) -> tuple[date | None, date | None]:
        """The days of the series before and after one of its days."""
        before: date | None = None
        for other in self.days():
            if other > day:
                return before, other
            if other < day:
                before = other
        return before, None

    def _pattern_days(self) -> Iterator[date]:
        try:
            yield from (day for day in self._unbounded() if day >= self.start)
        except (OverflowError, ValueError):  # the calendar ends with the year 9999
            return

    def _unbounded(self) -> Iterator[date]:
        match self.type:
            case "daily":
                yield from self._every(timedelta(days=self.interval), self.start)
            case "weekly":
                offset = (self.start.weekday() - self.first_weekday) % 7
                in_week = sorted((weekday - self.first_weekday) % 7 for weekday in self.weekdays)
                for week in self._every(timedelta(weeks=self.interval), self.start - timedelta(days=offset)):
                    yield from (week + timedelta(days=day) for day in in_week)
            case "absoluteMonthly":
                for year, month in self._months(self.start.year, self.start.month, self.interval):
                    yield _clamped(year, month, self.day_of_month)
            case "relativeMonthly":
                for year, month in self._months(self.start.year, self.start.month, self.interval):
                    yield self._relative(year, month)
            case "absoluteYearly":
                for year, month in self._months(self.start.year, self.month, 12 * self.interval):
                    yield _clamped(year, month, self.day_of_month)
            case "relativeYearly":
                for year, month in self._months(self.start.year, self.month, 12 * self.interval):
                    yield self._relative(year, month)

    @staticmethod
    def _every(step: timedelta, day: date) -> Iterator[date]:
        while True:
            yield day
            day += step

    @staticmethod
    def _months(year: int, month: int, step: int) -> Iterator[tuple[int, int]]:
        index = year * 12 + month - 1
        while True:
            yield index // 12, index % 12 + 1
            index += step

    def _relative(self, year: int, month: int) -> date:
        last = calendar.monthrange(year, month)[1]
        fitting = [day for day in range(1, last + 1) if date(year, month, day).weekday() in self.weekdays]
        position = -1 if self.index == "last" else _INDEXES.index(self.index)
        return date(year, month, fitting[position])


def _clamped(year: int, month: int, day: int) -> date:
    return date(year, month, min(day, calendar.monthrange(year, month)[1]))


@lru_cache(maxsize=4096)
def days_between(recurrence: Recurrence, first: date, last: date) -> tuple[date, ...]:
    """The days of a series from `first` to `last`, both included."""
    upto = takewhile(lambda day: day <= last, recurrence.days())
    return tuple(day for day in upto if day >= first)


def to_graph(recurrence: Recurrence) -> dict[str, Any]:
    """The resource as Graph answers it: every key is there, unused ones with their zero."""
    ordered = sorted(recurrence.weekdays, key=lambda weekday: (weekday - 6) % 7)
    kind = "numbered" if recurrence.count is not None else "noEnd" if recurrence.until is None else "endDate"
    return {
        "pattern": {
            "type": recurrence.type,
            "interval": recurrence.interval,
            "month": recurrence.month,
            "dayOfMonth": recurrence.day_of_month,
            "daysOfWeek": [DAYS[weekday] for weekday in ordered],
            "firstDayOfWeek": DAYS[recurrence.first_weekday],
            "index": recurrence.index,
        },
        "range": {
            "type": kind,
            "startDate": recurrence.start.isoformat(),
            "endDate": recurrence.until.isoformat() if recurrence.until else _NO_DATE,
            "recurrenceTimeZone": recurrence.zone,
            "numberOfOccurrences": recurrence.count or 0,
        },
    }


def from_graph(value: dict[str, Any], *, default_zone: str) -> Recurrence:
    """Read a client's patternedRecurrence. Raises Refused with Graph's 400."""
    if set(value) - {"pattern", "range", "@odata.type"}:
        raise errors.unknown_property(sorted(set(value) - {"pattern", "range"})[0], "patternedRecurrence")
    pattern, bounds = value.get("pattern"), value.get("range")
    if not isinstance(pattern, dict) or not isinstance(bounds, dict):
        raise errors.invalid("The recurrence must have a pattern and a range.")
    _known(pattern, _PATTERN_KEYS, "recurrencePattern")
    _known(bounds, _RANGE_KEYS, "recurrenceRange")
    kind = errors.enumerated(pattern.get("type"), _NEEDS, "recurrencePatternType")
    for needed in _NEEDS[kind]:
        if not pattern.get(needed):
            raise errors.invalid(f"The recurrence pattern {kind} needs {needed}.")
    weekdays = pattern.get("daysOfWeek") or []
    if not isinstance(weekdays, list):
        raise errors.unreadable("The property 'daysOfWeek' must be a collection.")
    asked = str(bounds.get("recurrenceTimeZone") or default_zone)
    zone = zones.windows_name(asked)
    if zone is None:
        raise errors.zone_not_supported(asked)
    relative = kind.startswith("relative")
    uses_day, uses_month = "dayOfMonth" in _NEEDS[kind], "month" in _NEEDS[kind]
    until, count = _end(bounds)
    return Recurrence(
        type=kind,
        interval=_number(pattern, "interval", 1, 999),
        month=_number(pattern, "month", 1, 12) if uses_month else 0,
        day_of_month=_number(pattern, "dayOfMonth", 1, 31) if uses_day else 0,
        weekdays=frozenset(_weekday(day) for day in weekdays) if "daysOfWeek" in _NEEDS[kind] else frozenset(),
        first_weekday=_weekday(pattern.get("firstDayOfWeek") or "sunday"),
        index=errors.enumerated(pattern.get("index") or "first", _INDEXES, "weekIndex") if relative else "first",
        start=_date(bounds, "startDate"),
        until=until,
        count=count,
        zone=zone,
    )


def _known(value: dict[str, Any], keys: set[str], kind: str) -> None:
    for key in value:
        if key not in keys and key != "@odata.type":
            raise errors.unknown_property(key, kind)


def _end(bounds: dict[str, Any]) -> tuple[date | None, int | None]:
    match errors.enumerated(bounds.get("type"), ("endDate", "noEnd", "numbered"), "recurrenceRangeType"):
        case "endDate":
            return _date(bounds, "endDate"), None
        case "numbered":
            return None, _number(bounds, "numberOfOccurrences", 1, 999)
        case _:
            return None, None


def _weekday(name: Any) -> int:
    return DAYS.index(errors.enumerated(name, DAYS, "dayOfWeek"))


def _number(value: dict[str, Any], key: str, least: int, most: int) -> int:
    number = value.get(key)
    if not isinstance(number, int) or isinstance(number, bool) or not least <= number <= most:
        raise errors.invalid(f"The recurrence's {key} must be a number from {least} to {most}.")
    return number


def _date(value: dict[str, Any], key: str) -> date:
    try:
        return date.fromisoformat(value[key])
    except (KeyError, TypeError, ValueError):
        raise errors.invalid(f"The recurrence range's {key} must be a date.") from None
