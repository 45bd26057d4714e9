"""The transactional outbox: a domain event is written with the change it tells of, and published later."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from psycopg.types.json import Jsonb

if TYPE_CHECKING:
    from uuid import UUID

    from shared.store.database import Connection


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
