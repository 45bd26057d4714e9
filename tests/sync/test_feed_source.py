"""A feed as the source of a link, through the whole engine: real HTTP on one side, a memory calendar on the other."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID, uuid4

import pytest

from shared.calendar.span import AllDaySpan
from shared.core.errors import InvalidError
from shared.core.lanes import Lane
from shared.providers.ics.client import CALENDAR_ID
from shared.sync.store import calendars
from tests.providers.ics.feed import published
from tests.providers.samples import event as appearance
from tests.sync.world import NOW, World

if TYPE_CHECKING:
    from collections.abc import Iterator

    from shared.connections.store import Connection
    from shared.providers.port import CalendarProvider
    from shared.store.database import Database
    from tests.providers.ics.feed import FeedWorld


@pytest.fixture
def feed() -> Iterator[FeedWorld]:
    with published() as feed:
        yield feed


@pytest.fixture
def world(database: Database, feed: FeedWorld) -> World:
    """A world whose second connection is the feed's."""
    world = World(database)
    own = world.connection_id

    def open_provider(connection: Connection, *, refused: bool = False, lane: Lane = Lane.LIVE) -> CalendarProvider:
        return world.provider if connection.id == own else feed.connect_again()

    object.__setattr__(world.engine, "open_provider", open_provider)
    return world


@pytest.fixture
def source(world: World) -> UUID:
    connection, calendar = uuid4(), uuid4()
    with world.database.everyone() as conn:
        conn.execute(
            """
            INSERT INTO external_calendar_connections
                   (id, provider_id, provider, provider_user_id, provider_email, oauth_app_id, status)
            SELECT %s, provider_id, provider, 'feed', 'feed.example', oauth_app_id, 'active'
              FROM external_calendar_connections WHERE id = %s
            """,
            (connection, world.connection_id),
        )
        conn.execute(
            """
            INSERT INTO calendars (id, user_id, connection_id, calendar_id, name, time_zone, can_write, supports_push)
            VALUES (%s, %s, %s, %s, 'Feed', 'UTC', false, false)
            """,
            (calendar, world.user_id, connection, CALENDAR_ID),
        )
        conn.execute(
            "INSERT INTO calendar_sync_state (calendar_id, user_id, connection_id) VALUES (%s, %s, %s)",
            (calendar, world.user_id, connection),
        )
    world.remote[calendar] = "feed"
    return calendar


def add(feed: FeedWorld, title: str, *, days: int = 1) -> str:
    start = NOW.date()
    first = start.fromordinal(start.toordinal() + days)
    return feed.add(appearance(title, AllDaySpan(start=first, end=first.fromordinal(first.toordinal() + 1))))


def look(world: World, source: UUID) -> None:
    world.look(source)
    world.run()


def titles(world: World, target: UUID) -> list[str]:
    return sorted(one.text.title for one in world.mirrors(target) if one.text)


def test_a_feeds_events_appear_change_and_go(world: World, feed: FeedWorld, source: UUID) -> None:
    target = world.calendar("target")
    first, second = add(feed, "First"), add(feed, "Second")
    world.link(source, target, privacy="title")
    copied = titles(world, target)

    feed.retitle(first, "Changed")
    feed.remove(second)
    add(feed, "Third")
    look(world, source)

    assert copied == ["First", "Second"]
    assert titles(world, target) == ["Changed", "Third"]


def test_nothing_is_written_while_the_feed_stays(world: World, feed: FeedWorld, source: UUID) -> None:
    target = world.calendar("target")
    add(feed, "First")
    world.link(source, target, privacy="full")
    writes = len(world.server.writes)

    for _ in range(3):
        look(world, source)

    assert len(world.server.writes) == writes
    assert feed.answered[-3:] == [304, 304, 304]


@pytest.mark.parametrize("how", ["empty", "truncated", "html", "error", "full read of half"])
def test_absence_without_proof_deletes_nothing(world: World, feed: FeedWorld, source: UUID, how: str) -> None:
    target = world.calendar("target")
    for number in range(4):
        add(feed, f"Event {number}")
    world.link(source, target)
    whole = feed.content()

    match how:
        case "empty":
            feed.mirrors = {}
        case "truncated":
            feed.body = whole[: len(whole) // 2]
        case "html":
            feed.body = b"<html>Sign in</html>"
        case "error":
            feed.status = 404
        case "full read of half":
            feed.body = whole[: len(whole) // 2]
            with world.database.person(world.user_id) as conn:
                calendars.request_full_read(conn, source, lane=Lane.REPAIR)
    look(world, source)

    assert len(world.mirrors(target)) == 4


def test_more_than_the_cap_is_held_for_a_decision(world: World, feed: FeedWorld, source: UUID) -> None:
    target = world.calendar("target")
    ids = [add(feed, f"Event {number}") for number in range(20)]
    world.link(source, target)

    for event_id in ids[:12]:
        feed.remove(event_id)
    look(world, source)

    assert len(world.mirrors(target)) == 20
    assert world.rows("SELECT deletions FROM held_changes WHERE resolution IS NULL") == [(12,)]


def test_one_bad_item_is_on_record_and_the_others_go_on(world: World, feed: FeedWorld, source: UUID) -> None:
    target = world.calendar("target")
    bad = add(feed, "Bad")
    add(feed, "Good", days=2)
    feed.body = feed.content().replace(b"DTSTART;VALUE=DATE:", b"DTSTART;VALUE=DATE:x", 1)
    world.link(source, target, privacy="title")
    skipped = world.rows(
        "SELECT external_event_id, sync_status FROM external_calendar_events WHERE sync_status = 'FAILED'"
    )

    feed.body = None
    look(world, source)

    assert skipped == [(bad, "FAILED")]
    assert titles(world, target) == ["Bad", "Good"]


def test_a_feed_is_no_target(world: World, source: UUID) -> None:
    home = world.calendar("home")

    with pytest.raises(InvalidError) as caught:
        world.link(home, source)

    assert caught.value.error_code == "LINK.TARGET_READ_ONLY"
