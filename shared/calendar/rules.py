"""The grammar of recurrence: RFC 5545 lines (3.3.10, 3.8.5) to values and back. `recurrence` gives them meaning.

Reasons of an InvalidError name what is wrong, never what was written: the lines are part of a person's event.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import UTC, datetime, tzinfo
from typing import TYPE_CHECKING, Literal, NamedTuple, cast, get_args

from shared.calendar import zones
from shared.calendar.span import TimedSpan
from shared.core.errors import InvalidError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from shared.calendar.span import Span, Start

type Frequency = Literal["HOURLY", "DAILY", "WEEKLY", "MONTHLY", "YEARLY"]
type Weekday = Literal["MO", "TU", "WE", "TH", "FR", "SA", "SU"]

WEEKDAYS: tuple[Weekday, ...] = get_args(Weekday.__value__)
MAX_INTERVAL = 10_000

_FREQUENCIES: tuple[Frequency, ...] = get_args(Frequency.__value__)
_DAY = re.compile(r"([+-]?\d{1,2})?(MO|TU|WE|TH|FR|SA|SU)", re.ASCII)
_DATE_TIME = re.compile(r"(\d{8})(?:T(\d{6})(Z)?)?", re.ASCII)
# The least and the greatest of each numeric BY part; where the least is negative, numbers count from the end as well
# and there is no zero.
_NUMBERS = {
    "BYSETPOS": (-366, 366),
    "BYYEARDAY": (-366, 366),
    "BYWEEKNO": (-53, 53),
    "BYMONTHDAY": (-31, 31),
    "BYMONTH": (1, 12),
    "BYHOUR": (0, 23),
    "BYMINUTE": (0, 59),
    "BYSECOND": (0, 59),
}
_OF_TIME = ("BYHOUR", "BYMINUTE", "BYSECOND")
_UTC = ("UTC", "Etc/UTC")


class Day(NamedTuple):
    """An element of BYDAY: `ordinal` is 0 for every such weekday, 2 for the second, -1 for the last."""

    ordinal: int
    weekday: Weekday


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One RRULE. `until` is inclusive, a UTC datetime or a date as the series is; empty BY parts are not given."""

    frequency: Frequency
    interval: int = 1
    count: int | None = None
    until: Start | None = None
    week_start: Weekday = "MO"
    by_day: tuple[Day, ...] = ()
    by_month: tuple[int, ...] = ()
    by_month_day: tuple[int, ...] = ()
    by_year_day: tuple[int, ...] = ()
    by_week_no: tuple[int, ...] = ()
    by_hour: tuple[int, ...] = ()
    by_minute: tuple[int, ...] = ()
    by_second: tuple[int, ...] = ()
    by_set_pos: tuple[int, ...] = ()

    @property
    def is_endless(self) -> bool:
        """Whether neither COUNT nor UNTIL ends it."""
        return self.count is None and self.until is None

    def line(self) -> str:
        """The normal form: parts in a fixed order, without what says nothing."""
        parts = [f"FREQ={self.frequency}"]
        if self.interval != 1:
            parts.append(f"INTERVAL={self.interval}")
        if self.count is not None:
            parts.append(f"COUNT={self.count}")
        if self.until is not None:
            parts.append(f"UNTIL={_format(self.until)}")
        for name, numbers in (
            ("BYMONTH", self.by_month),
            ("BYWEEKNO", self.by_week_no),
            ("BYYEARDAY", self.by_year_day),
            ("BYMONTHDAY", self.by_month_day),
        ):
            if numbers:
                parts.append(f"{name}={_join(numbers)}")
        if self.by_day:
            parts.append(f"BYDAY={_join(f'{day.ordinal or ""}{day.weekday}' for day in self.by_day)}")
        for name, numbers in (
            ("BYHOUR", self.by_hour),
            ("BYMINUTE", self.by_minute),
            ("BYSECOND", self.by_second),
            ("BYSETPOS", self.by_set_pos),
        ):
            if numbers:
                parts.append(f"{name}={_join(numbers)}")
        if self.week_start != "MO" and self._week_start_matters:
            parts.append(f"WKST={self.week_start}")
        return "RRULE:" + ";".join(parts)

    @property
    def _week_start_matters(self) -> bool:
        # RFC 5545, 3.3.10: "significant when a WEEKLY RRULE has an interval greater than 1, and a BYDAY rule part is
        # specified" and "in a YEARLY RRULE when a BYWEEKNO rule part is specified"; BYSETPOS cuts weeks as well.
        return bool(self.by_week_no) or (self.frequency == "WEEKLY" and (self.interval > 1 or bool(self.by_set_pos)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Recurrence:
    """What the recurrence lines of a master say. `added` and `excluded` hold UTC datetimes, or dates if all-day."""

    rules: tuple[Rule, ...] = ()
    added: frozenset[Start] = field(default_factory=frozenset)
    excluded: frozenset[Start] = field(default_factory=frozenset)

    @property
    def is_endless(self) -> bool:
        """Whether a rule goes on for ever."""
        return any(rule.is_endless for rule in self.rules)

    def lines(self, zone: str | None) -> tuple[str, ...]:
        """The normal form: rules, then RDATE, then EXDATE, on the wall clock of `zone` (None: an all-day series)."""
        lines = [rule.line() for rule in self.rules]
        for name, starts in (("RDATE", self.added), ("EXDATE", self.excluded)):
            if starts:
                lines.append(_format_dates(name, starts, zone))
        return tuple(lines)


def parse(lines: Iterable[str], span: Span) -> Recurrence:
    """What `lines` say about a series whose first occurrence is `span`.

    Leniences that calendars in the field need: folded case, floating times (they are the series' wall clock), a
    date as UNTIL of a timed series (that whole local day), date-times in an all-day series (their date). A date as
    EXDATE of a timed series matches nothing, as RFC 5545 has it and Google does.
    Raises InvalidError for what RFC 5545 forbids, and for EXRULE, periods and rules below the hour.
    """
    zone = zones.zone(span.zone) if isinstance(span, TimedSpan) else None
    rules: list[Rule] = []
    added: set[Start] = set()
    excluded: set[Start] = set()
    for line in lines:
        head, colon, value = line.strip().partition(":")
        name, *parameters = head.split(";")
        match name.upper() if colon else "":
            case "RRULE":
                rules.append(_parse_rule(value.upper(), zone))
            case "RDATE":
                added.update(_parse_dates(value, _time_zone(parameters, zone), zone, matching_only=False))
            case "EXDATE":
                excluded.update(_parse_dates(value, _time_zone(parameters, zone), zone, matching_only=True))
            case "EXRULE":
                raise _invalid("EXRULE, which RFC 5545 abolished")
            case _:
                raise _invalid("a line that is neither RRULE, RDATE nor EXDATE")
    return Recurrence(rules=tuple(rules), added=frozenset(added), excluded=frozenset(excluded))


def _parse_rule(value: str, zone: tzinfo | None) -> Rule:
    parts: dict[str, str] = {}
    for part in value.removesuffix(";").split(";"):
        name, equals, content = part.partition("=")
        if not equals or not content or name in parts:
            raise _invalid("a rule part without a value, or twice the same")
        parts[name] = content
    frequency = parts.pop("FREQ", "")
    if frequency not in _FREQUENCIES or (zone is None and frequency == "HOURLY"):
        raise _invalid("a frequency that a calendar cannot hold")
    interval = _number(parts.pop("INTERVAL", "1"), 1, MAX_INTERVAL)
    count = parts.pop("COUNT", None)
    until = parts.pop("UNTIL", None)
    if count is not None and until is not None:
        raise _invalid("both COUNT and UNTIL")
    week_start = parts.pop("WKST", "MO")
    if week_start not in WEEKDAYS:
        raise _invalid("an unknown weekday")
    days = tuple(_parse_day(item) for item in parts.pop("BYDAY", "").split(",") if item)
    if frequency not in ("MONTHLY", "YEARLY") and any(day.ordinal for day in days):
        raise _invalid("a numbered weekday outside months and years")
    numbers = {name: _parse_numbers(parts.pop(name, ""), *limits) for name, limits in _NUMBERS.items()}
    if parts:
        raise _invalid("a rule part that RFC 5545 does not know")
    if zone is None:
        numbers |= dict.fromkeys(_OF_TIME, ())  # "MUST be ignored" where DTSTART is a date
    return Rule(
        frequency=frequency,
        interval=interval,
        count=None if count is None else _number(count, 1, None),
        until=None if until is None else _parse_until(until, zone),
        week_start=week_start,
        by_day=tuple(sorted(set(days), key=lambda day: (day.ordinal, WEEKDAYS.index(day.weekday)))),
        by_month=numbers["BYMONTH"],
        by_month_day=numbers["BYMONTHDAY"],
        by_year_day=numbers["BYYEARDAY"],
        by_week_no=numbers["BYWEEKNO"],
        by_hour=numbers["BYHOUR"],
        by_minute=numbers["BYMINUTE"],
        by_second=numbers["BYSECOND"],
        by_set_pos=numbers["BYSETPOS"],
    )


def _parse_day(item: str) -> Day:
    match = _DAY.fullmatch(item)
    if match is None:
        raise _invalid("an unknown weekday")
    ordinal = int(match[1] or 0)
    if match[1] and not 1 <= abs(ordinal) <= 53:
        raise _invalid("a number out of range")
    return Day(ordinal, cast("Weekday", match[2]))


def _parse_numbers(items: str, least: int, greatest: int) -> tuple[int, ...]:
    numbers = {_number(item, least, greatest) for item in items.split(",") if item}
    if least < 0 and 0 in numbers:
        raise _invalid("a number out of range")
    return tuple(sorted(numbers))


def _number(item: str, least: int, greatest: int | None) -> int:
    if not re.fullmatch(r"[+-]?\d{1,9}", item, re.ASCII):
        raise _invalid("something that should be a number")
    number = int(item)
    if number < least or (greatest is not None and number > greatest):
        raise _invalid("a number out of range")
    return number


def _parse_until(value: str, zone: tzinfo | None) -> Start:
    moment, is_date = _parse_moment(value, zone)
    if zone is None:
        return moment.date()
    if is_date:
        moment = moment.replace(hour=23, minute=59, second=59, tzinfo=zone)
    return moment.astimezone(UTC)


def _parse_dates(value: str, written_in: tzinfo | None, zone: tzinfo | None, *, matching_only: bool) -> list[Start]:
    starts: list[Start] = []
    for item in value.split(","):
        moment, is_date = _parse_moment(item.strip().upper(), written_in)
        if zone is None:
            starts.append(moment.date())
        elif not is_date:
            starts.append(moment.astimezone(UTC))
        elif not matching_only:
            raise _invalid("a date among times")
    return starts


def _parse_moment(value: str, zone: tzinfo | None) -> tuple[datetime, bool]:
    """The aware moment (in `zone` or UTC if it does not say), and whether only a date was given."""
    match = _DATE_TIME.fullmatch(value)
    if match is None:
        raise _invalid("something that should be a date or a time")
    day, clock, is_utc = match.groups()
    try:
        moment = datetime.strptime(f"{day}{clock or '000000'}", "%Y%m%d%H%M%S")  # noqa: DTZ007 - aware in a moment
        return moment.replace(tzinfo=UTC if is_utc or zone is None else zone), clock is None
    except ValueError:
        raise _invalid("a date or time that does not exist") from None


def _time_zone(parameters: list[str], zone: tzinfo | None) -> tzinfo | None:
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        match name.upper(), value.strip('"'):
            case "TZID", key:
                return zones.zone(zones.resolve(key))
            case "VALUE", kind if kind.upper() == "PERIOD":
                raise _invalid("an RDATE with a period")
    return zone


def _format(start: Start) -> str:
    return start.strftime("%Y%m%dT%H%M%SZ" if isinstance(start, datetime) else "%Y%m%d")


def _format_dates(name: str, starts: Iterable[Start], zone: str | None) -> str:
    if zone is None:
        return f"{name};VALUE=DATE:{_join(sorted(map(_format, starts)))}"
    local = zones.zone(zone)
    moments = [start.astimezone(local) for start in cast("Iterable[datetime]", starts)]
    # An hour that comes twice has only its first pass on the wall clock (RFC 5545, 3.3.5): then only UTC is exact.
    if zone in _UTC or any(moment.fold for moment in moments):
        return f"{name}:{_join(sorted(map(_format, starts)))}"
    return f"{name};TZID={zone}:{_join(sorted(moment.strftime('%Y%m%dT%H%M%S') for moment in moments))}"


def _join(items: Iterable[object]) -> str:
    return ",".join(map(str, items))


def _invalid(what: str) -> InvalidError:
    return InvalidError(f"The recurrence cannot be understood: it has {what}.", code="RECURRENCE.INVALID")
