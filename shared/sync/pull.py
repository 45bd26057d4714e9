"""Pull: ask a provider what changed in a calendar, and plan what follows from it.

A message is only a hint that something may have changed; what counts is `requested` > `done` in the database. The
lease keeps a second worker out, and whoever gives it up looks once more, so no notification is lost (promise 7).
"""

from __future__ import annotations

import logging
from collections import Counter
from dataclasses import dataclass, replace
from datetime import timedelta
from enum import StrEnum
from typing import TYPE_CHECKING

from shared.calendar.span import Window
from shared.connections import store as connections
from shared.control import gates
from shared.core.errors import CursorExpiredError, InvalidError, KalendsError, PreconditionFailedError
from shared.providers.port import Removed, Skipped, Upserted
from shared.store import leases
from shared.sync import apply, channels, lanes, links
from shared.sync.store import calendars, events, mappings, runs

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from shared.connections.store import Connection
    from shared.crypto.keyring import DataKey
    from shared.providers.port import CalendarProvider, Page
    from shared.store.database import Connection as DatabaseConnection
    from shared.store.leases import Lease
    from shared.sync.context import Engine
    from shared.sync.store.calendars import SyncedCalendar

log = logging.getLogger(__name__)

LEASE = timedelta(seconds=60)
PAGES_PER_CALL = 20
"""A live pull that finds more pages than this leaves the rest to the next message."""
PROVEN_PER_CALL = 200
"""So many events missing from a full read are asked for one by one in one call."""
SLACK_AHEAD = timedelta(days=30)
"""A full read looks so much further than the widest window, so that windows may move before it is repeated."""


class Outcome(StrEnum):
    """How a pull ended."""

    DONE = "done"
    MORE = "more"
    BUSY = "busy"
    PARKED = "parked"
    FAILED = "failed"


@dataclass(slots=True, kw_only=True)
class _Run:
    engine: Engine
    calendar: SyncedCalendar
    connection: Connection
    lease: Lease
    run_id: UUID
    correlation_id: str
    key: DataKey
    tally: Counter[UUID]
    items: int = 0
    skipped: int = 0
    requests: int = 0


def pull(engine: Engine, calendar_id: UUID, *, user_id: UUID, correlation_id: str) -> Outcome:
    """Pull what is due in one calendar. Failures are recorded on the connection and the run; nothing is raised for
    them, because time, and not another delivery of the message, mends them. Database errors are raised."""
    now = engine.now()
    with engine.database.person(user_id) as conn:
        calendars.take_up(conn, calendar_id, "pull")
        calendar = calendars.get(conn, calendar_id)
        connection = connections.get(conn, calendar.connection_id)
        if calendar.requested <= calendar.done and not calendar.needs_full_sync:
            return Outcome.DONE
        if not connection.may_sync(now) or not gates.is_open(conn, gates.Operation.SYNC, settings_flags=engine.flags):
            return Outcome.PARKED
        if not links.touching(conn, calendar_id):
            calendars.forget_requests(conn, calendar_id)
            return Outcome.DONE
        lease = leases.claim(conn, f"pull:{calendar_id}", holder=engine.holder, now=now, duration=LEASE)
        if lease is None:
            return Outcome.BUSY
        key = engine.data_key(conn, connection.id)
        kind = "full" if calendar.needs_full_sync else "pull"
        run_id = runs.start(
            conn, kind=kind, user_id=user_id, calendar_id=calendar_id, correlation_id=correlation_id, now=now
        )
    run = _Run(
        engine=engine,
        calendar=calendar,
        connection=connection,
        lease=lease,
        run_id=run_id,
        correlation_id=correlation_id,
        key=key,
        tally=Counter(),
    )
    outcome = _guarded(run)
    if outcome is Outcome.DONE and calendar.needs_full_sync:
        channels.ensure(engine, calendar_id, user_id=user_id, now=engine.now())
    with engine.database.person(user_id) as conn:
        leases.release(conn, lease)
    # Only now: who was turned away while the lease was being given back has marked the calendar before this.
    with engine.database.person(user_id) as conn:
        again = calendars.get(conn, calendar_id)
    if outcome is not Outcome.FAILED and (again.requested > again.done or again.needs_full_sync):
        lanes.ask_pull(engine, user_id, [calendar_id], correlation_id=correlation_id)
    return outcome


def _guarded(run: _Run) -> Outcome:
    try:
        outcome = run.engine.with_provider(run.connection, lambda provider: _read(run, provider))
    except PreconditionFailedError:
        return Outcome.BUSY
    except CursorExpiredError:
        with run.engine.database.person(run.calendar.user_id) as conn:
            links.request_full_read(conn, run.calendar.id)
            _finish(run, conn, outcome="partial", error="SYNC.CURSOR_EXPIRED")
        return Outcome.MORE
    except KalendsError as error:
        if error.error_code.startswith("DATABASE."):
            raise
        now = run.engine.now()
        with run.engine.database.person(run.calendar.user_id) as conn:
            connections.mark_failure(conn, run.connection.id, error, now=now)
            calendars.mark_error(conn, run.calendar.id, code=error.error_code)
            _finish(run, conn, outcome="failure", error=f"{error.error_code}: {error.message}")
        log.warning(
            "pull failed",
            extra={
                "category": "calendar_sync",
                "error_code": error.error_code,
                "calendar_id": str(run.calendar.id),
                "connection_id": str(run.connection.id),
                "provider_id": str(run.calendar.user_id),
                "correlation_id": run.correlation_id,
            },
        )
        return Outcome.FAILED
    return outcome


def _read(run: _Run, provider: CalendarProvider) -> Outcome:
    full = run.calendar.needs_full_sync
    window = _window(run, now=run.engine.now())
    for _ in range(1 if full else PAGES_PER_CALL):
        page = provider.changes(
            run.calendar.remote_id,
            cursor=None if full else run.calendar.sync_token,
            page=run.calendar.page_token,
            window=window,
        )
        if page.cursor is not None and full:
            page = _prove_missing(run, provider, page, window)
        _save(run, page, window)
        if page.cursor is not None:
            return Outcome.DONE
    return Outcome.MORE


def _save(run: _Run, page: Page, window: Window) -> None:
    """Everything that follows from a page, and the cursor that stands behind it, in one transaction."""
    now = run.engine.now()
    calendar = run.calendar
    full = calendar.needs_full_sync
    lane = mappings.BACKFILL if full else mappings.LIVE
    with run.engine.database.person(calendar.user_id) as conn:
        leases.guard(conn, run.lease, now=now, duration=LEASE)
        applied = apply.page(
            conn,
            calendar,
            page,
            key=run.key,
            secrets=run.engine.webhook_secrets(),
            run_id=run.run_id,
            tally=run.tally,
            lane=lane,
            now=now,
        )
        # The calendar's row comes last: webhooks wait for it, and a page may take seconds.
        if full and calendar.page_token is None and window.start is not None:
            calendars.start_full_read(conn, calendar, start=window.start, end=window.end)
        saved = calendars.save_page(conn, calendar, next_page=page.next_page, cursor=page.cursor, now=now)
        run.items += applied.items
        run.skipped += applied.skipped
        run.requests += page.requests
        if full:
            runs.advance_job(conn, calendar, items=applied.items, finished=page.cursor is not None, now=now)
        if page.cursor is not None or full:
            connections.mark_success(conn, run.connection.id, now=now)
            _finish(run, conn, outcome="partial" if run.skipped else "success", error=None)
    if not saved:
        raise PreconditionFailedError(f"Calendar {calendar.id} was reset while it was read: it is read anew.")
    run.calendar = replace(calendar, page_token=page.next_page)
    lanes.ask_push(run.engine, calendar.user_id, applied.targets, correlation_id=run.correlation_id, now=now)


def _prove_missing(run: _Run, provider: CalendarProvider, page: Page, window: Window) -> Page:
    """Absence never deletes: whatever a full read did not show is asked for by name, and only a "no" counts."""
    shown = {change.event.id for change in page.changes if isinstance(change, Upserted)}
    with run.engine.database.person(run.calendar.user_id) as conn:
        missing = [one for one in events.unseen(conn, run.calendar, limit=PROVEN_PER_CALL) if one not in shown]
    proven: list[Upserted | Removed] = []
    unreadable: list[Skipped] = []
    for event_id in missing:
        try:
            unit = provider.get(run.calendar.remote_id, event_id, window=window)
        except InvalidError as error:
            unreadable.append(Skipped(event_id=event_id, reason=error.message))
            continue
        proven.append(
            Removed(event_id=event_id) if unit is None else Upserted(event=unit.root, overrides=unit.overrides)
        )
    return replace(
        page,
        changes=(*page.changes, *proven),
        skipped=(*page.skipped, *unreadable),
        requests=page.requests + len(missing),
    )


def _window(run: _Run, *, now: datetime) -> Window:
    """What a full read covers: the widest window of the calendar's links, with slack ahead."""
    calendar = run.calendar
    if not calendar.needs_full_sync or (calendar.page_token is not None and calendar.window_start is not None):
        return Window(start=calendar.window_start, end=calendar.window_end)
    with run.engine.database.person(calendar.user_id) as conn:
        of_calendar = links.touching(conn, calendar.id)
    behind = max((link.days_behind for link in of_calendar), default=1)
    ahead = max((link.days_ahead or links.LONGEST_AHEAD for link in of_calendar), default=365)
    return Window(start=now - timedelta(days=behind), end=now + timedelta(days=ahead) + SLACK_AHEAD)


def _finish(run: _Run, conn: DatabaseConnection, *, outcome: str, error: str | None) -> None:
    runs.finish(
        conn,
        run.run_id,
        outcome=outcome,
        processed=run.items,
        failed=run.skipped,
        requests=run.requests,
        now=run.engine.now(),
        error=error,
    )
