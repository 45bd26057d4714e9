"""From a change in one calendar to its mirror in another, through the whole engine and a real database."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from shared.calendar.event import Availability, Event, Response, Status, Text
from shared.calendar.span import TimedSpan
from shared.core import clock
from shared.core.errors import TransientError
from shared.providers.port import WriteOccurrence
from shared.sync import dispatch
from tests.sync.world import NOW, World, event, occurrence


@pytest.fixture
def world(database):
    return World(database)


@pytest.mark.promise(2, 8)
def test_a_new_event_appears_masked_and_only_once(world):
    a, b = world.calendar("a"), world.calendar("b")
    world.put(a, event("e1"))

    world.link(a, b)
    world.look(a, b)
    world.run()

    (mirror,) = world.mirrors(b)
    assert mirror.text == Text(title="Busy")
    assert mirror.span == event("e1").span
    assert [one for _, one, _ in world.server.writes] == ["insert"]


def test_full_privacy_carries_title_description_and_place(world):
    a, b = world.calendar("a"), world.calendar("b")
    world.put(a, event("e1", title="Zahnärztin 🦷"))

    world.link(a, b, privacy="full")

    (mirror,) = world.mirrors(b)
    assert mirror.text == Text(title="Zahnärztin 🦷", description="bring the x-ray", location="Main Street 1")


@pytest.mark.promise(3, 8)
def test_a_change_of_hidden_text_writes_nothing_and_a_move_writes_once(world):
    a, b = world.calendar("a"), world.calendar("b")
    world.put(a, event("e1"))
    world.link(a, b)
    world.server.writes.clear()

    world.put(a, event("e1", title="Another title"))
    world.look(a)
    world.run()
    world.put(a, event("e1", hours=30))
    world.look(a)
    world.run()

    assert [one for _, one, _ in world.server.writes] == ["update"]
    assert world.mirrors(b)[0].span == event("e1", hours=30).span


def test_a_deleted_event_takes_its_mirror_along(world):
    a, b = world.calendar("a"), world.calendar("b")
    world.put(a, event("e1"))
    world.link(a, b)

    world.server.remove("a", "e1")
    world.look(a)
    world.run()

    assert world.mirrors(b) == []


def test_an_event_that_comes_back_gets_a_mirror_again(world):
    a, b = world.calendar("a"), world.calendar("b")
    world.put(a, event("e1"))
    world.link(a, b)
    world.server.remove("a", "e1")
    world.look(a)
    world.run()

    world.put(a, event("e1"))
    world.look(a, b)
    world.run()

    assert len(world.mirrors(b)) == 1


@pytest.mark.promise(4)
def test_a_ring_of_links_goes_quiet_after_one_round(world):
    a, b, c = (world.calendar(name) for name in "abc")
    world.put(a, event("e1"))
    for source, target in ((a, b), (b, c), (c, a), (b, a), (a, c), (c, b)):
        world.link(source, target, privacy="full")
    writes = len(world.server.writes)

    for _ in range(3):
        world.look(a, b, c)
        world.run()

    assert len(world.server.writes) == writes
    assert [len(world.mirrors(one)) for one in (a, b, c)] == [0, 1, 1]


@pytest.mark.promise(4)
def test_a_copy_of_a_mirror_in_another_calendar_is_an_event_like_any_other(world):
    a, b, c = (world.calendar(name) for name in "abc")
    world.put(a, event("e1"))
    world.link(a, b)
    (mirror,) = world.mirrors(b)

    world.put(c, replace(mirror, id="copied"))
    world.link(c, b)

    assert len(world.mirrors(b)) == 2


def test_a_mirror_deleted_by_hand_comes_back_once(world):
    a, b = world.calendar("a"), world.calendar("b")
    world.put(a, event("e1"))
    world.link(a, b)
    (mirror,) = world.mirrors(b)

    world.server.remove("b", mirror.id)
    for _ in range(3):
        world.look(b)
        world.run()

    assert len(world.mirrors(b)) == 1
    assert [one for _, one, _ in world.server.writes] == ["insert", "insert"]


@pytest.mark.promise(3)
def test_a_mirror_edited_by_hand_is_put_right_and_frozen_when_that_never_ends(world):
    a, b = world.calendar("a"), world.calendar("b")
    world.put(a, event("e1"))
    world.link(a, b)

    for attempt in range(5):
        (mirror,) = world.mirrors(b)
        world.put(b, replace(mirror, text=Text(title=f"Mine {attempt}")))
        world.look(b)
        world.run()

    assert world.mirrors(b)[0].text == Text(title="Mine 4")
    assert world.rows("SELECT state FROM event_mappings") == [("frozen",)]
    assert world.rows("SELECT count(*) FROM outbox WHERE event_type = 'mapping.frozen'") == [(1,)]


@pytest.mark.pain(13)
def test_declined_free_and_cancelled_events_have_no_mirror(world):
    a, b = world.calendar("a"), world.calendar("b")
    world.put(a, event("free", availability=Availability.FREE))
    world.put(a, event("declined", response=Response.DECLINED))
    world.put(a, event("busy"))

    world.link(a, b)
    world.put(a, event("busy", response=Response.DECLINED))
    world.look(a)
    world.run()

    assert world.mirrors(b) == []


def test_events_outside_the_window_have_no_mirror_and_leaving_it_deletes_nothing(world):
    a, b = world.calendar("a"), world.calendar("b")
    world.put(a, event("far", hours=24 * 400))
    world.put(a, event("near"))
    world.link(a, b, days_ahead=30)

    world.put(a, event("near", hours=24 * 60))
    world.look(a)
    world.run()

    (mirror,) = world.mirrors(b)
    assert mirror.span == event("near", hours=24 * 60).span


def _series(**fields):
    start = NOW + timedelta(days=1)
    return Event(
        id="s1",
        span=TimedSpan(start=start, end=start + timedelta(hours=1), zone="UTC"),
        text=Text(title="Standup"),
        recurrence=("RRULE:FREQ=DAILY;COUNT=10",),
        **fields,
    )


def _override(day, *, cancelled=False, shift=0.0, title="Standup"):
    original = NOW + timedelta(days=1 + day)
    start = original + timedelta(hours=shift)
    return Event(
        id=f"s1_{original:%Y%m%dT%H%M%SZ}",
        span=None if cancelled else TimedSpan(start=start, end=start + timedelta(hours=1), zone="UTC"),
        status=Status.CANCELLED if cancelled else Status.CONFIRMED,
        text=Text(title=title),
        series_id="s1",
        original_start=original,
    )


def test_a_series_is_one_write_and_its_exceptions_one_each(world):
    a, b = world.calendar("a"), world.calendar("b")
    world.put(a, _override(2, shift=3))
    world.put(a, _override(4, cancelled=True))
    world.put(a, _override(5, title="Hidden by the mask"))
    world.put(a, _series())

    world.link(a, b)

    assert [one for _, one, _ in world.server.writes] == ["insert", "write_occurrence", "cancel_occurrence"]


def test_an_occurrence_that_returns_to_the_rule_is_put_back(world):
    a, b = world.calendar("a"), world.calendar("b")
    world.put(a, _series())
    moved = world.put(a, _override(2, shift=3))
    world.link(a, b)
    world.server.writes.clear()

    world.put(a, replace(moved, span=_override(2).span))
    world.look(a)
    world.run()

    assert [one for _, one, _ in world.server.writes] == ["write_occurrence"]
    (occurrence,) = [one for one in world.server.visible("b") if one.series_id]
    assert occurrence.span == _override(2).span


@pytest.mark.promise(1)
@pytest.mark.pain(1)
@pytest.mark.promise(3)
def test_an_exception_that_was_refused_as_its_series_was_written_anew_is_written_later(world):
    a, b = world.calendar("a"), world.calendar("b")
    series = event("series", recurrence=("RRULE:FREQ=WEEKLY;COUNT=6",))
    world.put(a, series)
    world.link(a, b)
    world.put(b, occurrence(world.mirrors(b)[0], 2, text=Text(title="by hand")))
    for _ in range(2):
        world.look(b)
        world.run()

    def refuse(write: object) -> None:
        if isinstance(write, WriteOccurrence):
            raise TransientError("503 for this one", code="PROVIDER.UNAVAILABLE")

    world.server.refuse = refuse
    world.put(a, replace(series, recurrence=("RRULE:FREQ=WEEKLY;COUNT=9",), availability=Availability.TENTATIVE))
    world.look(a)
    world.run()
    world.server.refuse = lambda write: None
    world.time_passes()
    dispatch.dispatch(world.engine, correlation_id="test", now=clock.now() + timedelta(minutes=10))
    world.run()

    shown = world.server.visible("b")
    assert [one.availability for one in shown] == [Availability.TENTATIVE] * 2
    assert [one.text.title for one in shown if one.text] == ["Busy"] * 2


def test_a_mass_deletion_waits_and_a_small_one_does_not(world):
    a, b = world.calendar("a"), world.calendar("b")
    for number in range(100):
        world.put(a, event(f"e{number}", hours=24 + number))
    world.link(a, b)

    for number in range(4):
        world.server.remove("a", f"e{number}")
    world.look(a)
    world.run()
    for number in range(4, 64):
        world.server.remove("a", f"e{number}")
    world.look(a)
    world.run()

    assert len(world.mirrors(b)) == 96
    assert world.rows("SELECT deletions, mirrors, resolution FROM held_changes") == [(60, 96, None)]


@pytest.mark.promise(1)
@pytest.mark.parametrize(("approved", "left"), [(True, 40), (False, 100)])
def test_a_held_deletion_is_carried_out_or_dropped_as_the_person_says(world, approved, left):
    from shared.sync import held, lanes

    a, b = world.calendar("a"), world.calendar("b")
    for number in range(100):
        world.put(a, event(f"e{number}", hours=24 + number))
    world.link(a, b)
    for number in range(60):
        world.server.remove("a", f"e{number}")
    world.look(a)
    world.run()
    ((hold_id,),) = world.rows("SELECT id FROM held_changes")

    with world.database.person(world.user_id) as conn:
        held.resolve(conn, hold_id, approved=approved, user_id=world.user_id, actor="test")
    lanes.ask_push(world.engine, world.user_id, [b], correlation_id="test", now=NOW + timedelta(hours=1))
    world.run()

    assert len(world.mirrors(b)) == left


@pytest.mark.promise(5)
def test_an_expired_cursor_leads_to_a_full_read_that_writes_nothing_and_finds_what_was_deleted(world):
    a, b = world.calendar("a"), world.calendar("b")
    for number in range(12):
        world.put(a, event(f"e{number}", hours=24 + number))
    world.link(a, b)
    world.server.writes.clear()

    world.server.remove("a", "e3")
    world.server.expire_cursors()
    world.look(a)
    world.run()

    assert [one for _, one, _ in world.server.writes] == ["delete"]
    assert len(world.mirrors(b)) == 11


@pytest.mark.promise(1)
@pytest.mark.pain(1)
def test_an_empty_listing_deletes_nothing(world, monkeypatch):
    a, b = world.calendar("a"), world.calendar("b")
    for number in range(12):
        world.put(a, event(f"e{number}", hours=24 + number))
    world.link(a, b)
    listing = world.provider.changes

    def empty(calendar_id, **arguments):
        page = listing(calendar_id, **arguments)
        return replace(page, changes=()) if calendar_id == "a" else page

    monkeypatch.setattr(world.provider, "changes", empty)
    world.server.expire_cursors()
    world.look(a)
    world.run()

    assert len(world.mirrors(b)) == 12


@pytest.mark.promise(2)
@pytest.mark.pain(2)
@pytest.mark.parametrize("kind", ["Insert", "Update", "Delete"])
def test_a_worker_killed_after_the_provider_accepted_leaves_no_duplicate(world, kind):
    a, b = world.calendar("a"), world.calendar("b")
    world.put(a, event("e1"))
    world.put(a, event("e2"))
    if kind != "Insert":
        world.link(a, b)

    class Killed(BaseException):
        pass

    def kill(write):
        if type(write).__name__ == kind:
            raise Killed

    world.server.after_write = kill
    with pytest.raises(Killed):
        match kind:
            case "Insert":
                world.link(a, b)
            case "Update":
                world.put(a, event("e1", hours=30))
                world.look(a)
                world.run()
            case "Delete":
                world.server.remove("a", "e1")
                world.look(a)
                world.run()
    world.server.after_write = lambda write: None
    with world.database.everyone() as conn:
        conn.execute("UPDATE leases SET until = now()")
        conn.execute("UPDATE calendar_sync_state SET pull_queued_at = NULL, push_queued_at = NULL")

    world.look(a, b)
    world.run()
    from shared.sync import lanes

    lanes.ask_push(world.engine, world.user_id, [b], correlation_id="test", now=NOW + timedelta(hours=1))
    world.run()

    expected = {"Insert": 2, "Update": 2, "Delete": 1}[kind]
    assert len(world.mirrors(b)) == expected
    assert len({one.span for one in world.mirrors(b)}) == len({one.id for one in world.mirrors(b)}) or kind == "Insert"


def test_a_provider_that_fails_backs_the_connection_off_and_loses_nothing(world):
    a, b = world.calendar("a"), world.calendar("b")
    world.put(a, event("e1"))

    def refuse(write):
        raise TransientError("The provider is down.")

    world.server.before_write = refuse
    world.link(a, b)
    ((backoff, count, status),) = world.rows(
        "SELECT backoff_until > now(), error_count, status FROM external_calendar_connections"
    )
    assert (backoff, count, status) == (True, 1, "error")

    world.server.before_write = lambda write: None
    with world.database.everyone() as conn:
        conn.execute("UPDATE external_calendar_connections SET backoff_until = NULL")
    world.look(b)
    from shared.sync import lanes

    lanes.ask_push(world.engine, world.user_id, [b], correlation_id="test", now=NOW + timedelta(hours=1))
    world.run()

    assert len(world.mirrors(b)) == 1
    assert world.rows("SELECT status, error_count FROM external_calendar_connections") == [("active", 0)]
