"""Leases: one writer per resource, with a fencing token that guards the rows written under it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from shared.core.errors import PreconditionFailedError

if TYPE_CHECKING:
    from datetime import datetime, timedelta

    from shared.store.database import Connection


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """A claim on `resource`. A later claim has a higher token, and this one may then write nothing more."""

    resource: str
    token: int


def claim(conn: Connection, resource: str, *, holder: str, now: datetime, duration: timedelta) -> Lease | None:
    """Claim `resource` until `now + duration`; None while somebody else holds it.

    Never waits for a holder's transaction: whoever claims may hold locks that the holder needs.
    """
    wanted = {"resource": resource, "holder": holder, "until": now + duration, "now": now}
    row = (
        conn.execute(
            """
            UPDATE leases SET token = token + 1, holder = %(holder)s, until = %(until)s
             WHERE resource = (SELECT resource FROM leases WHERE resource = %(resource)s AND until <= %(now)s
                                  FOR UPDATE SKIP LOCKED)
            RETURNING token
            """,
            wanted,
        ).fetchone()
        or conn.execute(
            """
            INSERT INTO leases (resource, token, holder, until)
            SELECT %(resource)s, 1, %(holder)s, %(until)s
             WHERE NOT EXISTS (SELECT FROM leases WHERE resource = %(resource)s)
            ON CONFLICT (resource) DO NOTHING
            RETURNING token
            """,
            wanted,
        ).fetchone()
    )
    return Lease(resource=resource, token=row[0]) if row else None


def is_held(conn: Connection, resource: str, *, now: datetime) -> bool:
    """Whether somebody holds `resource`."""
    row = conn.execute("SELECT FROM leases WHERE resource = %s AND until > %s", (resource, now)).fetchone()
    return row is not None


def guard(conn: Connection, lease: Lease, *, now: datetime, duration: timedelta) -> None:
    """Prove inside a transaction that the lease still holds, and extend it. Raises PreconditionFailedError if not.

    The row stays locked until the transaction ends, so that nobody can take the lease over in between.
    """
    row = conn.execute(
        "UPDATE leases SET until = %(until)s WHERE resource = %(resource)s AND token = %(token)s RETURNING token",
        {"until": now + duration, "resource": lease.resource, "token": lease.token},
    ).fetchone()
    if row is None:
        raise PreconditionFailedError(f"The lease on {lease.resource} was taken over: another worker goes on.")


def release(conn: Connection, lease: Lease) -> None:
    """Give the lease back; one that was taken over is left alone.

    It is free for everybody at once, also for a claim whose `now` was read a moment earlier: such a claim would
    otherwise count as refused, and the work it was for would wait for the next dispatch.
    """
    conn.execute(
        "UPDATE leases SET until = '-infinity' WHERE resource = %s AND token = %s", (lease.resource, lease.token)
    )
