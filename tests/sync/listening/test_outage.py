"""After an outage every linked calendar is looked at: nobody knows which notifications the providers gave up."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from shared.core import clock
from shared.sync import dispatch
from tests.sync.world import World, event

if TYPE_CHECKING:
    from shared.store.database import Database

MINUTE = timedelta(minutes=1)


@pytest.fixture
def world(database: Database) -> World:
    world = World(database)
    world.link(world.calendar("source"), world.calendar("target"))
    world.calendar("nobody links it")
    return world


def rounds(world: World, *minutes: float) -> list[int]:
    """Dispatch at these minutes from now; how many calendars each round has look for what was not heard."""
    now = clock.now()
    return [
        dispatch.dispatch(world.engine, correlation_id="test", now=now + minute * MINUTE).caught_up
        for minute in minutes
    ]


def test_rounds_a_minute_apart_and_one_missed_are_no_outage(world: World) -> None:
    assert rounds(world, 0, 1, 2, 4, 5) == [0, 0, 0, 0, 0]


def test_a_gap_of_three_minutes_has_every_linked_calendar_looked_at_once(world: World) -> None:
    assert rounds(world, 0, 3, 4) == [0, 2, 0]


def test_a_round_whose_clock_is_behind_makes_no_outage_of_the_next(world: World) -> None:
    assert rounds(world, 5, 0, 6) == [0, 0, 0]


def test_a_change_whose_notification_was_given_up_is_mirrored_after_the_outage(world: World) -> None:
    rounds(world, 0)
    world.server.put("source", event("unheard"))

    rounds(world, 10)
    world.run()

    assert len([one for one in world.server.visible("target") if one.marker]) == 1
