"""Workers that are killed between what a provider accepted and what the database was told: nothing is forgotten."""

from __future__ import annotations

from datetime import timedelta

import pytest

from shared.calendar.event import Status
from shared.sync import dispatch
from shared.sync.asking import requests
from tests.sync.world import NOW, World, by, event, occurrence


@pytest.fixture
def world(database):
    return World(database)


class KilledError(BaseException):
    """The worker's process is gone."""


def kill(*arguments, **named):
    raise KilledError


def killed_before_it_was_recorded(world, monkeypatch, calendar_id):
    """What follows from a look at the calendar is written, and whoever wrote it dies."""
    with monkeypatch.context() as killing, pytest.raises(KilledError):
        killing.setattr("shared.sync.settle.settle", kill)
        world.look(calendar_id)
        world.run()
    with world.database.everyone() as conn:
        conn.execute("UPDATE leases SET until = '-infinity'")


def test_a_link_is_gone_even_if_whoever_removed_its_last_mirror_was_killed(world, monkeypatch):
    a, b = world.calendar("a"), world.calendar("b")
    world.put(a, event("e1"))
    link = world.link(a, b)

    with monkeypatch.context() as killing, pytest.raises(KilledError):
        killing.setattr("shared.sync.linking.finish_deletions", kill)
        requests.delete_link(world.engine, by(world), link.id, delete_mirrors=True)
        world.run()
    dispatch.dispatch(world.engine, correlation_id="test", now=NOW + timedelta(hours=2))

    assert world.mirrors(b) == []
    assert world.rows("SELECT state FROM links") == []


@pytest.mark.promise(12)
def test_mirrors_made_by_a_killed_worker_stand_in_the_journal_though_their_deletion_was_discarded(world, monkeypatch):
    a, b = world.calendar("a"), world.calendar("b")
    world.link(a, b)
    for number in range(8):
        world.put(a, event(f"e{number}", hours=number + 24))
    killed_before_it_was_recorded(world, monkeypatch, a)

    world.look(b)
    world.pull(b)
    for number in range(8):
        world.server.remove("a", f"e{number}")
    world.look(a)
    world.pull(a)
    for (hold_id,) in world.rows("SELECT id FROM held_changes"):
        requests.resolve_held(world.engine, by(world), hold_id, approved=False)
    world.run()

    assert len(world.mirrors(b)) == 8
    assert world.rows("SELECT operation, count(*), count(DISTINCT mirror_event_id) FROM sync_journal GROUP BY 1") == [
        ("insert", 8, 8)
    ]


def test_a_mirror_that_turns_up_confirms_the_first_attempt_and_not_one_that_may_be_under_way(world, monkeypatch):
    a, b = world.calendar("a"), world.calendar("b")
    world.link(a, b)
    world.put(a, event("e1"))
    killed_before_it_was_recorded(world, monkeypatch, a)
    with monkeypatch.context() as killing, pytest.raises(KilledError):
        killing.setattr("shared.sync.settle.settle", kill)
        world.push(b)

    world.look(b)
    world.pull(b)

    assert world.rows("SELECT operation, outcome FROM sync_journal ORDER BY id") == [
        ("insert", "accepted"),
        ("insert", "intended"),
    ]


def test_mirrors_that_a_killed_worker_may_have_made_count_when_many_are_to_be_deleted(world, monkeypatch):
    a, b = world.calendar("a"), world.calendar("b")
    world.link(a, b)
    for number in range(8):
        world.put(a, event(f"e{number}", hours=number + 24))
    killed_before_it_was_recorded(world, monkeypatch, a)

    for number in range(8):
        world.server.remove("a", f"e{number}")
    world.look(a)
    world.pull(a)

    assert world.rows("SELECT deletions, mirrors FROM held_changes") == [(8, 8)]


@pytest.mark.promise(12)
def test_an_occurrence_taken_out_by_a_killed_worker_stands_in_the_journal(world, monkeypatch):
    a, b = world.calendar("a"), world.calendar("b")
    series = world.put(a, event("s", recurrence=("RRULE:FREQ=DAILY;COUNT=5",)))
    world.link(a, b)
    world.put(a, occurrence(series, 2, span=None, status=Status.CANCELLED))
    killed_before_it_was_recorded(world, monkeypatch, a)

    world.look(b)
    world.run()

    assert world.rows("SELECT operation, outcome FROM sync_journal ORDER BY id") == [
        ("insert", "accepted"),
        ("cancel_occurrence", "intended"),
        ("cancel_occurrence", "accepted"),
    ]


@pytest.mark.promise(12)
def test_an_update_by_a_killed_worker_stands_in_the_journal_though_the_deletion_of_its_source_was_discarded(
    world, monkeypatch
):
    a, b = world.calendar("a"), world.calendar("b")
    for number in range(8):
        world.put(a, event(f"e{number}", hours=number + 24))
    world.link(a, b)
    world.put(a, event("e0", hours=100))
    killed_before_it_was_recorded(world, monkeypatch, a)

    for number in range(8):
        world.server.remove("a", f"e{number}")
    world.look(a)
    world.pull(a)
    for (hold_id,) in world.rows("SELECT id FROM held_changes"):
        requests.resolve_held(world.engine, by(world), hold_id, approved=False)
    world.run()

    assert world.rows(
        "SELECT outcome, inverse IS NOT NULL FROM sync_journal WHERE operation = 'update' ORDER BY id"
    ) == [("intended", True)]
