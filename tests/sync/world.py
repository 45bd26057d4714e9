"""A small world for engine tests: one person, calendars of memory providers, lanes that run when told to."""

from __future__ import annotations

import contextlib
import copy
import json
from collections import deque
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from unittest import mock
from uuid import UUID, uuid4

from shared.calendar import recurrence
from shared.calendar.event import Event, Text, Unit
from shared.calendar.span import TimedSpan, Window
from shared.control.gates import Operation
from shared.core import clock
from shared.core.errors import TransientError
from shared.crypto.keyring import DataKey
from shared.providers.memory import MemoryCalendar, MemoryServer
from shared.providers.port import Failed
from shared.sync import dispatch, linking, pull, push
from shared.sync.asking.requests import By
from shared.sync.context import Engine, Lanes

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from shared.core.messages import SyncMessage
    from shared.providers.port import Write, Written
    from shared.store.database import Database
    from shared.sync.links import Link
    from shared.sync.run import Outcome

SECRETS = [b"a-secret-for-markers"]
NOW = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)


@dataclass(slots=True)
class Lane:
    """A queue that keeps its messages until the world runs them."""

    messages: deque[SyncMessage] = field(default_factory=deque)

    def send(self, messages: Sequence[SyncMessage]) -> None:
        self.messages.extend(messages)


def each_of(lanes: Lanes) -> list[Lane]:
    """The queues, the most urgent first."""
    found = (lanes.pull, lanes.push, lanes.repair, lanes.backfill)
    return [one for one in found if isinstance(one, Lane)]


def next_of(lanes: Lanes) -> SyncMessage | None:
    """Take the most urgent message; None when all queues are empty."""
    return next((one.messages.popleft() for one in each_of(lanes) if one.messages), None)


class World:
    """One person with one memory connection; `calendar` adds calendars, `link` links them, `run` works off lanes."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.server = MemoryServer()
        self.provider = MemoryCalendar(self.server)
        self.lanes = Lanes(pull=Lane(), push=Lane(), repair=Lane(), backfill=Lane())
        self.key = DataKey(b"k" * 32)
        self.engine = Engine(
            database=database,
            lanes=self.lanes,
            flags=dict.fromkeys(Operation, True),
            open_provider=lambda connection, **_: self.provider,
            data_key=lambda conn, connection_id: self.key,
            webhook_secrets=lambda: SECRETS,
            webhook_address=lambda provider: f"https://kalends.example/webhooks/{provider}",
            holder="test",
            now=clock.now,
        )
        self.user_id = uuid4()
        self.connection_id = uuid4()
        with database.everyone() as conn:
            conn.execute(
                "INSERT INTO profiles (id, email) VALUES (%s, %s)", (self.user_id, f"{self.user_id}@x.example")
            )
            app = conn.execute(
                "INSERT INTO oauth_apps (provider, client_id) VALUES ('google', %s) RETURNING id", (str(uuid4()),)
            ).fetchone()
            assert app is not None
            conn.execute(
                """
                INSERT INTO external_calendar_connections
                       (id, provider_id, provider, provider_user_id, provider_email, oauth_app_id, status)
                VALUES (%s, %s, 'google', %s, 'someone@x.example', %s, 'active')
                """,
                (self.connection_id, self.user_id, str(self.connection_id), app[0]),
            )
        self.remote: dict[UUID, str] = {}

    @classmethod
    def beside(cls, world: World, database: Database) -> World:
        """A second worker in the same world, with a connection of its own."""
        other = copy.copy(world)
        other.database = database
        other.engine = replace(world.engine, database=database, holder="another")
        return other

    def calendar(self, name: str) -> UUID:
        """A new calendar, known to the provider under `name`."""
        calendar_id = uuid4()
        with self.database.everyone() as conn:
            conn.execute(
                """
                INSERT INTO calendars (id, user_id, connection_id, calendar_id, name, time_zone, can_write, readers)
                VALUES (%s, %s, %s, %s, %s, 'UTC', true, '{}')
                """,
                (calendar_id, self.user_id, self.connection_id, name, name),
            )
            conn.execute(
                "INSERT INTO calendar_sync_state (calendar_id, user_id, connection_id) VALUES (%s, %s, %s)",
                (calendar_id, self.user_id, self.connection_id),
            )
        self.remote[calendar_id] = name
        return calendar_id

    def link(self, source: UUID, target: UUID, **options: Any) -> Link:
        """A link, with its first full read asked for."""
        with self.database.person(self.user_id) as conn:
            link = linking.create(
                conn, user_id=self.user_id, source_calendar_id=source, target_calendar_id=target, **options
            )
        self.look(source, target)
        self.run()
        return link

    def look(self, *calendar_ids: UUID) -> None:
        """What a notification does: mark and enqueue."""
        from shared.sync import lanes
        from shared.sync.store import calendars

        with self.database.person(self.user_id) as conn:
            calendars.request(conn, calendar_ids)
            conn.execute(
                "UPDATE calendar_sync_state SET pull_queued_at = NULL WHERE calendar_id = ANY(%s)",
                (list(calendar_ids),),
            )
        lanes.ask_pull(self.engine, self.user_id, calendar_ids, correlation_id="test")

    def run(self, limit: int = 500) -> int:
        """Work off every lane until all are empty; returns how many messages that took."""
        done = 0
        while message := next_of(self.lanes):
            work = {"pull": pull.pull, "push": push.push}[message.task]
            work(self.engine, message.calendar_id, user_id=message.user_id, correlation_id=message.correlation_id)
            done += 1
            assert done < limit, "the lanes never run empty: a loop"
        return done

    def rounds(self, *, begin: int = 0) -> None:
        """What dispatch does, a few minutes long."""
        for minute in range(begin, begin + 8, 2):
            dispatch.dispatch(self.engine, correlation_id="test", now=clock.now() + timedelta(minutes=minute))
            self.run()

    def pull(self, calendar_id: UUID) -> Outcome:
        """One look at a calendar; what follows stays in the lanes."""
        return pull.pull(self.engine, calendar_id, user_id=self.user_id, correlation_id="test")

    def push(self, calendar_id: UUID) -> Outcome:
        """What is due in a calendar is written."""
        return push.push(self.engine, calendar_id, user_id=self.user_id, correlation_id="test")

    @contextlib.contextmanager
    def unheard(self) -> Iterator[None]:
        """The provider does what it is asked to, and its answers are lost."""
        write = self.provider.write

        def lost(calendar_id: str, writes: Sequence[Write]) -> list[Written | Failed]:
            write(calendar_id, writes)
            return [Failed(error=TransientError("no answer")) for _ in writes]

        with mock.patch.object(self.provider, "write", lost):
            yield

    def time_passes(self) -> None:
        """What waits for another attempt is due, and so is the account."""
        with self.database.everyone() as conn:
            conn.execute("UPDATE event_mappings SET next_attempt_at = NULL")
            conn.execute("UPDATE external_calendar_connections SET backoff_until = NULL")

    def mirrors(self, calendar_id: UUID) -> list[Event]:
        """What stands in a calendar with a marker of ours, cancelled occurrences left out."""
        return [one for one in self.server.visible(self.remote[calendar_id]) if one.marker]

    def put(self, calendar_id: UUID, event: Event) -> Event:
        """Store an event as its owner would."""
        return self.server.put(self.remote[calendar_id], event)

    def rows(self, query: str, *parameters: Any) -> list[tuple[Any, ...]]:
        """What a query as the operator answers."""
        with self.database.everyone() as conn:
            return conn.execute(query.encode(), parameters).fetchall()


def event(event_id: str, *, hours: float = 24, length: float = 1, title: str = "Dentist", **fields: Any) -> Event:
    """A single timed event, `hours` from now."""
    start = NOW + timedelta(hours=hours)
    return Event(
        id=event_id,
        span=TimedSpan(start=start, end=start + timedelta(hours=length), zone="Europe/Berlin"),
        text=Text(title=title, description="bring the x-ray", location="Main Street 1"),
        **fields,
    )


def as_json(value: object) -> str:
    """For searching a whole structure for a word."""
    return json.dumps(value, default=str)


def by(world: World, *, later: timedelta = timedelta()) -> By:
    """Whoever asks, in tests."""
    return By(user_id=world.user_id, actor="test", correlation_id="test", now=clock.now() + later)


def occurrence(series: Event, place: int, **fields: Any) -> Event:
    """The occurrence at this place of a series, as an override that differs."""
    found = recurrence.occurrences(Unit(root=series), Window(start=None, end=None))[place]
    return Event(
        id=f"{series.id}_{found.key}",
        series_id=series.id,
        original_start=found.original_start,
        **({"span": found.span, "text": Text(title="differs")} | fields),
    )
