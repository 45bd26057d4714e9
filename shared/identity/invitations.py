"""One-time links that let a person in; the first administrator comes by one of these."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from shared.audit import record
from shared.core.errors import ConflictError, InvalidError, NotFoundError
from shared.crypto import opaque, passwords
from shared.identity import people

if TYPE_CHECKING:
    from datetime import datetime

    from shared.identity.people import Person, Role
    from shared.store.database import Connection, Database

LIFETIME = timedelta(hours=24)


def invite(conn: Connection, *, role: Role, actor: str, now: datetime, email: str | None = None) -> str:
    """A token that lets one person in once, within 24 hours.

    With `email` it is for that address only, and then also gives a person who is already here a new password: the
    way back in for somebody who has lost theirs. Needs a transaction across people. Raises InvalidError.
    """
    if role not in people.ROLES:
        raise InvalidError(f"There is no role {role!r}: use one of {', '.join(people.ROLES)}.", code="PERSON.ROLE")
    token = opaque.new()
    row = conn.execute(
        """
        INSERT INTO invitations (role, email, token_hash, created_at, expires_at)
        VALUES (%s, %s, %s, %s, %s) RETURNING id
        """,
        (role, email and people.normalize_email(email), opaque.digest(token), now, now + LIFETIME),
    ).fetchone()
    if row is None:
        raise AssertionError("INSERT ... RETURNING answers a row")
    record.record(
        conn,
        user_id=None,
        actor=actor,
        action="invitation.made",
        entity=f"invitation:{row[0]}",
        metadata={"role": role},
    )
    return token


def address(app_base_url: str, token: str) -> str:
    """The link to hand over."""
    return f"{app_base_url}/welcome/{token}"


def check(conn: Connection, token: str, *, now: datetime) -> str | None:
    """Whether the invitation can be accepted, and the address it is for, if it names one.

    Raises NotFoundError (unknown or expired) or ConflictError (used).
    """
    row = conn.execute(
        "SELECT email, expires_at, used_at FROM invitations WHERE token_hash = %s", (opaque.digest(token),)
    ).fetchone()
    if row is None or (row[2] is None and row[1] <= now):
        raise NotFoundError(
            "This invitation is unknown or older than 24 hours. Ask for a new one: kalends ops admin-link.",
            code="INVITATION.EXPIRED",
        )
    if row[2] is not None:
        raise ConflictError(
            "This invitation has been used. Sign in instead, or ask for a new one.", code="INVITATION.USED"
        )
    return None if row[0] is None else str(row[0])


def accept(database: Database, token: str, *, email: str, name: str, password: str, now: datetime) -> Person:
    """Let the person in: the account is made with this e-mail address, name and password, the invitation is used up.

    Raises InvalidError (bad fields), NotFoundError, ConflictError (used, or the address has an account already).
    """
    people.check(email=email, name=name, password=password)
    password_hash = passwords.hash(password)
    with database.everyone() as conn:
        invited = check(conn, token, now=now)
        if invited is not None and invited != people.normalize_email(email):
            raise InvalidError(
                "This invitation is for another e-mail address.", code="PERSON.INVALID",
                fields={"email": "is not the invited address"},
            )  # fmt: skip
        row = conn.execute(
            "UPDATE invitations SET used_at = %s WHERE token_hash = %s AND used_at IS NULL RETURNING id, role",
            (now, opaque.digest(token)),
        ).fetchone()
        if row is None:
            raise ConflictError("This invitation has just been used.", code="INVITATION.USED")
        known = people.find_by_email(conn, email) if invited is not None else None
        name = name.strip()
        if known is None:
            person = people.add(conn, email=email, name=name, role=row[1], password_hash=password_hash, now=now)
        else:
            person = people.renew(conn, known.id, name=name, role=row[1], password_hash=password_hash, now=now)
        conn.execute("DELETE FROM sessions WHERE user_id = %s", (person.id,))
        record.record(
            conn,
            user_id=person.id,
            actor=f"person:{person.id}",
            action="invitation.accepted",
            entity=f"invitation:{row[0]}",
            metadata={"role": person.role},
        )
        return person
