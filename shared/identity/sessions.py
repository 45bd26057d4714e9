"""Sessions: a random token in a cookie, kept as its hash, that lives for thirty days after it was last seen."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from psycopg.rows import class_row

from shared.audit import record
from shared.core.errors import ForbiddenError
from shared.crypto import opaque, signatures

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from uuid import UUID

    from shared.identity.people import Role
    from shared.store.database import Connection

COOKIE = "kalends_session"
LIFETIME = timedelta(days=30)
RENEWAL = timedelta(hours=1)
"""A session is extended at most this often, so that not every request writes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """Who is signed in. `renewed`: its end has just moved, so the cookie should be set again."""

    id: UUID
    user_id: UUID
    role: Role
    token_hash: bytes
    renewed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """A live session as its person sees it. `token_hash` tells which one asks, and goes no further."""

    id: UUID
    token_hash: bytes
    created_at: datetime
    last_seen_at: datetime
    expires_at: datetime


def start(conn: Connection, *, user_id: UUID, now: datetime) -> str:
    """Sign a person in; the token goes into the cookie and nowhere else. Clears away their expired sessions."""
    token = opaque.new()
    conn.execute("DELETE FROM sessions WHERE user_id = %s AND expires_at <= %s", (user_id, now))
    conn.execute(
        "INSERT INTO sessions (user_id, token_hash, created_at, last_seen_at, expires_at) VALUES (%s, %s, %s, %s, %s)",
        (user_id, opaque.digest(token), now, now, now + LIFETIME),
    )
    return token


def find(conn: Connection, token: str, *, now: datetime) -> Session | None:
    """The live session of this token, its end moved; needs a transaction across people."""
    row = conn.execute(
        """
        SELECT s.id, s.user_id, p.role, s.token_hash, s.last_seen_at
          FROM sessions s JOIN profiles p ON p.id = s.user_id
         WHERE s.token_hash = %s AND s.expires_at > %s
        """,
        (opaque.digest(token), now),
    ).fetchone()
    if row is None:
        return None
    session_id, user_id, role, token_hash, last_seen_at = row
    renewed = now - last_seen_at >= RENEWAL
    if renewed:
        conn.execute(
            "UPDATE sessions SET last_seen_at = %s, expires_at = %s WHERE id = %s", (now, now + LIFETIME, session_id)
        )
    return Session(id=session_id, user_id=user_id, role=role, token_hash=token_hash, renewed=renewed)


def end(conn: Connection, token: str) -> None:
    """Sign out; a session that is already gone is success."""
    conn.execute("DELETE FROM sessions WHERE token_hash = %s", (opaque.digest(token),))


def list_sessions(conn: Connection, *, user_id: UUID, now: datetime) -> list[Listed]:
    """Where a person is signed in, last seen first."""
    with conn.cursor(row_factory=class_row(Listed)) as cursor:
        return cursor.execute(
            """
            SELECT id, token_hash, created_at, last_seen_at, expires_at FROM sessions
             WHERE user_id = %s AND expires_at > %s ORDER BY last_seen_at DESC, id DESC
            """,
            (user_id, now),
        ).fetchall()


def end_others(conn: Connection, *, user_id: UUID, keep: bytes | None, actor: str, now: datetime) -> int:
    """Sign a person out everywhere but in the session with the hash `keep` (None: everywhere); how many ended.

    API tokens go on: each is revoked by itself.
    """
    ended = conn.execute(
        "DELETE FROM sessions WHERE user_id = %s AND expires_at > %s AND token_hash IS DISTINCT FROM %s",
        (user_id, now, keep),
    ).rowcount
    record.record(
        conn,
        user_id=user_id,
        actor=actor,
        action="session.others_ended",
        entity=f"person:{user_id}",
        metadata={"ended": ended},
    )
    return ended


def csrf_token(secrets: Sequence[bytes], token: str) -> str:
    """What every form of this session carries: a page of another site can send the cookie, but not read this."""
    return signatures.sign(secrets[0], f"csrf:{token}")


def check_csrf(secrets: Sequence[bytes], token: str, given: str) -> None:
    """Raises ForbiddenError if the form does not come from this session's pages. `secrets`: current and previous."""
    if not signatures.verify(secrets, f"csrf:{token}", given):
        raise ForbiddenError(
            "The form is out of date or came from another site. Open the page again and repeat.",
            gate="csrf",
            code="AUTH.CSRF",
        )
