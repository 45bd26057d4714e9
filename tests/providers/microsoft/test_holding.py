"""Which series Outlook can hold as one."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from shared import providers
from shared.calendar.event import Event, Status, Unit
from shared.calendar.span import AllDaySpan, Span, TimedSpan
from shared.core.errors import InvalidError

BERLIN = ZoneInfo("Europe/Berlin")
AT = datetime(2026, 3, 2, 9, tzinfo=BERLIN)
DAY = timedelta(days=1)
WEEKLY = "RRULE:FREQ=WEEKLY;COUNT=6"


def span(at: datetime, zone: str = "Europe/Berlin") -> TimedSpan:
    return TimedSpan(start=at, end=at + timedelta(hours=1), zone=zone)


def series(*lines: str, at: Span | None = None) -> Unit:
    return Unit(root=Event(id="s", span=at or span(AT), recurrence=lines))


def moved(week: int, by: timedelta, *, status: Status = Status.CONFIRMED) -> Event:
    place = AT + 7 * week * DAY
    return Event(id=f"o{week}", series_id="s", original_start=place, span=span(place + by), status=status)


def holds(unit: Unit) -> bool:
    return providers.holds("microsoft", unit)


@pytest.mark.parametrize("lines", [(WEEKLY,), (WEEKLY, "EXDATE:20260309T080000Z")])
def test_what_a_pattern_says_and_deleted_occurrences_are_held(lines: tuple[str, ...]) -> None:
    assert holds(series(*lines))


@pytest.mark.parametrize(
    "lines",
    [
        ("RRULE:FREQ=MONTHLY;BYMONTHDAY=2,16",),
        (WEEKLY, "RDATE:20260310T080000Z"),
        (WEEKLY, "RRULE:FREQ=MONTHLY;COUNT=2"),
        ("RDATE:20260310T080000Z",),
    ],
)
def test_what_no_pattern_says_is_not(lines: tuple[str, ...]) -> None:
    assert not holds(series(*lines))


def test_nor_is_a_zone_that_windows_does_not_know() -> None:
    assert not holds(series(WEEKLY, at=span(AT, "Antarctica/Troll")))


@pytest.mark.parametrize(("by", "held"), [(6 * DAY, True), (7 * DAY, False), (-6 * DAY, True), (-8 * DAY, False)])
def test_a_moved_occurrence_stays_between_the_days_of_its_neighbours(by: timedelta, held: bool) -> None:
    unit = Unit(root=series(WEEKLY).root, overrides=(moved(2, by),))

    assert holds(unit) is held


def test_a_neighbour_counts_where_it_was_moved_to_and_a_cancelled_one_where_it_was() -> None:
    root = series(WEEKLY).root

    assert not holds(Unit(root=root, overrides=(moved(2, 3 * DAY), moved(3, -4 * DAY))))
    assert holds(Unit(root=root, overrides=(moved(2, 8 * DAY), moved(3, 2 * DAY))))
    assert not holds(Unit(root=root, overrides=(moved(2, 8 * DAY), moved(3, 2 * DAY, status=Status.CANCELLED))))


def test_the_first_may_go_back_and_the_last_ahead_as_far_as_they_like() -> None:
    root = series(WEEKLY).root

    assert holds(Unit(root=root, overrides=(moved(0, -40 * DAY), moved(5, 40 * DAY))))


def test_days_are_compared_as_days() -> None:
    whole = AllDaySpan(start=date(2026, 3, 2), end=date(2026, 3, 3))
    place = AllDaySpan(start=date(2026, 3, 9), end=date(2026, 3, 10))
    there = AllDaySpan(start=date(2026, 3, 16), end=date(2026, 3, 17))
    override = Event(id="o", series_id="s", original_start=place.start, span=there)

    assert holds(series(WEEKLY, at=whole))
    assert not holds(Unit(root=series(WEEKLY, at=whole).root, overrides=(override,)))


def test_a_rule_that_nobody_understands_is_refused_and_not_judged() -> None:
    with pytest.raises(InvalidError):
        holds(series("RRULE:FREQ=SECONDLY"))


def test_other_providers_hold_every_series_but_google_none_within_a_day() -> None:
    assert providers.holds("caldav", series("RRULE:FREQ=HOURLY;COUNT=3"))
    assert providers.holds("google", series("RRULE:FREQ=MONTHLY;BYMONTHDAY=2,16"))
    assert not providers.holds("google", series("RRULE:FREQ=HOURLY;COUNT=3"))
