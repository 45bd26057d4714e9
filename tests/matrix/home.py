"""One installation with an account at every provider: the real engine on a real database, which works when told to."""

from __future__ import annotations

import uuid
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from shared.connections import app_passwords, discovery, feed_addresses, tokens
from shared.core import clock, lanes
from shared.providers import WITH_OAUTH, AppPassword
from shared.sync import dispatch, pull, push
from shared.sync.asking import requests
from shared.sync.context import Lanes
from shared.sync.two_way import groups
from shared.sync.views import activity
from tests import installation, radicale
from tests.connections.conftest import finish, start
from tests.matrix.places.caldav import CalDavPlace
from tests.matrix.places.feed import FeedPlace
from tests.matrix.places.google import GooglePlace
from tests.matrix.places.microsoft import MicrosoftPlace
from tests.matrix.series import HOME
from tests.sync.world import Lane, next_of

if TYPE_CHECKING:
    from uuid import UUID

    from shared.connections.store import Connection
    from shared.providers.port import CalendarProvider
    from tests.installation import Installation
    from tests.matrix.places import Place
    from tests.net.server import Server

DAYS_AHEAD = 730
REST = timedelta(minutes=6)


class Home:
    """A person with accounts at Google, Microsoft and a CalDAV server. `place` makes calendars, `link` links them."""

    def __init__(
        self, installed: Installation, radicale_base: str, server: Server, *, email: str = "ada@example.com"
    ) -> None:
        self.installed, self.app = installed, installed.app
        self.now = datetime.now(UTC)
        self.person = installed.person(email, now=self.now)
        self.engine = replace(
            self.app.engine(),
            lanes=Lanes(pull=Lane(), push=Lane(), repair=Lane(), backfill=Lane()),
            now=lambda: self.now,
            webhook_address=lambda provider: None,
            open_provider=self._open,
        )
        self._radicale, self._server = radicale_base, server
        self._connections: dict[str, Connection] = {}
        self._ids: dict[tuple[str, str], UUID] = {}

    def another(self, name: str) -> Home:
        """Somebody else with accounts there: whose series meet nobody's but their own."""
        return Home(self.installed, self._radicale, self._server, email=f"{name}@example.com")

    def place(self, provider: str, name: str) -> Place:
        """A new, empty calendar at a provider, which the engine knows after `connect`."""
        if provider == "ics":
            return FeedPlace(self._server)
        if provider == "caldav":
            address = radicale.make_calendar(self._radicale, radicale.USER, f"{name}-{uuid.uuid4().hex[:8]}")
            return CalDavPlace(address, calendar_id=address, auth=(radicale.USER, radicale.PASSWORD))
        simulator = self.installed.simulators[provider]
        body = {"summary": name, "timeZone": HOME}
        made = simulator.sim("POST", f"/accounts/{installation.ALEX[provider]}/calendars", body)["id"]
        kind = {"google": GooglePlace, "microsoft": MicrosoftPlace}[provider]
        return kind(simulator, str(made), token=lambda: self._token(self._connections[provider]))

    def connect(self, provider: str, *, feed: str = "") -> None:
        """Connect the account, or learn of its new calendars."""
        if provider not in self._connections:
            self._connections[provider] = self._connected(provider, feed)
        connection = self._connections[provider]
        found = discovery.discover(
            self.app.database, connection=connection, provider=self.app.provider(connection), now=self.now
        )
        self._ids |= {(provider, one.remote_id): one.id for one in found}

    def _connected(self, provider: str, feed: str) -> Connection:
        common = {"user_id": self.person.user_id, "keyring": self.app.keyring(), "now": self.now}
        match provider:
            case "ics":
                return feed_addresses.connect(self.app.database, address=feed, subscribe=self.app.subscribe, **common)
            case "caldav":
                login = AppPassword(url=self._radicale, username=radicale.USER, password=radicale.PASSWORD)
                return app_passwords.connect(self.app.database, login=login, log_in=self.app.log_in, **common)
        authorization = start(self.installed, self.person, provider, now=self.now)
        simulator = self.installed.simulators[provider]
        query = simulator.decide(authorization.authorization_url, account=installation.ALEX[provider])
        return finish(self.installed, self.person, provider, query, now=self.now)

    def _open(
        self, connection: Connection, *, refused: bool = False, lane: lanes.Lane = lanes.Lane.LIVE
    ) -> CalendarProvider:
        """As the product opens it, but for quotas: the whole corpus on all pairs is more than their minutes allow."""
        if connection.provider not in WITH_OAUTH:
            return self.app.provider(connection, refused=refused, lane=lane)
        return self.app.connect(connection.provider, self._token(connection))

    def _token(self, connection: Connection) -> str:
        return tokens.access_token(
            self.app.database,
            connection_id=connection.id,
            user_id=connection.user_id,
            keyring=self.app.keyring(),
            authorizer_for=self.app.authorizer,
            now=clock.now(),
            refused=None,
        )

    def link(self, source: tuple[str, Place], target: tuple[str, Place], **options: Any) -> UUID:
        """Link two calendars, titles shown; answers the link's id."""
        made = requests.create_link(
            self.engine,
            self._by(),
            source_calendar_id=self._id(*source),
            target_calendar_id=self._id(*target),
            privacy="title",
            skip_free=False,
            days_ahead=DAYS_AHEAD,
            **options,
        )
        return made.id

    def link_both_ways(self, one: tuple[str, Place], other: tuple[str, Place]) -> list[UUID]:
        """Link two calendars both ways, titles shown, deletions heeded; answers the links' ids."""
        made = groups.create(
            self.engine,
            self._by(),
            calendar_ids=[self._id(*one), self._id(*other)],
            privacy="title",
            skip_free=False,
            on_delete="withdraw",
            days_ahead=DAYS_AHEAD,
        )
        return [link.id for link in made.links]

    def _by(self) -> requests.By:
        return requests.By(user_id=self.person.user_id, actor="test", correlation_id="test", now=self.now)

    def _id(self, provider: str, place: Place) -> UUID:
        if provider == "ics":
            ((_, found),) = [one for one in self._ids.items() if one[0][0] == "ics"]
            return found
        return self._ids[provider, place.calendar_id]

    def round(self) -> None:
        """Some time later everything of the person's is polled and worked off."""
        self.now += REST
        with self.app.database.person(self.person.user_id) as conn:
            conn.execute("UPDATE calendar_sync_state SET pull_queued_at = NULL, push_queued_at = NULL")
            conn.execute("UPDATE calendar_sync_state SET requested = requested + 1 WHERE last_synced_at IS NOT NULL")
        dispatch.dispatch(self.engine, correlation_id="test", now=self.now)
        self.work()

    def work(self, limit: int = 5000) -> None:
        """Workers do what is queued."""
        for _ in range(limit):
            message = next_of(self.engine.lanes)
            if message is None:
                return
            if message.user_id != self.person.user_id:
                continue
            work = {"pull": pull.pull, "push": push.push}[message.task]
            work(self.engine, message.calendar_id, user_id=message.user_id, correlation_id="test")
        raise AssertionError("the lanes never run empty: a loop")

    def left_out(self, link_id: UUID) -> dict[str, str]:
        """What the link shows as skipped: by source event the code and the sentence."""
        with self.app.database.person(self.person.user_id) as conn:
            rows = activity.skipped(conn, self.app.data_key, link_id=link_id, after="", limit=1000)
        return {row.source_event_id: f"{row.reason}: {row.message}" for row in rows}

    def writes(self) -> int:
        """How many writes the engine has ever intended."""
        with self.app.database.everyone() as conn:
            counted = conn.execute("SELECT count(*) FROM sync_journal").fetchone()
        assert counted is not None
        return int(counted[0])
