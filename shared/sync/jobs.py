"""The job runner on demand: what dispatch would fan out, done at once and summed up (runbook 004, S4-32 to S4-34)."""

from __future__ import annotations

from dataclasses import dataclass
from time import monotonic
from typing import TYPE_CHECKING, Any

from psycopg.rows import class_row

from shared.control import gates
from shared.core.errors import KalendsError
from shared.sync import lanes, pull, push, windows
from shared.sync.store import calendars

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from shared.calendar.span import Window
    from shared.sync.context import Engine

BUDGET = 20.0
"""Seconds: an HTTP API ends requests at 30. What is left is queued."""
DISABLED = "CALENDAR_JOBS_DISABLED"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Due:
    connection_id: UUID
    user_id: UUID
    calendar_ids: list[UUID]


def run(
    engine: Engine,
    *,
    provider_id: UUID | None,
    connection_id: UUID | None,
    correlation_id: str,
    now: datetime,
    window: Window | None = None,
) -> dict[str, Any]:
    """Pull and push every linked calendar of the chosen connections that are enabled and not in backoff.

    `provider_id` is a person (runbook 004). What changed is always read, wherever it lies; with a `window` every event
    that touches it is planned again as well, and what failed of those is tried at once. Answers the runbook's summary;
    `errors` names connections and codes.
    """
    started = monotonic()
    with engine.database.everyone() as conn:
        is_open = gates.is_open(conn, gates.Operation.JOBS, settings_flags=engine.flags)
        with conn.cursor(row_factory=class_row(_Due)) as cursor:
            due = cursor.execute(
                """
                SELECT x.id AS connection_id, x.provider_id AS user_id, array_agg(c.id ORDER BY c.id) AS calendar_ids
                  FROM external_calendar_connections x JOIN calendars c ON c.connection_id = x.id
                 WHERE x.sync_enabled AND x.status IN ('pending', 'active', 'error')
                   AND (x.backoff_until IS NULL OR x.backoff_until <= %(now)s)
                   AND (%(person)s::uuid IS NULL OR x.provider_id = %(person)s)
                   AND (%(connection)s::uuid IS NULL OR x.id = %(connection)s)
                   AND EXISTS (SELECT FROM calendars_in_use u WHERE u.calendar_id = c.id)
                 GROUP BY x.id ORDER BY x.last_synced_at NULLS FIRST
                """,
                {"now": now, "person": provider_id, "connection": connection_id},
            ).fetchall()
    if not is_open:
        return _summary(started, errors=[{"connection_id": None, "error": DISABLED}])
    errors: list[dict[str, Any]] = []
    for one in due:
        try:
            left = BUDGET - (monotonic() - started)
            failed = _run_connection(engine, one, correlation_id, now, window=window, left=left)
        except KalendsError as error:
            failed = error.error_code
        if failed:
            errors.append({"connection_id": str(one.connection_id), "error": failed})
    counts = _counts(engine, correlation_id)
    return _summary(started, processed=len(due), errors=errors, **counts)


def _run_connection(
    engine: Engine, due: _Due, correlation_id: str, now: datetime, *, window: Window | None, left: float
) -> str | None:
    with engine.database.person(due.user_id) as conn:
        calendars.request(conn, due.calendar_ids)
    targets: set[UUID] = set()
    if window is not None:
        for calendar_id in due.calendar_ids:
            targets |= windows.look_again(
                engine, calendar_id, window, user_id=due.user_id, correlation_id=correlation_id, now=now
            )
    # A target may belong to another connection, which is perhaps not run.
    lanes.ask_push(engine, due.user_id, sorted(targets), correlation_id=correlation_id, now=now)
    if left <= 0:
        lanes.ask_pull(engine, due.user_id, due.calendar_ids, correlation_id=correlation_id)
        lanes.ask_push(engine, due.user_id, due.calendar_ids, correlation_id=correlation_id, now=now)
        return None
    outcomes: list[str] = []
    for calendar_id in due.calendar_ids:
        outcomes.append(pull.pull(engine, calendar_id, user_id=due.user_id, correlation_id=correlation_id))
        outcomes.append(push.push(engine, calendar_id, user_id=due.user_id, correlation_id=correlation_id))
    if "failed" not in outcomes:
        return None
    with engine.database.person(due.user_id) as conn:
        row = conn.execute(
            "SELECT last_error::jsonb->>'code' FROM external_calendar_connections WHERE id = %s", (due.connection_id,)
        ).fetchone()
    return str(row[0]) if row and row[0] else "SYNC.FAILED"


def _counts(engine: Engine, correlation_id: str) -> dict[str, int]:
    with engine.database.everyone() as conn:
        row = conn.execute(
            """
            SELECT coalesce(sum(processed) FILTER (WHERE kind <> 'push'), 0),
                   coalesce(sum(processed + failed) FILTER (WHERE kind = 'push'), 0),
                   coalesce(sum(processed) FILTER (WHERE kind = 'push'), 0)
              FROM sync_runs WHERE correlation_id = %s
            """,
            (correlation_id,),
        ).fetchone()
    ingested, retried, succeeded = row or (0, 0, 0)
    return {"ingested": ingested, "retried": retried, "succeeded": succeeded}


def _summary(
    started: float,
    *,
    errors: list[dict[str, Any]],
    processed: int = 0,
    ingested: int = 0,
    retried: int = 0,
    succeeded: int = 0,
) -> dict[str, Any]:
    failed = sum(error["connection_id"] is not None for error in errors)
    return {
        "connections_processed": processed,
        "connections_succeeded": processed - failed,
        "connections_failed": failed,
        "items_ingested": ingested,
        "items_updated": succeeded,
        "outbound_retried": retried,
        "outbound_succeeded": succeeded,
        "errors": errors,
        "duration_ms": round(1000 * (monotonic() - started)),
    }
