"""Connections: one account at one provider. What runbook 004 calls `provider_id` is the person."""

from __future__ import annotations

import json
import random
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Literal

from psycopg.rows import class_row

from shared.core.errors import (
    ConflictError,
    KalendsError,
    NotFoundError,
    QuotaSpentError,
    RateLimitedError,
    ReauthRequiredError,
)
from shared.store import outbox

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from shared.crypto.keyring import DataKey, KeyRing
    from shared.providers import ProviderName
    from shared.store import database

type Status = Literal["pending", "active", "error", "needs_reauth", "disabled", "disconnected"]

LADDER = (1, 2, 4, 8, 16, 30)
"""Minutes to wait after the first, second, ... failure in a row."""
CIRCUIT_AFTER = 5
CIRCUIT_REST = timedelta(minutes=30)
"""So many failures in a row open the circuit for so long: the ladder's sixteen minutes are left to single mirrors."""
JITTER = 0.1
MESSAGE_LENGTH = 500

COLUMNS = """
  id, provider_id AS user_id, provider, provider_user_id, provider_email AS email, oauth_app_id, server_address, status,
  scopes,
  sync_enabled, token_expiry, granted_at, grant_ends_at, last_synced_at, last_attempt_at, last_discovered_at,
  error_count, last_error, backoff_until, sync_needed, sync_frequency_minutes, version, created_at, updated_at,
  data_key_enc, key_id
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection:
    """An account, without its tokens. `last_error` is JSON: `{"code": ..., "message": ...}`.

    `oauth_app_id` or `server_address` says where the proof in its tokens was given.

    `data_key_enc` is the wrapped key that seals its tokens and event texts, by the master key `key_id`.
    """

    id: UUID
    user_id: UUID
    provider: ProviderName
    provider_user_id: str
    email: str
    oauth_app_id: UUID | None
    server_address: str | None
    status: Status
    scopes: list[str]
    sync_enabled: bool
    token_expiry: datetime | None
    granted_at: datetime | None
    grant_ends_at: datetime | None
    last_synced_at: datetime | None
    last_attempt_at: datetime | None
    last_discovered_at: datetime | None
    error_count: int
    last_error: str | None
    backoff_until: datetime | None
    sync_needed: bool
    sync_frequency_minutes: int
    version: int
    created_at: datetime
    updated_at: datetime
    data_key_enc: bytes | None = field(repr=False)
    key_id: str | None

    def may_sync(self, now: datetime) -> bool:
        """Whether work for it may start: enabled, granted, and not backing off."""
        granted = self.sync_enabled and self.status in ("pending", "active", "error")
        return granted and (self.backoff_until is None or self.backoff_until <= now)

    def circuit_is_open(self, now: datetime) -> bool:
        """Whether it failed so often in a row that it rests."""
        return self.error_count >= CIRCUIT_AFTER and self.backoff_until is not None and self.backoff_until > now


def get(conn: database.Connection, connection_id: UUID) -> Connection:
    """The connection. Raises NotFoundError."""
    connection = find(conn, connection_id)
    if connection is None:
        raise NotFoundError(f"There is no connection {connection_id}.", code="CONNECTION.NOT_FOUND")
    return connection


def find(conn: database.Connection, connection_id: UUID) -> Connection | None:
    """The connection, if there is one and this transaction may see it."""
    with conn.cursor(row_factory=class_row(Connection)) as cursor:
        cursor.execute(f"SELECT {COLUMNS} FROM external_calendar_connections WHERE id = %s", (connection_id,))  # noqa: S608 - our own columns
        return cursor.fetchone()


def list_connections(conn: database.Connection, *, user_id: UUID) -> list[Connection]:
    """A person's connections, oldest first, disconnected ones included."""
    with conn.cursor(row_factory=class_row(Connection)) as cursor:
        cursor.execute(
            f"SELECT {COLUMNS} FROM external_calendar_connections WHERE provider_id = %s ORDER BY id",  # noqa: S608
            (user_id,),
        )
        return cursor.fetchall()


def data_key(connection: Connection, keyring: KeyRing) -> DataKey:
    """The key that seals the connection's tokens and event texts; its id is bound in. Raises DecryptError."""
    if connection.data_key_enc is None or connection.key_id is None:
        raise ConflictError(f"Connection {connection.id} has no key yet: connect it first.", code="CONNECTION.NO_KEY")
    return keyring.unwrap(connection.data_key_enc, connection.key_id, context=str(connection.id))


def wait_after(failures: int) -> timedelta:
    """How long the ladder says to wait after so many failures in a row, at least one."""
    return timedelta(minutes=LADDER[min(failures, len(LADDER)) - 1])


def mark_failure(conn: database.Connection, connection_id: UUID, error: KalendsError, now: datetime) -> None:
    """Count a failure and back off: 1, 2, 4, 8 minutes +-10 %, never less than the provider's Retry-After. The fifth
    in a row, and each after it, opens the circuit for 30 minutes; `connection.circuit_opened` is published once.

    A later `backoff_until`, such as one set by hand, is never shortened. Calendars that fail together while the
    connection already backs off climb the ladder once. A refused grant needs the person, not time: the connection
    waits in `needs_reauth`, and `connection.needs_reauth` is published once. A quota that is spent is no failure.
    """
    if isinstance(error, QuotaSpentError):
        return
    if isinstance(error, ReauthRequiredError):
        _require_reauthorization(conn, connection_id, error, now)
        return
    retry_after = error.retry_after if isinstance(error, RateLimitedError) else None
    row = conn.execute(
        """
        UPDATE external_calendar_connections
           SET error_count = error_count + CASE WHEN backoff_until > %(now)s THEN 0 ELSE 1 END,
               backoff_until = greatest(backoff_until, %(now)s + %(floor)s, CASE
                 WHEN backoff_until > %(now)s THEN NULL
                 WHEN error_count + 1 >= %(circuit)s THEN %(now)s + %(rest)s
                 ELSE %(now)s + %(jitter)s * (%(ladder)s::integer[])[error_count + 1] * interval '1 minute' END),
               status = CASE WHEN status IN ('pending', 'active') THEN 'error' ELSE status END,
               last_error = %(error)s, last_attempt_at = %(now)s, updated_at = %(now)s
         WHERE id = %(id)s
        RETURNING provider_id, provider, old.error_count < %(circuit)s AND new.error_count >= %(circuit)s
        """,
        {
            "id": connection_id,
            "now": now,
            "floor": timedelta(seconds=retry_after or 0),
            "jitter": random.uniform(1 - JITTER, 1 + JITTER),  # noqa: S311 - spreads load, hides nothing
            "ladder": list(LADDER),
            "circuit": CIRCUIT_AFTER,
            "rest": CIRCUIT_REST * random.uniform(1, 1 + JITTER),  # noqa: S311
            "error": error_json(error.error_code, error.message),
        },
    ).fetchone()
    if row is not None and row[2]:
        _tell(conn, "connection.circuit_opened", connection_id, row[0], provider=row[1], error=error)


def rest(conn: database.Connection, connection_id: UUID, *, until: datetime) -> None:
    """Ask nothing of an account until then, as its provider wants it: no failure, and never shorter than before."""
    conn.execute(
        "UPDATE external_calendar_connections SET backoff_until = greatest(backoff_until, %s) WHERE id = %s",
        (until, connection_id),
    )


def mark_success(conn: database.Connection, connection_id: UUID, now: datetime) -> None:
    """Clear the error state. A backoff that still lies ahead was set meanwhile, for instance by hand: it stays."""
    conn.execute(
        """
        UPDATE external_calendar_connections
           SET error_count = 0, last_error = NULL,
               backoff_until = CASE WHEN backoff_until > %(now)s THEN backoff_until END,
               status = CASE WHEN status IN ('pending', 'error') THEN 'active' ELSE status END,
               last_synced_at = %(now)s, last_attempt_at = %(now)s, updated_at = %(now)s
         WHERE id = %(id)s AND status IN ('pending', 'active', 'error')
        """,
        {"id": connection_id, "now": now},
    )


def error_json(code: str, message: str) -> str:
    """An error column's text. Never a secret, never an event's text: messages of our errors hold none."""
    return json.dumps({"code": code, "message": message[:MESSAGE_LENGTH]}, ensure_ascii=False)


def _require_reauthorization(
    conn: database.Connection, connection_id: UUID, error: ReauthRequiredError, now: datetime
) -> None:
    row = conn.execute(
        """
        UPDATE external_calendar_connections
           SET status = 'needs_reauth', error_count = error_count + 1, last_error = %(error)s,
               last_attempt_at = %(now)s, updated_at = %(now)s
         WHERE id = %(id)s AND status IN ('pending', 'active', 'error')
        RETURNING provider_id, provider
        """,
        # Runbook 004 (S4-40) looks for exactly these words.
        {"id": connection_id, "now": now, "error": error_json(error.error_code, f"invalid_token: {error.message}")},
    ).fetchone()
    if row is not None:
        _tell(conn, "connection.needs_reauth", connection_id, row[0], provider=row[1], error=error)


def _tell(
    conn: database.Connection, event: str, connection_id: UUID, user_id: UUID, *, provider: str, error: KalendsError
) -> None:
    outbox.publish(
        conn,
        event,
        user_id=user_id,
        aggregate_type="connection",
        aggregate_id=connection_id,
        payload={"connection_id": str(connection_id), "provider": provider, "code": error.error_code},
    )
