"""Push channels: one for each linked calendar, replaced before it ends, stopped with its connection."""

from __future__ import annotations

from datetime import timedelta

import pytest

from shared.core import clock
from shared.core.errors import RateLimitedError, TransientError
from shared.sync import channels
from tests.sync.world import World, event

CHANNELS = "SELECT status, count(*) FROM webhook_channels GROUP BY 1 ORDER BY 1"


@pytest.fixture
def world(database):
    made = World(database)
    made.source, made.target = made.calendar("a"), made.calendar("b")
    made.calendar("unlinked")
    made.put(made.source, event("e1"))
    made.link(made.source, made.target)
    return made


def test_both_ends_of_a_link_are_watched_and_nothing_else(world):
    assert world.rows(CHANNELS) == [("active", 2)]
    assert sorted(world.server.channels.values()) == ["a", "b"]


def test_a_channel_that_ends_tomorrow_is_replaced_before_it_is_stopped(world):
    before = set(world.server.channels)
    later = clock.now() + channels.LIFETIME - timedelta(hours=20)
    overlap = []
    stop = world.provider.stop

    def stopping(channel):
        overlap.append(len(world.server.channels))
        stop(channel)

    world.provider.stop = stopping

    assert channels.renew(world.engine, now=later) == {"opened": 2, "prolonged": 0, "failed": 0}

    assert overlap == [3, 3]
    assert not before & set(world.server.channels)
    assert world.rows(CHANNELS) == [("active", 2), ("stopped", 2)]
    assert channels.renew(world.engine, now=later) == {"opened": 0, "prolonged": 0, "failed": 0}


def test_a_new_channel_asks_for_a_look_at_what_was_not_announced(world):
    with world.database.everyone() as conn:
        conn.execute("UPDATE webhook_channels SET status = 'expired'")

    channels.renew(world.engine, now=clock.now())

    assert world.rows("SELECT count(*) FROM calendar_sync_state WHERE requested > done") == [(2,)]


def test_a_refused_channel_leaves_its_reason_on_the_connection_and_the_old_one_in_place(world):
    def refuse(*arguments, **named):
        raise TransientError("No channel today.", code="PROVIDER.PUSH")

    world.provider.watch = refuse
    later = clock.now() + channels.LIFETIME - timedelta(hours=20)

    counts = channels.renew(world.engine, now=later)

    assert counts["opened"] == 0
    assert counts["failed"] >= 1
    assert ("active", 2) in world.rows(CHANNELS)
    ((error,),) = world.rows("SELECT last_error FROM external_calendar_connections")
    assert "PROVIDER.PUSH" in error


def test_a_refusal_late_in_a_long_round_is_heeded_from_when_it_came(world):
    def limited(*arguments, **named):
        raise RateLimitedError("Too many channels.", retry_after=600)

    world.provider.watch = limited
    with world.database.everyone() as conn:
        conn.execute("UPDATE webhook_channels SET status = 'expired'")

    channels.renew(world.engine, now=clock.now() - timedelta(minutes=4))

    ((waits,),) = world.rows("SELECT backoff_until > now() + interval '9 minutes' FROM external_calendar_connections")
    assert waits


def test_before_a_disconnect_every_channel_is_stopped(world):
    assert channels.stop_all(world.engine, [world.source, world.target], user_id=world.user_id) == 2

    assert world.server.channels == {}
    assert world.rows(CHANNELS) == [("stopped", 2)]
