"""CalDAV in the whole engine: with itself, with Google and Microsoft, against a real Radicale."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import quote
from zoneinfo import ZoneInfo

import pytest

from shared.calendar.span import TimedSpan, occurrence_key
from shared.connections import app_passwords, discovery
from shared.providers import AppPassword
from shared.sync import dispatch, pull, push
from shared.sync.asking import requests
from shared.sync.context import Lanes
from tests import installation, radicale
from tests.connections.conftest import finish, start
from tests.providers.caldav.conftest import CalDavWorld
from tests.providers.caldav.front import before
from tests.providers.replica import Replica
from tests.providers.samples import event
from tests.sync.world import Lane, next_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from uuid import UUID

    from shared.calendar.mirror import Appearance
    from shared.connections.store import Connection
    from tests.installation import Installation
    from tests.postgres import Logins
    from tests.providers.caldav.front import Front

BERLIN = ZoneInfo("Europe/Berlin")
REST = timedelta(minutes=35)


class Household:
    """A person with a CalDAV account of two calendars, and perhaps accounts elsewhere; work runs when told to."""

    def __init__(self, installed: Installation, upstream: str, front: Front) -> None:
        self.installed, self.app, self.front = installed, installed.app, front
        self.now = datetime.now(UTC)
        self.person = installed.person("ada@example.com", now=self.now)
        self.source, self.target = CalDavWorld(upstream, front), CalDavWorld(upstream, front)
        self.ids: dict[str, UUID] = {}
        self.connect()
        self.engine = replace(
            self.app.engine(),
            lanes=Lanes(pull=Lane(), push=Lane(), repair=Lane(), backfill=Lane()),
            now=lambda: self.now,
            webhook_address=lambda provider: None,
        )

    def connect(self, password: str = radicale.PASSWORD) -> Connection:
        """Give the CalDAV account's app password."""
        connection = app_passwords.connect(
            self.app.database,
            user_id=self.person.user_id,
            login=AppPassword(url=self.front.base, username=radicale.USER, password=password),
            log_in=self.app.log_in,
            keyring=self.app.keyring(),
            now=self.now,
        )
        self._learn(connection)
        return connection

    def connect_at(self, name: str) -> tuple[Connection, str]:
        """Connect an account at a simulator; answers it with a new calendar of it."""
        simulator, email = self.installed.simulators[name], installation.ALEX[name]
        authorization = start(self.installed, self.person, name, now=self.now)
        query = simulator.decide(authorization.authorization_url, account=email)
        connection = finish(self.installed, self.person, name, query, now=self.now)
        body = {"summary": "There", "timeZone": "Europe/Berlin"}
        made = simulator.sim("POST", f"/accounts/{email}/calendars", body)["id"]
        self._learn(connection)
        return connection, str(made)

    def _learn(self, connection: Connection) -> None:
        found = discovery.discover(
            self.app.database, connection=connection, provider=self.app.provider(connection), now=self.now
        )
        self.ids |= {one.remote_id: one.id for one in found}

    def link(self, source: str, target: str) -> None:
        """Link two calendars, everything shown, and copy what is there."""
        by = requests.By(user_id=self.person.user_id, actor="test", correlation_id="test", now=self.now)
        ids = {"source_calendar_id": self.ids[source], "target_calendar_id": self.ids[target]}
        requests.create_link(self.engine, by, **ids, privacy="full")
        self.round()

    def round(self) -> int:
        """Some time later, everything is polled and worked off; answers how many writes the CalDAV server had."""
        writes = self.front.writes
        self.now += REST
        with self.app.database.everyone() as conn:
            conn.execute("UPDATE calendar_sync_state SET pull_queued_at = NULL, push_queued_at = NULL")
            conn.execute("UPDATE external_calendar_connections SET backoff_until = NULL")
        dispatch.dispatch(self.engine, correlation_id="test", now=self.now)
        for _ in range(100):
            message = next_of(self.engine.lanes)
            if message is None:
                return self.front.writes - writes
            work = {"pull": pull.pull, "push": push.push}[message.task]
            work(self.engine, message.calendar_id, user_id=message.user_id, correlation_id="test")
        raise AssertionError("the lanes never run empty: a loop")

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """What a query as the operator answers."""
        with self.app.database.everyone() as conn:
            return conn.execute(query.encode()).fetchall()


@pytest.fixture
def home(logins: Logins, radicale_base: str) -> Iterator[Household]:
    with installation.install(logins) as installed, before(radicale_base) as front:
        household = Household(installed, radicale_base, front)
        yield household
        for world in (household.source, household.target):
            world.client.request(world.address, method="DELETE")


def soon(days: int, hour: int = 9) -> datetime:
    """An hour of a day to come, in Berlin."""
    return (datetime.now(BERLIN) + timedelta(days=days)).replace(hour=hour, minute=0, second=0, microsecond=0)


def hour(begin: datetime) -> TimedSpan:
    return TimedSpan(start=begin, end=begin + timedelta(hours=1), zone="Europe/Berlin")


def weekly(title: str = "Stand-up") -> Appearance:
    return event(title, hour(soon(3)), recurrence=("RRULE:FREQ=WEEKLY;COUNT=5",))


def key(week: int) -> str:
    return occurrence_key(soon(3 + 7 * week))


def happenings(provider: Any, calendar_id: str) -> list[tuple[str, str]]:
    copy = Replica(provider=provider, calendar_id=calendar_id)
    copy.read()
    return copy.happenings()


@pytest.mark.promise(3)
@pytest.mark.pain(4)
def test_a_series_with_all_that_differs_is_mirrored_and_comes_to_rest(home: Household) -> None:
    series = home.source.add(weekly())
    home.source.move(series, key(1), hour(soon(11, 14)))
    home.source.cancel(series, key(2))
    home.link(home.source.calendar_id, home.target.calendar_id)
    first = happenings(home.target.provider, home.target.calendar_id)

    quiet = [home.round() for _ in range(2)]
    home.source.retitle(series, "Renamed")
    home.source.cancel(series, key(3))
    edited = home.round()
    later = [home.round() for _ in range(2)]

    assert len(first) == 4
    assert happenings(home.target.provider, home.target.calendar_id) == happenings(
        home.source.provider, home.source.calendar_id
    )
    assert home.target.titles() == ["Renamed"]
    assert (quiet, later) == ([0, 0], [0, 0])
    assert edited <= 3


def test_edits_and_deletions_follow_and_an_idle_poll_is_one_request(home: Household) -> None:
    kept, gone = home.source.add(event("Kept", hour(soon(2)))), home.source.add(event("Gone", hour(soon(4))))
    home.link(home.source.calendar_id, home.target.calendar_id)
    before_ = home.target.titles()

    home.source.retitle(kept, "Edited")
    home.source.remove(gone)
    home.round()
    home.round()
    home.front.count = 0
    home.round()

    assert before_ == ["Gone", "Kept"]
    assert home.target.titles() == ["Edited"]
    assert home.front.count <= 2  # one for each of the two calendars


def test_a_mirror_changed_or_deleted_by_hand_is_restored(home: Household) -> None:
    home.source.add(event("Dentist", hour(soon(2))))
    home.link(home.source.calendar_id, home.target.calendar_id)
    (mirror,) = home.target.provider.find_marked(home.target.calendar_id)

    home.target.retitle(mirror.id, "Scribble")
    home.round()
    restored = home.target.titles()
    home.target.remove(mirror.id)
    home.round()

    assert restored == ["Dentist"]
    assert home.target.titles() == ["Dentist"]


@pytest.mark.promise(4)
def test_a_mirror_is_never_mirrored_back(home: Household) -> None:
    home.source.add(event("Dentist", hour(soon(2))))
    home.link(home.source.calendar_id, home.target.calendar_id)

    home.link(home.target.calendar_id, home.source.calendar_id)
    writes = [home.round() for _ in range(2)]

    assert writes == [0, 0]
    assert home.source.titles() == home.target.titles() == ["Dentist"]


def test_two_events_with_one_uid_are_two_events(home: Household) -> None:
    text = (
        "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:x\r\nBEGIN:VEVENT\r\nUID:same\r\nDTSTAMP:20260101T000000Z\r\n"
        f"DTSTART:{soon(2).astimezone(UTC):%Y%m%dT%H%M%SZ}\r\nDURATION:PT1H\r\nSUMMARY:Dentist\r\nEND:VEVENT\r\n"
        "END:VCALENDAR\r\n"
    )
    home.source.put_text("one.ics", text)
    home.link(home.source.calendar_id, home.target.calendar_id)
    home.source.http("DELETE", "one.ics")
    home.source.put_text("two.ics", text)

    home.round()

    assert home.target.titles() == ["Dentist"]


def test_from_google_to_caldav(home: Household) -> None:
    _, there = home.connect_at("google")
    events = f"/calendars/{quote(there, safe='')}/events"
    sim = home.installed.simulators["google"].sim
    zone = {"timeZone": "Europe/Berlin"}
    times = {
        "start": {"dateTime": soon(3).isoformat(), **zone},
        "end": {"dateTime": (soon(3) + timedelta(hours=1)).isoformat(), **zone},
    }
    series = sim("POST", events, {"summary": "Stand-up", "recurrence": ["RRULE:FREQ=WEEKLY;COUNT=5"], **times})["id"]
    instance = f"{events}/{series}/instances"
    place = f"{soon(10).astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
    sim("POST", f"{instance}/{quote(place, safe='')}", {"cancelled": True})

    home.link(there, home.target.calendar_id)
    writes = [home.round() for _ in range(2)]

    found = happenings(home.target.provider, home.target.calendar_id)
    assert [start[:10] for start, _ in found] == [f"{soon(day):%Y-%m-%d}" for day in (3, 17, 24, 31)]
    assert home.target.titles() == ["Stand-up"]
    assert writes == [0, 0]


def test_from_caldav_to_microsoft(home: Household) -> None:
    connection, there = home.connect_at("microsoft")
    series = home.source.add(weekly())
    home.source.move(series, key(1), hour(soon(11, 14)))
    home.source.cancel(series, key(2))

    home.link(home.source.calendar_id, there)
    home.round()

    found = happenings(home.app.provider(connection), there)
    assert found == happenings(home.source.provider, home.source.calendar_id)
    assert len(found) == 4


def test_a_revoked_password_is_told_once_and_nothing_is_lost_by_a_new_one(home: Household) -> None:
    home.source.add(event("Before", hour(soon(2))))
    home.link(home.source.calendar_id, home.target.calendar_id)
    home.source.add(event("During", hour(soon(4))))
    home.front.refuses = True
    home.round()
    home.front.count = 0

    for _ in range(3):
        home.round()
    asked_later = home.front.count
    notices = home.rows("SELECT count(*) FROM outbox WHERE event_type = 'connection.needs_reauth'")
    told = home.rows("SELECT status, last_error FROM external_calendar_connections")
    home.front.refuses = False
    home.connect()
    home.round()

    assert (asked_later, notices) == (0, [(1,)])
    assert told[0][0] == "needs_reauth"
    assert "invalid_token" in told[0][1]
    assert radicale.PASSWORD not in told[0][1]
    assert home.target.titles() == ["Before", "During"]
    assert home.rows("SELECT count(*), min(status) FROM external_calendar_connections") == [(1, "active")]


def test_calendars_without_push_are_polled_every_five_minutes(home: Household) -> None:
    home.source.add(event("Before", hour(soon(2))))
    home.link(home.source.calendar_id, home.target.calendar_id)
    home.round()
    with home.app.database.everyone() as conn:
        conn.execute("UPDATE calendar_sync_state SET pull_queued_at = NULL, last_synced_at = %s", (home.now,))
    lane = home.engine.lanes.pull
    assert isinstance(lane, Lane)

    asked: dict[int, set[UUID]] = {}
    for minute in range(1, 7):
        dispatch.dispatch(home.engine, correlation_id="test", now=home.now + timedelta(minutes=minute))
        asked[minute] = {message.calendar_id for message in lane.messages}

    source = home.ids[home.source.calendar_id]
    assert source not in asked[4]
    assert source in asked[6]


def test_a_series_moved_at_google_is_in_step_though_what_differed_lost_its_place(home: Household) -> None:
    connection, there = home.connect_at("google")
    events = f"/calendars/{quote(there, safe='')}/events"
    sim = home.installed.simulators["google"].sim

    def times(begin: datetime) -> dict[str, Any]:
        ends = {"start": begin, "end": begin + timedelta(hours=1)}
        return {name: {"dateTime": at.isoformat(), "timeZone": "Europe/Berlin"} for name, at in ends.items()}

    def place(week: int) -> str:
        start = f"{soon(3 + 7 * week).astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
        return f"{events}/{series}/instances/{quote(start, safe='')}"

    body = {"summary": "Stand-up", "recurrence": ["RRULE:FREQ=WEEKLY;COUNT=5"]}
    series = sim("POST", events, body | times(soon(3)))["id"]
    sim("POST", place(1), times(soon(11, 14)))
    sim("POST", place(2), {"cancelled": True})
    home.link(there, home.target.calendar_id)

    sim("PATCH", f"{events}/{series}", times(soon(3, 10)))
    home.round()

    found = happenings(home.target.provider, home.target.calendar_id)
    assert found == happenings(home.app.provider(connection), there)
    assert home.rows("SELECT count(*) FROM event_mappings WHERE requested > done OR attempts > 0") == [(0,)]
    assert home.round() == 0
