"""Access tokens: kept sealed, refreshed by one worker at a time, and never given out when they are about to end."""

from __future__ import annotations

import logging
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING

from psycopg.rows import dict_row

from shared.connections import apps, grants, store
from shared.core.errors import (
    ConflictError,
    InvalidError,
    KalendsError,
    NotFoundError,
    ReauthRequiredError,
    TransientError,
)
from shared.store import leases

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from shared.connections.apps import OAuthApp
    from shared.crypto.keyring import DataKey, KeyRing
    from shared.providers.port import Authorizer, Tokens
    from shared.store.database import Connection, Database

type AuthorizerFor = Callable[[OAuthApp], Authorizer]

MARGIN = timedelta(minutes=2)
"""A token that ends sooner is refreshed first: work begun with it must be able to finish."""
EXPIRING = timedelta(minutes=15)
"""What the schedule (every 10 minutes) refreshes ahead, so that live work finds a good token."""
LEASE = timedelta(seconds=45)
"""Longer than the token endpoint's time-out."""
PATIENCE = 30.0
"""Seconds to wait for another worker's refresh."""
SAVE_ATTEMPTS = 5

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """A connection with its sealed tokens, as they stood when it was read."""

    connection: store.Connection
    access_token_enc: bytes | None = field(repr=False)
    refresh_token_enc: bytes | None = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Refreshed:
    """What a round of refreshing ahead did: how many connections, by outcome."""

    refreshed: int
    failed: int
    needs_reauth: int


def data_key(conn: Connection, *, connection_id: UUID, keyring: KeyRing) -> DataKey:
    """The key that seals the connection's tokens and event texts. Raises NotFoundError, DecryptError."""
    return store.data_key(store.get(conn, connection_id), keyring)


def read(conn: Connection, connection_id: UUID) -> Grant:
    """The connection's grant as it stands. Raises NotFoundError."""
    with conn.cursor(row_factory=dict_row) as cursor:
        row = cursor.execute(
            f"SELECT {store.COLUMNS}, access_token_enc, refresh_token_enc"  # noqa: S608 - our own columns
            " FROM external_calendar_connections WHERE id = %s",
            (connection_id,),
        ).fetchone()
    if row is None:
        raise NotFoundError(f"There is no connection {connection_id}.", code="CONNECTION.NOT_FOUND")
    access, refresh = row.pop("access_token_enc"), row.pop("refresh_token_enc")
    return Grant(connection=store.Connection(**row), access_token_enc=access, refresh_token_enc=refresh)


def save(
    conn: Connection, connection_id: UUID, key: DataKey, tokens: Tokens, *, granted_at: datetime | None = None
) -> None:
    """Seal and store a grant; without a new refresh token the old one stays. `granted_at`: the person just gave it."""
    refresh_token = tokens.refresh_token
    conn.execute(
        """
        UPDATE external_calendar_connections
           SET access_token_enc = %(access)s, refresh_token_enc = coalesce(%(refresh)s, refresh_token_enc),
               token_expiry = %(expiry)s, scopes = %(scopes)s, granted_at = coalesce(%(granted)s, granted_at),
               grant_ends_at = CASE WHEN %(granted)s::timestamptz IS NULL
                                    THEN coalesce(%(ends)s, grant_ends_at) ELSE %(ends)s END
         WHERE id = %(id)s
        """,
        {
            "id": connection_id,
            "access": key.seal(tokens.access_token.encode(), aad="access_token"),
            "refresh": key.seal(refresh_token.encode(), aad="refresh_token") if refresh_token else None,
            "expiry": tokens.expires_at,
            "scopes": list(tokens.scopes),
            "granted": granted_at,
            "ends": tokens.grant_ends_at,
        },
    )


def access_token(
    database: Database,
    *,
    connection_id: UUID,
    user_id: UUID,
    keyring: KeyRing,
    authorizer_for: AuthorizerFor,
    now: datetime,
    margin: timedelta = MARGIN,
    refused: str | None = None,
) -> str:
    """A token that lives for at least `margin`, refreshed by exactly one of however many workers ask at once.

    `refused` is a token that the provider has just rejected though it should have lived: it is not given out again.
    Raises ReauthRequiredError (the person must connect again; the connection then says so), ConflictError
    (disconnected), TransientError (the provider, the database, or a refresh elsewhere that does not end).
    """
    began = time.monotonic()
    pause = 0.05
    while True:
        at = now + timedelta(seconds=time.monotonic() - began)
        with database.person(user_id) as conn:
            held = read(conn, connection_id)
            token = _usable(held, keyring, at=at, margin=margin, refused=refused)
            if token is not None:
                return token
            lease = leases.claim(conn, f"refresh:{connection_id}", holder=uuid.uuid4().hex, now=at, duration=LEASE)
            if lease is not None:  # somebody may have finished between our look and our claim
                held = read(conn, connection_id)
                token = _usable(held, keyring, at=at, margin=margin, refused=refused)
                if token is not None:
                    leases.release(conn, lease)
                    return token
        if lease is not None:
            token = _refresh(database, held, lease, keyring=keyring, authorizer_for=authorizer_for, now=at)
            if token is not None:
                return token
            continue
        if time.monotonic() - began > PATIENCE:
            raise TransientError(
                f"Another worker refreshes the token of connection {connection_id} and has not finished. Try again.",
                code="AUTH.REFRESH_BUSY",
            )
        time.sleep(pause)
        pause = min(pause * 1.5, 0.5)


def refresh_expiring(
    database: Database,
    *,
    keyring: KeyRing,
    authorizer_for: AuthorizerFor,
    now: datetime,
    within: timedelta = EXPIRING,
    limit: int = 500,
) -> Refreshed:
    """Refresh the tokens that end within `within`, soonest first; one connection's failure does not stop the others."""
    with database.everyone() as conn:
        due = conn.execute(
            """
            SELECT id, provider_id FROM external_calendar_connections
             WHERE status IN ('active', 'error') AND sync_enabled AND refresh_token_enc IS NOT NULL
               AND token_expiry < %(ends)s AND (backoff_until IS NULL OR backoff_until <= %(now)s)
             ORDER BY token_expiry LIMIT %(limit)s
            """,
            {"ends": now + within, "now": now, "limit": limit},
        ).fetchall()
    refreshed = failed = needs_reauth = 0
    for connection_id, user_id in due:
        try:
            access_token(
                database,
                connection_id=connection_id,
                user_id=user_id,
                keyring=keyring,
                authorizer_for=authorizer_for,
                now=now,
                margin=within,
            )
        except ReauthRequiredError:
            needs_reauth += 1
        except KalendsError as error:
            failed += 1
            log.warning("token refresh failed", extra={"connection_id": str(connection_id), "error": error.error_code})
            with database.person(user_id) as conn:
                store.mark_failure(conn, connection_id, error, now)
        else:
            refreshed += 1
    return Refreshed(refreshed=refreshed, failed=failed, needs_reauth=needs_reauth)


def _usable(held: Grant, keyring: KeyRing, *, at: datetime, margin: timedelta, refused: str | None) -> str | None:
    """The stored token, or None if it must be refreshed. Raises when no refresh can help."""
    connection = held.connection
    if connection.status == "needs_reauth":
        raise ReauthRequiredError(f"Connection {connection.id} must be connected again by its owner.")
    if connection.status == "disconnected" or held.refresh_token_enc is None:
        raise ConflictError(
            f"Connection {connection.id} is disconnected: connect it again to use it.", code="CONNECTION.DISCONNECTED"
        )
    expiry = connection.token_expiry
    if held.access_token_enc is None or expiry is None or expiry - at < margin:
        return None
    token = store.data_key(connection, keyring).open(held.access_token_enc, aad="access_token").decode()
    return None if token == refused else token


def _refresh(
    database: Database,
    held: Grant,
    lease: leases.Lease,
    *,
    keyring: KeyRing,
    authorizer_for: AuthorizerFor,
    now: datetime,
) -> str | None:
    """A new token; None if the grant that was used has been replaced meanwhile, and should be read again."""
    connection = held.connection
    try:
        key = store.data_key(connection, keyring)
        refresh_token = key.open(held.refresh_token_enc or b"", aad="refresh_token").decode()
        if connection.oauth_app_id is None:
            raise InvalidError(f"Connection {connection.id} was not made by OAuth.", code="CONNECTION.NO_OAUTH")
        with database.person(connection.user_id) as conn:
            app = apps.get(conn, connection.oauth_app_id)
        tokens = authorizer_for(app).refresh(refresh_token=refresh_token, now=now)
    except ReauthRequiredError as refusal:
        error = grants.ended(connection, refusal, now=now)
        with database.person(connection.user_id) as conn:
            leases.release(conn, lease)
            if not _unchanged(conn, held):
                return None
            store.mark_failure(conn, connection.id, error, now)
        raise error from refusal
    except BaseException:
        with database.person(connection.user_id) as conn:
            leases.release(conn, lease)
        raise
    _save_refreshed(database, held, lease, key, tokens, now)
    return tokens.access_token


def _save_refreshed(
    database: Database, held: Grant, lease: leases.Lease, key: DataKey, tokens: Tokens, now: datetime
) -> None:
    """Store what the provider gave. A rotated refresh token exists nowhere else, so a failing database is tried again.

    Not guarded by the lease: should it have been lost meanwhile, the question is only whether somebody has stored a
    newer grant. If somebody found the old refresh token used up instead, ours is the one that lives, and the
    connection with it.
    """
    connection = held.connection
    for attempt in range(1, SAVE_ATTEMPTS + 1):
        try:
            with database.person(connection.user_id) as conn:
                if _unchanged(conn, held):
                    save(conn, connection.id, key, tokens)
                    conn.execute(
                        """
                        UPDATE external_calendar_connections
                           SET status = 'active', last_error = NULL WHERE id = %s AND status = 'needs_reauth'
                        """,
                        (connection.id,),
                    )
                leases.release(conn, lease)
        except TransientError:
            if attempt == SAVE_ATTEMPTS:
                raise
            time.sleep(0.2 * attempt)
        else:
            return


def _unchanged(conn: Connection, held: Grant) -> bool:
    """Whether the refresh token that was used still stands; locks the row until the transaction ends."""
    row = conn.execute(
        "SELECT refresh_token_enc FROM external_calendar_connections WHERE id = %s FOR UPDATE",
        (held.connection.id,),
    ).fetchone()
    return row is not None and row[0] == held.refresh_token_enc
