"""People and their roles."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from psycopg.rows import class_row

from shared.audit import record
from shared.core.errors import ConflictError, InvalidError, NotFoundError, PreconditionFailedError

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

_COLUMNS = "id, email, name, role, coalesce(timezone, 'UTC') AS timezone, version, created_at"
_EMAIL = re.compile(r"[^\s@]+@[^\s@.]+(\.[^\s@.]+)*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """Somebody with an account here. Runbook 004 calls `id` the provider_id."""

    id: UUID
    email: str
    name: str
    role: Role
    timezone: str
    """An IANA name; UTC until somebody says otherwise."""
    version: int
    created_at: datetime


def get(conn: Connection, person_id: UUID) -> Person:
    """The person. Raises NotFoundError."""
    with conn.cursor(row_factory=class_row(Person)) as cursor:
        cursor.execute(f"SELECT {_COLUMNS} FROM profiles WHERE id = %s", (person_id,))  # noqa: S608 - a constant
        person = cursor.fetchone()
    if person is None:
        raise NotFoundError(f"There is no person {person_id}.", code="PERSON.NOT_FOUND")
    return person


def find_by_email(conn: Connection, email: str) -> Person | None:
    """The person with this e-mail address, whatever its case."""
    with conn.cursor(row_factory=class_row(Person)) as cursor:
        cursor.execute(
            f"SELECT {_COLUMNS} FROM profiles WHERE email = %s",  # noqa: S608 - a constant
            (normalize_email(email),),
        )
        return cursor.fetchone()


def add(conn: Connection, *, email: str, name: str, role: Role, password_hash: str, now: datetime) -> Person:
    """Add a person. Raises ConflictError when the e-mail address has an account already."""
    with conn.cursor(row_factory=class_row(Person)) as cursor:
        cursor.execute(
            f"""
            INSERT INTO profiles (email, name, role, password_hash, created_at, updated_at)
            VALUES (%(email)s, %(name)s, %(role)s, %(password_hash)s, %(now)s, %(now)s)
            ON CONFLICT (email) DO NOTHING
            RETURNING {_COLUMNS}
            """,  # noqa: S608 - a constant
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
        UPDATE profiles SET name = %s, role = %s, password_hash = %s, force_reset = false, updated_at = %s,
                            version = version + 1
         WHERE id = %s
        """,
        (name, role, password_hash, now, person_id),
    )
    return get(conn, person_id)


def change(
    conn: Connection,
    person_id: UUID,
    *,
    name: str | None = None,
    timezone: str | None = None,
    version: int | None = None,
    actor: str,
    now: datetime,
) -> Person:
    """Change what a person says of themselves; None leaves it as it is. With `version`, only as it was read.

    Raises InvalidError that names every bad field, NotFoundError, and PreconditionFailedError when somebody changed it
    meanwhile.
    """
    fields = {}
    if name is not None and (problem := _name_problem(name)):
        fields["name"] = problem
    if timezone is not None and not _is_zone(timezone):
        fields["timezone"] = "is not a time zone such as Europe/Berlin"
    if fields:
        raise _invalid(fields)
    changed = conn.execute(
        """
        UPDATE profiles SET name = coalesce(%(name)s, name), timezone = coalesce(%(timezone)s, timezone),
                            version = version + 1, updated_at = %(now)s
         WHERE id = %(id)s AND version = coalesce(%(version)s, version)
        """,
        {
            "id": person_id,
            "name": name and name.strip(),
            "timezone": timezone,
            "version": version,
            "now": now,
        },
    ).rowcount
    person = get(conn, person_id)
    if not changed:
        raise PreconditionFailedError("Your profile was changed meanwhile: look at it again, then repeat.")
    record.record(conn, user_id=person_id, actor=actor, action="profile.changed", entity=f"person:{person_id}")
    return person


def suggest_timezone(conn: Connection, person_id: UUID, timezone: str, *, now: datetime) -> bool:
    """Take the browser's time zone for the person's, unless they have one; whether it was taken.

    Nobody typed it, so one that does not exist is no error. Needs a transaction that sees the person.
    """
    if not _is_zone(timezone):
        return False
    return bool(
        conn.execute(
            "UPDATE profiles SET timezone = %s, version = version + 1, updated_at = %s"
            " WHERE id = %s AND timezone IS NULL",
            (timezone, now, person_id),
        ).rowcount
    )


def normalize_email(email: str) -> str:
    """An address as it is stored and compared: without surrounding blanks, in lower case."""
    return email.strip().lower()


def check(*, email: str, name: str, password: str) -> None:
    """Whether these may become a person's. Raises InvalidError that names every bad field and repeats no value."""
    fields: dict[str, str] = {}
    if len(email) > EMAIL_LENGTH or not _EMAIL.fullmatch(normalize_email(email)):
        fields["email"] = "is not an e-mail address"
    if problem := _name_problem(name):
        fields["name"] = problem
    if problem := password_problem(password):
        fields["password"] = problem
    if fields:
        raise _invalid(fields)


def password_problem(password: str) -> str:
    """Why this may not become a password; empty if it may."""
    if len(password) in PASSWORD_LENGTH:
        return ""
    return f"must have {PASSWORD_LENGTH.start} to {PASSWORD_LENGTH.stop - 1} characters"


def _name_problem(name: str) -> str:
    is_good = name.strip() and len(name) <= NAME_LENGTH and name.isprintable()
    return "" if is_good else f"must have 1 to {NAME_LENGTH} printable characters"


def _is_zone(name: str) -> bool:
    from shared.calendar import zones  # a webhook knows people, too, and reads no zones

    return zones.is_iana(name)


def _invalid(fields: dict[str, str]) -> InvalidError:
    listing = "; ".join(f"{field} {problem}" for field, problem in fields.items())
    return InvalidError(f"Please correct: {listing}.", code="PERSON.INVALID", fields=fields)
