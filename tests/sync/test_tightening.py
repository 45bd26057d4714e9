"""After a link shows less, no mirror shows what it hides by now: whatever was decided about the mirror besides."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from shared.calendar.event import Text
from shared.sync import dispatch, undo
from shared.sync.asking import plans, requests
from shared.sync.asking.plans import Proposal
from shared.sync.views import status
from tests.sync.world import NOW, World, by, event

if TYPE_CHECKING:
    from uuid import UUID

    from shared.store.database import Database
    from shared.sync.links import Link
    from shared.sync.views.status import Counts

pytestmark = pytest.mark.promise(8)

MANY = 8


@pytest.fixture
def world(database: Database) -> World:
    return World(database)


@pytest.fixture
def ends(world: World) -> tuple[UUID, UUID]:
    return world.calendar("a"), world.calendar("b")


def mirrored(world: World, ends: tuple[UUID, UUID], **options: Any) -> Link:
    for number in range(MANY):
        world.put(ends[0], event(f"e{number}", hours=number + 24, title=f"Secret {number}"))
    return world.link(*ends, privacy="full", **options)


def lose_all(world: World, calendar_id: UUID) -> None:
    """Every event of the source is deleted, and that is read; so many deletions are held."""
    for number in range(MANY):
        world.server.remove("a", f"e{number}")
    world.look(calendar_id)
    world.pull(calendar_id)


def decide(world: World, *, approved: bool) -> None:
    ((hold_id,),) = world.rows("SELECT id FROM held_changes")
    requests.resolve_held(world.engine, by(world), hold_id, approved=approved)


def hide(world: World, link: Link, **changes: Any) -> None:
    wanted = {"privacy": "busy", **changes}
    requests.change_link(world.engine, by(world), link.id, version=None, changes=wanted)


def texts(world: World, calendar_id: UUID) -> set[Text]:
    return {one.text for one in world.mirrors(calendar_id) if one.text is not None}


def states(world: World) -> list[tuple[str, int]]:
    return world.rows("SELECT state, count(*) FROM event_mappings GROUP BY state ORDER BY state")


def counts(world: World) -> Counts:
    with world.database.person(world.user_id) as conn:
        (one,) = status.read(conn, user_id=world.user_id, flags=world.engine.flags, now=NOW).links
    return one.counts


@pytest.mark.promise(8)
def test_mirrors_whose_deletion_is_held_are_rewritten_and_stay_held(world, ends):
    link = mirrored(world, ends)
    lose_all(world, ends[0])

    hide(world, link)
    before = counts(world)
    world.run()
    after = counts(world)

    assert texts(world, ends[1]) == {Text(title="Busy")}
    assert states(world) == [("held", MANY)]
    assert (before.rewritten, before.due, before.mirrors) == (0, MANY, MANY)
    assert (after.rewritten, after.due, after.mirrors) == (MANY, 0, MANY)


@pytest.mark.parametrize("is_written_first", [True, False])
def test_approving_afterwards_removes_them_whether_they_were_rewritten_or_not(world, ends, is_written_first):
    link = mirrored(world, ends)
    lose_all(world, ends[0])
    hide(world, link)
    if is_written_first:
        world.run()

    decide(world, approved=True)
    world.run()

    assert world.mirrors(ends[1]) == []


@pytest.mark.parametrize("is_discarded_first", [True, False])
def test_mirrors_that_stay_against_their_source_are_rewritten_and_stay(world, ends, is_discarded_first):
    link = mirrored(world, ends)
    lose_all(world, ends[0])

    if is_discarded_first:
        decide(world, approved=False)
        hide(world, link)
    else:
        hide(world, link)
        decide(world, approved=False)
    world.run()

    assert (len(world.mirrors(ends[1])), texts(world, ends[1])) == (MANY, {Text(title="Busy")})
    assert states(world) == [("discarded", MANY)]


def test_what_is_held_before_it_could_be_rewritten_is_rewritten_all_the_same(world, ends):
    link = mirrored(world, ends)

    hide(world, link)
    lose_all(world, ends[0])
    held = states(world)
    world.run()

    assert held == [("held", MANY)]
    assert (len(world.mirrors(ends[1])), texts(world, ends[1])) == (MANY, {Text(title="Busy")})


def test_what_somebody_changed_of_a_held_mirror_is_no_reason_to_leave_its_text(world, ends):
    link = mirrored(world, ends)
    lose_all(world, ends[0])
    first = world.mirrors(ends[1])[0]
    world.put(ends[1], replace(first, text=Text(title="Secret, and mine")))

    hide(world, link)
    world.run()

    assert texts(world, ends[1]) == {Text(title="Busy")}


def test_they_are_brought_in_line_once_and_then_it_is_quiet(world, ends):
    link = mirrored(world, ends)
    lose_all(world, ends[0])
    hide(world, link)
    world.run()
    writes = len(world.server.writes)

    world.look(*ends)
    world.run()
    dispatch.dispatch(world.engine, correlation_id="test", now=NOW + timedelta(hours=1))
    world.run()

    assert len(world.server.writes) == writes


def test_a_plan_counts_them(world, ends):
    link = mirrored(world, ends)
    lose_all(world, ends[0])

    _, found = plans.make(
        world.engine, by(world), Proposal(action="change", link_id=link.id, options={"privacy": "busy"})
    )

    assert (found.rewrite, found.held, found.leave, found.writes) == (MANY, MANY, 0, MANY)


def test_a_mirror_whose_source_nobody_can_expand_any_more_is_rewritten_and_stays_skipped(world, ends):
    world.put(ends[0], event("odd", title="Secret"))
    link = world.link(*ends, privacy="full")
    world.put(ends[0], event("odd", title="Secret", recurrence=("RRULE:FREQ=SECONDLY",)))
    world.look(ends[0])
    world.run()
    stood = texts(world, ends[1])

    hide(world, link)
    world.run()

    assert {text.title for text in stood} == {"Secret"}
    assert texts(world, ends[1]) == {Text(title="Busy")}
    assert world.rows("SELECT last_error IS NOT NULL, waits FROM event_mappings") == [(True, False)]


def test_what_rests_undone_is_rewritten_though_it_was_to_be_put_back_and_somebody_changed_it(world, ends):
    world.put(ends[0], event("e1", title="Secret before"))
    link = world.link(*ends, privacy="full")
    world.put(ends[0], event("e1", title="Secret after"))
    world.look(ends[0])
    world.run()
    ((run_id,),) = world.rows("SELECT run_id FROM sync_journal ORDER BY id DESC LIMIT 1")
    undo.undo(world.engine, by(world), run_id)
    (mirror,) = world.mirrors(ends[1])
    world.put(ends[1], replace(mirror, text=Text(title="Secret of somebody")))

    hide(world, link)
    world.run()

    assert texts(world, ends[1]) == {Text(title="Busy")}


def test_a_run_that_wrote_more_than_shows_by_now_is_undone_without_its_text(world, ends):
    mirrored(world, ends)
    link_id = world.rows("SELECT id FROM links")[0][0]
    requests.change_link(world.engine, by(world), link_id, version=None, changes={"privacy": "busy"})
    world.run()
    ((run_id,),) = world.rows("SELECT run_id FROM sync_journal ORDER BY id DESC LIMIT 1")

    undo.undo(world.engine, by(world), run_id)
    world.run()

    assert texts(world, ends[1]) == {Text(title="Busy")}
