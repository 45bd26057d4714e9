"""Live before repair before backfill (promise 11): what counts as a repair, and that each lane gives way and ends."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from shared.calendar.event import Text
from shared.control import budgets
from shared.control.budgets import Budget, Rate
from shared.core import clock
from shared.core.errors import RateLimitedError, TransientError
from shared.core.lanes import Lane
from shared.providers.port import Failed
from shared.sync import dispatch, echoes, linking, pull, push, reconciliation, undo
from shared.sync.asking import requests
from shared.sync.run import Outcome
from shared.sync.store import calendars
from shared.sync.views import status
from tests.sync import restoring
from tests.sync.world import World, by, each_of, event, next_of

FIRST, EDITED, NEW = "copied", "edited", "new"
NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)


@pytest.fixture
def world(database):
    return World(database)


def pulled(world, *calendar_ids):
    for one in calendar_ids:
        with world.database.person(world.user_id) as conn:
            calendars.request(conn, [one])
        world.pull(one)


def pushed(world, calendar_id):
    return world.push(calendar_id)


def messages(world):
    return {
        name: len(getattr(world.lanes, name).messages)
        for name in ("pull", "push", "repair", "backfill")
        if getattr(world.lanes, name).messages
    }


def due(world):
    """How many mirrors wait in which lane."""
    rows = world.rows("SELECT lane, count(*) FROM event_mappings WHERE waits GROUP BY lane")
    return {Lane(lane): count for lane, count in rows}


def mirrored(world, *, events=1, **options):
    """A calendar and one with its mirrors, everything in step."""
    source, target = world.calendar("source"), world.calendar("target")
    for number in range(events):
        world.put(source, event(f"{EDITED}{number:03}", hours=24 + number))
    link = world.link(source, target, **options)
    return source, target, link


def edit(world, calendar_id):
    """A person changes every mirror in a calendar, and that is noticed."""
    for mirror in world.mirrors(calendar_id):
        world.put(calendar_id, replace(mirror, text=Text(title="Mine")))
    pulled(world, calendar_id)


def of_all_kinds(world, *, repairs=30, copies=60):
    """A calendar to which all is due at once: a person's change, mirrors to be put right, and a first copy."""
    source, target, _ = mirrored(world, events=repairs)
    other = world.calendar("other")
    for number in range(copies):
        world.put(other, event(f"{FIRST}{number:03}", hours=24 + number))
    with world.database.person(world.user_id) as conn:
        linking.create(conn, user_id=world.user_id, source_calendar_id=other, target_calendar_id=target)
    pulled(world, other)
    edit(world, target)
    world.put(source, event(NEW))
    pulled(world, source)
    assert due(world) == {Lane.LIVE: 1, Lane.REPAIR: repairs, Lane.BACKFILL: copies}
    return source, target


def written(world, *, since):
    """Lanes in the order of the writes since then, by what the mirrors stand for, each run of one lane once."""
    sources = dict(world.rows("SELECT mirror_event_id, source_event_id FROM event_mappings"))
    kinds = [sources[event_id].rstrip("0123456789") for _, _, event_id in world.server.writes[since:]]
    return [one for place, one in enumerate(kinds) if place == 0 or kinds[place - 1] != one]


def frozen_bucket(world, monkeypatch, *, left):
    """From now on the account has so many calls left of 100, and no more come: a backfill leaves 40, a repair 20."""
    monkeypatch.setattr(budgets, "PATIENCE", 0)
    rate = Rate(burst=100, per_second=0, kept=40)
    ((app_id,),) = world.rows("SELECT oauth_app_id FROM external_calendar_connections")
    write = world.provider.write

    def open_provider(connection, *, refused=False, lane=Lane.LIVE):
        budget = Budget(
            database=world.database,
            user_id=world.user_id,
            app_id=app_id,
            account="ada",
            lane=lane,
            now=lambda: NOON,
            per_user=rate,
            per_project=replace(rate, burst=10_000, kept=0),
        )
        budget.require_room()

        def counted(calendar_id, writes):
            with budget.turn(1, at_once=1):
                return write(calendar_id, writes)

        monkeypatch.setattr(world.provider, "write", counted)
        return world.provider

    world.engine = replace(world.engine, open_provider=open_provider)
    open_provider(None)
    world.rows("UPDATE quotas SET calls = %s WHERE subject LIKE 'google-user%%' RETURNING 1", left)


@pytest.mark.promise(11)
@pytest.mark.pain(17)
@pytest.mark.parametrize("order", [each_of, lambda lanes: each_of(lanes)[::-1]], ids=["urgent first", "urgent last"])
def test_to_one_calendar_goes_first_what_is_live_then_repairs_then_a_first_copy(world, order):
    """In whatever order the queues are worked off."""
    of_all_kinds(world)
    before = len(world.server.writes)

    while message := next((one.messages.popleft() for one in order(world.lanes) if one.messages), None):
        work = {"pull": pull.pull, "push": push.push}[message.task]
        work(world.engine, message.calendar_id, user_id=world.user_id, correlation_id="test")

    assert written(world, since=before) == [NEW, EDITED, FIRST]
    assert due(world) == {}


@pytest.mark.promise(11)
def test_each_message_goes_to_the_queue_of_what_is_most_urgent_and_the_rest_follows_in_its_own(world):
    _, target = of_all_kinds(world)
    for one in each_of(world.lanes):
        one.messages.clear()
    seen = []

    dispatch.dispatch(world.engine, correlation_id="test", now=clock.now() + timedelta(minutes=2))
    world.lanes.pull.messages.clear()
    for _ in range(3):
        seen.append(messages(world))
        next_of(world.lanes)
        pushed(world, target)

    assert seen == [{"push": 1}, {"repair": 1}, {"backfill": 1}]
    assert due(world) == {}


@pytest.mark.promise(11)
@pytest.mark.pain(17)
@pytest.mark.parametrize(
    ("left", "still_due"),
    [
        (50, {}),
        (35, {Lane.BACKFILL: 60}),
        (15, {Lane.REPAIR: 30, Lane.BACKFILL: 60}),
        (0, {Lane.LIVE: 1, Lane.REPAIR: 30, Lane.BACKFILL: 60}),
    ],
)
def test_of_a_bucket_that_runs_empty_a_first_copy_is_refused_first_then_repairs(world, monkeypatch, left, still_due):
    of_all_kinds(world)
    frozen_bucket(world, monkeypatch, left=left)

    for minute in range(2, 6):
        dispatch.dispatch(world.engine, correlation_id="test", now=clock.now() + timedelta(minutes=minute))
        world.run()

    assert due(world) == still_due
    assert world.rows("SELECT status, error_count FROM external_calendar_connections") == [("active", 0)]


@pytest.mark.promise(11)
@pytest.mark.pain(17)
def test_however_long_a_first_copy_is_a_repair_waits_for_one_batch_of_it(world, monkeypatch):
    monkeypatch.setattr(echoes, "PATIENCE", 0.0)  # whoever pulls here is in the middle of the push
    _, target, _ = mirrored(world)
    (mirror,) = world.mirrors(target)
    other = world.calendar("other")
    for number in range(400):
        world.put(other, event(f"{FIRST}{number:03}", hours=24 + number))
    with world.database.person(world.user_id) as conn:
        linking.create(conn, user_id=world.user_id, source_calendar_id=other, target_calendar_id=target)
    pulled(world, other)
    batches, write = [], world.provider.write

    def beside_a_person(calendar_id, writes):
        answers = write(calendar_id, writes)
        batches.append({one.event_id for one in answers})
        if len(batches) == 2:
            world.put(target, replace(mirror, text=Text(title="Mine")))
            pulled(world, target)
        return answers

    world.provider.write = beside_a_person

    pushed(world, target)

    assert [mirror.id in batch for batch in batches] == [False, False, True] + [False] * (len(batches) - 3)
    assert len(batches) == 4


class TestWhatIsARepair:
    def test_a_mirror_edited_or_deleted_by_hand(self, world):
        _, target, _ = mirrored(world, events=2)
        edited, deleted = world.mirrors(target)

        world.put(target, replace(edited, text=Text(title="Mine")))
        world.server.remove(world.remote[target], deleted.id)
        pulled(world, target)

        assert due(world) == {Lane.REPAIR: 2}
        assert messages(world) == {"repair": 1}

    def test_not_what_somebody_changes_even_if_its_mirror_waits_to_be_put_right(self, world):
        source, target, _ = mirrored(world, events=2)
        edit(world, target)

        world.put(source, event(f"{EDITED}000", hours=90))
        pulled(world, source)

        assert due(world) == {Lane.LIVE: 1, Lane.REPAIR: 1}

    def test_a_write_that_failed_from_its_second_attempt_on(self, world):
        source, target, _ = mirrored(world)
        world.provider.write = lambda calendar_id, writes: [Failed(error=TransientError("down")) for _ in writes]
        world.put(source, event(NEW))
        pulled(world, source)
        first = due(world)

        pushed(world, target)

        assert (first, due(world)) == ({Lane.LIVE: 1}, {Lane.REPAIR: 1})

    def test_not_a_write_that_the_provider_put_off_nor_a_first_copy_that_failed(self, world):
        source, target, _ = mirrored(world)
        errors = iter([RateLimitedError("later", retry_after=5), TransientError("down")])
        world.provider.write = lambda calendar_id, writes: [Failed(error=next(errors)) for _ in writes]
        world.put(source, event(NEW))
        pulled(world, source)
        pushed(world, target)
        put_off = due(world)
        other = world.calendar("other")
        world.put(other, event(FIRST))
        with world.database.person(world.user_id) as conn:
            linking.create(conn, user_id=world.user_id, source_calendar_id=other, target_calendar_id=target)
        pulled(world, other)

        pushed(world, target)

        assert put_off == {Lane.LIVE: 1}
        assert due(world) == {Lane.LIVE: 1, Lane.BACKFILL: 1}

    def test_what_a_tightened_link_hides_in_every_mirror_and_it_leaves_live_work_first(self, world):
        source, target, link = mirrored(world, events=60, privacy="full")

        requests.change_link(world.engine, by(world), link.id, version=None, changes={"privacy": "busy"})
        waiting = messages(world)
        world.put(source, event(NEW))
        pulled(world, source)

        assert waiting == {"repair": 2}
        assert due(world) == {Lane.REPAIR: 61}, "a calendar that is read in full has no live look meanwhile"
        world.run()
        assert {one.text.title for one in world.mirrors(target)} == {"Busy"}

    def test_what_is_read_anew_because_a_cursor_has_ended_and_what_that_finds(self, world):
        source, _, _ = mirrored(world)
        world.put(source, event(NEW))
        world.server.expire_cursors()

        pulled(world, source)
        asked = messages(world)
        next_of(world.lanes)
        pulled(world, source)

        assert asked == {"repair": 1}
        assert due(world) == {Lane.REPAIR: 1}

    def test_not_a_first_read_whose_cursor_has_ended(self, world):
        source, target = world.calendar("source"), world.calendar("target")
        for number in range(3):
            world.put(source, event(f"{FIRST}{number}"))
        world.server.page_size = 1
        with world.database.person(world.user_id) as conn:
            linking.create(conn, user_id=world.user_id, source_calendar_id=source, target_calendar_id=target)
        pulled(world, source)

        with world.database.person(world.user_id) as conn:
            calendars.request_full_read(conn, source, lane=Lane.REPAIR)
        next_of(world.lanes)
        pulled(world, source)

        assert set(due(world)) == {Lane.BACKFILL}
        assert "repair" not in messages(world)

    def test_what_a_restored_database_has_forgotten(self, world, logins):
        with world.database.everyone() as conn:
            reconciliation.notice_restore(conn, now=clock.now())  # the first look learns who the database is
        source, target, _ = mirrored(world)
        backup = restoring.back_up(logins)
        world.put(source, event(NEW))
        pulled(world, source)
        pushed(world, target)
        restoring.restore(logins, backup)
        sent = set()

        for minute in (0, 2, 4, 6):
            dispatch.dispatch(world.engine, correlation_id="test", now=clock.now() + timedelta(minutes=minute))
            while sum(messages(world).values()):
                sent |= set(messages(world))
                message = next_of(world.lanes)
                work = {"pull": pull.pull, "push": push.push}[message.task]
                work(world.engine, message.calendar_id, user_id=world.user_id, correlation_id="test")

        assert "repair" in sent
        assert "backfill" not in sent
        assert len(world.mirrors(target)) == 2

    def test_what_an_undo_takes_back_and_what_goes_with_its_link(self, world):
        _, _, link = mirrored(world)
        ((run_id,),) = world.rows("SELECT DISTINCT run_id FROM sync_journal")

        undo.undo(world.engine, by(world), run_id)
        undone = due(world)
        world.run()
        undo.undo(world.engine, by(world), world.rows("SELECT id FROM sync_runs WHERE kind = 'undo'")[0][0])
        world.run()
        requests.delete_link(world.engine, by(world), link.id, delete_mirrors=True)

        assert undone == {Lane.REPAIR: 1}
        assert due(world) == {Lane.REPAIR: 1}

    def test_it_is_counted_by_itself(self, world):
        of_all_kinds(world, repairs=3, copies=5)

        with world.database.person(world.user_id) as conn:
            found = status.read(conn, user_id=world.user_id, flags=world.engine.flags, now=clock.now()).links

        counted = {(one.counts.due, one.counts.repair, one.counts.backfill) for one in found}
        assert counted == {(4, 3, 0), (5, 0, 5)}


def test_a_repair_that_is_refused_keeps_nobody_waiting_and_goes_on_with_the_next_dispatch(world):
    source, target, _ = mirrored(world)
    edit(world, target)
    whole, provider = world.engine, world.provider

    def open_provider(connection, *, refused=False, lane=Lane.LIVE):
        if lane is Lane.REPAIR:
            raise RateLimitedError("throttled")
        return provider

    world.engine = replace(whole, open_provider=open_provider)
    for one in each_of(world.lanes):
        one.messages.clear()

    assert pushed(world, target) is Outcome.PARKED
    assert messages(world) == {}, "it would be asked for again and again"
    world.put(source, event(NEW))
    pulled(world, source)
    assert pushed(world, target) is Outcome.MORE

    assert due(world) == {Lane.REPAIR: 1}
    world.engine = whole
    dispatch.dispatch(world.engine, correlation_id="test", now=clock.now() + timedelta(minutes=2))
    world.run()
    assert due(world) == {}
