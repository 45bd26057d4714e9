"""Windows that move: what enters them is mirrored although nothing of it changed."""

from __future__ import annotations

from datetime import timedelta

import pytest

from shared.calendar.event import Availability
from shared.core import clock
from shared.sync import linking, windows
from tests.sync.world import World, event


@pytest.fixture
def world(database):
    return World(database)


def advance(world: World, *, days: int) -> dict[str, int]:
    """The daily schedule, so many days later."""
    counts = windows.advance(world.engine, correlation_id="test", now=clock.now() + timedelta(days=days))
    world.run()
    return counts


def test_an_event_that_enters_the_window_is_mirrored_without_another_read(world):
    a, b = world.calendar("a"), world.calendar("b")
    world.put(a, event("near"))
    world.put(a, event("far", hours=24 * 45))
    world.put(a, event("free", hours=24 * 46, availability=Availability.FREE))
    world.link(a, b, days_ahead=30)
    fulls = world.rows("SELECT count(*) FROM sync_runs WHERE kind = 'full'")
    assert len(world.mirrors(b)) == 1

    counts = advance(world, days=20)

    assert counts["links"] == 1
    assert {one.span for one in world.mirrors(b)} == {event("near").span, event("far", hours=24 * 45).span}
    assert world.rows("SELECT count(*) FROM sync_runs WHERE kind = 'full'") == fulls


def test_what_is_there_already_is_left_alone(world):
    a, b = world.calendar("a"), world.calendar("b")
    for number in range(4):
        world.put(a, event(f"e{number}", hours=24 + number))
    world.link(a, b)
    world.server.writes.clear()

    assert advance(world, days=1)["planned"] == 0

    assert world.server.writes == []


def test_a_paused_link_waits(world):
    a, b = world.calendar("a"), world.calendar("b")
    world.put(a, event("far", hours=24 * 45))
    link = world.link(a, b, days_ahead=30)
    with world.database.person(world.user_id) as conn:
        linking.set_state(conn, link.id, "paused")

    assert advance(world, days=20)["links"] == 0

    assert world.mirrors(b) == []


def test_a_window_that_the_provider_fixed_is_read_anew_before_it_ends(world):
    a, b = world.calendar("a"), world.calendar("b")
    world.put(a, event("e1"))
    world.link(a, b)
    with world.database.everyone() as conn:
        conn.execute("UPDATE external_calendar_connections SET provider = 'microsoft'")

    assert advance(world, days=10)["reread"] == 0
    assert advance(world, days=40)["reread"] == 1

    assert world.rows("SELECT needs_full_sync FROM calendar_sync_state WHERE calendar_id = %s", a) == [(True,)]


def test_what_was_deleted_outside_the_old_window_is_not_mirrored_when_a_wider_one_is_read(world):
    a, b, c = world.calendar("a"), world.calendar("b"), world.calendar("c")
    world.put(a, event("near"))
    world.put(a, event("far", hours=24 * 500))
    world.link(a, b, days_ahead=30)
    world.server.remove("a", "far")

    world.link(a, c, days_ahead=730)
    advance(world, days=1)

    assert [one.span for one in world.mirrors(c)] == [event("near").span]
