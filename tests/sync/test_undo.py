"""Taking a run back, and what happens next."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from shared.calendar.event import Event, Status, Text
from shared.core import clock
from shared.core.errors import ConflictError, NotFoundError
from shared.sync import lanes, undo
from shared.sync.asking import plans, requests
from shared.sync.asking.plans import Proposal
from tests.sync.world import NOW, World, as_json, by, event

if TYPE_CHECKING:
    from uuid import UUID

    from shared.store.database import Database
    from shared.sync.undo import RunLine

pytestmark = pytest.mark.promise(12)


@pytest.fixture
def world(database: Database) -> World:
    return World(database)


@pytest.fixture
def ends(world: World) -> tuple[UUID, UUID]:
    return world.calendar("a"), world.calendar("b")


def last(world: World) -> UUID:
    """The newest run that wrote something."""
    ((run_id,),) = world.rows("SELECT run_id FROM sync_journal WHERE run_id IS NOT NULL ORDER BY id DESC LIMIT 1")
    return run_id


def take_back(world: World, run_id: UUID) -> RunLine:
    """Undo, let everything run, and answer the run as it ended."""
    made = undo.undo(world.engine, by(world), run_id)
    world.run()
    with world.database.person(world.user_id) as conn:
        return undo.get(conn, made.id)


def outcomes(world: World, run_id: UUID) -> list[tuple[str, str]]:
    with world.database.person(world.user_id) as conn:
        return [(one.outcome, (one.reason or "").partition(":")[0]) for one in undo.items(conn, run_id)]


def titles(world: World, calendar_id: UUID) -> list[str]:
    return sorted(one.text.title if one.text else "" for one in world.mirrors(calendar_id))


def change(world: World, *calendar_ids: UUID) -> None:
    world.look(*calendar_ids)
    world.run()


def settle_down(world: World, *calendar_ids: UUID) -> list[Any]:
    """Read everything in full, twice; answers what was written meanwhile."""
    world.server.writes.clear()
    for _ in range(2):
        world.server.expire_cursors()
        change(world, *calendar_ids)
    return list(world.server.writes)


@pytest.mark.promise(12)
def test_what_was_made_is_deleted_and_stays_so(world, ends):
    world.put(ends[0], event("e1"))
    world.put(ends[0], event("e2", hours=30))
    world.link(*ends)

    done = take_back(world, last(world))

    assert world.mirrors(ends[1]) == []
    assert (done.kind, done.outcome, done.writes) == ("undo", "success", 2)
    assert settle_down(world, *ends) == []


@pytest.mark.promise(12)
def test_what_was_deleted_is_made_again_and_stays_so(world, ends):
    world.put(ends[0], event("e1", title="Dentist"))
    world.link(*ends, privacy="full")
    world.server.remove("a", "e1")
    change(world, ends[0])
    assert world.mirrors(ends[1]) == []

    take_back(world, last(world))

    (mirror,) = world.mirrors(ends[1])
    assert mirror.text == event("e1").text
    assert mirror.span == event("e1").span
    assert settle_down(world, *ends) == []


@pytest.mark.promise(12)
def test_an_update_is_written_back_and_stays_so_until_the_source_changes(world, ends):
    world.put(ends[0], event("e1", title="Before"))
    world.link(*ends, privacy="title")
    world.put(ends[0], event("e1", title="After"))
    change(world, ends[0])

    take_back(world, last(world))
    back = titles(world, ends[1])
    quiet = settle_down(world, *ends)
    world.put(ends[0], event("e1", title="Later"))
    change(world, ends[0])

    assert (back, quiet, titles(world, ends[1])) == (["Before"], [], ["Later"])


@pytest.mark.promise(12)
def test_an_undo_is_undone_and_then_the_mirror_follows_again(world, ends):
    world.put(ends[0], event("e1", title="Before"))
    world.link(*ends, privacy="title")
    world.put(ends[0], event("e1", title="After"))
    change(world, ends[0])

    first = take_back(world, last(world))
    second = take_back(world, first.id)
    between = titles(world, ends[1])
    third = take_back(world, second.id)

    assert (between, titles(world, ends[1])) == (["After"], ["Before"])
    assert [one.outcome for one in (first, second, third)] == ["success"] * 3
    assert settle_down(world, *ends) == []


@pytest.mark.parametrize("kind", ["insert", "update", "delete"])
def test_twice_is_once(world, ends, kind):
    world.put(ends[0], event("e1"))
    world.link(*ends)
    if kind == "update":
        world.put(ends[0], event("e1", hours=30))
    elif kind == "delete":
        world.server.remove("a", "e1")
    change(world, ends[0])
    run_id = last(world)
    world.server.writes.clear()

    first, second = undo.undo(world.engine, by(world), run_id), undo.undo(world.engine, by(world), run_id)
    world.run()
    third = take_back(world, run_id)

    assert first.id == second.id == third.id
    assert len(world.server.writes) == 1


@pytest.mark.parametrize("kind", ["insert", "update", "delete"])
def test_an_undo_that_is_killed_after_the_provider_accepted_ends_the_same(world, ends, kind):
    class Killed(BaseException):
        pass

    world.put(ends[0], event("e1", title="Before"))
    world.link(*ends, privacy="title")
    if kind == "update":
        world.put(ends[0], event("e1", title="After"))
    elif kind == "delete":
        world.server.remove("a", "e1")
    change(world, ends[0])
    run_id = last(world)

    def kill(write):
        raise Killed

    world.server.after_write = kill
    with pytest.raises(Killed):
        take_back(world, run_id)
    world.server.after_write = lambda write: None
    with world.database.everyone() as conn:
        conn.execute("UPDATE leases SET until = now()")
        conn.execute("UPDATE calendar_sync_state SET pull_queued_at = NULL, push_queued_at = NULL")
    noted = world.rows(
        "SELECT operation, outcome FROM sync_journal WHERE run_id = (SELECT id FROM sync_runs WHERE undoes = %s)",
        run_id,
    )
    again = undo.undo(world.engine, by(world), run_id)
    later = NOW + timedelta(hours=1)
    lanes.ask_push(world.engine, world.user_id, [ends[1]], correlation_id="test", now=later)
    world.run()

    inverse = {"insert": "delete", "update": "update", "delete": "insert"}[kind]
    assert noted == [(inverse, "intended")]
    assert titles(world, ends[1]) == ([] if kind == "insert" else ["Before"])
    assert outcomes(world, again.id) == [("done", "")]
    assert settle_down(world, *ends) == []


@pytest.mark.promise(8, 12)
def test_masked_text_never_comes_back(world, ends):
    world.put(ends[0], event("e1", title="Oncology"))
    world.put(ends[0], event("e2", hours=30, title="Psychiatry"))
    link = world.link(*ends, privacy="full")
    world.server.remove("a", "e1")
    change(world, ends[0])
    deletion = last(world)
    requests.change_link(world.engine, by(world), link.id, version=None, changes={"privacy": "busy"})
    world.run()
    tightening = last(world)

    take_back(world, deletion)
    take_back(world, tightening)

    assert titles(world, ends[1]) == ["Busy", "Busy"]
    said = as_json([one.text for one in world.mirrors(ends[1])])
    assert not [word for word in ("Oncology", "Psychiatry", "x-ray", "Main Street") if word in said]


def test_a_link_that_is_tightened_later_also_rewrites_what_rests_undone(world, ends):
    world.put(ends[0], event("e1", title="Oncology"))
    link = world.link(*ends, privacy="full")
    world.server.remove("a", "e1")
    change(world, ends[0])
    take_back(world, last(world))

    plan, found = plans.make(
        world.engine, by(world), Proposal(action="change", link_id=link.id, options={"privacy": "busy"})
    )
    plans.apply(world.engine, by(world), plan.id)
    world.run()

    assert (found.rewrite, titles(world, ends[1])) == (1, ["Busy"])
    assert settle_down(world, *ends) == []


@pytest.mark.parametrize(("what", "stays"), [("edited", ["Mine"]), ("deleted", [])])
def test_what_somebody_else_has_changed_since_is_left_alone_with_its_reason(world, ends, what, stays):
    world.put(ends[0], event("e1", title="Before"))
    world.put(ends[0], event("e2", hours=30, title="Before"))
    world.link(*ends, privacy="title")
    for one in ("e1", "e2"):
        world.put(ends[0], event(one, hours=24 if one == "e1" else 30, title="After"))
    change(world, ends[0])
    mirror = next(one for one in world.mirrors(ends[1]) if one.span == event("e1").span)
    if what == "edited":
        world.put(ends[1], replace(mirror, text=Text(title="Mine")))
    else:
        world.server.remove("b", mirror.id)

    done = take_back(world, last(world))

    assert titles(world, ends[1]) == ["Before", *stays]
    assert sorted(outcomes(world, done.id)) == [("done", ""), ("refused", "UNDO.CHANGED")]
    assert done.outcome == "partial"


def test_a_mirror_that_somebody_edited_is_not_deleted_by_undoing_its_making(world, ends):
    world.put(ends[0], event("e1"))
    world.link(*ends)
    run_id = last(world)
    (mirror,) = world.mirrors(ends[1])
    world.put(ends[1], replace(mirror, text=Text(title="Mine")))

    done = take_back(world, run_id)

    assert (titles(world, ends[1]), outcomes(world, done.id)) == (["Mine"], [("refused", "UNDO.CHANGED")])


def test_an_event_of_somebody_elses_in_its_place_is_never_deleted(world, ends):
    world.put(ends[0], event("e1"))
    world.link(*ends)
    run_id = last(world)
    (mirror,) = world.mirrors(ends[1])
    world.put(ends[1], replace(mirror, marker=None))  # the ownership check, not the look before it, must refuse

    take_back(world, run_id)

    assert [one.id for one in world.server.visible("b")] == [mirror.id]


def test_what_was_written_again_since_or_waits_to_be_is_refused(world, ends):
    world.put(ends[0], event("e1", title="First"))
    world.link(*ends, privacy="title")
    making = last(world)
    world.put(ends[0], event("e1", title="Second"))
    change(world, ends[0])
    writing = last(world)

    since = take_back(world, making)
    with world.database.everyone() as conn:
        conn.execute("UPDATE event_mappings SET requested = requested + 1, next_attempt_at = now() + interval '1 day'")
    waits = undo.undo(world.engine, by(world), writing)

    assert outcomes(world, since.id) == [("refused", "UNDO.WRITTEN_SINCE")]
    assert outcomes(world, waits.id) == [("refused", "UNDO.SOURCE_CHANGED")]
    assert titles(world, ends[1]) == ["Second"]


def test_a_source_that_changes_before_the_undo_is_written_wins(world, ends):
    world.put(ends[0], event("e1", title="Before"))
    world.link(*ends, privacy="title")
    world.put(ends[0], event("e1", title="After"))
    change(world, ends[0])

    made = undo.undo(world.engine, by(world), last(world))
    world.put(ends[0], event("e1", title="Later"))
    change(world, ends[0])

    assert titles(world, ends[1]) == ["Later"]
    assert outcomes(world, made.id) == [("refused", "UNDO.SOURCE_CHANGED")]


def test_sync_again_lets_the_mirrors_follow(world, ends):
    world.put(ends[0], event("e1", title="Before"))
    world.link(*ends, privacy="title")
    world.put(ends[0], event("e1", title="After"))
    change(world, ends[0])
    done = take_back(world, last(world))

    count = undo.follow_again(world.engine, by(world), done.id)
    world.run()

    assert (count, titles(world, ends[1])) == (1, ["After"])
    assert undo.follow_again(world.engine, by(world), done.id) == 0


def test_a_series_comes_back_with_what_differs_in_it(world, ends):
    start = NOW + timedelta(days=1)
    second, third = (start + timedelta(days=day) for day in (1, 2))
    world.put(ends[0], event("s1", recurrence=("RRULE:FREQ=DAILY;COUNT=5",)))
    world.put(
        ends[0],
        replace(event("x", hours=24 + 26), id=f"s1_{second:%Y%m%dT%H%M%SZ}", series_id="s1", original_start=second),
    )
    world.put(
        ends[0],
        Event(
            id=f"s1_{third:%Y%m%dT%H%M%SZ}", span=None, status=Status.CANCELLED, series_id="s1", original_start=third
        ),
    )
    world.link(*ends)
    before = sorted(str((one.span, one.original_start)) for one in world.server.visible("b") if one.span)
    world.server.remove("a", "s1")
    change(world, ends[0])

    take_back(world, last(world))

    assert sorted(str((one.span, one.original_start)) for one in world.server.visible("b") if one.span) == before
    assert settle_down(world, *ends) == []


def test_a_mass_deletion_by_name_is_undone_and_the_guard_still_holds_the_next(world, ends):
    for number in range(20):
        world.put(ends[0], event(f"e{number}", hours=24 + number))
    world.link(*ends)
    making = last(world)

    take_back(world, making)
    gone = len(world.mirrors(ends[1]))
    with world.database.person(world.user_id) as conn:
        (undone,) = [one for one in undo.list_page(conn, before=None, limit=10) if one.kind == "undo"]
    take_back(world, undone.id)
    back = len(world.mirrors(ends[1]))
    for number in range(15):
        world.server.remove("a", f"e{number}")
    change(world, ends[0])

    assert (gone, back, len(world.mirrors(ends[1]))) == (0, 20, 20)
    assert world.rows("SELECT deletions, resolution FROM held_changes") == [(15, None)]


def test_a_deleted_link_cannot_be_undone_and_says_so(world, ends):
    world.put(ends[0], event("e1"))
    link = world.link(*ends)
    requests.delete_link(world.engine, by(world), link.id, delete_mirrors=True)
    world.run()

    done = take_back(world, last(world))

    assert outcomes(world, done.id) == [("refused", "UNDO.LINK_GONE")]
    assert world.mirrors(ends[1]) == []


def test_the_journal_and_with_it_undo_ends_after_thirty_days(world, ends, database):
    world.put(ends[0], event("e1"))
    world.link(*ends)
    run_id = last(world)

    with pytest.raises(ConflictError) as refused:
        undo.undo(world.engine, by(world, later=timedelta(days=31)), run_id)
    early = undo.expire(database, now=clock.now() + timedelta(days=29))
    late = undo.expire(database, now=clock.now() + timedelta(days=31))

    assert refused.value.error_code == "UNDO.TOO_OLD"
    assert (early["entries"], late["entries"]) == (0, 1)
    with pytest.raises(ConflictError):
        undo.undo(world.engine, by(world), run_id)


def test_somebody_elses_run_is_not_there(world, ends, database):
    world.put(ends[0], event("e1"))
    world.link(*ends)

    with pytest.raises(NotFoundError):
        undo.undo(world.engine, by(World(database)), last(world))
