"""People and their roles."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from psycopg.rows import class_row

from shared.core.errors import ConflictError, InvalidError, NotFoundError

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from shared.store.database import Connection

type Role = Literal["admin", "operator", "user"]
ROLES: tuple[Role, ...] = ("user", "operator", "admin")
"""Each may do what those before it may."""

EMAIL_LENGTH = 254
NAME_LENGTH = 200
PASSWORD_LENGTH = range(12, 257)
"""At least 12 characters (NIST SP 800-63B asks for 8), at most so many that hashing one stays cheap."""

_EMAIL = re.compile(r"[^\s@]+@[^\s@.]+(\.[^\s@.]+)*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """Somebody with an account here. Runbook 004 calls `id` the provider_id."""

    id: UUID
    email: str
    name: str
    role: Role
    timezone: str
    created_at: datetime


def get(conn: Connection, person_id: UUID) -> Person:
    """The person. Raises NotFoundError."""
    with conn.cursor(row_factory=class_row(Person)) as cursor:
        cursor.execute("SELECT id, email, name, role, timezone, created_at FROM profiles WHERE id = %s", (person_id,))
        person = cursor.fetchone()
    if person is None:
        raise NotFoundError(f"There is no person {person_id}.", code="PERSON.NOT_FOUND")
    return person


def find_by_email(conn: Connection, email: str) -> Person | None:
    """The person with this e-mail address, whatever its case."""
    with conn.cursor(row_factory=class_row(Person)) as cursor:
        cursor.execute(
            "SELECT id, email, name, role, timezone, created_at FROM profiles WHERE email = %s",
            (normalize_email(email),),
        )
        return cursor.fetchone()


def add(conn: Connection, *, email: str, name: str, role: Role, password_hash: str, now: datetime) -> Person:
    """Add a person. Raises ConflictError when the e-mail address has an account already."""
    with conn.cursor(row_factory=class_row(Person)) as cursor:
        cursor.execute(
            """
            INSERT INTO profiles (email, name, role, password_hash, created_at, updated_at)
            VALUES (%(email)s, %(name)s, %(role)s, %(password_hash)s, %(now)s, %(now)s)
            ON CONFLICT (email) DO NOTHING
            RETURNING id, email, name, role, timezone, created_at
            """,
            {"email": normalize_email(email), "name": name, "role": role, "password_hash": password_hash, "now": now},
        )
        person = cursor.fetchone()
    if person is None:
        raise ConflictError("This e-mail address has an account already: sign in instead.", code="PERSON.EXISTS")
    return person


def renew(conn: Connection, person_id: UUID, *, name: str, role: Role, password_hash: str, now: datetime) -> Person:
    """Give a person a new name, role and password. Raises NotFoundError."""
    conn.execute(
        """
        UPDATE profiles SET name = %s, role = %s, password_hash = %s, force_reset = false, updated_at = %s
         WHERE id = %s
        """,
        (name, role, password_hash, now, person_id),
    )
    return get(conn, person_id)


def normalize_email(email: str) -> str:
    """An address as it is stored and compared: without surrounding blanks, in lower case."""
    return email.strip().lower()


def check(*, email: str, name: str, password: str) -> None:
    """Whether these may become a person's. Raises InvalidError that names every bad field and repeats no value."""
    fields: dict[str, str] = {}
    if len(email) > EMAIL_LENGTH or not _EMAIL.fullmatch(normalize_email(email)):
        fields["email"] = "is not an e-mail address"
    if not name.strip() or len(name) > NAME_LENGTH or not name.isprintable():
        fields["name"] = f"must have 1 to {NAME_LENGTH} printable characters"
    if len(password) not in PASSWORD_LENGTH:
        fields["password"] = f"must have {PASSWORD_LENGTH.start} to {PASSWORD_LENGTH.stop - 1} characters"
    if fields:
        listing = "; ".join(f"{field} {problem}" for field, problem in fields.items())
        raise InvalidError(f"Please correct: {listing}.", code="PERSON.INVALID", fields=fields)
