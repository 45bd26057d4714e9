"""The transactional outbox: a domain event is written with the change it tells of, and published later."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from psycopg.rows import class_row
from psycopg.types.json import Jsonb

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime
    from uuid import UUID

    from shared.store.database import Connection

    type Publish = Callable[[Sequence[Pending]], list[str | None]]

MAX_RETRIES = 5
BATCH = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Pending:
    """An event on its way: its type, and everything about it as one JSON object."""

    id: int
    event_id: UUID
    event_type: str
    aggregate_type: str
    aggregate_id: UUID
    payload: dict[str, Any]
    metadata: dict[str, Any]
    created_at: datetime

    def detail(self) -> str:
        """What travels: ids and facts."""
        return json.dumps(
            {
                "event_id": str(self.event_id),
                "type": self.event_type,
                "aggregate_type": self.aggregate_type,
                "aggregate_id": str(self.aggregate_id),
                "occurred_at": self.created_at.isoformat(),
                "data": self.payload,
                "metadata": self.metadata,
            }
        )


def publish(
    conn: Connection,
    event_type: str,
    *,
    user_id: UUID,
    aggregate_type: str,
    aggregate_id: UUID,
    payload: dict[str, Any],
    correlation_id: str = "",
) -> None:
    """Write an event (for example `connection.needs_reauth`) in this transaction. Ids and facts only, no event text."""
    conn.execute(
        """
        INSERT INTO outbox (user_id, aggregate_type, aggregate_id, event_type, routing_key, payload, metadata)
        VALUES (%s, %s, %s, %s, %s, %s, %s)
        """,
        (
            user_id,
            aggregate_type,
            aggregate_id,
            event_type,
            f"kalends.{event_type}",
            Jsonb(payload),
            Jsonb({"correlation_id": correlation_id}),
        ),
    )


def relay(conn: Connection, put: Publish, *, now: datetime) -> dict[str, int]:
    """Publish what waits, oldest first, at least once each; consumers tell repeats by `event_id`.

    A refused event waits 1, 2, 4, 8 s (at most 60) and is dead after MAX_RETRIES attempts. Rows are claimed by lock,
    so two relays never send the same event. Needs a transaction across people.
    """
    with conn.cursor(row_factory=class_row(Pending)) as cursor:
        pending = cursor.execute(
            """
            SELECT id, event_id, event_type, aggregate_type, aggregate_id, payload, metadata, created_at
              FROM outbox
             WHERE published_at IS NULL AND dead_lettered_at IS NULL
               AND (next_retry_at IS NULL OR next_retry_at <= %s)
             ORDER BY id LIMIT %s FOR UPDATE SKIP LOCKED
            """,
            (now, BATCH),
        ).fetchall()
    if not pending:
        return {"published": 0, "failed": 0}
    answers = put(pending)
    published = [one.id for one, refused in zip(pending, answers, strict=True) if refused is None]
    conn.execute("UPDATE outbox SET published_at = %s, last_error = NULL WHERE id = ANY(%s)", (now, published))
    for one, refused in zip(pending, answers, strict=True):
        if refused is not None:
            conn.execute(
                """
                UPDATE outbox
                   SET retry_count = retry_count + 1, last_error = %(code)s,
                       next_retry_at = %(now)s + least(60, power(2, retry_count)) * interval '1 second',
                       dead_lettered_at = CASE WHEN retry_count + 1 >= %(most)s THEN %(now)s::timestamptz END,
                       dead_letter_reason = CASE WHEN retry_count + 1 >= %(most)s THEN %(code)s END
                 WHERE id = %(id)s
                """,
                {"code": refused, "now": now, "most": MAX_RETRIES, "id": one.id},
            )
    return {"published": len(published), "failed": len(pending) - len(published)}
