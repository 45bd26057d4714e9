"""Double bookings are found as changes arrive, go by themselves, and are never a mirror beside its source."""

from __future__ import annotations

import threading
import time
from collections import Counter
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from shared.calendar.event import Availability, Response, Status
from shared.calendar.span import AllDaySpan
from shared.core import clock
from shared.store.database import Database
from shared.sync import overlaps, windows
from shared.sync.store import calendars
from shared.sync.store import overlaps as store
from tests.sync.world import NOW, World, event

if TYPE_CHECKING:
    from uuid import UUID

    from shared.calendar.event import Event
    from shared.store.database import Connection
    from shared.sync.links import Link
    from shared.sync.overlaps import Overlap
    from tests.postgres import Logins


@pytest.fixture
def world(database: Database) -> World:
    return World(database)


@pytest.fixture
def link(world: World) -> Link:
    return world.link(world.calendar("home"), world.calendar("work"), privacy="title")


def put(world: World, calendar_id: UUID, *events: Event) -> None:
    for one in events:
        world.put(calendar_id, one)
    world.look(calendar_id)
    world.run()


def gone(world: World, calendar_id: UUID, event_id: str) -> None:
    world.server.remove(world.remote[calendar_id], event_id)
    world.look(calendar_id)
    world.run()


def rows_read(conn: Connection) -> Counter[str]:
    """How many rows of each table this connection has read so far."""
    return Counter(
        dict(conn.execute("SELECT relname, seq_tup_read + idx_tup_fetch FROM pg_stat_xact_user_tables").fetchall())
    )


def found(world: World, **options: Any) -> list[Overlap]:
    with world.database.person(world.user_id) as conn:
        return overlaps.list_page(
            conn,
            world.engine.data_key,
            **{"after": None, "limit": 200, "ignored": False, "all_day": False, "now": clock.now(), **options},
        )


def ids(world: World, **options: Any) -> list[set[str]]:
    return [{side.event_id for side in one.sides} for one in found(world, **options)]


def test_two_events_in_two_calendars_at_one_time_are_told_with_their_titles(world: World, link: Link) -> None:
    put(world, link.source_calendar_id, event("dentist", hours=24, length=2, title="Dentist"))

    put(world, link.target_calendar_id, event("review", hours=25, length=2, title="Review"))

    (one,) = found(world)
    assert {(side.calendar_name, side.event_id) for side in one.sides} == {("home", "dentist"), ("work", "review")}
    assert {side.title for side in one.sides if side.calendar_name == "home"} == {"Dentist"}
    assert (one.starts_at, one.ends_at) == (NOW + timedelta(hours=25), NOW + timedelta(hours=26))


def test_two_events_in_one_calendar_overlap_as_well_and_neighbours_do_not(world: World, link: Link) -> None:
    put(
        world,
        link.source_calendar_id,
        event("a", hours=24, length=2),
        event("b", hours=25),
        event("after", hours=26),
        event("moment", hours=24.5, length=0),
    )

    assert ids(world) == [{"a", "b"}]


def test_a_mirror_and_its_source_are_one(world: World, link: Link) -> None:
    put(world, link.source_calendar_id, event("dentist"))
    world.look(link.target_calendar_id)
    world.run()

    assert len(world.mirrors(link.target_calendar_id)) == 1
    assert ids(world) == []


def test_one_meeting_to_which_both_calendars_are_invited_is_one(world: World, link: Link) -> None:
    put(world, link.source_calendar_id, event("mine", ical_uid="meeting@example.com"))
    put(world, link.target_calendar_id, event("ours", ical_uid="meeting@example.com"))

    assert ids(world) == []


@pytest.mark.parametrize(
    "fields",
    [{"availability": Availability.FREE}, {"response": Response.DECLINED}, {"status": Status.CANCELLED}],
    ids=["free", "declined", "cancelled"],
)
def test_what_takes_no_time_overlaps_nothing(world: World, link: Link, fields: dict[str, Any]) -> None:
    put(world, link.source_calendar_id, event("a"))

    put(world, link.target_calendar_id, event("b", **fields))

    assert ids(world) == []


def test_an_overlap_that_vanishes_is_resolved_by_itself_and_one_that_moves_moves(world: World, link: Link) -> None:
    put(world, link.source_calendar_id, event("a", hours=24, length=2))
    put(world, link.target_calendar_id, event("b", hours=25, length=2))
    (first,) = found(world)

    put(world, link.target_calendar_id, event("b", hours=25.5, length=2))
    (moved,) = found(world)
    put(world, link.target_calendar_id, event("b", hours=30))
    away = found(world)
    put(world, link.target_calendar_id, event("b", hours=24))
    back = ids(world)
    gone(world, link.source_calendar_id, "a")

    assert (moved.id, moved.starts_at) == (first.id, NOW + timedelta(hours=25.5))
    assert away == []
    assert back == [{"a", "b"}]
    assert found(world) == []


def test_ignoring_is_remembered_even_if_it_goes_and_comes_back(world: World, link: Link) -> None:
    put(world, link.source_calendar_id, event("a"))
    put(world, link.target_calendar_id, event("b"))
    (one,) = found(world)

    with world.database.person(world.user_id) as conn:
        overlaps.ignore(conn, world.engine.data_key, one.id, ignored=True, now=clock.now())
    put(world, link.target_calendar_id, event("b", hours=30))
    put(world, link.target_calendar_id, event("b"))

    assert ids(world) == []
    assert ids(world, ignored=True) == [{"a", "b"}]


def test_a_series_overlaps_where_its_occurrences_are(world: World, link: Link) -> None:
    master = event("daily", hours=24, recurrence=("RRULE:FREQ=DAILY",))
    assert master.span is not None
    put(
        world,
        link.source_calendar_id,
        master,
        replace(
            event("moved", hours=24 * 3 + 5), series_id="daily", original_start=master.span.start + timedelta(days=2)
        ),
    )

    put(
        world,
        link.target_calendar_id,
        event("once", hours=24 * 2, length=0.5),
        event("where it was", hours=24 * 3),
        event("where it went", hours=24 * 3 + 5),
    )

    assert [one.starts_at for one in found(world)] == [NOW + timedelta(hours=hours) for hours in (48, 77)]
    assert ids(world) == [{"daily", "once"}, {"daily", "where it went"}]


def test_endless_series_are_compared_as_far_as_the_horizon_and_it_moves_on(world: World, link: Link) -> None:
    put(world, link.source_calendar_id, event("a", hours=48, recurrence=("RRULE:FREQ=WEEKLY",)))
    put(world, link.target_calendar_id, event("b", hours=48, recurrence=("RRULE:FREQ=WEEKLY",)))
    before = len(found(world))
    later = clock.now() + timedelta(days=21)

    windows.advance(world.engine, correlation_id="test", now=later)
    windows.advance(world.engine, correlation_id="test", now=later)

    assert before == 13
    assert len(found(world, now=later)) == 13
    assert world.rows("SELECT count(*) FROM event_times WHERE ends_at < %s", later - timedelta(days=1)) == [(0,)]


def test_whole_days_count_against_whole_days_and_against_timed_events_only_if_asked(world: World, link: Link) -> None:
    day = (NOW + timedelta(days=3)).date()
    trip = AllDaySpan(start=day, end=day + timedelta(days=5))
    put(world, link.source_calendar_id, replace(event("trip"), span=trip))
    put(world, link.target_calendar_id, event("meeting", hours=24 * 5), replace(event("fair"), span=trip))

    assert ids(world) == [{"trip", "fair"}]
    assert sorted(map(sorted, ids(world, all_day=True))) == [
        ["fair", "meeting"],
        ["fair", "trip"],
        ["meeting", "trip"],
    ]


def test_what_lasts_for_weeks_meets_what_lies_in_its_middle(world: World, link: Link) -> None:
    put(world, link.source_calendar_id, event("expedition", hours=24, length=24 * 20))

    put(world, link.target_calendar_id, event("meeting", hours=24 * 12))

    (one,) = found(world)
    assert (one.starts_at, one.ends_at) == (NOW + timedelta(days=12), NOW + timedelta(days=12, hours=1))
    expedition = next(side for side in one.sides if side.event_id == "expedition")
    assert expedition.ends_at - expedition.starts_at == timedelta(days=20)


def test_a_busy_link_keeps_no_title_to_tell(world: World) -> None:
    link = world.link(world.calendar("a"), world.calendar("b"))
    put(world, link.source_calendar_id, event("x", title="Secret"))
    put(world, link.target_calendar_id, event("y", title="Secret"))

    (one,) = found(world)

    assert {side.title for side in one.sides} == {None}


def test_calendars_that_nobody_reads_any_more_are_left_out(world: World, link: Link) -> None:
    put(world, link.source_calendar_id, event("a"))
    put(world, link.target_calendar_id, event("b"))

    world.rows("DELETE FROM links RETURNING 1")

    assert found(world) == []


def test_of_two_changes_at_the_same_moment_the_later_one_sees_the_other(
    world: World, link: Link, logins: Logins
) -> None:
    for calendar_id, event_id in ((link.source_calendar_id, "a"), (link.target_calendar_id, "b")):
        put(world, calendar_id, event(event_id, hours=24))
    world.rows("DELETE FROM double_bookings RETURNING 1")
    world.rows("DELETE FROM event_times RETURNING 1")
    both, other = threading.Barrier(2, timeout=10), Database(logins.runtime)

    def follow(database: Database, calendar_id: UUID, event_id: str) -> None:
        with database.person(world.user_id) as conn:
            calendar = calendars.get(conn, calendar_id)
            both.wait()
            overlaps.follow(conn, calendar, [event_id], now=clock.now())
            time.sleep(0.05)

    thread = threading.Thread(target=follow, args=(other, link.target_calendar_id, "b"))
    thread.start()
    follow(world.database, link.source_calendar_id, "a")
    thread.join()
    other.close()

    assert ids(world) == [{"a", "b"}]


def test_a_calendar_with_everything_at_one_time_stays_affordable(world: World, link: Link) -> None:
    put(world, link.source_calendar_id, *(event(f"e{number:03}") for number in range(300)))

    ((pairs,),) = world.rows("SELECT count(*) FROM double_bookings")

    assert 0 < pairs <= 300 * 20


def test_a_change_among_five_thousand_times_reads_its_neighbours_alone(
    world: World, link: Link, logins: Logins
) -> None:
    put(world, link.source_calendar_id, event("one"))
    world.rows(
        """
        INSERT INTO event_times (user_id, calendar_id, event_id, occurrence, starts_at, ends_at, all_day)
        SELECT %s, %s, 'e' || n, '', %s + n * interval '25 minutes', %s + n * interval '25 minutes' + interval '1 hour',
               false FROM generate_series(1, 5000) n RETURNING 1
        """,
        world.user_id,
        link.target_calendar_id,
        NOW,
        NOW,
    )
    with psycopg.connect(logins.owner) as owner:
        owner.execute("ANALYZE event_times")  # as autovacuum does within a minute

    with world.database.person(world.user_id) as conn:
        calendar = calendars.get(conn, link.source_calendar_id)
        before = rows_read(conn)
        overlaps.follow(conn, calendar, ["one"], now=clock.now())
        read = rows_read(conn) - before

    assert read["event_times"] < 500


def test_after_a_first_copy_a_change_reads_its_own_overlaps_alone(world: World, link: Link, logins: Logins) -> None:
    """The database has counted the tables last when they were almost empty."""
    put(world, link.source_calendar_id, event("e1"), event("e2"))
    with psycopg.connect(logins.owner) as owner:
        owner.execute("ANALYZE event_times, double_bookings")
        owner.execute("ALTER TABLE event_times SET (autovacuum_enabled = false)")
        owner.execute("ALTER TABLE double_bookings SET (autovacuum_enabled = false)")
    # Ten events at each hour, and each meets the nine others.
    world.rows(
        """
        INSERT INTO event_times (user_id, calendar_id, event_id, occurrence, starts_at, ends_at, all_day)
        SELECT %s, %s, 'e' || n, '', %s + n / 10 * interval '1 hour', %s + (n / 10 + 1) * interval '1 hour', false
          FROM generate_series(10, 2009) n RETURNING 1
        """,
        world.user_id,
        link.source_calendar_id,
        NOW,
        NOW,
    )
    world.rows(
        """
        INSERT INTO double_bookings (user_id, first_calendar_id, first_event_id, first_occurrence, second_calendar_id,
               second_event_id, second_occurrence, starts_at, ends_at, mixed, detected_at)
        SELECT a.user_id, a.calendar_id, a.event_id, '', b.calendar_id, b.event_id, '', a.starts_at, a.ends_at, false,
               a.starts_at
          FROM event_times a JOIN event_times b ON b.starts_at = a.starts_at AND b.event_id > a.event_id
        ON CONFLICT DO NOTHING RETURNING 1
        """
    )

    with world.database.person(world.user_id) as conn:
        before = rows_read(conn)
        store.settle(conn, calendars.get(conn, link.source_calendar_id), ["e1000", "e1001"], now=clock.now())
        read = rows_read(conn) - before

    assert read["event_times"] < 200
    assert read["double_bookings"] < 200


def test_an_account_that_ends_takes_its_overlaps_along(world: World, link: Link) -> None:
    put(world, link.source_calendar_id, event("a"))
    put(world, link.target_calendar_id, event("b"))

    world.rows("DELETE FROM external_calendar_connections RETURNING 1")

    assert world.rows("SELECT count(*) FROM double_bookings") == [(0,)]
