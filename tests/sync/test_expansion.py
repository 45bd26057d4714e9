"""A series that the target cannot hold is mirrored occurrence by occurrence, inside the window.

Here the target is called Google, whose API refuses what repeats within a day.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from shared.calendar.busy import Kind
from shared.calendar.event import Event, Status, Text
from shared.calendar.span import Window
from shared.core import clock
from shared.core.errors import InvalidError
from shared.core.lanes import Lane
from shared.sync import linking, pull, undo, windows
from shared.sync.asking import plans
from shared.sync.asking.plans import Proposal
from shared.sync.store import calendars
from shared.sync.views import activity, availability, explain
from shared.sync.views.sentences import Verdict
from tests.sync.world import NOW, World, by, event, occurrence

if TYPE_CHECKING:
    from uuid import UUID

    from shared.store.database import Database

RULE = "RRULE:FREQ=HOURLY;INTERVAL=2;COUNT=8"
DAY = timedelta(days=1)


@pytest.fixture
def world(database: Database) -> World:
    return World(database)


@pytest.fixture
def ends(world: World) -> tuple[UUID, UUID]:
    return world.calendar("a"), world.calendar("b")


def series(rule: str = RULE, **fields: object) -> Event:
    return replace(event("shift", length=0.5, title="Shift", recurrence=(rule,)), **fields)


def hours(world: World, target: UUID) -> list[float]:
    """When what stands at the target begins, in hours from the first."""
    first = event("shift").span
    assert first is not None
    found = world.mirrors(target)
    assert all(one.recurrence == () for one in found)
    return sorted((one.span.starts_at() - first.starts_at()).total_seconds() / 3600 for one in found if one.span)


def change(world: World, source: UUID, *events: Event) -> None:
    for one in events:
        world.put(source, one)
    world.look(source)
    world.run()


def test_each_occurrence_is_an_event_of_its_own_and_then_nothing_more_is_written(world, ends):
    world.put(ends[0], series())
    world.put(ends[0], occurrence(series(), 2, status=Status.CANCELLED))
    moved = occurrence(series(), 3)
    assert moved.span is not None
    world.put(ends[0], replace(moved, span=replace(moved.span, end=moved.span.end + DAY, start=moved.span.start + DAY)))
    world.link(*ends, privacy="title")
    written = len(world.server.writes)

    for _ in range(2):
        world.look(*ends)
        world.run()

    assert hours(world, ends[1]) == [0, 2, 8, 10, 12, 14, 30]
    assert sorted(one.text.title for one in world.mirrors(ends[1]) if one.text) == [*["Shift"] * 6, "differs"]
    assert len(world.server.writes) == written == 7


def test_what_changes_changes_in_place(world, ends):
    world.put(ends[0], series())
    world.link(*ends, privacy="title")
    before = {one.id for one in world.mirrors(ends[1])}

    change(world, ends[0], replace(series(), text=event("x", title="Late shift").text))

    assert {one.id for one in world.mirrors(ends[1])} == before
    assert {one.text.title for one in world.mirrors(ends[1]) if one.text} == {"Late shift"}


def test_an_occurrence_that_is_cancelled_takes_its_mirror_along_and_one_that_returns_brings_it_back(world, ends):
    world.put(ends[0], series())
    world.link(*ends)

    change(world, ends[0], occurrence(series(), 5, status=Status.CANCELLED))
    without = hours(world, ends[1])
    change(world, ends[0], occurrence(series(), 5))

    assert without == [0, 2, 4, 6, 8, 12, 14]
    assert hours(world, ends[1]) == [0, 2, 4, 6, 8, 10, 12, 14]


def test_one_series_that_goes_is_one_deletion_however_many_mirrors_it_has(world, ends):
    world.put(ends[0], series())
    world.link(*ends)

    world.server.remove("a", "shift")
    world.look(ends[0])
    world.run()

    assert world.mirrors(ends[1]) == []
    assert world.rows("SELECT count(*) FROM held_changes") == [(0,)]


def test_a_rule_that_the_target_can_hold_turns_them_into_a_series_and_back(world, ends):
    world.put(ends[0], series())
    world.link(*ends)

    change(world, ends[0], series("RRULE:FREQ=DAILY;COUNT=3"))
    held = world.mirrors(ends[1])
    change(world, ends[0], series())

    assert [one.recurrence for one in held] == [("RRULE:FREQ=DAILY;COUNT=3",)]
    assert hours(world, ends[1]) == [0, 2, 4, 6, 8, 10, 12, 14]
    assert world.rows("SELECT count(*) FROM held_changes") == [(0,)]


def test_occurrences_enter_the_window_day_by_day_and_none_leaves_it(world, ends):
    world.put(ends[0], series("RRULE:FREQ=HOURLY;INTERVAL=24"))
    world.link(*ends, days_ahead=3)
    first = hours(world, ends[1])

    windows.advance(world.engine, correlation_id="test", now=clock.now() + 2 * DAY)
    world.run()

    assert len(first) in (2, 3)
    assert hours(world, ends[1]) == [24.0 * number for number in range(len(first) + 2)]


def test_a_mirror_that_somebody_deletes_comes_back_alone(world, ends):
    world.put(ends[0], series())
    world.link(*ends)
    world.server.writes.clear()

    world.server.remove("b", world.mirrors(ends[1])[3].id)
    world.look(ends[1])
    world.run()

    assert hours(world, ends[1]) == [0, 2, 4, 6, 8, 10, 12, 14]
    assert len(world.server.writes) == 1


def test_a_preview_counts_what_then_is_done(world, ends):
    world.put(ends[0], series())
    proposal = Proposal(
        action="create", source_calendar_id=ends[0], target_calendar_id=ends[1], options={"privacy": "title"}
    )

    made, found = plans.make(world.engine, by(world), proposal, version=None)
    plans.apply(world.engine, by(world), made.id)
    world.run()

    assert (found.create, found.writes, found.skipped) == (8, 8, {})
    assert len(world.mirrors(ends[1])) == 8
    link = world.rows("SELECT id FROM links")[0][0]
    _, anew = plans.make(world.engine, by(world), Proposal(action="resync", link_id=link, options={}), version=None)
    assert (anew.create, anew.rewrite, anew.remove, anew.leave, anew.writes) == (0, 0, 0, 8, 0)


def test_it_is_said_why_there_is_no_series(world, ends):
    world.put(ends[0], series())
    world.link(*ends)

    with world.database.person(world.user_id) as conn:
        (whole,) = explain.explain(conn, world.engine.data_key, "shift", now=clock.now())
        one = occurrence(series(), 1)
        (single,) = explain.explain(conn, world.engine.data_key, one.id, now=clock.now())

    assert (whole.links[0].verdict, whole.links[0].reason) == (Verdict.MIRRORED, "expanded")
    assert single.links[0].verdict is Verdict.MIRRORED
    assert single.links[0].mirror_event_id in {mirror.id for mirror in world.mirrors(ends[1])}


def test_the_time_is_taken_at_the_target_and_the_agenda_shows_it(world, ends):
    world.put(ends[0], series())
    link = world.link(*ends)
    until = NOW + 4 * DAY

    with world.database.person(world.user_id) as conn:
        taken = availability.read(
            conn,
            user_id=world.user_id,
            flags=world.engine.flags,
            start=NOW,
            end=until,
            calendar_ids=[ends[1]],
            now=clock.now(),
        )
        shown = activity.agenda(
            conn,
            world.engine.data_key,
            calendar_id=None,
            link_id=link.id,
            window=Window(start=NOW, end=until),
            after=None,
            limit=50,
        )

    assert sum(one.kind is Kind.BUSY for one in taken.intervals) == 8
    assert len([one for one in shown if one.kind == "mirror"]) == 8


def test_an_occurrence_left_behind_by_a_series_that_moved_is_mirrored_where_it_stands(world, ends):
    """RFC 5545, 3.8.4.4 has no such RECURRENCE-ID; some programs do, and no calendar takes it as part of a series."""
    daily = series("RRULE:FREQ=DAILY;COUNT=3")
    behind = occurrence(daily, 1, span=daily.span)
    moved = replace(daily, span=event("shift", hours=27, length=0.5).span)
    world.put(ends[0], moved)
    world.put(ends[0], behind)

    world.link(*ends)
    found = hours(world, ends[1])
    world.server.remove(world.remote[ends[0]], behind.id)
    world.look(ends[0])
    world.run()

    assert found == [0, 3, 27, 51]
    assert [one.recurrence for one in world.mirrors(ends[1])] == [daily.recurrence]
    assert world.rows("SELECT count(*) FROM event_mappings WHERE last_error IS NOT NULL") == [(0,)]


@pytest.mark.parametrize("full", [False, True])
def test_a_moved_series_of_which_a_page_shows_only_an_occurrence_stays_a_series(world, ends, full):
    """Google tells of a series and of its occurrences apart, in any order, and a page may end between them."""
    daily = series("RRULE:FREQ=DAILY;COUNT=3")
    change(world, ends[0], daily)
    world.link(*ends)
    world.server.page_size = 1
    moved = replace(daily, span=event("shift", hours=27, length=0.5).span)
    world.put(ends[0], occurrence(moved, 1))
    world.put(ends[0], moved)
    if full:
        world.server.expire_cursors()

    world.look(ends[0])
    world.run()

    (mirror,) = world.mirrors(ends[1])
    assert (mirror.span, mirror.recurrence) == (moved.span, moved.recurrence)
    assert world.rows("SELECT count(*) FROM event_mappings") == [(1,)]


def test_a_series_that_nobody_can_read_is_not_taken_apart_because_an_occurrence_of_it_is_news(world, ends, monkeypatch):
    daily = series("RRULE:FREQ=DAILY;COUNT=3")
    change(world, ends[0], daily)
    world.link(*ends)
    moved = replace(daily, span=event("shift", hours=27, length=0.5).span)

    def unreadable(calendar_id, event_id, **arguments):
        raise InvalidError("nobody understands it")

    monkeypatch.setattr(world.provider, "get", unreadable)
    change(world, ends[0], occurrence(moved, 1))
    for _ in range(2):
        world.look(ends[0])
        world.run()

    (mirror,) = world.mirrors(ends[1])
    assert mirror.recurrence == daily.recurrence
    assert world.rows("SELECT count(*) FROM event_mappings") == [(1,)]


def test_a_series_that_is_taken_apart_while_it_is_written_goes_with_all_its_occurrences(world, ends, monkeypatch):
    world.link(*ends)
    world.put(ends[0], series("RRULE:FREQ=DAILY;COUNT=3"))
    world.look(ends[0])
    world.pull(ends[0])
    write = world.provider.write

    def write_meanwhile(calendar_id, writes):
        world.put(ends[0], series())
        world.look(ends[0])
        world.pull(ends[0])
        return write(calendar_id, writes)

    with monkeypatch.context() as meanwhile:
        meanwhile.setattr(world.provider, "write", write_meanwhile)
        world.push(ends[1])
    world.run()
    apart = hours(world, ends[1])
    world.server.remove("a", "shift")
    world.look(ends[0])
    world.run()

    assert apart == [0, 2, 4, 6, 8, 10, 12, 14]
    assert world.mirrors(ends[1]) == []


def test_a_series_taken_apart_goes_whole_whatever_its_link_says_of_deletions_by_then(world, ends):
    world.put(ends[0], series("RRULE:FREQ=DAILY;COUNT=3"))
    link = world.link(*ends, on_delete="ignore")
    (whole,) = world.mirrors(ends[1])
    world.put(ends[1], occurrence(whole, 1, status=Status.CANCELLED))
    world.look(ends[1])
    world.run()
    change(world, ends[0], series())

    with world.database.person(world.user_id) as conn:
        linking.change(conn, link.id, version=link.version, changes={"on_delete": "restore"})
    world.server.remove("a", "shift")
    world.look(ends[0])
    world.run()

    assert world.mirrors(ends[1]) == []


def test_a_series_whose_taking_apart_was_undone_rests_until_it_changes_and_then_goes_whole(world, ends):
    daily, endless = series("RRULE:FREQ=DAILY;COUNT=3"), series("RRULE:FREQ=HOURLY;INTERVAL=8")
    world.put(ends[0], daily)
    world.link(*ends, days_ahead=3)
    change(world, ends[0], endless)
    before = hours(world, ends[1])
    ((apart,),) = world.rows("SELECT run_id FROM sync_journal ORDER BY id DESC LIMIT 1")

    undo.undo(world.engine, by(world), apart)
    world.run()
    undone = [one.recurrence for one in world.mirrors(ends[1])]
    windows.advance(world.engine, correlation_id="test", now=clock.now() + 2 * DAY)
    world.run()
    world.server.expire_cursors()
    world.look(ends[0])
    world.run()
    resting = [one.recurrence for one in world.mirrors(ends[1])]
    change(world, ends[0], replace(endless, text=event("x", title="Late shift").text))
    changed = hours(world, ends[1])
    world.server.remove("a", "shift")
    world.look(ends[0])
    world.run()

    assert undone == resting == [daily.recurrence]
    assert changed == before
    assert world.mirrors(ends[1]) == []


def test_a_full_read_that_shows_a_series_without_what_differs_plans_each_occurrence_once(world, ends, monkeypatch):
    world.put(ends[0], series())
    moved = occurrence(series(), 3)
    world.put(ends[0], moved)
    world.link(*ends, privacy="title")
    with world.database.person(world.user_id) as conn:
        calendars.request_full_read(conn, ends[0], lane=Lane.REPAIR)
    changes = world.provider.changes

    def without_what_differs(calendar_id, **named):
        page = changes(calendar_id, **named)
        return replace(page, changes=tuple(one for one in page.changes if not one.event.is_override))

    monkeypatch.setattr(world.provider, "changes", without_what_differs)
    monkeypatch.setattr(pull, "PROVEN_PER_CALL", 0)  # as of what is past, which is not asked for
    world.put(ends[0], series(text=Text(title="Late shift")))
    world.look(ends[0])
    world.run()

    assert world.rows("SELECT needs_full_sync FROM calendar_sync_state WHERE calendar_id = %s", ends[0]) == [(False,)]
    assert len(hours(world, ends[1])) == 8
