"""Patterned recurrences against dateutil's RFC 5545 rules, wherever the two mean the same."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from itertools import islice
from typing import Any

import pytest
from dateutil import rrule
from hypothesis import given
from hypothesis import strategies as st

from infra.local.simulators.exchange import Refused
from infra.local.simulators.microsoft import recurrence
from infra.local.simulators.microsoft.recurrence import DAYS

STARTS = st.dates(date(2020, 1, 1), date(2030, 12, 31))
INTERVALS = st.integers(1, 12)
WEEKDAYS = st.sets(st.integers(0, 6), min_size=1)
INDEXES = st.sampled_from([("first", 1), ("second", 2), ("third", 3), ("fourth", 4), ("last", -1)])
COUNT = 40


def days(pattern: dict[str, Any], start: date, **bounds: Any) -> list[date]:
    """The first days of a series."""
    value = {
        "pattern": {"interval": 1, **pattern},
        "range": {"type": "noEnd", "startDate": start.isoformat(), **bounds},
    }
    return list(islice(recurrence.from_graph(value, default_zone="UTC").days(), COUNT))


def expected(frequency: int, start: date, **rule: Any) -> list[date]:
    """The same by dateutil."""
    made = rrule.rrule(frequency, dtstart=datetime.combine(start, datetime.min.time()), count=COUNT, **rule)
    return [moment.date() for moment in made]


@given(STARTS, INTERVALS)
def test_daily(start: date, interval: int) -> None:
    found = days({"type": "daily", "interval": interval}, start)

    assert found == expected(rrule.DAILY, start, interval=interval)


@given(STARTS, INTERVALS, WEEKDAYS, st.integers(0, 6))
def test_weekly(start: date, interval: int, weekdays: set[int], first: int) -> None:
    pattern = {
        "type": "weekly",
        "interval": interval,
        "daysOfWeek": [DAYS[day] for day in weekdays],
        "firstDayOfWeek": DAYS[first],
    }

    found = days(pattern, start)

    assert found == expected(rrule.WEEKLY, start, interval=interval, byweekday=sorted(weekdays), wkst=first)


@given(STARTS, INTERVALS, st.integers(1, 28))
def test_absolute_monthly_up_to_the_28th(start: date, interval: int, day: int) -> None:
    found = days({"type": "absoluteMonthly", "interval": interval, "dayOfMonth": day}, start)

    assert found == expected(rrule.MONTHLY, start, interval=interval, bymonthday=day)


@given(STARTS, INTERVALS, WEEKDAYS, INDEXES)
def test_relative_monthly(start: date, interval: int, weekdays: set[int], index: tuple[str, int]) -> None:
    pattern = {
        "type": "relativeMonthly",
        "interval": interval,
        "daysOfWeek": [DAYS[day] for day in weekdays],
        "index": index[0],
    }

    found = days(pattern, start)

    rule = {"byweekday": sorted(weekdays), "bysetpos": index[1]}
    assert found == expected(rrule.MONTHLY, start, interval=interval, **rule)


@given(STARTS, st.integers(1, 3), WEEKDAYS, INDEXES, st.integers(1, 12))
def test_relative_yearly(start: date, interval: int, weekdays: set[int], index: tuple[str, int], month: int) -> None:
    pattern = {
        "type": "relativeYearly",
        "interval": interval,
        "daysOfWeek": [DAYS[day] for day in weekdays],
        "index": index[0],
        "month": month,
    }

    found = days(pattern, start)

    rule = {"byweekday": sorted(weekdays), "bysetpos": index[1], "bymonth": month}
    assert found == expected(rrule.YEARLY, start, interval=interval, **rule)


@given(STARTS, st.integers(1, 3), st.integers(1, 28), st.integers(1, 12))
def test_absolute_yearly(start: date, interval: int, day: int, month: int) -> None:
    pattern = {"type": "absoluteYearly", "interval": interval, "dayOfMonth": day, "month": month}

    found = days(pattern, start)

    assert found == expected(rrule.YEARLY, start, interval=interval, bymonthday=day, bymonth=month)


def test_the_31st_falls_on_the_last_day_of_a_shorter_month() -> None:
    found = days({"type": "absoluteMonthly", "dayOfMonth": 31}, date(2026, 1, 31))

    assert found[:4] == [date(2026, 1, 31), date(2026, 2, 28), date(2026, 3, 31), date(2026, 4, 30)]


@pytest.mark.parametrize(
    ("bounds", "count"),
    [({"type": "numbered", "numberOfOccurrences": 3}, 3), ({"type": "endDate", "endDate": "2026-03-05"}, 4)],
)
def test_a_range_ends_by_number_or_by_a_day_that_is_included(bounds: dict[str, Any], count: int) -> None:
    found = days({"type": "daily"}, date(2026, 3, 2), **bounds)

    assert found == [date(2026, 3, 2) + timedelta(days=day) for day in range(count)]


@given(STARTS, INTERVALS, WEEKDAYS, st.integers(0, COUNT - 2))
def test_neighbours_are_the_days_before_and_after(start: date, interval: int, weekdays: set[int], at: int) -> None:
    value = {
        "pattern": {"type": "weekly", "interval": interval, "daysOfWeek": [DAYS[day] for day in weekdays]},
        "range": {"type": "noEnd", "startDate": start.isoformat()},
    }
    made = recurrence.from_graph(value, default_zone="UTC")
    found = list(islice(made.days(), COUNT))

    before, after = made.neighbours(found[at])

    assert before == (found[at - 1] if at else None)
    assert after == found[at + 1]


@pytest.mark.parametrize(
    "value",
    [
        {"pattern": {"type": "weekly", "interval": 1}, "range": {"type": "noEnd", "startDate": "2026-03-02"}},
        {"pattern": {"type": "daily", "interval": 0}, "range": {"type": "noEnd", "startDate": "2026-03-02"}},
        {"pattern": {"type": "hourly", "interval": 1}, "range": {"type": "noEnd", "startDate": "2026-03-02"}},
        {"pattern": {"type": "daily", "interval": 1}, "range": {"type": "noEnd", "startDate": "soon"}},
        {"pattern": {"type": "daily", "interval": 1}, "range": {"type": "numbered", "startDate": "2026-03-02"}},
        {
            "pattern": {"type": "daily", "interval": 1, "byHour": 3},
            "range": {"type": "noEnd", "startDate": "2026-03-02"},
        },
        {"pattern": {"type": "daily", "interval": 1}},
    ],
)
def test_a_recurrence_that_exchange_does_not_know_is_refused(value: dict[str, Any]) -> None:
    with pytest.raises(Refused) as refused:
        recurrence.from_graph(value, default_zone="UTC")

    assert refused.value.answer.status == 400
