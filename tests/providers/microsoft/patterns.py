"""Graph's recurrence as its documentation defines it, expanded day by day: an oracle that knows no RRULE."""

from __future__ import annotations

from calendar import monthrange
from datetime import date, timedelta
from functools import cache
from itertools import islice
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

_DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_INDEXES = ("first", "second", "third", "fourth")


def days(recurrence: dict[str, Any], *, until: date) -> list[date]:
    """The days on which occurrences start, up to and including `until`."""
    pattern, series_range = recurrence["pattern"], recurrence["range"]
    first = date.fromisoformat(series_range["startDate"])
    last = date.fromisoformat(series_range["endDate"]) if series_range["type"] == "endDate" else until
    found = (day for day in _every_day(first, min(last, until)) if _happens(pattern, first, day))
    return list(islice(found, series_range["numberOfOccurrences"] if series_range["type"] == "numbered" else None))


def _every_day(first: date, last: date) -> Iterator[date]:
    for offset in range((last - first).days + 1):
        yield first + timedelta(days=offset)


def _happens(pattern: dict[str, Any], first: date, day: date) -> bool:
    interval = pattern["interval"]
    months = (day.year - first.year) * 12 + day.month - first.month
    match pattern["type"]:
        case "daily":
            return (day - first).days % interval == 0
        case "weekly":
            begins = _DAYS.index(pattern["firstDayOfWeek"])
            weeks = (_week(day, begins) - _week(first, begins)).days // 7
            return weeks % interval == 0 and _DAYS[day.weekday()] in pattern["daysOfWeek"]
        case "absoluteMonthly":
            return months % interval == 0 and day.day == min(pattern["dayOfMonth"], monthrange(day.year, day.month)[1])
        case "relativeMonthly":
            return months % interval == 0 and day == _nth(
                tuple(pattern["daysOfWeek"]), pattern["index"], day.year, day.month
            )
        case "absoluteYearly":
            in_turn = (day.year - first.year) % interval == 0 and day.month == pattern["month"]
            return in_turn and day.day == min(pattern["dayOfMonth"], monthrange(day.year, day.month)[1])
        case "relativeYearly":
            in_turn = (day.year - first.year) % interval == 0 and day.month == pattern["month"]
            return in_turn and day == _nth(tuple(pattern["daysOfWeek"]), pattern["index"], day.year, day.month)
    raise AssertionError(pattern["type"])


def _week(day: date, begins: int) -> date:
    return day - timedelta(days=(day.weekday() - begins) % 7)


@cache
def _nth(weekdays: tuple[str, ...], index: str, year: int, month: int) -> date:
    month_days = (date(year, month, number) for number in range(1, monthrange(year, month)[1] + 1))
    fitting = [day for day in month_days if _DAYS[day.weekday()] in weekdays]
    return fitting[-1] if index == "last" else fitting[_INDEXES.index(index)]
