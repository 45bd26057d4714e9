"""The mirrors of a series that the target cannot hold flow back to its occurrences, each to its own."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from shared.calendar.event import Event, Text
from shared.calendar.span import TimedSpan
from tests.sync.two_way.pair import Pair
from tests.sync.world import World, event, occurrence


def hourly() -> Event:
    return event("shift", length=0.5, title="Shift", recurrence=("RRULE:FREQ=HOURLY;INTERVAL=2;COUNT=4",))


@pytest.fixture
def third(pair: Pair) -> Event:
    """The mirror of the third occurrence."""
    pair.put("a", hourly())
    return sorted(pair.roots("b"), key=lambda one: one.span.starts_at() if one.span else 0)[2]


def test_an_edited_occurrence_changes_that_one_of_the_series(pair: Pair, third: Event) -> None:
    assert isinstance(third.span, TimedSpan)
    later = replace(third.span, start=third.span.start + timedelta(minutes=20), end=third.span.end)

    pair.world.server.put("b", replace(third, span=later, text=Text(title="Night shift")))
    pair.sync()

    (override,) = [one for one in pair.all("a") if one.is_override]
    assert override.original_start == occurrence(hourly(), 2).original_start
    assert (override.text and override.text.title, override.span) == ("Night shift", later)
    assert [one.recurrence for one in pair.roots("a")] == [hourly().recurrence]
    pair.quiet()


def test_a_deleted_one_is_withdrawn_from_the_series_where_the_link_says_so(world: World) -> None:
    pair = Pair(world, privacy="full", on_delete="withdraw")
    pair.put("a", hourly())
    third = sorted(pair.roots("b"), key=lambda one: one.span.starts_at() if one.span else 0)[2]

    pair.world.server.remove("b", third.id)
    pair.sync()

    (gone,) = [one for one in pair.world.server.calendars["a"].events.values() if one.is_override]
    assert gone.is_cancelled
    assert gone.original_start == occurrence(hourly(), 2).original_start
    assert len(pair.roots("b")) == 3
    pair.quiet()
