"""What events do to somebody's time, and how many of them make one answer."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.calendar import busy
from shared.calendar.busy import Interval, Kind
from shared.calendar.event import Availability, Event, EventType, Response, Status
from shared.calendar.span import AllDaySpan, Window

BEGIN = datetime(2026, 3, 2, tzinfo=UTC)
DAY = Window(start=BEGIN, end=BEGIN + timedelta(days=1))


def interval(start: int, end: int, kind: Kind = Kind.BUSY) -> Interval:
    return Interval(start=BEGIN + timedelta(hours=start), end=BEGIN + timedelta(hours=end), kind=kind)


@pytest.mark.parametrize(
    ("fields", "kind"),
    [
        ({}, Kind.BUSY),
        ({"status": Status.CANCELLED}, Kind.FREE),
        ({"response": Response.DECLINED}, Kind.FREE),
        ({"availability": Availability.FREE}, Kind.FREE),
        ({"event_type": EventType.BIRTHDAY}, Kind.FREE),
        ({"event_type": EventType.WORKING_LOCATION}, Kind.FREE),
        ({"event_type": EventType.OUT_OF_OFFICE}, Kind.OUT_OF_OFFICE),
        ({"availability": Availability.OUT_OF_OFFICE}, Kind.OUT_OF_OFFICE),
        ({"availability": Availability.TENTATIVE}, Kind.TENTATIVE),
        ({"response": Response.NEEDS_ACTION}, Kind.TENTATIVE),
        ({"status": Status.TENTATIVE}, Kind.TENTATIVE),
        ({"availability": Availability.WORKING_ELSEWHERE}, Kind.BUSY),
    ],
)
def test_what_an_event_does_to_its_owners_time(fields: dict[str, Any], kind: Kind) -> None:
    assert busy.kind(Event(id="e", span=None, **fields)) is kind


def test_whole_days_are_those_of_their_owners_zone() -> None:
    span = AllDaySpan(start=date(2026, 3, 28), end=date(2026, 3, 30))

    start, end = busy.bounds(span, ZoneInfo("Europe/Berlin"))

    assert (start, end) == (datetime(2026, 3, 27, 23, tzinfo=UTC), datetime(2026, 3, 29, 22, tzinfo=UTC))


def test_where_several_meet_the_strongest_is_told() -> None:
    merged = busy.merge(
        [interval(1, 6, Kind.TENTATIVE), interval(2, 4), interval(3, 5, Kind.OUT_OF_OFFICE), interval(5, 6)],
        DAY,
        gaps=Kind.FREE,
    )

    assert merged == [
        interval(0, 1, Kind.FREE),
        interval(1, 2, Kind.TENTATIVE),
        interval(2, 3),
        interval(3, 5, Kind.OUT_OF_OFFICE),
        interval(5, 6),
        interval(6, 24, Kind.FREE),
    ]


@given(
    st.lists(
        st.tuples(
            st.integers(-5, 30),
            st.integers(0, 9),
            st.sampled_from([Kind.TENTATIVE, Kind.BUSY, Kind.OUT_OF_OFFICE, Kind.FREE]),
        ),
        max_size=12,
    )
)
def test_a_merge_covers_the_window_once_and_says_of_each_hour_what_the_strongest_event_says(
    drawn: list[tuple[int, int, Kind]],
) -> None:
    events = [interval(start, start + length, kind) for start, length, kind in drawn]

    merged = busy.merge(events, DAY, gaps=Kind.UNKNOWN)

    assert (merged[0].start, merged[-1].end) == (DAY.start, DAY.end)
    for one, following in pairwise(merged):
        assert one.end == following.start
        assert one.kind is not following.kind
    for hour in range(24):
        at = BEGIN + timedelta(hours=hour)
        there = {one.kind for one in events if one.start <= at < one.end}
        expected = next((one for one in (Kind.OUT_OF_OFFICE, Kind.BUSY, Kind.TENTATIVE) if one in there), Kind.UNKNOWN)
        assert next(one.kind for one in merged if one.start <= at < one.end) is expected
