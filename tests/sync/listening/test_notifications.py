"""What arrives at the webhooks: accepted with proof only, marked, enqueued once, never lost."""

from __future__ import annotations

import hashlib
from collections import deque
from datetime import timedelta

import pytest

from shared.control import gates
from shared.core import clock
from shared.core import lanes as priorities
from shared.core.errors import ForbiddenError, TransientError
from shared.operations import switches
from shared.store.database import Database
from shared.sync import dispatch
from shared.sync.listening import notifications
from shared.sync.listening.notifications import Notification
from tests.sync.world import Lane, World, event


@pytest.fixture
def world(database):
    made = World(database)
    made.source, made.target = made.calendar("a"), made.calendar("b")
    made.put(made.source, event("e1"))
    made.link(made.source, made.target)
    with database.everyone() as conn:
        conn.execute(
            "UPDATE webhook_channels SET channel_id = 'channel-' || calendar_id, token_hash = %s",
            (hashlib.sha256(b"proof").digest(),),
        )
    return made


def knock(world, *, number=2, token="proof", channel=None, resource="memory", **fields):
    return Notification(
        provider="google",
        channel_id=channel or f"channel-{world.source}",
        token=token,
        resource_id=resource,
        message_number=number,
        **fields,
    )


def receive(world, *items, database=None):
    return notifications.receive(
        database or world.database,
        items,
        queues={lane: world.lanes.of("pull", lane) for lane in priorities.Lane},
        flags=world.engine.flags,
        correlation_id="test",
        now=clock.now(),
    )


@pytest.mark.promise(7)
@pytest.mark.pain(11)
def test_a_hundred_notifications_at_once_are_one_message_and_one_pull(world):
    runs = "SELECT count(*) FROM sync_runs WHERE kind = 'pull'"
    ((before,),) = world.rows(runs)

    accepted = sum(receive(world, knock(world, number=number)) for number in range(2, 102))

    assert accepted == 100
    assert len(world.lanes.pull.messages) == 1
    world.run()
    assert world.rows(runs) == [(before + 1,)]
    assert world.rows("SELECT sync_needed FROM external_calendar_connections") == [(False,)]


@pytest.mark.promise(7)
def test_a_notification_during_a_pull_leads_to_another_pull(world, logins):
    listing = world.provider.changes
    elsewhere = Database(logins.runtime)
    late = []

    def changed_right_after_it_was_read(calendar_id, **arguments):
        page = listing(calendar_id, **arguments)
        if calendar_id == "a" and not late:
            late.append(world.put(world.source, event("late")))
            assert receive(world, knock(world, number=3), database=elsewhere) == 1
        return page

    world.provider.changes = changed_right_after_it_was_read
    receive(world, knock(world))
    world.run()
    elsewhere.close()

    assert len(world.mirrors(world.target)) == 2


@pytest.mark.parametrize(
    "wrong",
    [
        {"token": "guess"},
        {"channel": "channel-unknown"},
        {"resource": "another"},
        {"token": ""},
    ],
)
def test_what_does_not_prove_its_origin_changes_nothing(world, wrong):
    assert receive(world, knock(world, **wrong)) == 0

    assert world.lanes.pull.messages == deque()
    assert world.rows("SELECT sync_needed, last_webhook_received_at FROM external_calendar_connections") == [
        (False, None)
    ]


def test_one_bad_item_does_not_spoil_a_batch(world):
    assert receive(world, knock(world, token="guess"), knock(world, number=7)) == 1

    assert len(world.lanes.pull.messages) == 1


def test_the_same_message_number_twice_asks_once(world):
    receive(world, knock(world, number=5))
    world.run()
    ((before,),) = world.rows("SELECT requested FROM calendar_sync_state WHERE calendar_id = %s", world.source)

    assert receive(world, knock(world, number=5)) == 1

    assert world.rows("SELECT requested FROM calendar_sync_state WHERE calendar_id = %s", world.source) == [(before,)]


def test_a_batch_that_says_the_same_thing_fifty_times_marks_once(world):
    asked = "SELECT requested FROM calendar_sync_state WHERE calendar_id = %s"
    ((before,),) = world.rows(asked, world.source)

    accepted = receive(world, *(knock(world, number=None) for _ in range(50)))

    assert accepted == 1
    assert world.rows(asked, world.source) == [(before + 1,)]


def test_the_last_hundred_notifications_are_remembered_on_the_connection(world):
    for number in range(2, 152):
        receive(world, knock(world, number=number))

    ((keys,),) = world.rows("SELECT webhook_dedupe_keys FROM external_calendar_connections")
    assert len(keys) == 100
    assert keys[-1] == f"channel-{world.source}:151"


@pytest.mark.promise(7)
def test_a_message_that_cannot_be_enqueued_is_told_to_the_provider_and_the_work_stays_marked(world):
    class Broken(Lane):
        def send(self, messages):
            raise TransientError("The queue is away.")

    with pytest.raises(TransientError):
        notifications.receive(
            world.database,
            [knock(world)],
            queues={lane: Broken() for lane in priorities.Lane},
            flags=world.engine.flags,
            correlation_id="test",
            now=clock.now(),
        )

    assert world.rows(
        "SELECT requested > done, pull_queued_at FROM calendar_sync_state WHERE calendar_id = %s", world.source
    ) == [(True, None)]
    assert receive(world, knock(world, number=3)) == 1
    assert len(world.lanes.pull.messages) == 1


def test_a_closed_webhook_gate_refuses_and_a_closed_sync_gate_parks(world):
    with world.database.everyone() as conn:
        gates.set_gate(conn, gates.Operation.WEBHOOK, opened=False, actor="test", reason="drill", now=clock.now())
    with pytest.raises(ForbiddenError):
        receive(world, knock(world))
    with world.database.everyone() as conn:
        gates.set_gate(conn, gates.Operation.WEBHOOK, opened=True, actor="test", reason="", now=clock.now())
        gates.set_gate(conn, gates.Operation.SYNC, opened=False, actor="test", reason="drill", now=clock.now())
    world.put(world.source, event("parked"))
    assert receive(world, knock(world)) == 1
    world.run()
    assert len(world.mirrors(world.target)) == 1

    switches.set_gate(world.database, gates.Operation.SYNC, opened=True, actor="test", reason="over", now=clock.now())
    dispatch.dispatch(world.engine, correlation_id="test", now=clock.now() + timedelta(minutes=2))
    world.run()
    assert len(world.mirrors(world.target)) == 2


def test_what_happened_while_webhooks_were_off_is_found_when_they_are_on_again(world):
    with world.database.everyone() as conn:
        gates.set_gate(conn, gates.Operation.WEBHOOK, opened=False, actor="test", reason="drill", now=clock.now())
    world.put(world.source, event("unannounced"))
    with pytest.raises(ForbiddenError):
        receive(world, knock(world))

    switches.set_gate(
        world.database, gates.Operation.WEBHOOK, opened=True, actor="test", reason="over", now=clock.now()
    )
    dispatch.dispatch(world.engine, correlation_id="test", now=clock.now() + timedelta(minutes=2))
    world.run()

    assert len(world.mirrors(world.target)) == 2
