"""Push channels: one for each linked calendar, replaced before it ends, stopped with its connection."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from shared.control.gates import Operation
from shared.core import clock
from shared.core.errors import InvalidError, RateLimitedError, TransientError
from shared.providers.port import HANDSHAKE_FAILED
from shared.sync.listening import channels
from tests.sync.ringing import Ringing
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


class TestAProviderThatProlongs:
    """As Graph does."""

    @pytest.fixture
    def world(self, database):
        made = Ringing(database)
        made.provider.prolongs = True
        made.source, made.target = made.calendar("a"), made.calendar("b")
        made.put(made.source, event("e1"))
        made.link(made.source, made.target)
        made.pass_minutes(2)
        return made

    def test_a_channel_that_ends_soon_lives_longer_without_a_gap(self, world):
        before = dict(world.server.channels)
        later = world.time + channels.LIFETIME - timedelta(hours=20)

        renewed = channels.renew(world.engine, now=later)

        assert renewed == {"opened": 0, "prolonged": 2, "failed": 0}
        assert world.server.channels == before
        ((ends,),) = world.rows("SELECT DISTINCT expires_at FROM webhook_channels")
        assert ends == later + channels.LIFETIME

    def test_one_that_asks_for_reauthorization_is_prolonged_at_the_next_look(self, world):
        before = dict(world.server.channels)

        for channel_id in before:
            world.tell(channel_id, needs_renewal=True)
        world.run()

        assert world.server.channels == before
        assert world.rows(CHANNELS) == [("active", 2)]

    def test_one_that_the_provider_removed_is_replaced_at_once(self, world):
        (gone,) = world.open_channels(world.source)
        del world.server.channels[gone]

        world.tell(gone, is_over=True)
        world.run()

        assert world.open_channels(world.source)
        assert world.rows(CHANNELS) == [("active", 2), ("expired", 1)]

    def test_one_that_is_found_dead_when_it_should_live_longer_is_replaced(self, world):
        world.server.channels.clear()

        renewed = channels.renew(world.engine, now=world.time + channels.LIFETIME - timedelta(hours=20))

        assert renewed == {"opened": 2, "prolonged": 0, "failed": 0}

    def test_what_was_missed_is_read(self, world):
        world.silent |= set(world.server.channels)
        world.put(world.source, event("e2"))
        (channel_id,) = world.open_channels(world.source)

        world.tell(channel_id)  # Graph's lifecycle event `missed` arrives as a knock like any other
        world.run()

        assert len(world.mirrors(world.target)) == 2


class TestRefusals:
    @pytest.fixture
    def world(self, database):
        made = Ringing(database)
        made.source, made.target = made.calendar("a"), made.calendar("b")
        made.put(made.source, event("e1"))
        return made

    def test_a_failed_handshake_makes_the_channel_wait_and_not_the_account(self, world):
        world.provider.refuses = TransientError("Our webhook was late.", code=HANDSHAKE_FAILED)

        world.link(world.source, world.target)
        world.pass_minutes(10)

        assert len(world.mirrors(world.target)) == 1
        assert world.rows("SELECT status, backoff_until FROM external_calendar_connections") == [("active", None)]
        told = "SELECT DISTINCT status, last_error FROM webhook_channels"
        assert world.rows(told) == [("failed", HANDSHAKE_FAILED)]
        assert 2 <= world.server.opened["a"] <= 4

        world.provider.refuses = None
        world.pass_minutes(20)
        assert world.rows("SELECT DISTINCT status, last_error FROM webhook_channels") == [("active", None)]

    def test_a_calendar_that_cannot_be_watched_is_polled_and_asked_for_a_few_times_a_day(self, world):
        world.provider.refuses = InvalidError("No channels here.", code="PROVIDER.PUSH")

        world.link(world.source, world.target)
        world.pass_minutes(12 * 60)

        assert world.server.opened["a"] <= 3
        assert world.server.looks["a"] >= 120
        assert world.rows("SELECT status, error_count FROM external_calendar_connections") == [("active", 0)]
        assert world.rows("SELECT count(*) FROM webhook_channels") == [(2,)]

    def test_one_refusal_that_is_about_the_account_spares_its_other_calendars(self, world):
        world.provider.refuses = RateLimitedError("Too many channels.", retry_after=600)
        world.link(world.source, world.target)
        with world.database.everyone() as conn:
            conn.execute("UPDATE webhook_channels SET retry_at = NULL")
            conn.execute("UPDATE external_calendar_connections SET backoff_until = NULL")
        world.server.opened.clear()

        counts = channels.renew(world.engine, now=world.time)

        assert counts["failed"] == 1
        assert world.server.opened.total() == 1

    def test_an_old_channel_that_could_not_be_stopped_is_stopped_later(self, world):
        world.link(world.source, world.target)
        world.provider.stops_fail = TransientError("Not now.")
        later = world.time + channels.LIFETIME - timedelta(hours=20)

        assert channels.renew(world.engine, now=later)["opened"] == 2
        assert len(world.server.channels) == 4

        world.provider.stops_fail = None
        channels.renew(world.engine, now=later)
        assert len(world.server.channels) == 2
        assert world.rows(CHANNELS) == [("active", 2), ("stopped", 2)]

    def test_behind_a_closed_gate_no_channel_is_opened(self, world):
        world.link(world.source, world.target)
        with world.database.everyone() as conn:
            conn.execute("UPDATE webhook_channels SET status = 'expired'")
        world.engine = replace(world.engine, flags=world.engine.flags | {Operation.SYNC: False})
        world.server.opened.clear()

        channels.renew(world.engine, now=world.time)

        assert world.server.opened == {}


def test_before_an_installation_goes_every_channel_of_everybody_is_stopped(world):
    stopped = channels.stop_everything(world.engine, now=clock.now())

    assert (stopped.stopped, stopped.failed, stopped.left) == (2, 0, 0)
    assert world.server.channels == {}
    assert channels.stop_everything(world.engine, now=clock.now()).stopped == 0


def test_channels_that_cannot_be_stopped_are_counted_and_tried_once(world):
    def refuse(channel):
        raise TransientError("Not now.")

    world.provider.stop = refuse

    stopped = channels.stop_everything(world.engine, now=clock.now())

    assert (stopped.stopped, stopped.failed, stopped.left) == (0, 2, 0)


def test_a_provider_that_asks_to_wait_before_it_stops_a_channel_is_left_alone_so_long(world):
    def limited(channel):
        raise RateLimitedError("Too many requests.", retry_after=600)

    world.provider.stop = limited

    channels.stop_all(world.engine, [world.source], user_id=world.user_id)

    ((waits,),) = world.rows("SELECT backoff_until > now() + interval '9 minutes' FROM external_calendar_connections")
    assert waits
