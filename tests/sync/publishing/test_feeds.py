"""What a feed's readers see, and that its calendars are read for it."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from shared.calendar import recurrence
from shared.calendar.event import Availability, Response, Text
from shared.calendar.ical import reading
from shared.core.errors import ConflictError, InvalidError, NotFoundError
from shared.sync import windows
from shared.sync.asking import requests
from shared.sync.asking.requests import By
from shared.sync.dispatch import dispatch
from shared.sync.publishing import contents, feeds
from shared.sync.rules.plan import window
from tests.sync.world import NOW, World, event

if TYPE_CHECKING:
    from uuid import UUID

    from shared.calendar.event import Event
    from shared.store.database import Database
    from shared.sync.publishing.feeds import Feed


@pytest.fixture
def world(database: Database) -> World:
    return World(database)


def by(world: World) -> By:
    return By(user_id=world.user_id, actor="test", correlation_id="test", now=NOW)


def publish(world: World, *calendars: UUID, **options: Any) -> tuple[Feed, str]:
    made = requests.create_feed(world.engine, by(world), name="Mine", calendar_ids=calendars, **options)
    world.run()
    return made


def read(world: World, token: str) -> bytes:
    found = contents.read(world.database, token, data_key=world.engine.data_key, now=NOW)
    assert found is not None
    return found.body


def seen(world: World, token: str) -> list[Event]:
    found = reading.read(read(world, token))
    assert found.is_whole
    assert not found.unreadable
    return [unit.root for unit in found.units]


def titles(world: World, token: str) -> list[str]:
    return sorted(one.text.title for one in seen(world, token) if one.text)


def test_a_calendar_in_no_link_is_read_for_its_feed_and_goes_on_being_read(world: World) -> None:
    home = world.calendar("home")
    world.put(home, event("a", title="Dentist"))
    _, token = publish(world, home, privacy="title")
    before = titles(world, token)

    world.put(home, event("b", title="Lunch"))
    later = NOW + timedelta(hours=3)
    world.rows("UPDATE calendar_sync_state SET last_synced_at = %s RETURNING calendar_id", NOW - timedelta(hours=1))
    dispatch(world.engine, correlation_id="test", now=later)
    world.run()

    assert before == ["Dentist"]
    assert titles(world, token) == ["Dentist", "Lunch"]


@pytest.mark.parametrize(
    ("privacy", "shown", "hidden"),
    [
        ("busy", ["Busy"], ["Dentist", "x-ray", "Main Street", "event-1"]),
        ("title", ["Dentist"], ["x-ray", "Main Street", "event-1"]),
        ("full", ["Dentist", "x-ray", "Main Street"], ["event-1"]),
    ],
)
def test_readers_see_what_the_mask_shows_and_no_id_of_the_source(
    world: World, privacy: str, shown: list[str], hidden: list[str]
) -> None:
    home = world.calendar("home")
    world.put(home, event("event-1", ical_uid="event-1@google.com"))

    _, token = publish(world, home, privacy=privacy)

    body = read(world, token).decode()
    assert all(word in body for word in shown)
    assert not any(word in body for word in hidden)


def test_uids_stay_and_the_bytes_too_while_nothing_that_shows_changes(world: World) -> None:
    home = world.calendar("home")
    world.put(home, event("a", title="Dentist"))
    _, token = publish(world, home)
    before = read(world, token)

    world.put(home, event("a", title="Another title"))
    world.look(home)
    world.run()

    assert read(world, token) == before


def test_an_invitation_to_two_of_its_calendars_shows_once(world: World) -> None:
    home, work = world.calendar("home"), world.calendar("work")
    for calendar in (home, work):
        world.put(calendar, event("same", title="Meeting", ical_uid="meeting@example.com"))

    _, token = publish(world, home, work, privacy="title")

    assert titles(world, token) == ["Meeting"]


def test_a_mirror_shows_where_its_source_does_not_and_never_beside_it(world: World) -> None:
    home, work = world.calendar("home"), world.calendar("work")
    world.put(work, event("w", title="Board"))
    world.put(home, event("h", title="Dentist"))
    world.link(work, home, privacy="full")

    _, of_home = publish(world, home, privacy="title")
    _, of_both = publish(world, home, work, privacy="title")

    assert len(world.mirrors(home)) == 1
    assert titles(world, of_home) == ["Board", "Dentist"]
    assert titles(world, of_both) == ["Board", "Dentist"]


def test_a_mirror_shows_no_more_than_its_own_link_does_and_no_more_than_the_feed_does(world: World) -> None:
    home, work = world.calendar("home"), world.calendar("work")
    world.put(work, event("w", title="Board"))
    world.link(work, home, privacy="busy", busy_title="Taken")

    _, full = publish(world, home, privacy="full")
    _, busy = publish(world, home, privacy="busy", busy_title="Away")

    assert titles(world, full) == ["Taken"]
    assert titles(world, busy) == ["Away"]


def test_what_is_declined_free_past_or_far_away_is_left_out(world: World) -> None:
    home = world.calendar("home")
    world.put(home, event("a", title="Shown"))
    world.put(home, event("b", title="Declined", response=Response.DECLINED))
    world.put(home, event("c", title="Free", availability=Availability.FREE))
    world.put(home, event("d", title="Long past", hours=-24 * 60))
    world.put(home, event("e", title="Far away", hours=24 * 400))

    _, token = publish(world, home, privacy="title")

    assert titles(world, token) == ["Shown"]


def test_a_series_is_one_event_with_its_changes(world: World) -> None:
    home = world.calendar("home")
    root = world.put(home, event("s", title="Stand-up", recurrence=("RRULE:FREQ=DAILY;COUNT=5",)))
    assert root.span is not None
    places = recurrence.expand(root, window(_everything(), now=NOW))
    world.put(
        home,
        event("s_x", hours=49, title="Moved", series_id="s", original_start=places[1].original_start),
    )
    world.put(home, event("broken", title="Broken", recurrence=("RRULE:FREQ=NEVER",)))

    _, token = publish(world, home, privacy="title")

    (unit,) = reading.read(read(world, token)).units
    happens = [one.span.starts_at() for one in recurrence.occurrences(unit, window(_everything(), now=NOW))]
    assert len(happens) == 5
    assert NOW + timedelta(hours=49) in happens
    assert [one.text for one in unit.overrides] == [Text(title="Moved")]


def _everything() -> Feed:
    return feeds.Feed(
        **dict.fromkeys(("id", "user_id", "name", "hint", "privacy", "busy_title"), ""),  # type: ignore[arg-type]
        **dict.fromkeys(("content_hash", "changed_at", "last_read_at", "rotated_at", "revoked_at")),  # type: ignore[arg-type]
        skip_all_day=False,
        skip_free=False,
        days_ahead=365,
        days_behind=30,
        created_at=NOW,
        calendar_ids=[],
    )


def test_a_revoked_or_unknown_token_opens_nothing_and_the_calendar_is_read_no_more(world: World) -> None:
    home = world.calendar("home")
    feed, token = publish(world, home)

    requests.revoke_feed(world.engine, by(world), feed.id)

    for opened in (token, "x" * 43):
        assert contents.read(world.database, opened, data_key=world.engine.data_key, now=NOW) is None
    assert world.rows("SELECT * FROM calendars_in_use") == []


def test_after_a_rotation_only_the_new_token_opens(world: World) -> None:
    home = world.calendar("home")
    feed, old = publish(world, home)

    rotated, new = requests.rotate_feed(world.engine, by(world), feed.id)

    assert contents.read(world.database, old, data_key=world.engine.data_key, now=NOW) is None
    assert read(world, new)
    assert rotated.hint == f"{new[:6]}…"
    requests.revoke_feed(world.engine, by(world), feed.id)
    with pytest.raises(ConflictError):
        requests.rotate_feed(world.engine, by(world), feed.id)


def test_the_database_keeps_no_token_and_every_step_is_on_record(world: World) -> None:
    home = world.calendar("home")
    feed, token = publish(world, home)
    _, second = requests.rotate_feed(world.engine, by(world), feed.id)
    requests.revoke_feed(world.engine, by(world), feed.id)

    kept = str(world.rows("SELECT * FROM feeds")) + str(world.rows("SELECT * FROM audit_log"))

    assert token not in kept
    assert second not in kept
    actions = [
        row[0] for row in world.rows("SELECT action FROM audit_log WHERE entity = %s ORDER BY id", f"feed:{feed.id}")
    ]
    assert actions == ["feed.created", "feed.rotated", "feed.revoked"]


def test_a_feed_of_nothing_or_of_somebody_elses_calendar_is_refused(world: World, database: Database) -> None:
    other = World(database)
    theirs = other.calendar("theirs")

    with pytest.raises(InvalidError):
        requests.create_feed(world.engine, by(world), name="Mine", calendar_ids=[])
    with pytest.raises(NotFoundError):
        requests.create_feed(world.engine, by(world), name="Mine", calendar_ids=[theirs])


def test_texts_are_kept_only_while_something_shows_them(world: World) -> None:
    home = world.calendar("home")
    world.put(home, event("a", title="Dentist"))

    publish(world, home, privacy="busy")
    masked = world.rows("SELECT raw_payload IS NULL FROM external_calendar_events")
    publish(world, home, privacy="title")

    assert masked == [(True,)]
    assert world.rows("SELECT raw_payload IS NULL FROM external_calendar_events") == [(False,)]


def test_a_window_that_a_provider_fixes_is_read_anew_for_a_feed_alone(world: World) -> None:
    home = world.calendar("home")
    world.rows("UPDATE external_calendar_connections SET provider = 'microsoft' RETURNING id")
    publish(world, home, days_ahead=365)

    soon = windows.advance(world.engine, correlation_id="test", now=NOW + timedelta(days=10))
    later = windows.advance(world.engine, correlation_id="test", now=NOW + timedelta(days=40))

    assert (soon["reread"], later["reread"]) == (0, 1)
    assert world.rows("SELECT needs_full_sync FROM calendar_sync_state") == [(True,)]
