"""What a change of links would write, seen before it is done; and done later by its id."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from shared.calendar.event import Availability, Event, Status
from shared.core.errors import ConflictError, InvalidError, NotFoundError, PreconditionFailedError, TransientError
from shared.sync.asking import plans, requests
from shared.sync.asking.plans import Proposal
from tests.sync.world import NOW, World, by, event

if TYPE_CHECKING:
    from uuid import UUID

    from shared.store.database import Database
    from shared.sync.asking.forecast import Forecast
    from shared.sync.asking.plans import Plan


@pytest.fixture
def world(database: Database) -> World:
    return World(database)


@pytest.fixture
def ends(world: World) -> tuple[UUID, UUID]:
    return world.calendar("a"), world.calendar("b")


def make(world: World, action: Any, *, version: int | None = None, **fields: Any) -> tuple[Plan, Forecast]:
    known = {name: fields.pop(name) for name in [*fields] if name.endswith("_id")}
    return plans.make(world.engine, by(world), Proposal(action=action, options=fields, **known), version=version)


def create(world: World, ends: tuple[UUID, UUID], **options: Any) -> tuple[Plan, Forecast]:
    return make(world, "create", source_calendar_id=ends[0], target_calendar_id=ends[1], **options)


def apply(world: World, plan: Plan) -> plans.Applied:
    done = plans.apply(world.engine, by(world), plan.id)
    world.run()
    return done


def looks(found: Forecast, kind: str) -> list[tuple[Any, Any]]:
    def title(one: Any) -> Any:
        return one and one.text.title

    return [(title(one.before), title(one.after)) for one in found.samples if one.kind == kind]


def shape(found: Forecast) -> tuple[int, ...]:
    return (found.create, found.rewrite, found.remove, found.leave, found.held, found.writes)


def some(world: World, calendar_id: UUID, count: int) -> None:
    for number in range(count):
        world.put(calendar_id, event(f"e{number:02}", hours=24 + number, title=f"Title {number}"))


def test_a_new_link_is_forecast_from_a_calendar_that_was_never_read_and_leaves_no_trace(world, ends):
    some(world, ends[0], 3)
    world.put(ends[0], event("free", availability=Availability.FREE))
    world.put(ends[0], event("far", hours=24 * 400))
    world.put(ends[0], event("odd", recurrence=("RRULE:FREQ=SECONDLY",)))

    _, found = create(world, ends, privacy="title")

    assert shape(found) == (3, 0, 0, 0, 0, 3)
    assert (found.skipped, found.left_out, found.unknown) == (
        {"RECURRENCE.INVALID": 1},
        {"free": 1, "window": 1},
        [],
    )
    assert looks(found, "create") == [(None, "Title 0"), (None, "Title 1"), (None, "Title 2")]
    assert world.rows("SELECT count(*) FROM links") == [(0,)]
    assert world.rows("SELECT count(*) FROM external_calendar_events") == [(0,)]
    assert world.server.writes == []


def test_what_was_forecast_is_what_happens(world, ends):
    some(world, ends[0], 7)
    start = NOW + timedelta(days=1)
    moved = start + timedelta(days=1, hours=2)
    world.put(ends[0], event("s1", recurrence=("RRULE:FREQ=DAILY;COUNT=5",)))
    world.put(
        ends[0],
        replace(
            event("s1_x", hours=24 + 26),
            id=f"s1_{start + timedelta(days=1):%Y%m%dT%H%M%SZ}",
            series_id="s1",
            original_start=moved - timedelta(hours=2),
        ),
    )
    world.put(
        ends[0],
        Event(
            id=f"s1_{start + timedelta(days=2):%Y%m%dT%H%M%SZ}",
            span=None,
            status=Status.CANCELLED,
            series_id="s1",
            original_start=start + timedelta(days=2),
        ),
    )

    plan, found = create(world, ends, privacy="full")
    done = apply(world, plan)

    assert len(world.server.writes) == found.writes == 10
    assert found.create == 8
    assert world.rows("SELECT id FROM links") == [(done.link_id,)]
    seen = {one.text for one in world.mirrors(ends[1])}
    assert {one.after.text for one in found.samples if one.after} <= seen


@pytest.mark.parametrize(
    ("made", "changes", "expected"),
    [
        ({"privacy": "title"}, {"privacy": "busy"}, (0, 8, 0, 0, 0, 8)),
        ({"privacy": "busy"}, {"privacy": "title"}, (0, 8, 0, 0, 0, 8)),
        ({"privacy": "title"}, {"skip_free": True}, (0, 0, 0, 8, 0, 0)),
        ({"privacy": "title", "skip_free": False}, {"skip_free": True}, (0, 0, 1, 8, 0, 1)),
        ({"privacy": "title"}, {"skip_free": False}, (1, 0, 0, 8, 0, 1)),
        ({"days_ahead": 1}, {"days_ahead": 30}, (8, 0, 0, 0, 0, 8)),
    ],
)
def test_a_change_is_forecast_and_happens_so(world, ends, made, changes, expected):
    for number in range(8):
        world.put(ends[0], event(f"e{number}", hours=30 + number))
    world.put(ends[0], event("free", hours=30, availability=Availability.FREE))
    link = world.link(*ends, **made)
    world.server.writes.clear()

    plan, found = make(world, "change", link_id=link.id, **changes)
    before = list(world.server.writes)
    apply(world, plan)

    assert shape(found) == expected
    assert (before, len(world.server.writes)) == ([], found.writes)


def test_samples_show_what_readers_see_before_and_after(world, ends):
    world.put(ends[0], event("e1", title="Oncology"))
    link = world.link(*ends, privacy="full")

    _, found = make(world, "change", link_id=link.id, privacy="busy", busy_title="Taken")

    assert looks(found, "rewrite") == [("Oncology", "Taken")]


def test_a_filter_that_removes_many_is_forecast_so_and_is_not_held_for_a_person_chose_it(world, ends):
    for number in range(20):
        world.put(ends[0], event(f"e{number}", hours=24 + number, availability=Availability.FREE))
    link = world.link(*ends, skip_free=False)

    plan, found = make(world, "change", link_id=link.id, skip_free=True)
    apply(world, plan)

    assert shape(found) == (0, 0, 20, 0, 0, 20)
    assert len(looks(found, "remove")) == 5
    assert world.mirrors(ends[1]) == []
    assert world.rows("SELECT count(*) FROM held_changes") == [(0,)]


@pytest.mark.parametrize(
    ("answer", "expected", "left"), [(True, (0, 0, 3, 0, 0, 3), 0), (False, (0, 0, 0, 3, 0, 0), 3)]
)
def test_a_deletion_is_forecast_and_carried_out(world, ends, answer, expected, left):
    some(world, ends[0], 3)
    link = world.link(*ends, privacy="title")

    plan, found = make(world, "delete", link_id=link.id, delete_mirrors=answer)
    done = apply(world, plan)

    assert shape(found) == expected
    assert sorted(looks(found, "remove")) == ([(f"Title {number}", None) for number in range(3)] if answer else [])
    assert (done.mirrors, len(world.mirrors(ends[1]))) == (3 if answer else 0, left)
    assert world.rows("SELECT count(*) FROM links") == [(0,)]


def test_a_resync_of_a_link_in_step_writes_nothing_and_says_so(world, ends):
    some(world, ends[0], 3)
    link = world.link(*ends)
    world.server.writes.clear()

    plan, found = make(world, "resync", link_id=link.id)
    apply(world, plan)

    assert shape(found) == (0, 0, 0, 3, 0, 0)
    assert world.server.writes == []
    assert "by hand" in found.unknown[0]


@pytest.mark.parametrize("what", ["event", "link", "mirror"])
def test_a_plan_is_refused_when_the_world_has_changed(world, ends, what):
    some(world, ends[0], 3)
    link = world.link(*ends)
    plan, _ = make(world, "change", link_id=link.id, busy_title="Taken")

    match what:
        case "event":
            world.put(ends[0], event("e00", hours=99))
            world.look(ends[0])
            world.run()
        case "link":
            requests.change_link(world.engine, by(world), link.id, version=None, changes={"days_ahead": 30})
        case "mirror":
            world.rows("UPDATE event_mappings SET state = 'frozen' WHERE source_event_id = 'e01' RETURNING 1")

    with pytest.raises(ConflictError) as refused:
        plans.apply(world.engine, by(world), plan.id)
    assert refused.value.error_code == "PLAN.OUTDATED"


def test_a_full_read_that_finds_nothing_new_keeps_a_plan_valid(world, ends):
    some(world, ends[0], 3)
    link = world.link(*ends)
    plan, _ = make(world, "change", link_id=link.id, busy_title="Taken")

    world.server.expire_cursors()
    world.look(ends[0])
    world.run()

    assert apply(world, plan).link_id == link.id


def test_a_plan_is_carried_out_once_within_an_hour_and_by_nobody_else(world, ends, database):
    link = world.link(*ends)
    plan, _ = make(world, "change", link_id=link.id, busy_title="Taken")
    late, _ = make(world, "change", link_id=link.id, busy_title="Engaged")

    with pytest.raises(ConflictError) as too_late:
        plans.apply(world.engine, by(world, later=timedelta(minutes=61)), late.id)
    with pytest.raises(NotFoundError):
        plans.apply(world.engine, by(World(database)), plan.id)
    apply(world, plan)
    with pytest.raises(ConflictError) as again:
        plans.apply(world.engine, by(world), plan.id)

    assert (too_late.value.error_code, again.value.error_code) == ("PLAN.EXPIRED", "PLAN.APPLIED")
    assert world.rows("SELECT version FROM links") == [(2,)]


def test_what_cannot_be_done_cannot_be_planned(world, ends):
    link = world.link(*ends)

    with pytest.raises(ConflictError):
        create(world, ends)
    with pytest.raises(InvalidError):
        make(world, "change", link_id=link.id, no_such=1)
    with pytest.raises(PreconditionFailedError):
        make(world, "change", link_id=link.id, version=7, busy_title="Taken")
    assert world.rows("SELECT count(*) FROM sync_plans") == [(0,)]


def test_a_provider_that_is_down_is_said_to_be_unknown_and_raises_nothing(world, ends):
    some(world, ends[0], 3)

    def down(*arguments: Any, **options: Any) -> Any:
        raise TransientError("Down.")

    world.provider.changes = down

    _, found = create(world, ends)

    assert shape(found) == (0, 0, 0, 0, 0, 0)
    assert "could not be read to its end (TRANSIENT)" in found.unknown[0]


def test_a_large_source_is_read_within_bounds_and_the_rest_is_said_to_be_unknown(world, ends):
    world.server.page_size = 2
    some(world, ends[0], 11)

    _, found = create(world, ends)

    assert found.create == 8
    assert "first 8 events" in found.unknown[0]


def test_mirrors_in_the_source_are_not_counted(world, ends):
    c = world.calendar("c")
    some(world, ends[0], 2)
    world.put(ends[1], event("own"))
    world.link(*ends)

    _, found = create(world, (ends[1], c))

    assert found.create == 1


def test_a_plan_holds_no_private_text(world, ends):
    world.put(ends[0], event("e1", title="Oncology"))
    create(world, ends, privacy="full", busy_title="Secret word")

    ((row,),) = world.rows("SELECT to_jsonb(p)::text || encode(p.options, 'escape') FROM sync_plans p")

    assert "Oncology" not in row
    assert "Secret word" not in row
