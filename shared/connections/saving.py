"""Saving an account that has just been connected, by whatever proof, or connected again."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from shared.audit import record
from shared.connections import calendars, discovery, store, tokens
from shared.core.errors import ConflictError, NotFoundError, ReauthRequiredError
from shared.store import database, outbox

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from uuid import UUID

    from shared.connections.store import Connection
    from shared.crypto.keyring import DataKey, KeyRing
    from shared.providers import ProviderName
    from shared.providers.port import Account, RemoteCalendar

_GIVEN = "given"


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
    poll_minutes: int | None = None,
) -> Saved:
    """Insert or renew the person's connection to this account; cursors, links and history stay as they are."""
    connection_id, is_new, has_refresh_token = conn.execute(
        """
        INSERT INTO external_calendar_connections AS c
               (provider_id, provider, provider_user_id, provider_email, oauth_app_id, server_address, status,
                sync_frequency_minutes, created_at, updated_at)
        VALUES (%(user)s, %(provider)s, %(account)s, %(email)s, %(app)s, %(address)s, 'active',
                coalesce(%(minutes)s, 5), %(now)s, %(now)s)
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
            "minutes": poll_minutes,
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


def keep(
    db: database.Database,
    *,
    user_id: UUID,
    provider: ProviderName,
    account: Account,
    listing: Sequence[RemoteCalendar],
    given: bytes,
    keyring: KeyRing,
    now: datetime,
    server_address: str | None = None,
    poll_minutes: int | None = None,
    connection_id: UUID | None = None,
) -> Connection:
    """Save an account without OAuth and its calendars, and what the person gave for it, sealed: that never ends by
    itself. `connection_id` is one that is this account from now on. Raises NotFoundError, ConflictError."""
    with db.person(user_id) as conn:
        if connection_id is not None:
            _become(conn, connection_id, provider=provider, account=account)
        saved = save(
            conn,
            user_id=user_id,
            provider=provider,
            account=account,
            server_address=server_address,
            poll_minutes=poll_minutes,
            keyring=keyring,
            now=now,
        )
        conn.execute(
            "UPDATE external_calendar_connections SET access_token_enc = %s, granted_at = %s WHERE id = %s",
            (saved.key.seal(given, aad=_GIVEN), now, saved.id),
        )
        connection = connected(conn, saved)
    discovery.save(db, connection=connection, listing=listing, now=now)
    return connection


def given(db: database.Database, connection: Connection, *, wanted: str, keyring: KeyRing) -> bytes:
    """What `keep` sealed. Raises ReauthRequiredError (the person must give what is `wanted`), ConflictError
    (disconnected)."""
    with db.person(connection.user_id) as conn:
        held = tokens.read(conn, connection.id)
    if held.connection.status == "needs_reauth":
        raise ReauthRequiredError(f"Connection {connection.id} must be given {wanted} by its owner.")
    if held.access_token_enc is None:
        raise ConflictError(
            f"Connection {connection.id} is disconnected: connect it again to use it.", code="CONNECTION.DISCONNECTED"
        )
    return store.data_key(held.connection, keyring).open(held.access_token_enc, aad=_GIVEN)


def _become(conn: database.Connection, connection_id: UUID, *, provider: ProviderName, account: Account) -> None:
    """Let a connection be another account. Its calendars are read in full: cursors of the other one say nothing."""
    taken = conn.execute(
        "SELECT FROM external_calendar_connections WHERE provider = %s AND provider_user_id = %s AND id <> %s",
        (provider, account.id, connection_id),
    ).fetchone()
    if taken is not None:
        raise ConflictError("This is connected already, as an account of its own.", code="CONNECTION.EXISTS")
    became = conn.execute(
        """
        UPDATE external_calendar_connections
           SET provider_user_id = %(account)s,
               sync_cursor = CASE WHEN provider_user_id = %(account)s THEN sync_cursor END
         WHERE id = %(id)s AND provider = %(provider)s
        """,
        {"account": account.id, "id": connection_id, "provider": provider},
    )
    if became.rowcount == 0:
        raise NotFoundError(f"There is no connection {connection_id} of this kind.", code="CONNECTION.NOT_FOUND")


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
