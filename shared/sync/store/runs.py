"""Runs and jobs: what was done when, with how much, and how far long work has come."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from shared.store.database import Connection
    from shared.sync.store.calendars import SyncedCalendar


def start(
    conn: Connection,
    *,
    kind: str,
    user_id: UUID,
    calendar_id: UUID,
    correlation_id: str,
    now: datetime,
    undoes: UUID | None = None,
) -> UUID:
    """Open a run of kind pull, full, push or undo."""
    row = conn.execute(
        """
        INSERT INTO sync_runs (user_id, kind, calendar_id, correlation_id, started_at, undoes)
        VALUES (%s, %s, %s, %s, %s, %s) RETURNING id
        """,
        (user_id, kind, calendar_id, correlation_id, now, undoes),
    ).fetchone()
    if row is None:
        raise AssertionError("INSERT ... RETURNING answered nothing")
    run_id: UUID = row[0]
    return run_id


def finish(
    conn: Connection,
    run_id: UUID,
    *,
    outcome: str,
    processed: int,
    failed: int,
    requests: int,
    now: datetime,
    error: str | None = None,
) -> None:
    """Close a run; `error` is a code and a message without private text."""
    conn.execute(
        """
        UPDATE sync_runs
           SET finished_at = %s, outcome = %s, processed = %s, failed = %s, requests = %s, error_summary = %s
         WHERE id = %s
        """,
        (now, outcome, processed, failed, requests, error, run_id),
    )


def advance_job(conn: Connection, calendar: SyncedCalendar, *, items: int, finished: bool, now: datetime) -> None:
    """Count a page of a full read; the job of a generation is made at its first page."""
    conn.execute(
        """
        INSERT INTO sync_jobs AS j (user_id, type, calendar_id, generation, status, pages, items, idempotency_key)
        VALUES (%(user)s, %(type)s, %(calendar)s, %(generation)s, %(status)s, 1, %(items)s, %(key)s)
        ON CONFLICT (idempotency_key) DO UPDATE
           SET status = %(status)s, pages = j.pages + 1, items = j.items + %(items)s, retry_count = 0,
               last_error = NULL, updated_at = %(now)s
        """,
        {
            "user": calendar.user_id,
            "type": "initial" if calendar.generation == 1 else "full",
            "calendar": calendar.id,
            "generation": calendar.generation,
            "status": "completed" if finished else "in_progress",
            "items": items,
            "key": f"full:{calendar.id}:{calendar.generation}",
            "now": now,
        },
    )
