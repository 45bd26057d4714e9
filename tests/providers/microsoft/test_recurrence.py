from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from itertools import takewhile
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from dateutil.rrule import rrulestr
from hypothesis import assume, given
from hypothesis import strategies as st

from shared.calendar.span import AllDaySpan, Span, TimedSpan
from shared.core.errors import InvalidError
from shared.providers.microsoft import recurrence
from shared.providers.microsoft.payloads import Recurrence, parse
from tests.providers.microsoft import patterns

_WEEKDAYS = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]
_HORIZON = timedelta(days=365 * 4 + 1)

_interval = st.integers(1, 4)
_some_days = st.lists(st.sampled_from(_WEEKDAYS), min_size=1, unique=True)
_index = st.sampled_from(["first", "second", "third", "fourth", "last"])
_pattern = st.one_of(
    st.fixed_dictionaries({"type": st.just("daily"), "interval": _interval}),
    st.fixed_dictionaries(
        {
            "type": st.just("weekly"),
            "interval": _interval,
            "daysOfWeek": _some_days,
            "firstDayOfWeek": st.sampled_from(_WEEKDAYS),
        }
    ),
    st.fixed_dictionaries(
        {"type": st.just("absoluteMonthly"), "interval": _interval, "dayOfMonth": st.integers(1, 31)}
    ),
    st.fixed_dictionaries(
        {"type": st.just("relativeMonthly"), "interval": _interval, "daysOfWeek": _some_days, "index": _index}
    ),
    st.fixed_dictionaries(
        {
            "type": st.just("absoluteYearly"),
            "interval": _interval,
            "dayOfMonth": st.integers(1, 31),
            "month": st.integers(1, 12),
        }
    ),
    st.fixed_dictionaries(
        {
            "type": st.just("relativeYearly"),
            "interval": _interval,
            "daysOfWeek": _some_days,
            "index": _index,
            "month": st.integers(1, 12),
        }
    ),
)


@st.composite
def _series(draw: st.DrawFn) -> tuple[dict[str, Any], Span]:
    """A Graph series that starts on an occurrence of its own, and the span of that first occurrence."""
    pattern = draw(_pattern)
    earliest = draw(st.dates(date(2023, 1, 1), date(2028, 12, 31)))
    once = {"type": "numbered", "numberOfOccurrences": 1, "startDate": earliest.isoformat()}
    possible = patterns.days({"pattern": pattern, "range": once}, until=earliest + timedelta(days=366 * 5))
    assume(possible)
    first = possible[0]
    kind = draw(st.sampled_from(["noEnd", "endDate", "numbered"]))
    series_range: dict[str, Any] = {"type": kind, "startDate": first.isoformat()}
    if kind == "endDate":
        series_range["endDate"] = (first + timedelta(days=draw(st.integers(0, 1500)))).isoformat()
    if kind == "numbered":
        series_range["numberOfOccurrences"] = draw(st.integers(1, 40))
    if draw(st.booleans()):
        return {"pattern": pattern, "range": series_range}, AllDaySpan(start=first, end=first + timedelta(days=1))
    zone = draw(st.sampled_from(["UTC", "Europe/Berlin", "America/Los_Angeles", "Asia/Tokyo", "Pacific/Auckland"]))
    clock = draw(st.sampled_from([time(0, 30), time(9), time(12, 15), time(23, 45)]))
    start = datetime.combine(first, clock, ZoneInfo(zone))
    span = TimedSpan(start=start.astimezone(UTC), end=start.astimezone(UTC) + timedelta(minutes=30), zone=zone)
    return {"pattern": pattern, "range": series_range}, span


def _answer(recurrence: dict[str, Any]) -> Recurrence:
    return parse(Recurrence, recurrence)


def _days_by_rule(lines: tuple[str, ...], span: Span, *, until: date) -> list[date]:
    """RFC 5545 by dateutil, on the wall clock."""
    first = datetime.combine(span.start, time()) if isinstance(span, AllDaySpan) else span.local_start()
    starts = takewhile(lambda start: start.date() <= until, rrulestr(lines[0], dtstart=first))
    return [start.date() for start in starts]


@given(_series())
def test_a_graph_series_read_as_a_rule_has_the_same_days(series: tuple[dict[str, Any], Span]) -> None:
    graph, span = series
    until = date.fromisoformat(graph["range"]["startDate"]) + _HORIZON

    lines = recurrence.to_lines(_answer(graph), span)

    assert _days_by_rule(lines, span, until=until) == patterns.days(graph, until=until)


@given(_series())
def test_a_rule_read_from_graph_is_written_back_with_the_same_days_and_reads_the_same(
    series: tuple[dict[str, Any], Span],
) -> None:
    graph, span = series
    until = date.fromisoformat(graph["range"]["startDate"]) + _HORIZON
    lines = recurrence.to_lines(_answer(graph), span)

    written = recurrence.from_lines(lines, span)

    assert patterns.days(written, until=until) == patterns.days(graph, until=until)
    assert recurrence.to_lines(_answer(written), span) == lines


_part = {
    "INTERVAL": st.integers(1, 4).map(str),
    "BYDAY": st.lists(
        st.sampled_from(["MO", "TU", "WE", "TH", "FR", "SA", "SU", "1MO", "2TU", "-1FR", "5TH"]), min_size=1, max_size=3
    ).map(",".join),
    "BYMONTHDAY": st.lists(st.sampled_from([1, 15, 28, 29, 30, 31, -1, -2]), min_size=1, max_size=3, unique=True).map(
        lambda days: ",".join(map(str, days))
    ),
    "BYMONTH": st.lists(st.integers(1, 12), min_size=1, max_size=2, unique=True).map(
        lambda months: ",".join(map(str, months))
    ),
    "BYSETPOS": st.sampled_from(["1", "2", "4", "5", "-1", "-2", "1,2"]),
    "COUNT": st.integers(1, 30).map(str),
    "WKST": st.sampled_from(["MO", "SU"]),
}


@given(
    frequency=st.sampled_from(["DAILY", "WEEKLY", "MONTHLY", "YEARLY"]),
    parts=st.fixed_dictionaries({}, optional=_part),
    start=st.dates(date(2024, 1, 1), date(2026, 12, 31)),
)
def test_whatever_rule_graph_takes_keeps_its_days(frequency: str, parts: dict[str, str], start: date) -> None:
    line = "RRULE:" + ";".join([f"FREQ={frequency}", *(f"{name}={value}" for name, value in parts.items())])

    for day in (start + timedelta(days=offset) for offset in range(366)):
        span = AllDaySpan(start=day, end=day + timedelta(days=1))
        try:
            written = recurrence.from_lines((line,), span)
        except InvalidError as error:
            if "does not follow the rule" in error.message:
                continue
            return
        until = day + _HORIZON
        assert patterns.days(written, until=until) == _days_by_rule((line,), span, until=until)
        return


@pytest.mark.parametrize(
    ("lines", "reason"),
    [
        (("RRULE:FREQ=DAILY", "RDATE;VALUE=DATE:20260309"), "RDATE"),
        (("RRULE:FREQ=DAILY", "EXDATE;VALUE=DATE:20260303"), "EXDATE"),
        (("RRULE:FREQ=DAILY", "RRULE:FREQ=WEEKLY"), "several rules"),
        (("RRULE:FREQ=MONTHLY;BYDAY=MO,TU;BYSETPOS=5",), "position in the month"),
        (("RRULE:FREQ=MONTHLY;BYDAY=5MO",), "position in the month"),
        (("RRULE:FREQ=MONTHLY;BYDAY=MO",), "position in the month"),
        (("RRULE:FREQ=MONTHLY;BYDAY=1MO,3MO",), "several weekdays"),
        (("RRULE:FREQ=MONTHLY;BYMONTHDAY=-2",), "counted from the end"),
        (("RRULE:FREQ=MONTHLY;BYMONTHDAY=1,15",), "several days of a month"),
        (("RRULE:FREQ=MONTHLY;BYMONTHDAY=31",), "some months lack"),
        (("RRULE:FREQ=MONTHLY;BYMONTHDAY=13;BYDAY=FR",), "BYMONTHDAY"),
        (("RRULE:FREQ=MONTHLY;BYMONTH=6",), "BYMONTH"),
        (("RRULE:FREQ=YEARLY;BYMONTH=3,6",), "several months"),
        (("RRULE:FREQ=YEARLY;BYDAY=MO",), "without BYMONTH"),
        (("RRULE:FREQ=YEARLY;BYWEEKNO=10",), "BYWEEKNO"),
        (("RRULE:FREQ=YEARLY;BYYEARDAY=61",), "BYYEARDAY"),
        (("RRULE:FREQ=YEARLY;BYMONTH=3;BYMONTHDAY=-2",), "counted from the end"),
        (("RRULE:FREQ=DAILY;INTERVAL=2;BYDAY=MO",), "leaves days out"),
        (("RRULE:FREQ=WEEKLY;BYDAY=TU",), "does not follow the rule"),
        (("RRULE:FREQ=DAILY;UNTIL=20260301",), "end before the start"),
    ],
)
def test_what_graph_cannot_hold_is_refused_with_its_reason(lines: tuple[str, ...], reason: str) -> None:
    monday = AllDaySpan(start=date(2026, 3, 2), end=date(2026, 3, 3))

    with pytest.raises(InvalidError, match=reason):
        recurrence.from_lines(lines, monday)


def test_an_hourly_rule_is_refused() -> None:
    start = datetime(2026, 3, 2, 9, tzinfo=UTC)

    with pytest.raises(InvalidError, match="HOURLY"):
        recurrence.from_lines(("RRULE:FREQ=HOURLY",), TimedSpan(start=start, end=start, zone="UTC"))


def test_february_29_is_refused_because_outlook_would_also_use_february_28() -> None:
    leap_day = AllDaySpan(start=date(2028, 2, 29), end=date(2028, 3, 1))

    with pytest.raises(InvalidError, match="some months lack"):
        recurrence.from_lines(("RRULE:FREQ=YEARLY",), leap_day)


@pytest.mark.parametrize(
    ("until", "last"),
    [
        ("20260309T160000Z", "2026-03-09"),  # 09:00 in Los Angeles, after the clocks went forward on the 8th
        ("20260309T155959Z", "2026-03-08"),
        ("20260310T065959Z", "2026-03-09"),  # still the 9th there
        ("20260309", "2026-03-09"),
    ],
)
def test_until_is_a_moment_and_becomes_the_last_local_day_that_it_reaches(until: str, last: str) -> None:
    nine = datetime(2026, 3, 2, 9, tzinfo=ZoneInfo("America/Los_Angeles"))
    span = TimedSpan(start=nine, end=nine + timedelta(hours=1), zone="America/Los_Angeles")

    written = recurrence.from_lines((f"RRULE:FREQ=DAILY;UNTIL={until}",), span)

    assert written["range"] == {"type": "endDate", "startDate": "2026-03-02", "endDate": last}


def test_every_property_of_a_real_answer_is_understood_and_zeros_mean_nothing() -> None:
    # microsoft-graph-docs #6578
    answer = {
        "pattern": {
            "type": "weekly",
            "interval": 1,
            "month": 0,
            "dayOfMonth": 0,
            "daysOfWeek": ["wednesday"],
            "firstDayOfWeek": "monday",
            "index": "first",
        },
        "range": {
            "type": "numbered",
            "startDate": "2020-04-08",
            "endDate": "0001-01-01",
            "recurrenceTimeZone": "",
            "numberOfOccurrences": 4,
        },
    }
    start = datetime(2020, 4, 8, 9, tzinfo=UTC)

    lines = recurrence.to_lines(_answer(answer), TimedSpan(start=start, end=start, zone="UTC"))

    assert lines == ("RRULE:FREQ=WEEKLY;COUNT=4;BYDAY=WE",)


@pytest.mark.parametrize(
    "answer",
    [
        {},
        {"pattern": {"type": "hourly", "interval": 1}, "range": {"type": "noEnd"}},
        {"pattern": {"type": "weekly", "interval": 1, "daysOfWeek": []}, "range": {"type": "noEnd"}},
        {"pattern": {"type": "weekly", "interval": 1, "daysOfWeek": ["someday"]}, "range": {"type": "noEnd"}},
        {"pattern": {"type": "absoluteMonthly", "interval": 1, "dayOfMonth": 0}, "range": {"type": "noEnd"}},
        {"pattern": {"type": "daily", "interval": "x"}, "range": {"type": "noEnd"}},
        {"pattern": {"type": "daily"}, "range": {"type": "endDate", "endDate": "soon"}},
        {"pattern": {"type": "daily"}, "range": {"type": "numbered", "numberOfOccurrences": 0}},
        {"pattern": {"type": "daily"}, "range": {"type": "sometimes"}},
        {"pattern": None, "range": None},
    ],
)
def test_a_recurrence_that_the_documentation_does_not_know_is_refused(answer: dict[str, Any]) -> None:
    span = AllDaySpan(start=date(2026, 3, 2), end=date(2026, 3, 3))

    with pytest.raises(InvalidError, match="Microsoft Graph sent"):
        recurrence.to_lines(_answer(answer), span)
