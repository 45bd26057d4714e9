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
    """Claim `resource` until `now + duration`; None while somebody else holds it."""
    row = conn.execute(
        """
        INSERT INTO leases AS l (resource, token, holder, until) VALUES (%(resource)s, 1, %(holder)s, %(until)s)
        ON CONFLICT (resource) DO UPDATE SET token = l.token + 1, holder = %(holder)s, until = %(until)s
         WHERE l.until <= %(now)s
        RETURNING token
        """,
        {"resource": resource, "holder": holder, "until": now + duration, "now": now},
    ).fetchone()
    return Lease(resource=resource, token=row[0]) if row else None


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


def release(conn: Connection, lease: Lease, *, now: datetime) -> None:
    """Give the lease back; one that was taken over is left alone."""
    conn.execute(
        "UPDATE leases SET until = %(now)s WHERE resource = %(resource)s AND token = %(token)s",
        {"now": now, "resource": lease.resource, "token": lease.token},
    )
