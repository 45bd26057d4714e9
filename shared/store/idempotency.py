"""Idempotency keys: the same request of the same person is carried out once, however often it is sent."""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from psycopg.types.json import Jsonb

from shared.core.errors import ConflictError, InvalidError

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from shared.store.database import Connection

REMEMBERED = timedelta(hours=24)
UNDER_WAY = timedelta(minutes=1)
"""Longer than any request may last: a claim that is older died with its worker."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """What the first request was answered with."""

    status: int
    response: dict[str, Any]


def claim(conn: Connection, *, user_id: UUID, key: str, request_hash: bytes, now: datetime) -> Answered | None:
    """Claim a key, or get the answer it led to. Raises InvalidError when it was used for another request, and
    ConflictError while the first one is still under way."""
    conn.execute(
        """
        DELETE FROM idempotency_keys
         WHERE user_id = %(user)s
           AND (created_at < %(now)s - %(remembered)s OR (status IS NULL AND created_at < %(now)s - %(under_way)s))
        """,
        {"user": user_id, "now": now, "remembered": REMEMBERED, "under_way": UNDER_WAY},
    )
    claimed = conn.execute(
        """
        INSERT INTO idempotency_keys (user_id, key, request_hash, created_at) VALUES (%s, %s, %s, %s)
        ON CONFLICT (user_id, key) DO NOTHING
        """,
        (user_id, key, request_hash, now),
    )
    if claimed.rowcount:
        return None
    row = conn.execute(
        "SELECT request_hash, status, response FROM idempotency_keys WHERE user_id = %s AND key = %s", (user_id, key)
    ).fetchone()
    if row is None or row[1] is None:
        raise ConflictError("The first request with this Idempotency-Key is under way.", code="IDEMPOTENCY.UNDER_WAY")
    if not hmac.compare_digest(row[0], request_hash):
        raise InvalidError(
            "This Idempotency-Key was used for another request: make a new one.", code="IDEMPOTENCY.REUSED"
        )
    return Answered(status=row[1], response=row[2])


def save(conn: Connection, *, user_id: UUID, key: str, answered: Answered) -> None:
    """Keep the answer. It must hold no secret."""
    conn.execute(
        "UPDATE idempotency_keys SET status = %s, response = %s WHERE user_id = %s AND key = %s",
        (answered.status, Jsonb(answered.response), user_id, key),
    )


def release(conn: Connection, *, user_id: UUID, key: str) -> None:
    """Give a claim back: the request failed and may be sent again."""
    conn.execute("DELETE FROM idempotency_keys WHERE user_id = %s AND key = %s AND status IS NULL", (user_id, key))
