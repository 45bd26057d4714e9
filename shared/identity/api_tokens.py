"""API tokens: what programs and the command line sign in with. Shown once, kept as their hash, listed by a hint."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from psycopg.rows import class_row

from shared.audit import record
from shared.core.errors import InvalidError, NotFoundError
from shared.crypto import opaque

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from shared.identity.people import Role
    from shared.store.database import Connection

PREFIX = "kal_"
"""Lets people and secret scanners recognise one."""
HINT_LENGTH = 8
NAME_LENGTH = 200
USE_RECORDED = timedelta(minutes=5)
"""How exact `last_used_at` is: not every request writes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiToken:
    """A token as its owner sees it later: `hint` is its beginning, such as `kal_Xq3z…`."""

    id: UUID
    user_id: UUID
    name: str
    hint: str
    created_at: datetime
    last_used_at: datetime | None
    expires_at: datetime | None
    revoked_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Bearer:
    """Who a presented token speaks for."""

    token_id: UUID
    user_id: UUID
    role: Role


def create(
    conn: Connection, *, user_id: UUID, name: str, actor: str, now: datetime, expires_at: datetime | None = None
) -> tuple[ApiToken, str]:
    """A new token: its row, and the token itself, which cannot be read again. Raises InvalidError."""
    name = name.strip()
    if not 1 <= len(name) <= NAME_LENGTH or not name.isprintable():
        problem = f"must have 1 to {NAME_LENGTH} printable characters"
        raise InvalidError(f"The token's name {problem}.", code="API_TOKEN.INVALID", fields={"name": problem})
    if expires_at is not None and expires_at <= now:
        raise InvalidError(
            "The token's end lies in the past.", code="API_TOKEN.INVALID", fields={"expires_at": "lies in the past"}
        )
    token = opaque.new(PREFIX)
    with conn.cursor(row_factory=class_row(ApiToken)) as cursor:
        cursor.execute(
            """
            INSERT INTO api_tokens (user_id, name, hint, token_hash, created_at, expires_at)
            VALUES (%s, %s, %s, %s, %s, %s)
            RETURNING id, user_id, name, hint, created_at, last_used_at, expires_at, revoked_at
            """,
            (user_id, name, f"{token[:HINT_LENGTH]}…", opaque.digest(token), now, expires_at),
        )
        made = cursor.fetchall()[0]
    record.record(conn, user_id=user_id, actor=actor, action="api_token.created", entity=f"api_token:{made.id}")
    return made, token


def list_tokens(conn: Connection, *, user_id: UUID) -> list[ApiToken]:
    """A person's tokens, newest first, revoked ones included."""
    with conn.cursor(row_factory=class_row(ApiToken)) as cursor:
        cursor.execute(
            """
            SELECT id, user_id, name, hint, created_at, last_used_at, expires_at, revoked_at
              FROM api_tokens WHERE user_id = %s ORDER BY id DESC
            """,
            (user_id,),
        )
        return cursor.fetchall()


def revoke(conn: Connection, token_id: UUID, *, user_id: UUID, actor: str, now: datetime) -> None:
    """End a token at once; one that was revoked before stays so. Raises NotFoundError."""
    row = conn.execute(
        "UPDATE api_tokens SET revoked_at = coalesce(revoked_at, %s) WHERE id = %s AND user_id = %s RETURNING id",
        (now, token_id, user_id),
    ).fetchone()
    if row is None:
        raise NotFoundError(f"There is no API token {token_id}.", code="API_TOKEN.NOT_FOUND")
    record.record(conn, user_id=user_id, actor=actor, action="api_token.revoked", entity=f"api_token:{token_id}")


def find(conn: Connection, token: str, *, now: datetime) -> Bearer | None:
    """Who a live token speaks for; needs a transaction across people."""
    row = conn.execute(
        """
        SELECT t.id, t.user_id, p.role, t.last_used_at
          FROM api_tokens t JOIN profiles p ON p.id = t.user_id
         WHERE t.token_hash = %(hash)s AND t.revoked_at IS NULL AND (t.expires_at IS NULL OR t.expires_at > %(now)s)
        """,
        {"hash": opaque.digest(token), "now": now},
    ).fetchone()
    if row is None:
        return None
    token_id, user_id, role, last_used_at = row
    if last_used_at is None or now - last_used_at >= USE_RECORDED:
        conn.execute("UPDATE api_tokens SET last_used_at = %s WHERE id = %s", (now, token_id))
    return Bearer(token_id=token_id, user_id=user_id, role=role)
