"""A database that came back as it was at an earlier moment: nothing is lost, doubled or deleted without proof."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from shared.calendar.span import TimedSpan, occurrence_key
from shared.core import clock
from shared.sync import dispatch, reconciliation
from shared.sync.asking import requests
from shared.sync.store import calendars
from tests.sync import restoring
from tests.sync.world import World, by, event

pytestmark = [pytest.mark.promise(13)]


@pytest.fixture
def world(database):
    made = World(database)
    with database.everyone() as conn:
        reconciliation.notice_restore(conn, now=clock.now())  # the first look learns who the database is
    return made


def change(world: World, calendar_id) -> None:
    world.look(calendar_id)
    world.run()


def spans(found) -> list:
    return sorted((one.span.start for one in found if one.span), key=str)


def test_mirrors_made_after_the_backup_are_known_again_and_none_is_made_twice(world, logins):
    a, b = world.calendar("a"), world.calendar("b")
    world.put(a, event("e1"))
    world.link(a, b)
    backup = restoring.back_up(logins)
    world.put(a, event("e2", hours=30))
    change(world, a)
    before = {one.id for one in world.mirrors(b)}

    restoring.restore(logins, backup)
    world.rounds()

    assert {one.id for one in world.mirrors(b)} == before
    assert spans(world.mirrors(b)) == spans([event("e1"), event("e2", hours=30)])
    assert world.rows("SELECT count(*) FROM event_mappings WHERE mirror_event_id IS NOT NULL") == [(2,)]
    assert world.rows("SELECT count(*) FROM calendar_sync_state WHERE reconcile_since IS NOT NULL") == [(0,)]


def test_a_mirror_whose_source_came_and_went_after_the_backup_goes(world, logins):
    a, b = world.calendar("a"), world.calendar("b")
    world.put(a, event("e1"))
    world.link(a, b)
    backup = restoring.back_up(logins)
    world.put(a, event("e2", hours=30))
    change(world, a)

    restoring.restore(logins, backup)
    world.server.remove("a", "e2")
    world.rounds()

    assert spans(world.mirrors(b)) == spans([event("e1")])
    assert world.rows("SELECT operation, outcome FROM sync_journal WHERE operation = 'delete'") == [
        ("delete", "accepted")
    ]


def test_a_mirror_of_which_no_tombstone_tells_waits_for_its_person(world, logins):
    a, b = world.calendar("a"), world.calendar("b")
    world.put(a, event("e1"))
    world.link(a, b)
    backup = restoring.back_up(logins)
    world.put(a, event("e2", hours=30))
    change(world, a)

    restoring.restore(logins, backup)
    world.server.remove("a", "e2")
    world.server.expire_cursors()
    world.rounds()

    assert len(world.mirrors(b)) == 2
    assert world.rows("SELECT state FROM orphans") == [("waiting",)]
    assert reconciliation.purge(world.engine, by(world), b) == 1
    world.rounds(begin=10)
    assert spans(world.mirrors(b)) == spans([event("e1")])


def test_what_was_moved_and_deleted_after_the_backup_is_followed(world, logins):
    a, b = world.calendar("a"), world.calendar("b")
    for number in range(4):
        world.put(a, event(f"e{number}", hours=24 + number))
    world.link(a, b)
    backup = restoring.back_up(logins)
    world.put(a, event("e0", hours=90))
    world.server.remove("a", "e1")
    change(world, a)

    restoring.restore(logins, backup)
    world.rounds()

    assert spans(world.mirrors(b)) == spans([event("e0", hours=90), event("e2", hours=26), event("e3", hours=27)])
    world.server.writes.clear()
    world.rounds(begin=10)
    assert world.server.writes == []


def test_a_mirror_made_again_after_the_backup_is_found_by_its_marker(world, logins):
    a, b = world.calendar("a"), world.calendar("b")
    world.put(a, event("e1"))
    world.link(a, b)
    backup = restoring.back_up(logins)
    (mirror,) = world.mirrors(b)
    world.server.remove("b", mirror.id)
    change(world, b)
    (again,) = world.mirrors(b)

    restoring.restore(logins, backup)
    world.rounds()

    assert [one.span for one in world.mirrors(b)] == [again.span]


def test_an_occurrence_that_somebody_changed_in_a_forgotten_mirror_is_put_right(world, logins):
    a, b = world.calendar("a"), world.calendar("b")
    world.link(a, b)
    backup = restoring.back_up(logins)
    world.put(a, replace(event("e1"), recurrence=("RRULE:FREQ=DAILY;COUNT=3",)))
    change(world, a)
    (mirror,) = world.mirrors(b)
    second = mirror.span.start + timedelta(days=1)
    moved = TimedSpan(start=second + timedelta(hours=2), end=second + timedelta(hours=3), zone="UTC")
    changed = replace(
        mirror, id=f"{mirror.id}_{occurrence_key(second)}", span=moved, recurrence=(), series_id=mirror.id, marker=None
    )
    world.put(b, replace(changed, original_start=second))

    restoring.restore(logins, backup)
    world.look(b)
    world.run()
    world.rounds()

    (override,) = [one for one in world.server.visible("b") if one.series_id == mirror.id]
    assert override.span.start == second


def test_a_second_mirror_is_found_although_the_first_waits_for_its_link_to_go_on(world, logins):
    a, b = world.calendar("a"), world.calendar("b")
    world.put(a, event("e1"))
    link = world.link(a, b)
    (mirror,) = world.mirrors(b)
    backup = restoring.back_up(logins)
    world.server.remove("b", mirror.id)
    change(world, b)
    assert len(world.mirrors(b)) == 1

    restoring.restore(logins, backup)
    requests.pause_link(world.engine, by(world), link.id)
    world.put(a, event("e1", hours=30))
    world.rounds()
    requests.resume_link(world.engine, by(world), link.id)
    world.rounds(begin=10)
    reconciliation.purge(world.engine, by(world), b)
    world.rounds(begin=20)

    assert spans(world.mirrors(b)) == spans([event("e1", hours=30)])


def test_many_orphans_wait_for_their_person(world, logins):
    a, b = world.calendar("a"), world.calendar("b")
    world.put(a, event("own"))
    backup = restoring.back_up(logins)
    for number in range(9):
        world.put(a, event(f"e{number}", hours=24 + number))
    world.link(a, b)
    restoring.restore(logins, backup)

    reconciliation.reconcile(world.engine, by(world), b)
    world.rounds()
    waiting = world.rows("SELECT state, count(*) FROM orphans GROUP BY 1")
    assert waiting == [("waiting", 10)]
    assert len(world.mirrors(b)) == 10

    assert reconciliation.purge(world.engine, by(world), b) == 10
    world.rounds(begin=10)

    assert world.mirrors(b) == []
    assert world.rows("SELECT count(*) FROM orphans") == [(0,)]


@pytest.mark.pain(15)
def test_a_lost_database_leaves_nothing_behind_and_takes_nothing_else(world, logins):
    a, b = world.calendar("a"), world.calendar("b")
    world.put(b, event("own", hours=50))
    backup = restoring.back_up(logins)
    world.put(a, event("e1"))
    world.link(a, b)
    (mirror,) = world.mirrors(b)
    world.put(b, replace(mirror, id="copied-by-hand", marker="somebody.else"))

    restoring.restore(logins, backup)
    reconciliation.reconcile(world.engine, by(world), b)
    world.rounds()

    assert sorted(one.id for one in world.server.visible("b")) == ["copied-by-hand", "own"]


def test_a_mirror_made_after_the_backup_stays_though_its_event_has_left_the_window_since(world, logins):
    a, b = world.calendar("a"), world.calendar("b")
    world.put(a, event("e1"))
    world.link(a, b, days_ahead=60)
    backup = restoring.back_up(logins)
    world.put(a, event("e2", hours=30))
    change(world, a)
    world.put(a, event("e2", hours=24 * 80))
    change(world, a)
    mirrors = {one.id: one.span for one in world.mirrors(b)}

    restoring.restore(logins, backup)
    world.rounds()

    assert {one.id: one.span for one in world.mirrors(b)} == mirrors
    assert world.rows("SELECT count(*) FROM event_mappings WHERE mirror_event_id IS NOT NULL") == [(2,)]
    assert world.rows("SELECT count(*) FROM orphans") == [(0,)]


def test_where_the_cursor_is_forgotten_too_what_has_passed_since_the_backup_is_read_in_full(world, logins):
    a, b = world.calendar("a"), world.calendar("b")
    world.link(a, b, days_behind=1)
    proven = clock.now() - timedelta(days=5)
    with world.database.everyone() as conn:
        conn.execute("UPDATE calendar_sync_state SET last_synced_at = %s", (proven,))
    backup = restoring.back_up(logins)

    restoring.restore(logins, backup)
    world.server.expire_cursors()
    world.rounds()

    ((start,),) = world.rows("SELECT window_start FROM calendar_sync_state WHERE calendar_id = %s", a)
    assert start == proven - timedelta(days=1)


def test_mirrors_of_a_link_made_after_the_backup_go_although_no_link_leads_to_their_calendar_any_more(world, logins):
    a, b = world.calendar("a"), world.calendar("b")
    world.put(b, event("own", hours=50))
    backup = restoring.back_up(logins)
    world.put(a, event("e1"))
    world.link(a, b)
    assert len(world.mirrors(b)) == 1

    restoring.restore(logins, backup)
    world.rounds()

    assert sorted(one.id for one in world.server.visible("b")) == ["own"]
    assert world.rows("SELECT count(*) FROM calendar_sync_state WHERE reconcile_since IS NOT NULL") == [(0,)]


def test_mirrors_that_were_kept_when_their_link_was_deleted_stay(world):
    a, b = world.calendar("a"), world.calendar("b")
    world.put(a, event("e1"))
    link = world.link(a, b)
    requests.delete_link(world.engine, by(world), link.id, delete_mirrors=False)

    reconciliation.reconcile(world.engine, by(world), b)
    world.rounds()

    assert len(world.mirrors(b)) == 1
    assert world.rows("SELECT state FROM orphans") == [("kept",)]


def test_nothing_is_searched_before_everything_that_feeds_a_calendar_was_read(world):
    a, b = world.calendar("a"), world.calendar("b")
    world.put(a, event("e1"))
    world.link(a, b)
    with world.database.person(world.user_id) as conn:
        reconciliation.begin(conn, None, now=clock.now())
        assert calendars.to_be_searched(conn, [a, b]) == set(), (
            "its own search would end before anybody has read it for b"
        )

    world.rounds()

    assert len(world.mirrors(b)) == 1


def test_mirrors_whose_deletion_is_held_show_no_more_than_the_restored_link_allows(world, logins):
    a, b = world.calendar("a"), world.calendar("b")
    for number in range(7):
        world.put(a, event(f"e{number}", hours=24 + number, title="private"))
    link = world.link(a, b)
    backup = restoring.back_up(logins)
    requests.change_link(world.engine, by(world), link.id, version=None, changes={"privacy": "full"})
    world.run()
    assert {one.text.title for one in world.mirrors(b)} == {"private"}
    for number in range(7):
        world.server.remove("a", f"e{number}")

    restoring.restore(logins, backup)
    world.rounds()

    assert world.rows("SELECT state, count(*) FROM event_mappings GROUP BY 1") == [("held", 7)]
    assert [one.text.title for one in world.mirrors(b)] == ["Busy"] * 7


def test_an_unchanged_database_is_not_reconciled(world):
    a, b = world.calendar("a"), world.calendar("b")
    world.link(a, b)

    assert dispatch.dispatch(world.engine, correlation_id="test", now=clock.now()).reconciling == 0
