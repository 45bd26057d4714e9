"""Providers that answer nonsense: the connection names it, requests have a bound, and afterwards nothing is lost.

End to end against both simulators: dispatch, pull, push, discovery and refresh of one person's account.
"""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest

from shared.connections import discovery, tokens
from shared.core.errors import KalendsError
from shared.providers import patience
from shared.providers.port import ENDLESS_PAGES, UNREADABLE
from shared.sync import channels, dispatch, pull, push, requests
from shared.sync.context import Lanes
from tests import installation
from tests.connections.conftest import finish, start
from tests.providers.conftest import Clock
from tests.providers.simulated import Hook
from tests.sync.world import Lane

if TYPE_CHECKING:
    from collections.abc import Iterator
    from uuid import UUID

    from shared.connections.store import Connection
    from tests.installation import Installation, Simulator
    from tests.postgres import Logins

ZONE = "Europe/Berlin"
REST = timedelta(minutes=35)
"""Longer than any backoff: everything that waits is due again."""
MESSAGES = 150
"""A round that makes more never ends: the longest listing is 400 pages, 20 of them a message, for two calendars."""


class Account:
    """Somebody's account at one provider: two calendars, one mirrored into the other, and a clock that we set."""

    def __init__(self, installed: Installation, name: str) -> None:
        self.installed, self.name = installed, name
        self.simulator: Simulator = installed.simulators[name]
        self.began = self.now = datetime.now(UTC)
        self.person = installed.person("ada@example.com", now=self.now)
        self.app = installed.app
        self.email = installation.ALEX[name]
        self.connection = self._connect()
        self.remote = {summary: self._add_calendar(summary) for summary in ("Source", "Target")}
        self.engine = replace(
            self.app.engine(),
            lanes=Lanes(pull=Lane(), push=Lane(), backfill=Lane()),
            now=lambda: self.now,
            webhook_address=lambda provider: None,
        )
        found = discovery.discover(
            self.app.database, connection=self.connection, provider=self.app.provider(self.connection), now=self.now
        )
        self.ids: dict[str, UUID] = {one.name: one.id for one in found}
        by = requests.By(user_id=self.person.user_id, actor="test", correlation_id="test", now=self.now)
        requests.create_link(
            self.engine,
            by,
            source_calendar_id=self.ids["Source"],
            target_calendar_id=self.ids["Target"],
            privacy="title",
        )
        self.add("before")
        self.round()
        self.simulator.calls.clear()

    def _connect(self) -> Connection:
        authorization = start(self.installed, self.person, self.name, now=self.now)
        query = self.simulator.decide(authorization.authorization_url, account=self.email)
        return finish(self.installed, self.person, self.name, query, now=self.now)

    def _add_calendar(self, summary: str) -> str:
        made = self.simulator.sim("POST", f"/accounts/{self.email}/calendars", {"summary": summary, "timeZone": ZONE})
        return str(made["id"])

    # The person

    def add(self, title: str, *, begin: datetime | None = None) -> None:
        """The person adds an event of an hour."""
        begin = begin or self.began + timedelta(days=2)
        fields = {"summary": title} if self.name == "google" else {"subject": title}
        self.simulator.sim("POST", self._events("Source"), fields | self._times(begin, begin + timedelta(hours=1)))

    def titles(self, calendar: str) -> list[str]:
        """The titles of what stands in a calendar."""
        items = self.simulator.sim("GET", self._events(calendar))["events"]
        there = [one for one in items if one.get("status") != "cancelled" and one.get("type") != "occurrence"]
        return sorted(str(one.get("summary", one.get("subject", ""))) for one in there)

    def _events(self, calendar: str) -> str:
        return f"/calendars/{quote(self.remote[calendar], safe='')}/events"

    def _times(self, begin: datetime, end: datetime) -> dict[str, Any]:
        def moment(at: datetime) -> dict[str, str]:
            if self.name == "google":
                return {"dateTime": at.isoformat(), "timeZone": "UTC"}
            return {"dateTime": at.replace(tzinfo=None).isoformat(), "timeZone": "UTC"}

        return {"start": moment(begin), "end": moment(end)}

    # The installation

    def round(self) -> int:
        """Some time later everything that runs by itself does; answers how many calls the provider had."""
        before = self._calls()
        self.now += REST
        with self.app.database.everyone() as conn:  # a change was announced, or the next poll has come
            conn.execute("UPDATE calendar_sync_state SET pull_queued_at = NULL, push_queued_at = NULL")
            conn.execute("UPDATE calendar_sync_state SET requested = requested + 1 WHERE last_synced_at IS NOT NULL")
        discovery.discover_due(self.app.database, open_provider=self.app.provider, now=self.now + timedelta(hours=1))
        self._awake()
        dispatch.dispatch(self.engine, correlation_id="test", now=self.now)
        self._work()
        return self._calls() - before

    def _awake(self) -> None:
        """Time has passed since discovery failed."""
        with self.app.database.everyone() as conn:
            conn.execute("UPDATE external_calendar_connections SET backoff_until = NULL")

    def _work(self) -> None:
        for _ in range(MESSAGES):
            message = next(
                (
                    lane.messages.popleft()
                    for lane in (self.engine.lanes.pull, self.engine.lanes.push, self.engine.lanes.backfill)
                    if isinstance(lane, Lane) and lane.messages
                ),
                None,
            )
            if message is None:
                return
            work = {"pull": pull.pull, "push": push.push}[message.task]
            work(self.engine, message.calendar_id, user_id=message.user_id, correlation_id="test")
        raise AssertionError("the lanes never run empty: a loop")

    def _calls(self) -> int:
        return sum(count for path, count in self.simulator.calls.items() if not path.startswith("/_sim"))

    def faults(self, **switches: Any) -> None:
        """Turn switches."""
        self.simulator.sim("PUT", "/faults", switches)

    def told(self) -> str | None:
        """The code that the connection shows."""
        ((told,),) = self.rows("SELECT last_error FROM external_calendar_connections")
        return json.loads(told)["code"] if told else None

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """What a query as the operator answers."""
        with self.app.database.everyone() as conn:
            return conn.execute(query.encode()).fetchall()

    def is_well(self) -> bool:
        """Whether nothing is failing, due or skipped."""
        (connection,) = self.rows("SELECT status, error_count, last_error FROM external_calendar_connections")
        due = self.rows(
            "SELECT count(*) FROM calendar_sync_state WHERE needs_full_sync AND last_full_sync_at IS NOT NULL"
        )
        writes = self.rows("SELECT count(*) FROM event_mappings WHERE requested > done")
        return connection == ("active", 0, None) and due == writes == [(0,)]


@pytest.fixture(autouse=True)
def _no_sleep(monkeypatch: pytest.MonkeyPatch) -> None:
    """Patience takes no real time here."""
    monkeypatch.setattr(patience, "time", Clock())


@pytest.fixture
def installed(logins: Logins) -> Iterator[Installation]:
    with installation.install(logins) as running:
        yield running


@pytest.fixture(params=["google", "microsoft"])
def account(request: pytest.FixtureRequest, installed: Installation) -> Account:
    return Account(installed, str(request.param))


NONSENSE: dict[str, tuple[dict[str, Any], set[str], int]] = {
    "html": ({"answer": "html"}, {UNREADABLE}, 60),
    "truncated": ({"answer": "truncated"}, {UNREADABLE}, 60),
    "null": ({"answer": "null"}, {UNREADABLE}, 60),
    "wrong_type": ({"answer": "wrong_type"}, {UNREADABLE}, 60),
    "endless pages": ({"endless_pages": True}, {ENDLESS_PAGES}, 900),
    "the same page again": ({"endless_pages": True, "repeat_page_token": True}, {ENDLESS_PAGES}, 60),
}


@pytest.mark.parametrize("kind", NONSENSE)
def test_nonsense_is_named_on_the_connection_has_a_bound_and_loses_nothing(account: Account, kind: str) -> None:
    switches, codes, bound = NONSENSE[kind]
    assert account.titles("Target") == ["before"]
    account.faults(**switches)
    account.add("during")

    calls = [account.round() for _ in range(3)]
    told = account.told()

    assert told in codes
    assert max(calls) <= bound
    assert account.titles("Source") == ["before", "during"]
    assert "before" in account.titles("Target")

    account.faults(answer=None, endless_pages=False, repeat_page_token=False)
    account.add("after")
    for _ in range(3):
        account.round()

    assert account.titles("Target") == ["after", "before", "during"]
    assert account.is_well()


@pytest.mark.parametrize("answer", ["html", "truncated", "null", "wrong_type"])
def test_a_write_answered_with_nonsense_is_repeated_and_done_once(account: Account, answer: str) -> None:
    account.add("during")
    account.now += REST
    with account.app.database.everyone() as conn:
        conn.execute("UPDATE calendar_sync_state SET requested = requested + 1")
    dispatch.dispatch(account.engine, correlation_id="test", now=account.now)
    pulled = [one for lane in (account.engine.lanes.pull,) for one in lane.messages]  # type: ignore[attr-defined]
    for message in pulled:
        pull.pull(account.engine, message.calendar_id, user_id=message.user_id, correlation_id="test")
    account.engine.lanes.pull.messages.clear()  # type: ignore[attr-defined]

    account.faults(answer=answer)
    account._work()
    account.faults(answer=None)
    for _ in range(3):
        account.round()

    assert account.titles("Target") == ["before", "during"]
    assert account.is_well()


YEARS = {"google": (1600, 9999), "microsoft": (1601, 4500)}
"""The first and the last that providers keep events in (Exchange refuses any other)."""


@pytest.mark.parametrize("end", [0, 1], ids=["first", "last"])
def test_events_at_the_ends_of_time_harm_nobody(account: Account, end: int) -> None:
    with account.app.database.everyone() as conn:
        conn.execute("UPDATE links SET days_ahead = NULL")
    account.add("far away", begin=datetime(YEARS[account.name][end], 12, 30, 9, tzinfo=UTC))
    account.add("near")

    calls = [account.round() for _ in range(3)]

    assert account.told() is None
    assert max(calls) <= 60
    assert account.is_well()
    assert set(account.titles("Target")) - {"far away"} == {"before", "near"}
    if end and account.name == "google":  # whose readings are without end, as this link is now
        assert "far away" in account.titles("Target")


@pytest.mark.parametrize("seconds", [-3600, 3600])
def test_a_provider_whose_clock_is_off_by_an_hour_is_worked_with_as_ever(account: Account, seconds: int) -> None:
    account.faults(clock_skew=seconds)
    account.add("during")

    calls = [account.round() for _ in range(3)]

    assert account.told() is None
    assert max(calls) <= 60
    assert account.titles("Target") == ["before", "during"]
    assert account.is_well()


@pytest.mark.parametrize("seconds", [-3600, 3600])
def test_channels_open_although_a_clock_is_off_by_an_hour(account: Account, seconds: int) -> None:
    account.faults(clock_skew=seconds)
    now = datetime.now(UTC)

    hook = Hook()
    try:
        channel = account.engine.with_provider(
            account.connection,
            lambda provider: provider.watch(
                account.remote["Source"],
                channel_id="channel-1",
                address=hook.address,
                token="secret",
                expires_at=now + channels.LIFETIME,
            ),
        )
    finally:
        hook.close()

    assert channel.expires_at - now > timedelta(days=5)


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"<!DOCTYPE html><title>Sorry</title>", "text/html"),
        (b'{"access_token": "x", "expi', "application/json"),
        (b"null", "application/json"),
        (b'["x"]', "application/json"),
        (b'{"access_token": ["x"], "expires_in": "soon"}', "application/json"),
        (b"access_token=x", "application/x-www-form-urlencoded"),
    ],
)
def test_a_token_endpoint_that_answers_nonsense_is_named_and_costs_no_grant(
    account: Account, body: bytes, kind: str
) -> None:
    with Saying(body, kind) as (address, asked):
        settings = {"google_token_url": f"{address}/token", "microsoft_authority": address}
        broken = account.installed.another(**settings)
        ends = account.began + timedelta(minutes=59)
        for _ in range(2):
            with pytest.raises(KalendsError) as refused:
                tokens.access_token(
                    broken.database,
                    connection_id=account.connection.id,
                    user_id=account.person.user_id,
                    keyring=broken.keyring(),
                    authorizer_for=broken.authorizer,
                    now=ends,
                )
        counts = tokens.refresh_expiring(
            broken.database, keyring=broken.keyring(), authorizer_for=broken.authorizer, now=ends
        )
        broken.database.close()

    assert refused.value.error_code == UNREADABLE
    assert (counts.failed, counts.needs_reauth, account.told()) == (1, 0, UNREADABLE)
    assert len(asked) == 3
    account.add("during")
    for _ in range(2):
        account.round()
    assert account.titles("Target") == ["before", "during"]
    assert account.is_well()


class Saying:
    """A server that answers everything alike; gives its address and the paths that were asked."""

    def __init__(self, body: bytes, kind: str) -> None:
        asked: list[str] = []
        self._asked = asked

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                asked.append(self.path)
                self.rfile.read(int(self.headers.get("content-length") or 0))
                self.send_response(200)
                self.send_header("content-type", kind)
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self.handler = Handler

    def __enter__(self) -> tuple[str, list[str]]:
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self.handler)
        self._thread = Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})
        self._thread.start()
        return f"http://127.0.0.1:{self._server.server_port}", self._asked

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
