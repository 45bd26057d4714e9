"""Live before repair before backfill (promise 11), also where a provider throttles: what is told to one silences nobody
before it."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from shared.core import clock
from shared.core.errors import QuotaSpentError, RateLimitedError
from shared.core.lanes import Lane
from shared.providers.port import Failed
from shared.sync import dispatch, linking, push
from shared.sync.run import Outcome
from shared.sync.store import calendars
from tests.sync.world import World, each_of, event


@pytest.fixture
def world(database):
    return World(database)


def planned(world, *, events=60):
    """A calendar and one that is to hold its mirrors, everything read and nothing written yet."""
    source, target = world.calendar("a"), world.calendar("b")
    for number in range(events):
        world.put(source, event(f"old{number:03}", hours=24 + number))
    with world.database.person(world.user_id) as conn:
        linking.create(conn, user_id=world.user_id, source_calendar_id=source, target_calendar_id=target)
        calendars.request(conn, [source, target])
    for one in (source, target):
        assert world.pull(one) is Outcome.DONE
    clear(world)
    return source, target


def clear(world):
    for lane in each_of(world.lanes):
        lane.messages.clear()


def pushed(world, calendar_id):
    return world.push(calendar_id)


def changed(world, calendar_id, event_id):
    """A person adds an event, and the notification is followed."""
    world.put(calendar_id, event(event_id))
    with world.database.person(world.user_id) as conn:
        calendars.request(conn, [calendar_id])
    world.pull(calendar_id)


def standing(world):
    return world.rows("SELECT status, error_count, backoff_until FROM external_calendar_connections")


def lane_of(world):
    rows = world.rows("SELECT lane, count(*) FROM event_mappings WHERE requested > done GROUP BY lane ORDER BY lane")
    return dict(rows)


def refusing(world, error, *lanes):
    """From now on the account cannot be opened for these lanes."""

    def open_provider(connection, *, refused=False, lane=Lane.LIVE):
        if lane in lanes:
            raise error
        return world.provider

    world.engine = replace(world.engine, open_provider=open_provider)


@pytest.mark.promise(11)
@pytest.mark.pain(17)
def test_a_backfill_looks_for_live_work_between_its_batches(world):
    source, target = planned(world)
    written = []
    wrote = world.provider.write

    def write(calendar_id, writes):
        if not written:
            changed(world, source, "new")
        written.append(len(writes))
        return wrote(calendar_id, writes)

    world.provider.write = write

    pushed(world, target)

    first = push.BATCH[Lane.BACKFILL]
    assert written == [first, 1, 2 * first]


@pytest.mark.promise(11)
@pytest.mark.pain(17)
def test_a_worker_for_live_work_leaves_the_backfill_to_its_own_queue(world):
    source, target = planned(world)
    changed(world, source, "new")
    clear(world)

    pushed(world, target)

    assert lane_of(world) == {Lane.BACKFILL: 60}
    assert [len(lane.messages) for lane in (world.lanes.push, world.lanes.backfill)] == [0, 1]


@pytest.mark.promise(11)
@pytest.mark.pain(17)
@pytest.mark.parametrize("error", [QuotaSpentError("spent"), RateLimitedError("throttled")])
def test_what_a_backfill_is_refused_keeps_no_live_change_waiting(world, error):
    source, target = planned(world)
    refusing(world, error, Lane.BACKFILL)

    assert pushed(world, target) is Outcome.PARKED
    assert standing(world) == [("active", 0, None)]
    assert not world.lanes.backfill.messages, "it would be asked for again and again"
    changed(world, source, "new")
    assert pushed(world, target) is Outcome.MORE

    assert lane_of(world) == {Lane.BACKFILL: 60}
    assert len(world.mirrors(target)) == 1


def test_a_backfill_that_was_parked_goes_on_with_the_next_dispatch(world):
    _, target = planned(world)
    whole = world.engine
    refusing(world, QuotaSpentError("spent"), Lane.BACKFILL)
    pushed(world, target)
    world.engine = whole

    dispatch.dispatch(world.engine, correlation_id="test", now=clock.now())
    world.run()

    assert len(world.mirrors(target)) == 60


def test_live_work_that_comes_while_a_backfill_is_being_parked_gets_a_message(world):
    source, target = planned(world)

    def open_provider(connection, *, refused=False, lane=Lane.LIVE):
        if lane is not Lane.LIVE:
            raise QuotaSpentError("spent")
        return world.provider

    def park(connection, *, refused=False, lane=Lane.LIVE):
        world.engine = replace(world.engine, open_provider=open_provider)
        changed(world, source, "new")
        clear(world)
        raise QuotaSpentError("spent")

    world.engine = replace(world.engine, open_provider=park)

    pushed(world, target)

    assert [message.calendar_id for message in world.lanes.push.messages] == [target]


@pytest.mark.parametrize("lane", [Lane.LIVE, Lane.BACKFILL])
def test_a_spent_quota_is_nobodys_failure_and_never_asked_for_at_once(world, lane):
    source, target = planned(world)
    if lane is Lane.LIVE:
        changed(world, source, "new")
        clear(world)
    refusing(world, QuotaSpentError("spent"), lane)

    assert pushed(world, target) is Outcome.PARKED

    assert standing(world) == [("active", 0, None)]
    assert not world.lanes.push.messages
    assert world.rows("SELECT count(*) FROM event_mappings WHERE attempts > 0 OR reason IS NOT NULL") == [(0,)]


def test_a_full_read_that_is_throttled_waits_by_itself(world):
    source, _ = planned(world)
    with world.database.person(world.user_id) as conn:
        calendars.request_full_read(conn, source, lane=Lane.BACKFILL)
    refusing(world, RateLimitedError("throttled", retry_after=5), Lane.BACKFILL)

    assert world.pull(source) is Outcome.PARKED

    assert [one[:2] for one in standing(world)] == [("active", 0)]
    assert not world.lanes.backfill.messages
    dispatched = dispatch.dispatch(world.engine, correlation_id="test", now=clock.now() + timedelta(minutes=2))
    assert dispatched.backfills > 0


def test_a_short_wait_that_a_provider_asks_of_a_backfill_is_kept_by_all_and_is_no_failure(world):
    source, target = planned(world)
    refusing(world, RateLimitedError("throttled", retry_after=30), Lane.BACKFILL)
    asked = clock.now()

    assert pushed(world, target) is Outcome.PARKED
    changed(world, source, "new")
    assert pushed(world, target) is Outcome.PARKED

    ((status, errors, until),) = standing(world)
    assert (status, errors) == ("active", 0)
    assert asked + timedelta(seconds=30) <= until <= clock.now() + timedelta(seconds=30)


def test_a_long_wait_that_a_provider_asks_of_a_backfill_is_kept_by_all(world):
    _, target = planned(world)
    refusing(world, RateLimitedError("throttled", retry_after=600), Lane.BACKFILL)

    assert pushed(world, target) is Outcome.FAILED

    ((_, _, until),) = standing(world)
    assert until > clock.now() + timedelta(seconds=590)


def test_a_throttled_write_waits_as_long_as_asked_and_counts_as_no_attempt(world):
    _, target = planned(world, events=1)
    world.provider.write = lambda calendar_id, writes: [
        Failed(error=RateLimitedError("throttled", retry_after=7)) for _ in writes
    ]
    before = clock.now()

    pushed(world, target)

    ((attempts, due_at),) = world.rows("SELECT attempts, next_attempt_at FROM event_mappings")
    assert attempts == 0
    assert before + timedelta(seconds=7) <= due_at <= clock.now() + timedelta(seconds=7)
    assert world.rows("SELECT count(*) FROM external_calendar_events WHERE sync_status = 'FAILED'") == [(0,)]
