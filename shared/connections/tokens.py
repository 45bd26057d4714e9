"""Access tokens: kept sealed, refreshed by one worker at a time, and never given out when they are about to end."""

from __future__ import annotations

import logging
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from psycopg.rows import class_row

from shared.connections import apps, store
from shared.core.errors import ConflictError, KalendsError, NotFoundError, ReauthRequiredError, TransientError
from shared.store import leases

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from shared.connections.apps import OAuthApp
    from shared.crypto.keyring import DataKey, KeyRing
    from shared.providers import ProviderName
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
class Credentials:
    """A connection's sealed tokens and the wrapped key that opens them."""

    id: UUID
    user_id: UUID
    provider: ProviderName
    oauth_app_id: UUID
    status: store.Status
    data_key_enc: bytes | None
    key_id: str | None
    access_token_enc: bytes | None
    refresh_token_enc: bytes | None
    token_expiry: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Refreshed:
    """What a round of refreshing ahead did: how many connections, by outcome."""

    refreshed: int
    failed: int
    needs_reauth: int


def data_key(conn: Connection, *, connection_id: UUID, keyring: KeyRing) -> DataKey:
    """The key that seals the connection's tokens and event texts. Raises NotFoundError, DecryptError."""
    return open_key(credentials(conn, connection_id), keyring)


def open_key(held: Credentials, keyring: KeyRing) -> DataKey:
    """Unwrap the connection's data key; its id is bound in, so that a key moved to another row does not open."""
    if held.data_key_enc is None or held.key_id is None:
        raise ConflictError(f"Connection {held.id} has no data key yet: connect it first.", code="CONNECTION.NO_KEY")
    return keyring.unwrap(held.data_key_enc, held.key_id, context=str(held.id))


def credentials(conn: Connection, connection_id: UUID) -> Credentials:
    """The connection's credentials as they stand. Raises NotFoundError."""
    with conn.cursor(row_factory=class_row(Credentials)) as cursor:
        cursor.execute(
            """
            SELECT id, provider_id AS user_id, provider, oauth_app_id, status, data_key_enc, key_id,
                   access_token_enc, refresh_token_enc, token_expiry
              FROM external_calendar_connections WHERE id = %s
            """,
            (connection_id,),
        )
        found = cursor.fetchone()
    if found is None:
        raise NotFoundError(f"There is no connection {connection_id}.", code="CONNECTION.NOT_FOUND")
    return found


def save(conn: Connection, connection_id: UUID, key: DataKey, tokens: Tokens) -> None:
    """Seal and store a grant; without a new refresh token the old one stays."""
    refresh_token = tokens.refresh_token
    conn.execute(
        """
        UPDATE external_calendar_connections
           SET access_token_enc = %(access)s, refresh_token_enc = coalesce(%(refresh)s, refresh_token_enc),
               token_expiry = %(expiry)s, scopes = %(scopes)s
         WHERE id = %(id)s
        """,
        {
            "id": connection_id,
            "access": key.seal(tokens.access_token.encode(), aad="access_token"),
            "refresh": key.seal(refresh_token.encode(), aad="refresh_token") if refresh_token else None,
            "expiry": tokens.expires_at,
            "scopes": list(tokens.scopes),
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
            held = credentials(conn, connection_id)
            token = _usable(held, keyring, at=at, margin=margin, refused=refused)
            if token is not None:
                return token
            lease = leases.claim(conn, f"refresh:{connection_id}", holder=uuid.uuid4().hex, now=at, duration=LEASE)
            app = apps.get(conn, held.oauth_app_id) if lease else None
        if lease and app:
            return _refresh(database, held, lease, keyring=keyring, authorizer=authorizer_for(app), now=at)
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


def _usable(held: Credentials, keyring: KeyRing, *, at: datetime, margin: timedelta, refused: str | None) -> str | None:
    """The stored token, or None if it must be refreshed. Raises when no refresh can help."""
    if held.status == "needs_reauth":
        raise ReauthRequiredError(f"Connection {held.id} must be connected again by its owner.")
    if held.status == "disconnected" or held.refresh_token_enc is None:
        raise ConflictError(
            f"Connection {held.id} is disconnected: connect it again to use it.", code="CONNECTION.DISCONNECTED"
        )
    if held.access_token_enc is None or held.token_expiry is None or held.token_expiry - at < margin:
        return None
    token = open_key(held, keyring).open(held.access_token_enc, aad="access_token").decode()
    return None if token == refused else token


def _refresh(
    database: Database,
    held: Credentials,
    lease: leases.Lease,
    *,
    keyring: KeyRing,
    authorizer: Authorizer,
    now: datetime,
) -> str:
    key = open_key(held, keyring)
    if held.refresh_token_enc is None:
        raise AssertionError("only a connection with a refresh token is refreshed")
    try:
        tokens = authorizer.refresh(
            refresh_token=key.open(held.refresh_token_enc, aad="refresh_token").decode(), now=now
        )
    except ReauthRequiredError as error:
        with database.person(held.user_id) as conn:
            leases.release(conn, lease, now=now)
            if _unchanged(conn, held):
                store.mark_failure(conn, held.id, error, now)
        raise
    except BaseException:
        with database.person(held.user_id) as conn:
            leases.release(conn, lease, now=now)
        raise
    _save_refreshed(database, held, lease, key, tokens, now)
    return tokens.access_token


def _save_refreshed(
    database: Database, held: Credentials, lease: leases.Lease, key: DataKey, tokens: Tokens, now: datetime
) -> None:
    """Store what the provider gave. A rotated refresh token exists nowhere else, so a failing database is tried again.

    Not guarded by the lease: should it have been lost meanwhile, the question is only whether somebody has stored a
    newer grant. If somebody found the old refresh token used up instead, ours is the one that lives, and the
    connection with it.
    """
    for attempt in range(1, SAVE_ATTEMPTS + 1):
        try:
            with database.person(held.user_id) as conn:
                if _unchanged(conn, held):
                    save(conn, held.id, key, tokens)
                    conn.execute(
                        """
                        UPDATE external_calendar_connections
                           SET status = 'active', last_error = NULL WHERE id = %s AND status = 'needs_reauth'
                        """,
                        (held.id,),
                    )
                leases.release(conn, lease, now=now)
        except TransientError:
            if attempt == SAVE_ATTEMPTS:
                raise
            time.sleep(0.2 * attempt)
        else:
            return


def _unchanged(conn: Connection, held: Credentials) -> bool:
    """Whether the refresh token that was used still stands; locks the row until the transaction ends."""
    row = conn.execute(
        "SELECT refresh_token_enc FROM external_calendar_connections WHERE id = %s FOR UPDATE", (held.id,)
    ).fetchone()
    return row is not None and row[0] == held.refresh_token_enc
