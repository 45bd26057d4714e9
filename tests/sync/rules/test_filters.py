"""Which events a link leaves out, decided without a database."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from time import process_time
from typing import TYPE_CHECKING, Any

import pytest

from shared.calendar.event import Event, EventType, Response, Text, Visibility
from shared.calendar.span import AllDaySpan, TimedSpan
from shared.core.errors import InvalidError
from shared.sync.rules import filters
from shared.sync.rules.filters import Filters, WorkingHours

if TYPE_CHECKING:
    from shared.calendar.span import Span

MONDAY = datetime(2026, 3, 2, 9, tzinfo=UTC)


def timed(start: datetime, hours: float = 1) -> TimedSpan:
    return TimedSpan(start=start, end=start + timedelta(hours=hours), zone="UTC")


def event(title: str = "Lunch", *, span: Span | None = None, categories: tuple[str, ...] = (), **fields: Any) -> Event:
    return Event(id="e1", span=span or timed(MONDAY), text=Text(title=title, categories=categories), **fields)


@pytest.mark.parametrize(
    ("settings", "hidden", "shown"),
    [
        ({}, event(event_type=EventType.BIRTHDAY), event(event_type=EventType.FOCUS_TIME)),
        (
            {"skip_event_types": ["focus_time"]},
            event(event_type=EventType.FOCUS_TIME),
            event(event_type=EventType.BIRTHDAY),
        ),
        ({"skip_event_types": ["from_gmail"]}, event(event_type=EventType.FROM_GMAIL), event()),
        ({"skip_private": True}, event(visibility=Visibility.CONFIDENTIAL), event(visibility=Visibility.PUBLIC)),
        ({"title_exclude": "^lunch"}, event("LUNCH with Ada"), event("Late lunch")),
        ({"title_include": "\\bteam\\b"}, event("Lunch"), event("The Team meets")),
        ({"skip_categories": ["travel"]}, event(categories=("Travel", "Work")), event(categories=("Work",))),
        ({"only_categories": ["Work"]}, event(), event(categories=("work",))),
        ({}, event(response=Response.DECLINED), event(response=Response.NEEDS_ACTION)),
        ({"unanswered": "hidden"}, event(response=Response.NEEDS_ACTION), event(response=Response.ACCEPTED)),
    ],
)
def test_an_event_is_left_out_or_not(settings: dict[str, Any], hidden: Event, shown: Event) -> None:
    chosen = filters.parse(settings)

    assert chosen.hide(hidden)
    assert not chosen.hide(shown)


def test_answers_that_show_as_free_are_not_left_out() -> None:
    chosen = filters.parse({"declined": "free", "unanswered": "free"})

    assert not chosen.hide(event(response=Response.DECLINED))
    assert chosen.free_responses == {Response.DECLINED, Response.NEEDS_ACTION}


@pytest.mark.parametrize(
    ("span", "touches"),
    [
        (timed(MONDAY), True),
        (timed(MONDAY.replace(hour=16)), False),  # 17:00 in Zurich, when it is over
        (timed(MONDAY.replace(hour=7), hours=1), False),
        (timed(MONDAY.replace(hour=7), hours=1.5), True),
        (timed(MONDAY - timedelta(days=1)), False),
        (timed(MONDAY - timedelta(days=2), hours=72), True),
        (timed(MONDAY, hours=0), True),
        (AllDaySpan(start=date(2026, 3, 1), end=date(2026, 3, 2)), False),
        (AllDaySpan(start=date(2026, 3, 1), end=date(2026, 3, 3)), True),
    ],
)
def test_working_hours_are_those_of_their_zone(span: Span, touches: bool) -> None:
    hours = WorkingHours(zone="Europe/Zurich")

    assert hours.touch(span) is touches


@pytest.mark.parametrize(
    ("first", "rule", "shown"),
    [
        (MONDAY - timedelta(days=1), "RRULE:FREQ=DAILY", True),
        (MONDAY - timedelta(days=1), "RRULE:FREQ=WEEKLY;BYDAY=SU", False),
        (MONDAY - timedelta(days=1), "RRULE:FREQ=YEARLY", True),
    ],
)
def test_a_series_shows_if_one_of_its_first_occurrences_touches_the_hours(
    first: datetime, rule: str, shown: bool
) -> None:
    chosen = Filters(working_hours=WorkingHours(zone="UTC"))

    assert bool(chosen.hide(event(span=timed(first), recurrence=(rule,)))) is not shown


@pytest.mark.parametrize("pattern", ["(a+)+$", "(a|aa)+$", "(.*)*x", "a{0,500}a{0,500}$", "(x+x+)+y"])
def test_no_pattern_makes_a_worker_wait(pattern: str) -> None:
    chosen = filters.parse({"title_exclude": pattern})
    began = process_time()

    for letter in "ax":
        chosen.hide(event(letter * 100_000 + "!"))

    assert process_time() - began < 10  # one that tries every way to match never ends


@pytest.mark.parametrize(
    ("settings", "field"),
    [
        ({"title_include": "("}, "filters.title_include"),
        ({"title_include": "(?=a)"}, "filters.title_include"),
        ({"title_include": "(a)\\1"}, "filters.title_include"),
        ({"title_include": "((a{100}){100}){100}"}, "filters.title_include"),
        ({"title_exclude": "x" * 201}, "filters.title_exclude"),
        ({"working_hours": {"zone": "Atlantis"}}, "filters.working_hours.zone"),
        ({"working_hours": {"zone": "UTC", "start": "17:00", "end": "09:00"}}, "filters.working_hours"),
        ({"working_hours": {"zone": "UTC", "days": []}}, "filters.working_hours.days"),
        ({"skip_event_types": ["party"]}, "filters.skip_event_types.0"),
        ({"colour": "red"}, "filters.colour"),
    ],
)
def test_bad_settings_are_refused_by_name_and_never_repeated(settings: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidError) as caught:
        filters.parse(settings)

    assert set(caught.value.fields) == {field}
    assert "Atlantis" not in str(caught.value)


def test_a_text_that_is_not_kept_decides_nothing() -> None:
    chosen = filters.parse({"title_include": "team", "only_categories": ["Work"]})

    assert not chosen.hide(replace(event("Lunch"), text=None))


def test_settings_survive_their_row() -> None:
    chosen = Filters(working_hours=WorkingHours(zone="UTC", start=time(8, 30)), title_exclude="lunch")

    assert filters.parse(filters.to_json(chosen)) == chosen
    assert filters.to_json(Filters()) == {}
