"""Free times on people's clocks, the nearest first."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from shared.calendar import slots

BERLIN = ZoneInfo("Europe/Berlin")
HOUR = timedelta(hours=1)


def at(day: int, hour: float) -> datetime:
    """In March 2026 on Berlin's clock: the 2nd is a Monday."""
    return datetime(2026, 3, day, tzinfo=BERLIN).astimezone(UTC) + timedelta(hours=hour)


def nearest(*free: tuple[datetime, datetime], to: datetime, length: timedelta = HOUR, limit: int = 3) -> list[datetime]:
    return [start for start, _ in slots.nearest(free, length=length, to=to, zone=BERLIN, limit=limit)]


def test_the_nearest_come_first_and_none_meet() -> None:
    found = nearest((at(3, 8), at(3, 10)), (at(3, 11), at(3, 14)), to=at(3, 10))

    assert found == [at(3, 9), at(3, 11), at(3, 8)]


def test_they_begin_on_quarter_hours_and_end_inside() -> None:
    found = nearest((at(3, 10.1), at(3, 11.3)), to=at(3, 9))

    assert found == [at(3, 10.25)]


def test_nobody_meets_at_night_or_on_a_weekend_unless_it_was_so() -> None:
    whole_week = (at(2, 0), at(9, 0))

    assert nearest(whole_week, to=at(2, 3), limit=1) == [at(2, 8)]
    assert nearest(whole_week, to=at(6, 23), limit=1) == [at(6, 17)]
    assert nearest(whole_week, to=at(7, 9), limit=1) == [at(7, 9)]


def test_what_is_too_long_for_a_working_day_fits_nowhere() -> None:
    assert nearest((at(2, 0), at(9, 0)), to=at(3, 9), length=11 * HOUR) == []
