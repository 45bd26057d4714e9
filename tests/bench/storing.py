"""What PostgreSQL itself can take beside what we make of it: the one statement alone, and our whole path of a page."""

from __future__ import annotations

import time
from collections import Counter
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from uuid import uuid4

import psycopg

from shared.calendar.span import Window
from shared.providers.google.client import GoogleCalendar
from shared.store.database import Database
from shared.sync import apply
from shared.sync.store import calendars, runs
from tests.bench.table import Row
from tests.bench.world import World
from tests.sync.world import SECRETS

if TYPE_CHECKING:
    from collections.abc import Callable
    from uuid import UUID

    from shared.providers.port import Page
    from tests.bench.google import Google
    from tests.postgres import Logins, Server

_COLUMNS = {
    "external_event_id": "text",
    "ical_uid": "text",
    "start_time": "timestamptz",
    "end_time": "timestamptz",
    "is_busy": "bool",
    "checksum": "text",
    "sync_status": "text",
    "details": "text",
    "raw_payload": "bytea",
    "etag": "text",
}


def measure(server: Server, google: Google, *, events: int = 10_000, runs_each: int = 2) -> list[Row]:
    """Pages already read and understood, stored in turn by our path and by the bare statement; the best run counts."""
    agenda = google.calendar("to store", events=events)
    pages = _pages(google, agenda.calendar)
    ours, bare = [], []
    for _ in range(runs_each):
        with server.database() as logins:
            ours.append(_seconds(_apply(logins, agenda.calendar, pages, google)))
            rows = _rows(logins)
        if len(rows) != events:
            raise RuntimeError(f"{len(rows)} rows of {events} events")
        with server.database() as logins:
            bare.append(_seconds(_insert(logins, agenda.calendar, rows, google)))
    return [
        Row(
            work=f"store {events:,} events that are read already, texts sealed",
            ours={"s": min(ours), "rows/s": round(events / min(ours))},
            limit={"s": min(bare), "rows/s": round(events / min(bare))},
            limit_name="the statement alone",
        )
    ]


def _pages(google: Google, calendar: str) -> list[Page]:
    reader = GoogleCalendar(access_token=google.token, api_endpoint=google.base)
    window = Window(start=None, end=None)
    pages = [reader.changes(calendar, cursor=None, page=None, window=window)]
    while pages[-1].next_page:
        pages.append(reader.changes(calendar, cursor=None, page=pages[-1].next_page, window=window))
    return pages


def _world(logins: Logins, remote_id: str, google: Google) -> tuple[World, UUID]:
    world = World.at_google(Database(logins.runtime), base=google.base, token=google.token)
    calendar, other = world.calendar(remote_id), world.calendar("another")
    world.connect(calendar, other, privacy="full")
    return world, calendar


def _apply(logins: Logins, remote_id: str, pages: list[Page], google: Google) -> Callable[[], None]:
    world, calendar_id = _world(logins, remote_id, google)
    now = datetime.now(UTC)
    with world.database.person(world.user_id) as conn:
        calendar = calendars.get(conn, calendar_id)
        run_id = runs.start(
            conn, kind="full", user_id=world.user_id, calendar_id=calendar_id, correlation_id=str(uuid4()), now=now
        )

    def work() -> None:
        for page in pages:
            with world.database.person(world.user_id) as conn:
                apply.page(
                    conn,
                    calendar,
                    page,
                    key=world.key,
                    source_key=lambda _: world.key,
                    secrets=SECRETS,
                    run_id=run_id,
                    tally=Counter(),
                    is_full=True,
                    now=now,
                )
        world.database.close()

    return work


def _rows(logins: Logins) -> list[tuple[object, ...]]:
    columns = ", ".join("details::text" if name == "details" else name for name in _COLUMNS)
    with psycopg.connect(logins.operator) as conn:
        return conn.execute(f"SELECT {columns} FROM external_calendar_events".encode()).fetchall()  # noqa: S608


def _insert(logins: Logins, remote_id: str, rows: list[tuple[object, ...]], google: Google) -> Callable[[], None]:
    world, calendar_id = _world(logins, remote_id, google)
    world.database.close()
    names = ", ".join(_COLUMNS)
    arrays = ", ".join(f"%b::{kind}[]" for kind in _COLUMNS.values())
    values = ", ".join("u.details::jsonb" if name == "details" else f"u.{name}" for name in _COLUMNS)
    statement = f"""
        INSERT INTO external_calendar_events (provider_id, calendar_provider, calendar_id, {names})
        SELECT c.user_id, 'google', c.id, {values} FROM calendars c, unnest({arrays}) AS u({names})
         WHERE c.id = %b
        ON CONFLICT (calendar_id, external_event_id) DO UPDATE SET checksum = excluded.checksum
        """  # noqa: S608 - the names are ours
    parameters = [list(column) for column in zip(*rows, strict=True)]

    def work() -> None:
        with psycopg.connect(logins.operator) as conn:
            conn.execute(statement.encode(), [*parameters, calendar_id])

    return work


def _seconds(work: Callable[[], None]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began
