"""Changing one's own password: whoever knows the present one may."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shared.audit import record
from shared.core.errors import ConflictError, InvalidError
from shared.crypto import passwords, signatures
from shared.identity import people, sessions, sign_in

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from shared.identity.principal import Principal
    from shared.store.database import Database


def change(
    database: Database, principal: Principal, *, current: str, new: str, secrets: Sequence[bytes], now: datetime
) -> int:
    """Give the person a new password and end their other sessions; how many ended. API tokens go on.

    `secrets` key the hash by which failures are counted. Raises InvalidError naming the bad field
    (`current_password`, `new_password`), RateLimitedError after five failures in fifteen minutes, so that a session
    left open is no way to guess the password, and ConflictError when it was changed meanwhile.
    """
    if problem := people.password_problem(new):
        raise InvalidError(f"The new password {problem}.", code="PERSON.INVALID", fields={"new_password": problem})
    subject = signatures.sign(secrets[0], f"password:{principal.user_id}")
    with database.everyone() as conn:
        sign_in.count_attempt(conn, subject, limit=sign_in.FAILURES_PER_EMAIL, now=now)
        row = conn.execute("SELECT password_hash FROM profiles WHERE id = %s", (principal.user_id,)).fetchone()
    encoded = row[0] if row else None
    if not passwords.verify(encoded, current[: people.PASSWORD_LENGTH.stop]):
        raise InvalidError(
            "The present password is wrong, so nothing was changed.",
            code="AUTH.WRONG_PASSWORD",
            fields={"current_password": "is not your present password"},
        )
    password_hash = passwords.hash(new)
    with database.everyone() as conn:
        changed = conn.execute(
            """
            UPDATE profiles SET password_hash = %s, force_reset = false, version = version + 1, updated_at = %s
             WHERE id = %s AND password_hash = %s
            """,
            (password_hash, now, principal.user_id, encoded),
        ).rowcount
        if not changed:
            raise ConflictError("The password was changed meanwhile. Sign in with it.", code="PASSWORD.CHANGED")
        conn.execute("DELETE FROM sign_in_attempts WHERE subject = %s", (subject,))
        record.record(
            conn,
            user_id=principal.user_id,
            actor=principal.actor,
            action="password.changed",
            entity=f"person:{principal.user_id}",
        )
        return sessions.end_others(
            conn, user_id=principal.user_id, keep=principal.session_hash, actor=principal.actor, now=now
        )
