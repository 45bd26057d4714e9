"""Connecting an account: OAuth 2.0 with PKCE, the state bound to the session that started it (RFC 6749, 7636, 9700)."""

from __future__ import annotations

import hmac
import logging
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from shared.connections import apps, refusals, saving, store, tokens
from shared.core.errors import ForbiddenError, InvalidError, KalendsError
from shared.crypto import opaque
from shared.providers.port import CalendarProvider

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from shared.connections.apps import OAuthApp
    from shared.connections.store import Connection
    from shared.connections.tokens import AuthorizerFor
    from shared.crypto.keyring import KeyRing
    from shared.identity.principal import Principal
    from shared.providers.port import Account, Tokens
    from shared.store import database

type Connect = Callable[[str, str], CalendarProvider]
"""From provider and access token to the account behind them."""

LIFETIME = timedelta(minutes=10)
REMEMBERED = timedelta(days=1)
"""How long a finished or expired state can still be told apart from an unknown one."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Started:
    """Where to send the person, and the state that must come back."""

    authorization_url: str
    state: str

    def __repr__(self) -> str:
        return "Started()"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What the provider sent back to the redirect address; empty where it sent nothing."""

    state: str = ""
    code: str = ""
    error: str = ""
    error_description: str = ""

    def __repr__(self) -> str:
        return f"Answer(error={self.error!r})"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Pending:
    user_id: UUID
    app: OAuthApp
    code_verifier: str
    redirect_uri: str


def start(
    conn: database.Connection,
    *,
    principal: Principal,
    app: OAuthApp,
    authorizer_for: AuthorizerFor,
    keyring: KeyRing,
    redirect_uri: str,
    now: datetime,
    login_hint: str | None = None,
) -> Started:
    """Begin to connect an account at the app's provider. `login_hint` is the address of the account that is meant.

    An authorization begun with an API token may be finished by any sign-in of the same person, since the browser
    holds no such token.
    """
    state, code_verifier = opaque.new(), secrets.token_urlsafe(64)
    state_hash = opaque.digest(state)
    url = authorizer_for(app).authorization_url(
        state=state, code_verifier=code_verifier, redirect_uri=redirect_uri, login_hint=login_hint
    )
    conn.execute(
        "DELETE FROM oauth_states WHERE user_id = %s AND expires_at < %s", (principal.user_id, now - REMEMBERED)
    )
    conn.execute(
        """
        INSERT INTO oauth_states (state_hash, user_id, session_hash, provider, oauth_app_id, code_verifier_enc,
                                  redirect_uri, created_at, expires_at)
        VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s)
        """,
        (
            state_hash,
            principal.user_id,
            principal.session_hash,
            app.provider,
            app.id,
            keyring.seal(code_verifier.encode(), context=_context(state_hash)),
            redirect_uri,
            now,
            now + LIFETIME,
        ),
    )
    return Started(authorization_url=url, state=state)


def finish(
    db: database.Database,
    *,
    provider: str,
    answer: Answer,
    principal: Principal | None,
    keyring: KeyRing,
    authorizer_for: AuthorizerFor,
    connect: Connect,
    microsoft_authority: str,
    now: datetime,
) -> Connection:
    """Redeem the provider's answer and store the connection; one that was there is renewed, its cursors kept.

    Raises InvalidError or ForbiddenError with a code that tells a page what to say: AUTH.STATE_UNKNOWN, _REUSED,
    _EXPIRED, AUTH.WRONG_SESSION (nothing is used up: sign in as whoever started, and open the address again),
    AUTH.CONSENT_DENIED, AUTH.WRONG_TENANT, AUTH.ADMIN_APPROVAL, AUTH.CODE_REFUSED, AUTH.SCOPES_MISSING,
    AUTH.NO_REFRESH_TOKEN; and the provider's TransientError.
    """
    pending = _redeem_state(db, provider=provider, answer=answer, principal=principal, keyring=keyring, now=now)
    if answer.error or not answer.code:
        raise refusals.refusal(
            pending.app,
            error=answer.error,
            description=answer.error_description,
            redirect_uri=pending.redirect_uri,
            microsoft_authority=microsoft_authority,
        )
    try:
        granted = authorizer_for(pending.app).exchange(
            code=answer.code, code_verifier=pending.code_verifier, redirect_uri=pending.redirect_uri, now=now
        )
    except InvalidError as error:
        if error.error_code.startswith(("OAUTH.APP", "OAUTH_APP")):
            raise  # the operator's to correct, not the person's
        raise InvalidError(
            f"{provider.capitalize()} did not accept the sign-in any more. Connect again.", code="AUTH.CODE_REFUSED"
        ) from error
    _check_scopes(provider, granted)
    account = connect(provider, granted.access_token).account()
    with db.person(pending.user_id) as conn:
        return _save(conn, pending, account, granted, keyring=keyring, now=now)


def disconnect(
    db: database.Database,
    *,
    connection_id: UUID,
    user_id: UUID,
    keyring: KeyRing,
    authorizer_for: AuthorizerFor,
    actor: str,
    now: datetime,
) -> bool:
    """Give the grant back and erase it here; the row and its history stay. Channels are to be stopped before. An app
    password is only erased: nobody takes it back.

    Returns whether the provider took the grant back. It is erased here in any case, and kept at the provider while
    somebody else here uses the same account, since revoking it would end theirs too. Raises NotFoundError.
    """
    with db.person(user_id) as conn:
        held = tokens.read(conn, connection_id)
        app_id = held.connection.oauth_app_id
        app = None if app_id is None else apps.get(conn, app_id)
    revoked = False
    if app is not None and held.refresh_token_enc is not None and not _shared_with_others(db, held.connection):
        try:
            key = store.data_key(held.connection, keyring)
            token = key.open(held.refresh_token_enc, aad="refresh_token").decode()
            authorizer_for(app).revoke(token=token)
            revoked = True
        except KalendsError as error:
            log.warning(
                "grant could not be revoked", extra={"connection_id": str(connection_id), "error": error.error_code}
            )
    with db.person(user_id) as conn:
        conn.execute(
            """
            UPDATE external_calendar_connections
               SET status = 'disconnected', sync_enabled = false, access_token_enc = NULL, refresh_token_enc = NULL,
                   token_expiry = NULL, error_count = 0, last_error = NULL, backoff_until = NULL,
                   version = version + 1, updated_at = %s
             WHERE id = %s
            """,
            (now, connection_id),
        )
        saving.announce(conn, held.connection, "connection.disconnected", actor=actor, revoked=revoked)
    return revoked


def _redeem_state(
    db: database.Database,
    *,
    provider: str,
    answer: Answer,
    principal: Principal | None,
    keyring: KeyRing,
    now: datetime,
) -> _Pending:
    """Use the state up, once, by whoever started it."""
    state_hash = opaque.digest(answer.state)
    with db.everyone() as conn:
        row = conn.execute(
            """
            SELECT user_id, session_hash, provider, oauth_app_id, code_verifier_enc, redirect_uri, expires_at, used_at
              FROM oauth_states WHERE state_hash = %s FOR UPDATE
            """,
            (state_hash,),
        ).fetchone()
        if row is None or row[2] != provider:
            raise InvalidError(
                "This sign-in was not started here. Connect again from the connections page.", code="AUTH.STATE_UNKNOWN"
            )
        user_id, session_hash, _, app_id, code_verifier_enc, redirect_uri, expires_at, used_at = row
        if used_at is not None:
            raise InvalidError(
                "This sign-in was finished before: look at your connections, or connect again.",
                code="AUTH.STATE_REUSED",
            )
        if expires_at <= now:
            raise InvalidError("This sign-in took longer than ten minutes. Connect again.", code="AUTH.STATE_EXPIRED")
        if not _started_by(principal, user_id=user_id, session_hash=session_hash):
            raise ForbiddenError(
                "Another session started this connection. Sign in here as the same person, then open this address "
                "again or connect anew.",
                gate="session",
                code="AUTH.WRONG_SESSION",
            )
        conn.execute("UPDATE oauth_states SET used_at = %s WHERE state_hash = %s", (now, state_hash))
        app = apps.get(conn, app_id)
    code_verifier = keyring.open(code_verifier_enc, context=_context(state_hash)).decode()
    return _Pending(user_id=user_id, app=app, code_verifier=code_verifier, redirect_uri=redirect_uri)


def _started_by(principal: Principal | None, *, user_id: UUID, session_hash: bytes | None) -> bool:
    if principal is None or principal.user_id != user_id:
        return False
    return session_hash is None or hmac.compare_digest(session_hash, principal.session_hash or b"")


def _check_scopes(provider: str, granted: Tokens) -> None:
    """Google lets people untick single permissions ("Granular OAuth permissions"); without these nothing can sync."""
    if provider != "google":
        return
    from shared.providers.google.oauth import SCOPES

    if any(scope not in granted.scopes for scope in SCOPES if "/auth/calendar" in scope):
        raise InvalidError(
            "Google was told to keep the calendars to itself. Connect again and tick every box on Google's page.",
            code="AUTH.SCOPES_MISSING",
        )


def _save(
    conn: database.Connection, pending: _Pending, account: Account, granted: Tokens, *, keyring: KeyRing, now: datetime
) -> Connection:
    """Insert or renew the person's connection to this account; cursors, links and history stay as they are."""
    saved = saving.save(
        conn,
        user_id=pending.user_id,
        provider=pending.app.provider,
        account=account,
        oauth_app_id=pending.app.id,
        keyring=keyring,
        now=now,
    )
    if granted.refresh_token is None and not saved.has_refresh_token:
        raise InvalidError(
            f"{pending.app.provider.capitalize()} gave no lasting permission. Remove Kalends from the apps with access "
            "to your account there, then connect again.",
            code="AUTH.NO_REFRESH_TOKEN",
        )
    tokens.save(conn, saved.id, saved.key, granted, granted_at=now if granted.refresh_token else None)
    return saving.connected(conn, saved)


def _shared_with_others(db: database.Database, connection: Connection) -> bool:
    with db.everyone() as conn:
        row = conn.execute(
            """
            SELECT 1 FROM external_calendar_connections
             WHERE provider = %s AND provider_user_id = %s AND oauth_app_id = %s AND id <> %s
               AND refresh_token_enc IS NOT NULL LIMIT 1
            """,
            (connection.provider, connection.provider_user_id, connection.oauth_app_id, connection.id),
        ).fetchone()
    return row is not None


def _context(state_hash: bytes) -> str:
    return f"oauth-state:{state_hash.hex()}"
