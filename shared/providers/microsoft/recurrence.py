"""Microsoft's patternedRecurrence and RFC 5545's RRULE, each in terms of the other.

Graph knows six patterns (daily, weekly, absolute and relative, monthly and yearly) and three ranges (noEnd, endDate,
numbered); cancelled occurrences are deleted one by one. Two differences in meaning are bridged here: a day 29 to 31
that a month lacks is that month's last day (EWS, DayOfMonth element), where RFC 5545 skips the month; and a relative
pattern over several weekdays takes the nth day that is any of them, which is BYSETPOS.

Source: Graph v1.0, recurrencePattern and recurrenceRange; RFC 5545, 3.3.10.
"""

from __future__ import annotations

from calendar import monthrange
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING, Any

from dateutil.rrule import rrulestr

from shared.calendar import rules, zones
from shared.calendar.rules import Day, Rule, Weekday
from shared.calendar.span import AllDaySpan
from shared.core.errors import InvalidError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from shared.calendar.span import Span
    from shared.providers.microsoft.payloads import Pattern, Range, Recurrence

_CODE = "PROVIDER.RECURRENCE"
_NAMES: dict[Weekday, str] = {
    "MO": "monday",
    "TU": "tuesday",
    "WE": "wednesday",
    "TH": "thursday",
    "FR": "friday",
    "SA": "saturday",
    "SU": "sunday",
}
_WEEKDAYS = {name: day for day, name in _NAMES.items()}
_INDEXES = {1: "first", 2: "second", 3: "third", 4: "fourth", -1: "last"}
_POSITIONS = {name: position for position, name in _INDEXES.items()}
_LEAP_YEAR = 2024
_LAST_COMMON_DAY = 28


def to_lines(recurrence: Recurrence, span: Span) -> tuple[str, ...]:
    """The RFC 5545 line of a Graph series whose first occurrence is `span`, in normal form.

    Raises InvalidError for a pattern or range that says too little to be one.
    """
    try:
        parts = _rule_parts(recurrence.pattern) | _end_parts(recurrence.range, span)
    except ValueError as error:
        raise InvalidError(f"Microsoft Graph sent a recurrence without sense: {error}.", code=_CODE) from None
    return (Rule(**parts).line(),)


def from_lines(lines: Sequence[str], span: Span) -> dict[str, Any]:
    """The pattern and range of a series whose first occurrence is `span`, without `recurrenceTimeZone`.

    Raises InvalidError, saying what, for everything that Graph cannot hold.
    """
    recurrence = rules.parse(lines, span)
    if len(recurrence.rules) != 1 or recurrence.added or recurrence.excluded:
        raise _cannot_hold("anything but a single RRULE (several rules, RDATE, EXDATE)")
    rule = recurrence.rules[0]
    if rule.by_year_day or rule.by_week_no or rule.by_hour or rule.by_minute or rule.by_second:
        raise _cannot_hold("BYYEARDAY, BYWEEKNO, BYHOUR, BYMINUTE or BYSECOND")
    first = _first_day(span)
    pattern = _pattern(rule, first)
    series_range = _range(rule, span)
    # RFC 5545 counts a DTSTART that does not follow the rule; Graph moves the start to the first day that does.
    midnight = datetime.combine(first, time())
    endless = Rule(**{**_fields(rule), "count": None, "until": None})
    if next(iter(rrulestr(endless.line(), dtstart=midnight)), None) != midnight:
        raise _cannot_hold("a first occurrence that does not follow the rule")
    return {"pattern": {"interval": rule.interval, **pattern}, "range": series_range}


def _cannot_hold(what: str) -> InvalidError:
    return InvalidError(f"Microsoft Graph cannot hold {what} in a series.", code=_CODE)


def _fields(rule: Rule) -> dict[str, Any]:
    return {name: getattr(rule, name) for name in Rule.__slots__}


def _first_day(span: Span) -> date:
    return span.start if isinstance(span, AllDaySpan) else span.local_start().date()


# From Graph to RFC 5545


def _rule_parts(pattern: Pattern) -> dict[str, Any]:
    match pattern.type:
        case "daily":
            parts: dict[str, Any] = {"frequency": "DAILY"}
        case "weekly":
            days = _listed_days(pattern)
            # Where the week begins says nothing about a single day; RFC 5545's own default is Monday.
            week_start = _WEEKDAYS[pattern.first_day_of_week] if len(days) > 1 else "MO"
            parts = {"frequency": "WEEKLY", "by_day": tuple(Day(0, day) for day in days), "week_start": week_start}
        case "absoluteMonthly":
            parts = {"frequency": "MONTHLY", **_day_or_last(pattern.day_of_month, longest=31)}
        case "relativeMonthly":
            parts = {"frequency": "MONTHLY", **_nth(pattern)}
        case "absoluteYearly":
            longest = _longest(pattern.month)
            day = min(pattern.day_of_month, longest)
            days_of_month = _day_or_last(day, longest=longest) if pattern.month == 2 else {"by_month_day": (day,)}
            parts = {"frequency": "YEARLY", "by_month": (pattern.month,), **days_of_month}
        case "relativeYearly":
            _longest(pattern.month)
            parts = {"frequency": "YEARLY", "by_month": (pattern.month,), **_nth(pattern)}
    return {"interval": pattern.interval, **parts}


def _longest(month: int) -> int:
    if month < 1:
        raise ValueError("no month")
    return monthrange(_LEAP_YEAR, month)[1]


def _listed_days(pattern: Pattern) -> list[Weekday]:
    named = {_WEEKDAYS[name] for name in pattern.days_of_week}
    if not named:
        raise ValueError("no days of the week")
    return [day for day in rules.WEEKDAYS if day in named]


def _day_or_last(day: int, *, longest: int) -> dict[str, Any]:
    """That day, or the month's last where the month is shorter: `_day_of_month` reads it back."""
    if day < 1:
        raise ValueError("no day of the month")
    if day == longest:
        return {"by_month_day": (-1,)}
    if day <= _LAST_COMMON_DAY:
        return {"by_month_day": (day,)}
    return {"by_month_day": tuple(range(_LAST_COMMON_DAY, day + 1)), "by_set_pos": (-1,)}


def _nth(pattern: Pattern) -> dict[str, Any]:
    days, position = _listed_days(pattern), _POSITIONS[pattern.index]
    if len(days) == 1:
        return {"by_day": (Day(position, days[0]),)}
    return {"by_day": tuple(Day(0, day) for day in days), "by_set_pos": (position,)}


def _end_parts(series_range: Range, span: Span) -> dict[str, Any]:
    match series_range.type:
        case "noEnd":
            return {}
        case "numbered":
            if series_range.number_of_occurrences < 1:
                raise ValueError("no occurrences")
            return {"count": series_range.number_of_occurrences}
        case "endDate":
            last = date.fromisoformat(series_range.end_date)
            if isinstance(span, AllDaySpan):
                return {"until": last}
            return {"until": datetime.combine(last, span.local_start().timetz()).astimezone(UTC)}


# From RFC 5545 to Graph


def _pattern(rule: Rule, first: date) -> dict[str, Any]:
    match rule.frequency:
        case "DAILY":
            return _daily(rule)
        case "WEEKLY":
            _reject(rule, "by_month_day", "by_month", "by_set_pos")
            days = [day.weekday for day in rule.by_day] or [rules.WEEKDAYS[first.weekday()]]
            return _weekly(days, rule.week_start)
        case "MONTHLY":
            _reject(rule, "by_month")
            if rule.by_day:
                return {"type": "relativeMonthly", **_relative(rule)}
            return {"type": "absoluteMonthly", "dayOfMonth": _day_of_month(rule, first, longest=31)}
        case "YEARLY":
            return _yearly(rule, first)
    raise _cannot_hold(f"FREQ={rule.frequency}")


def _daily(rule: Rule) -> dict[str, Any]:
    _reject(rule, "by_month_day", "by_month", "by_set_pos")
    if not rule.by_day:
        return {"type": "daily"}
    if rule.interval != 1:
        raise _cannot_hold("BYDAY in a daily rule that leaves days out")
    return _weekly([day.weekday for day in rule.by_day], "MO")


def _weekly(days: Sequence[Weekday], week_start: Weekday) -> dict[str, Any]:
    return {"type": "weekly", "daysOfWeek": [_NAMES[day] for day in days], "firstDayOfWeek": _NAMES[week_start]}


def _yearly(rule: Rule, first: date) -> dict[str, Any]:
    if not rule.by_month and (rule.by_day or rule.by_month_day):
        raise _cannot_hold("a yearly rule by days without BYMONTH")
    if len(rule.by_month) > 1:
        raise _cannot_hold("a yearly rule over several months")
    month = rule.by_month[0] if rule.by_month else first.month
    if rule.by_day:
        return {"type": "relativeYearly", "month": month, **_relative(rule)}
    longest = _longest(month)
    if month == 2:
        day = _day_of_month(rule, first, longest=longest)
    else:
        _reject(rule, "by_set_pos")
        day = _only(rule.by_month_day or (first.day,), "several days of a month")
        day = longest if day == -1 else day
    if not 1 <= day <= longest:
        raise _cannot_hold("days counted from the end of a month, other than the last")
    return {"type": "absoluteYearly", "month": month, "dayOfMonth": day}


def _relative(rule: Rule) -> dict[str, Any]:
    """`daysOfWeek` and `index` of BYDAY=2TU, of BYDAY=TU;BYSETPOS=2 and of BYDAY=MO,TU;BYSETPOS=-1."""
    _reject(rule, "by_month_day")
    if rule.by_set_pos and any(day.ordinal for day in rule.by_day):
        raise _cannot_hold("numbered weekdays together with BYSETPOS")
    positions = rule.by_set_pos or tuple(day.ordinal for day in rule.by_day)
    position = _only(positions, "several weekdays or positions of one month")
    if position not in _INDEXES:
        raise _cannot_hold("a position in the month other than first, second, third, fourth and last")
    return {"daysOfWeek": [_NAMES[day.weekday] for day in rule.by_day], "index": _INDEXES[position]}


def _day_of_month(rule: Rule, first: date, *, longest: int) -> int:
    """The `dayOfMonth` of a rule for months of different length, which Graph takes as "or the month's last day"."""
    days = rule.by_month_day or (first.day,)
    if rule.by_set_pos:
        if rule.by_set_pos != (-1,) or days != tuple(range(_LAST_COMMON_DAY, days[-1] + 1)):
            raise _cannot_hold("BYSETPOS over these days of a month")
        return min(days[-1], longest)
    day = _only(days, "several days of a month")
    if day == -1:
        return longest
    if day < 1:
        raise _cannot_hold("days counted from the end of a month, other than the last")
    if day > _LAST_COMMON_DAY:
        raise _cannot_hold("a day that some months lack (it would fall on their last day)")
    return day


def _only(numbers: Sequence[int], otherwise: str) -> int:
    if len(numbers) != 1:
        raise _cannot_hold(otherwise)
    return numbers[0]


def _reject(rule: Rule, *parts: str) -> None:
    if present := [part for part in parts if getattr(rule, part)]:
        names = " and ".join(part.replace("_", "").upper() for part in present)
        raise _cannot_hold(f"{names} in such a {rule.frequency.lower()} rule")


def _range(rule: Rule, span: Span) -> dict[str, Any]:
    first = _first_day(span)
    if rule.count is not None:
        return {"type": "numbered", "startDate": first.isoformat(), "numberOfOccurrences": rule.count}
    if rule.until is None:
        return {"type": "noEnd", "startDate": first.isoformat()}
    last = _last_day(rule.until, span)
    if last < first:
        raise _cannot_hold("an end before the start")
    return {"type": "endDate", "startDate": first.isoformat(), "endDate": last.isoformat()}


def _last_day(until: date | datetime, span: Span) -> date:
    """The last local day on which an occurrence may start: UNTIL is a moment, Graph's endDate a day."""
    if isinstance(span, AllDaySpan) or not isinstance(until, datetime):
        return until
    local = until.astimezone(zones.zone(span.zone))
    return local.date() if local.time() >= span.local_start().time() else local.date() - timedelta(days=1)
