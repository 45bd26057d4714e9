"""An installation with somebody's account at a simulated provider, all of whose work runs when told to."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from shared.connections import discovery
from shared.sync import dispatch, pull, push
from shared.sync.asking import requests
from shared.sync.context import Lanes
from tests import installation
from tests.connections.conftest import finish, start
from tests.sync.world import Lane, next_of

if TYPE_CHECKING:
    from uuid import UUID

    from shared.connections.store import Connection
    from tests.installation import Installation, Simulator

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
        self.connection = self.connect()
        self.remote = {summary: self._add_calendar(summary) for summary in ("Source", "Target")}
        self.engine = replace(
            self.app.engine(),
            lanes=Lanes(pull=Lane(), push=Lane(), repair=Lane(), backfill=Lane()),
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

    def connect(self) -> Connection:
        """The person connects the account, perhaps again."""
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
        self.work()
        return self._calls() - before

    def _awake(self) -> None:
        """Time has passed since discovery failed."""
        with self.app.database.everyone() as conn:
            conn.execute("UPDATE external_calendar_connections SET backoff_until = NULL")

    def work(self) -> None:
        """Workers do what is queued."""
        for _ in range(MESSAGES):
            message = next_of(self.engine.lanes)
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
