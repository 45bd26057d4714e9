"""Signing in with e-mail address and password, slowed down for whoever keeps failing."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from shared.audit import record
from shared.core.errors import RateLimitedError, UnauthenticatedError
from shared.crypto import passwords, signatures
from shared.identity import people, sessions

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from uuid import UUID

    from shared.store.database import Connection, Database

WINDOW = timedelta(minutes=15)
FAILURES_PER_EMAIL = 5
FAILURES_PER_ADDRESS = 50
"""Many people may share one network address, so it has more room than an e-mail address."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedIn:
    """A fresh session; `token` goes into its cookie."""

    user_id: UUID
    token: str

    def __repr__(self) -> str:
        return f"SignedIn(user_id={self.user_id!r})"


def sign_in(
    database: Database, *, email: str, password: str, address: str, secrets: Sequence[bytes], now: datetime
) -> SignedIn:
    """Check e-mail address and password and start a session.

    `address` is the network address asking; `secrets` key the hashes by which failures are counted. Raises
    UnauthenticatedError, the same for an unknown address and a wrong password, and RateLimitedError after five
    failures in fifteen minutes. An attempt is counted before it is checked, so that many at once gain nothing.
    """
    email = people.normalize_email(email)[: people.EMAIL_LENGTH]
    by_email = signatures.sign(secrets[0], f"sign-in:email:{email}")
    by_address = signatures.sign(secrets[0], f"sign-in:address:{address}")
    with database.everyone() as conn:
        count_attempt(conn, by_email, limit=FAILURES_PER_EMAIL, now=now)
        count_attempt(conn, by_address, limit=FAILURES_PER_ADDRESS, now=now)
        row = conn.execute("SELECT id, password_hash FROM profiles WHERE email = %s", (email,)).fetchone()
    user_id, encoded = row or (None, None)
    accepted = passwords.verify(encoded, password[: people.PASSWORD_LENGTH.stop])
    if not accepted or user_id is None or encoded is None:
        raise UnauthenticatedError("The e-mail address or the password is wrong.", code="AUTH.INVALID_CREDENTIALS")
    with database.everyone() as conn:
        # A success clears the person's failures, but of the network address only this attempt: else whoever holds one
        # account could go on guessing the others'.
        conn.execute(
            "DELETE FROM sign_in_attempts WHERE subject = %s OR (subject = %s AND attempted_at = %s)",
            (by_email, by_address, now),
        )
        if passwords.needs_rehash(encoded):
            conn.execute(
                "UPDATE profiles SET password_hash = %s, updated_at = %s WHERE id = %s AND password_hash = %s",
                (passwords.hash(password), now, user_id, encoded),
            )
        token = sessions.start(conn, user_id=user_id, now=now)
        record.record(
            conn, user_id=user_id, actor=f"person:{user_id}", action="session.started", entity=f"person:{user_id}"
        )
    return SignedIn(user_id=user_id, token=token)


def count_attempt(conn: Connection, subject: str, *, limit: int, now: datetime) -> None:
    """Count an attempt of `subject`. Raises RateLimitedError when it has failed too often; that one does not count."""
    conn.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", (subject,))
    conn.execute("DELETE FROM sign_in_attempts WHERE subject = %s AND attempted_at <= %s", (subject, now - WINDOW))
    row = conn.execute("SELECT count(*), min(attempted_at) FROM sign_in_attempts WHERE subject = %s", (subject,))
    failures, oldest = row.fetchall()[0]
    if failures >= limit:
        wait = max(1.0, (oldest + WINDOW - now).total_seconds())
        raise RateLimitedError(
            f"Too many failed attempts. Wait {round(wait / 60) or 1} minutes, then try again.",
            retry_after=wait,
            code="AUTH.TOO_MANY_ATTEMPTS",
        )
    conn.execute("INSERT INTO sign_in_attempts (subject, attempted_at) VALUES (%s, %s)", (subject, now))
