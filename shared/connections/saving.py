"""Saving an account that has just been connected, by whatever proof, or connected again."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from shared.audit import record
from shared.connections import calendars, store
from shared.store import database, outbox

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from shared.connections.store import Connection
    from shared.crypto.keyring import DataKey, KeyRing
    from shared.providers import ProviderName
    from shared.providers.port import Account


@dataclass(frozen=True, slots=True, kw_only=True)
class Saved:
    """A connection as it was saved, before its proof is: `key` seals it."""

    id: UUID
    is_new: bool
    has_refresh_token: bool
    key: DataKey = field(repr=False)


def save(
    conn: database.Connection,
    *,
    user_id: UUID,
    provider: ProviderName,
    account: Account,
    keyring: KeyRing,
    now: datetime,
    oauth_app_id: UUID | None = None,
    server_address: str | None = None,
) -> Saved:
    """Insert or renew the person's connection to this account; cursors, links and history stay as they are."""
    connection_id, is_new, has_refresh_token = conn.execute(
        """
        INSERT INTO external_calendar_connections AS c
               (provider_id, provider, provider_user_id, provider_email, oauth_app_id, server_address, status,
                created_at, updated_at)
        VALUES (%(user)s, %(provider)s, %(account)s, %(email)s, %(app)s, %(address)s, 'active', %(now)s, %(now)s)
        ON CONFLICT (provider_id, provider, provider_user_id) DO UPDATE
           SET provider_email = excluded.provider_email, oauth_app_id = excluded.oauth_app_id,
               server_address = excluded.server_address,
               status = CASE WHEN c.status = 'disabled' THEN 'disabled' ELSE 'active' END,
               sync_enabled = c.status <> 'disabled',
               error_count = 0, last_error = NULL, backoff_until = NULL,
               version = c.version + 1, updated_at = excluded.updated_at
        RETURNING id, version = 1, refresh_token_enc IS NOT NULL
        """,
        {
            "user": user_id,
            "provider": provider,
            "account": account.id,
            "email": account.email,
            "app": oauth_app_id,
            "address": server_address,
            "now": now,
        },
    ).fetchall()[0]
    connection = store.get(conn, connection_id)
    if connection.data_key_enc is None:
        fresh = keyring.new_data_key(context=str(connection_id))
        conn.execute(
            "UPDATE external_calendar_connections SET data_key_enc = %s, key_id = %s WHERE id = %s",
            (fresh.wrapped, fresh.key_id, connection_id),
        )
        key = fresh.key
    else:
        key = store.data_key(connection, keyring)
    return Saved(id=connection_id, is_new=is_new, has_refresh_token=has_refresh_token, key=key)


def connected(conn: database.Connection, saved: Saved) -> Connection:
    """Go on where it stopped, and say that the account is here."""
    calendars.request_linked(conn, saved.id)
    connection = store.get(conn, saved.id)
    event = "connection.connected" if saved.is_new else "connection.reconnected"
    announce(conn, connection, event, actor=f"person:{connection.user_id}")
    return connection


def announce(conn: database.Connection, connection: Connection, event: str, *, actor: str, **facts: bool) -> None:
    """Record what happened to a connection, and publish it."""
    payload = {"connection_id": str(connection.id), "provider": connection.provider, **facts}
    record.record(
        conn,
        user_id=connection.user_id,
        actor=actor,
        action=event,
        entity=f"connection:{connection.id}",
        metadata={"provider": connection.provider, **facts},
    )
    outbox.publish(
        conn,
        event,
        user_id=connection.user_id,
        aggregate_type="connection",
        aggregate_id=connection.id,
        payload=payload,
    )
