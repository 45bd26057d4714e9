"""Where providers can reach us they notify us; where they cannot, calendars are looked at every five minutes."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from shared.core import clock
from shared.core.errors import InvalidError
from shared.sync import dispatch
from shared.sync.listening import channels
from shared.sync.views import status
from tests.sync.world import World, event

if TYPE_CHECKING:
    from datetime import datetime

    from shared.store.database import Database

CHANNELS = "SELECT status, count(*) FROM webhook_channels GROUP BY 1 ORDER BY 1"


@pytest.fixture
def world(database: Database) -> World:
    return World(database)


def move(world: World, address: str | None) -> None:
    """The installation is reached at another address from now on, or at none."""
    world.engine = replace(world.engine, webhook_address=lambda provider: address)


def linked(world: World) -> None:
    source, target = world.calendar("a"), world.calendar("b")
    world.put(source, event("e1"))
    world.link(source, target)
    world.run()


def polls(world: World, now: datetime) -> int:
    """How many looks a round of dispatch asks for."""
    return dispatch.dispatch(world.engine, correlation_id="test", now=now).pulls


def how_told(world: World) -> set[tuple[bool, int]]:
    with world.database.person(world.user_id) as conn:
        found = status.read(conn, user_id=world.user_id, flags=world.engine.flags, now=clock.now())
    return {(one.pushed_until is not None, one.poll_minutes) for one in found.calendars}


def test_no_channel_is_opened_where_none_can_arrive(world: World) -> None:
    move(world, None)

    linked(world)
    renewed = channels.renew(world.engine, now=clock.now())

    assert renewed == {"opened": 0, "prolonged": 0, "failed": 0}
    assert world.server.channels == {}
    assert world.rows(CHANNELS) == []
    assert world.rows("SELECT last_error FROM external_calendar_connections") == [(None,)]


def test_without_channels_calendars_are_looked_at_every_five_minutes_and_say_so(world: World) -> None:
    move(world, None)
    linked(world)

    early = polls(world, clock.now() + timedelta(minutes=4))
    due = polls(world, clock.now() + timedelta(minutes=6))

    assert (early, due) == (0, 2)
    assert how_told(world) == {(False, 5)}


def test_with_channels_they_are_looked_at_within_the_hour_and_say_so(world: World) -> None:
    linked(world)
    with world.database.everyone() as conn:  # the first copy was announced
        conn.execute("UPDATE webhook_channels SET last_notified_at = now(), unanswered_since = NULL")

    early = polls(world, clock.now() + timedelta(minutes=45))
    due = polls(world, clock.now() + timedelta(minutes=55))

    assert (early, due) == (0, 2)
    assert how_told(world) == {(True, 50)}


def test_channels_that_lead_where_we_no_longer_are_count_at_once_as_none(world: World) -> None:
    linked(world)
    move(world, None)

    asked = polls(world, clock.now() + timedelta(minutes=6))

    assert asked == 2
    assert how_told(world) == {(False, 5)}


def test_and_are_stopped_where_no_new_one_can_take_their_place(world: World) -> None:
    linked(world)
    move(world, None)

    channels.renew(world.engine, now=clock.now())

    assert world.server.channels == {}
    assert world.rows(CHANNELS) == [("stopped", 2)]


def test_and_replaced_where_we_are_reached_elsewhere(world: World) -> None:
    linked(world)
    before = set(world.server.channels)
    move(world, "https://elsewhere.example/webhooks/google")

    renewed = channels.renew(world.engine, now=clock.now())

    assert renewed == {"opened": 2, "prolonged": 0, "failed": 0}
    assert len(world.server.channels) == 2
    assert not before & set(world.server.channels)
    assert world.rows("SELECT DISTINCT address FROM webhook_channels WHERE status = 'active'") == [
        ("https://elsewhere.example/webhooks/google",)
    ]


def test_asking_for_a_channel_all_the_same_is_refused_by_name(world: World) -> None:
    move(world, None)
    calendar = world.calendar("a")

    with pytest.raises(InvalidError) as refused:
        channels.open_channel(world.engine, calendar, user_id=world.user_id, now=clock.now())

    assert refused.value.error_code == "CHANNEL.NO_ADDRESS"
    assert world.rows(CHANNELS) == []
