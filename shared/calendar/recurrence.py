"""What recurrence lines mean: the occurrences of a series (RFC 5545, 3.3.10 and 3.8.5.3).

- A timed series repeats on the wall clock of its span's zone, so that 9 o'clock stays 9 o'clock when clocks change.
  A time that a change skips is read with the offset before it, one that comes twice is its first pass (3.3.5).
- Every occurrence lasts exactly as long as the first, as 3.8.5.3 has it for series that give their end.
- The first span is always an occurrence and counts for COUNT, whether or not the rule would have made it.
- Nothing loops: dateutil gives up on a rule that never matches, and MAX_OCCURRENCES bounds one that always does.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from itertools import chain, islice
from math import lcm
from typing import TYPE_CHECKING, Literal

from dateutil import rrule

from shared.calendar import rules, zones
from shared.calendar.rules import Recurrence, Rule, parse
from shared.calendar.span import AllDaySpan, TimedSpan, Window, occurrence_key, parse_occurrence_key
from shared.core.errors import InvalidError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from zoneinfo import ZoneInfo

    from shared.calendar.event import Event, Unit
    from shared.calendar.span import Span, Start

__all__ = ["MAX_OCCURRENCES", "Occurrence", "Recurrence", "Rule", "parse"]

MAX_OCCURRENCES = 10_000
"""How many occurrences of one rule are looked at before it is refused."""

_ALWAYS = Window(start=None, end=None)
_FREQUENCIES: dict[str, Literal[0, 1, 2, 3, 4]] = {
    "YEARLY": rrule.YEARLY,
    "MONTHLY": rrule.MONTHLY,
    "WEEKLY": rrule.WEEKLY,
    "DAILY": rrule.DAILY,
    "HOURLY": rrule.HOURLY,
}
_PERIODS = {"WEEKLY": timedelta(weeks=1), "DAILY": timedelta(days=1), "HOURLY": timedelta(hours=1)}
_WEEKDAYS = dict(zip(rules.WEEKDAYS, rrule.weekdays, strict=True))
_SLACK = timedelta(days=1)
# dateutil tries a rule that never matches until year 9999, which takes seconds. The calendar repeats every 400 years
# to the weekday, so rules are expanded in the last cycles, where it gives up twenty times sooner.
_CYCLE = 400
_ROOM = 200
_LAST_YEAR = 9999
_YEARS = range(1583, _LAST_YEAR - _ROOM)


@dataclass(frozen=True, slots=True, kw_only=True)
class Occurrence:
    """One occurrence: its place in the series, when it happens, and the override that says so, if any does."""

    original_start: Start
    span: Span
    override: Event | None = None

    @property
    def key(self) -> str:
        """Its `occurrence_key`."""
        return occurrence_key(self.original_start)


def normalise(lines: Iterable[str], span: Span) -> tuple[str, ...]:
    """The same recurrence in one fixed form, so that equal series have equal lines. Raises InvalidError."""
    return parse(lines, span).lines(span.zone if isinstance(span, TimedSpan) else None)


def expand(root: Event, window: Window) -> list[Occurrence]:
    """The occurrences of a series that lie at least partly inside, in order, as its lines have them.

    A single event is its own only occurrence. Raises InvalidError for lines that are not understood and for more
    than MAX_OCCURRENCES, e.g. for an endless rule in a window without an end.
    """
    span = _span_of(root)
    if not root.recurrence:
        return [Occurrence(original_start=_start(span), span=span)] if _inside(span, window) else []
    starts = sorted(set(_starts(span, parse(root.recurrence, span), window)))
    return [Occurrence(original_start=start, span=_moved(span, start)) for start in starts]


def occurrences(unit: Unit, window: Window) -> list[Occurrence]:
    """The occurrences that happen inside, in order, with moved ones where they are and cancelled ones left out."""
    overrides = {occurrence_key(one.original_start): one for one in unit.overrides if one.original_start is not None}
    unchanged = [one for one in expand(unit.root, window) if one.key not in overrides]
    changed = [
        Occurrence(original_start=one.original_start, span=one.span, override=one)
        for one in overrides.values()
        if one.original_start is not None and one.span is not None and not one.is_cancelled
    ]
    inside = [one for one in changed if _inside(one.span, window)]
    return sorted(unchanged + inside, key=lambda one: (one.span.starts_at(), one.key))


def touches(unit: Unit, window: Window) -> bool:
    """Whether anything of the event or series happens inside, moved and cancelled occurrences considered."""
    span = _span_of(unit.root)
    if not unit.root.recurrence:
        return _inside(span, window)
    overridden = {one.original_start for one in unit.overrides}
    if any(one.span is not None and not one.is_cancelled and _inside(one.span, window) for one in unit.overrides):
        return True
    found = _starts(span, parse(unit.root.recurrence, span), window)
    return any(start not in overridden for start in found)


def last_end(root: Event) -> datetime | None:
    """When the last occurrence ends, in UTC (for all-day series the midnight after it); None if there is no last.

    For a series without any occurrence it is the end of the first span. Raises InvalidError as `expand` does.
    """
    span = _span_of(root)
    recurrence = parse(root.recurrence, span)
    if recurrence.is_endless:
        return None
    for window in _late_windows(recurrence, span):
        last = max(_starts(span, recurrence, window), default=None)
        if last is not None:
            return _moved(span, last).ends_at()
    return span.ends_at()


def split_exclusions(root: Event) -> tuple[tuple[str, ...], tuple[Start, ...]]:
    """The normal lines without EXDATE, and the occurrences that EXDATE takes out; places with no occurrence are left
    away. Raises InvalidError as `expand` does."""
    span = _span_of(root)
    recurrence = parse(root.recurrence, span)
    whole = Recurrence(rules=recurrence.rules, added=recurrence.added)
    lines = whole.lines(span.zone if isinstance(span, TimedSpan) else None)
    return lines, tuple(start for start in sorted(recurrence.excluded) if _happens(span, whole, start))


def occurrence_span(span: Span, lines: Sequence[str], key: str) -> Span | None:
    """When the occurrence of that `occurrence_key` happens in the series that starts with `span`; None if it has none.

    Raises InvalidError as `expand` does.
    """
    try:
        start = parse_occurrence_key(key)
    except ValueError:
        return None
    return _moved(span, start) if _happens(span, parse(lines, span), start) else None


def _happens(span: Span, recurrence: Recurrence, start: Start) -> bool:
    if isinstance(start, datetime) == span.is_all_day:
        return False
    place = _moved(span, start)
    at = Window(start=place.starts_at(), end=place.starts_at() + timedelta(microseconds=1))
    return start in _starts(span, recurrence, at)


def _late_windows(recurrence: Recurrence, span: Span) -> Iterator[Window]:
    """Windows that reach ever further back from the end, so that a long series need not be gone through."""
    untils = [rule.until for rule in recurrence.rules if rule.until is not None]
    if untils and len(untils) == len(recurrence.rules):
        end = max(_moved(span, start).ends_at() for start in (*untils, *recurrence.added))
        for years in (1, 10):
            yield Window(start=end - timedelta(days=366 * years), end=None)
    yield _ALWAYS


def _starts(span: Span, recurrence: Recurrence, window: Window) -> Iterator[Start]:
    """The starts of occurrences inside, EXDATE applied; neither sorted nor free of repetition."""
    found = chain((_start(span),), recurrence.added, *(_rule_starts(span, rule, window) for rule in recurrence.rules))
    return (start for start in found if start not in recurrence.excluded and _inside(_moved(span, start), window))


def _rule_starts(span: Span, rule: Rule, window: Window) -> Iterator[Start]:
    """The starts that one rule makes in and around the window."""
    clock = _Clock.of(span)
    low = clock.first
    if window.start is not None:
        low = max(low, clock.wall(window.start - (span.ends_at() - span.starts_at())) - _SLACK)
    ends = (window.end, None if rule.until is None else _moved(span, rule.until).starts_at())
    high = min((clock.wall(end) + _SLACK for end in ends if end is not None), default=None)
    if rule.count is None:
        moments = _moments(rule, _skip_ahead(rule, clock.first, low), low)
    else:
        moments = _count(_moments(rule, clock.first, low), rule.count, clock.first)
    for number, moment in enumerate(moments):
        if high is not None and moment >= high:
            return
        if number == MAX_OCCURRENCES:
            raise InvalidError(
                f"The series has more than {MAX_OCCURRENCES} occurrences to look at. Shorten it or space it out.",
                code="RECURRENCE.TOO_LONG",
            )
        start = clock.start(moment)
        if moment >= low and (rule.until is None or start <= rule.until):
            yield start


def _count(moments: Iterator[datetime], count: int, first: datetime) -> Iterator[datetime]:
    """At most `count` moments; the first span counts among them although the rule would not have made it."""
    earliest = next(moments, None)
    if earliest is None:
        return iter(())
    return islice(chain((earliest,), moments), count if earliest == first else count - 1)


def _skip_ahead(rule: Rule, first: datetime, low: datetime) -> datetime:
    """A later beginning of the same rule, at least one whole period before `low`: old series cost no more than new."""
    period = _PERIODS.get(rule.frequency)
    if period is None:
        months = lcm(12 * _CYCLE, rule.interval * (12 if rule.frequency == "YEARLY" else 1))
        return first.replace(year=first.year + months // 12 * max(0, (low.year - first.year - 1) * 12 // months))
    step = period * rule.interval
    return first + step * max(0, (low - first) // step - 1)


def _moments(rule: Rule, begin: datetime, low: datetime) -> Iterator[datetime]:
    """What the rule makes from `begin` on, until long after `low`, on the wall clock."""
    shift = (_LAST_YEAR - _ROOM - low.year) // _CYCLE * _CYCLE
    try:
        for moment in _dateutil(rule, begin.replace(year=begin.year + shift)):
            yield moment.replace(year=moment.year - shift)
    except (ValueError, OverflowError):
        return  # the end of year 9999


def _dateutil(rule: Rule, begin: datetime) -> rrule.rrule:
    days = [_WEEKDAYS[day.weekday](day.ordinal) if day.ordinal else _WEEKDAYS[day.weekday] for day in rule.by_day]
    return rrule.rrule(
        _FREQUENCIES[rule.frequency],
        dtstart=begin,
        interval=rule.interval,
        wkst=_WEEKDAYS[rule.week_start],
        byweekday=days or None,
        bymonth=rule.by_month or None,
        bymonthday=rule.by_month_day or None,
        byyearday=rule.by_year_day or None,
        byweekno=rule.by_week_no or None,
        byhour=rule.by_hour or None,
        byminute=rule.by_minute or None,
        bysecond=rule.by_second or None,
        bysetpos=rule.by_set_pos or None,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Clock:
    """Between starts and the wall clock on which rules run: naive datetimes, midnights in an all-day series."""

    zone: ZoneInfo | None
    first: datetime
    first_start: Start

    @classmethod
    def of(cls, span: Span) -> _Clock:
        start = _start(span)
        zone = zones.zone(span.zone) if isinstance(span, TimedSpan) else None
        if start.year not in _YEARS:
            raise InvalidError("The series starts in a year that no calendar has.", code="RECURRENCE.INVALID")
        moment = datetime.combine(start, time()) if zone is None else span.starts_at().astimezone(zone)
        return cls(zone=zone, first=moment.replace(tzinfo=None, fold=0, microsecond=0), first_start=start)

    def wall(self, moment: datetime) -> datetime:
        return moment.astimezone(self.zone or UTC).replace(tzinfo=None, fold=0)

    def start(self, moment: datetime) -> Start:
        if self.zone is None:
            return moment.date()
        # The first span says itself which pass of a repeated hour it means.
        return self.first_start if moment == self.first else moment.replace(tzinfo=self.zone).astimezone(UTC)


def _span_of(event: Event) -> Span:
    if event.span is None:
        raise InvalidError("The event has no time.", code="EVENT.NO_TIME")
    return event.span


def _start(span: Span) -> Start:
    return span.start if isinstance(span, AllDaySpan) else span.starts_at().replace(microsecond=0)


def _moved(span: Span, start: Start) -> Span:
    """The span of the occurrence that starts at `start`."""
    if isinstance(span, AllDaySpan):
        return AllDaySpan(start=start, end=start + (span.end - span.start))
    moment = datetime.combine(start, time(), UTC) if not isinstance(start, datetime) else start
    return TimedSpan(start=moment, end=moment + (span.ends_at() - span.starts_at()), zone=span.zone)


def _inside(span: Span, window: Window) -> bool:
    return window.touches(span.starts_at(), span.ends_at())
