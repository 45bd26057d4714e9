"""Rows of webhook_channels: which channels there are, what became of them, and which calendars want one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from psycopg.rows import class_row

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime, timedelta
    from uuid import UUID

    from shared.providers.port import Channel
    from shared.store.database import Connection
    from shared.sync.store.calendars import SyncedCalendar


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """A channel as the table has it."""

    id: UUID
    user_id: UUID
    calendar_id: UUID
    provider: str
    channel_id: str
    resource_id: str
    address: str
    status: str
    expires_at: datetime


def wanting(
    conn: Connection, *, providers: Sequence[str], margin: timedelta, now: datetime, limit: int
) -> list[tuple[UUID, UUID]]:
    """(calendar, person) of linked calendars that can be watched, have no channel that lives for longer than `margin`,
    and whose last refusal is long enough ago. `providers` are those that can reach us."""
    return conn.execute(
        """
        SELECT c.id, c.user_id FROM calendars c JOIN external_calendar_connections x ON x.id = c.connection_id
         WHERE c.supports_push AND c.vanished_at IS NULL AND x.provider = ANY(%(providers)s)
           AND x.sync_enabled AND x.status IN ('active', 'error')
           AND (x.backoff_until IS NULL OR x.backoff_until <= %(now)s)
           AND EXISTS (SELECT FROM calendars_in_use u WHERE u.calendar_id = c.id)
           AND NOT EXISTS (SELECT FROM webhook_channels w WHERE w.calendar_id = c.id
                              AND (w.status = 'active' AND w.expires_at > %(now)s + %(margin)s
                                   OR w.status = 'failed' AND w.retry_at > %(now)s))
         ORDER BY c.id LIMIT %(limit)s
        """,
        {"now": now, "margin": margin, "limit": limit, "providers": list(providers)},
    ).fetchall()


def wants(conn: Connection, calendar_id: UUID, *, now: datetime) -> bool:
    """The same question for one calendar: whether it can be watched, no channel lives, and none was just refused."""
    row = conn.execute(
        """
        SELECT FROM calendars c
         WHERE c.id = %(id)s AND c.supports_push AND c.vanished_at IS NULL
           AND NOT EXISTS (SELECT FROM webhook_channels w WHERE w.calendar_id = c.id
                              AND (w.status = 'active' AND w.expires_at > %(now)s
                                   OR w.status = 'failed' AND w.retry_at > %(now)s))
        """,
        {"id": calendar_id, "now": now},
    ).fetchone()
    return row is not None


def of_calendar(conn: Connection, calendar_id: UUID) -> list[Stored]:
    """The channels of a calendar that are not over."""
    with conn.cursor(row_factory=class_row(Stored)) as cursor:
        return cursor.execute(
            """
            SELECT id, user_id, calendar_id, provider, channel_id, resource_id, address, status, expires_at
              FROM webhook_channels WHERE calendar_id = %s AND status IN ('active', 'silent', 'expiring')
             ORDER BY id
            """,
            (calendar_id,),
        ).fetchall()


def open_ones(conn: Connection, *, now: datetime, limit: int) -> list[tuple[UUID, UUID]]:
    """(calendar, person) of calendars with a channel open at the provider. Needs a transaction across people."""
    return conn.execute(
        """
        SELECT DISTINCT calendar_id, user_id FROM webhook_channels
         WHERE status IN ('active', 'silent', 'expiring') AND expires_at > %s ORDER BY calendar_id LIMIT %s
        """,
        (now, limit),
    ).fetchall()


def superfluous(conn: Connection, *, providers: Sequence[str], now: datetime, limit: int) -> list[Stored]:
    """Channels that are still to be stopped: another took their place, or their provider cannot reach us any more."""
    with conn.cursor(row_factory=class_row(Stored)) as cursor:
        return cursor.execute(
            """
            SELECT w.id, w.user_id, w.calendar_id, w.provider, w.channel_id, w.resource_id, w.address, w.status,
                   w.expires_at
              FROM webhook_channels w JOIN external_calendar_connections x ON x.id = w.connection_id
             WHERE w.status IN ('silent', 'expiring') AND w.expires_at > %(now)s
               AND (w.provider <> ALL(%(providers)s)
                    OR EXISTS (SELECT FROM webhook_channels n
                                WHERE n.calendar_id = w.calendar_id AND n.status = 'active' AND n.id > w.id))
               AND x.sync_enabled AND x.status IN ('active', 'error')
               AND (x.backoff_until IS NULL OR x.backoff_until <= %(now)s)
             ORDER BY w.id LIMIT %(limit)s
            """,
            {"now": now, "providers": list(providers), "limit": limit},
        ).fetchall()


def counts(conn: Connection) -> dict[str, int]:
    """How many there are by status, those that are over left out; of refused ones with the code of the refusal, as in
    `failed (PROVIDER.PUSH)`. Needs a transaction across people."""
    rows = conn.execute(
        """
        SELECT status || coalesce(' (' || CASE WHEN status = 'failed' THEN last_error END || ')', ''), count(*)
          FROM webhook_channels WHERE status NOT IN ('expired', 'stopped') GROUP BY 1 ORDER BY 1
        """
    ).fetchall()
    return dict(rows)


def add(
    conn: Connection,
    calendar: SyncedCalendar,
    *,
    channel_id: str,
    address: str,
    token_hash: bytes,
    expires_at: datetime,
) -> None:
    """Note a channel that is about to be opened."""
    conn.execute(
        """
        INSERT INTO webhook_channels
               (user_id, connection_id, calendar_id, provider, channel_id, address, token_hash, status, expires_at)
        VALUES (%s, %s, %s, %s, %s, %s, %s, 'pending', %s)
        """,
        (
            calendar.user_id,
            calendar.connection_id,
            calendar.id,
            calendar.provider,
            channel_id,
            address,
            token_hash,
            expires_at,
        ),
    )


def opened(
    conn: Connection, calendar: SyncedCalendar, channel_id: str, channel: Channel, *, now: datetime
) -> list[Stored]:
    """The provider opened it, perhaps under an id of its own; answers the ones that it replaces, to be stopped."""
    replaced = of_calendar(conn, calendar.id)
    conn.execute("UPDATE webhook_channels SET status = 'expiring' WHERE id = ANY(%s)", ([one.id for one in replaced],))
    conn.execute("DELETE FROM webhook_channels WHERE calendar_id = %s AND status = 'failed'", (calendar.id,))
    conn.execute(
        """
        UPDATE webhook_channels
           SET channel_id = %s, resource_id = %s, expires_at = %s, status = 'active', listens_from = %s
         WHERE provider = %s AND channel_id = %s
        """,
        (channel.id, channel.resource_id, channel.expires_at, now, calendar.provider, channel_id),
    )
    return replaced


def refused(conn: Connection, calendar: SyncedCalendar, channel_id: str, *, code: str) -> int:
    """The provider did not open it; only the last refusal is kept. Returns how many there were in a row."""
    row = conn.execute(
        """
        WITH before AS (DELETE FROM webhook_channels WHERE calendar_id = %(calendar)s AND status = 'failed'
                        RETURNING attempts)
        UPDATE webhook_channels
           SET status = 'failed', last_error = %(code)s, attempts = 1 + (SELECT coalesce(max(attempts), 0) FROM before)
         WHERE provider = %(provider)s AND channel_id = %(channel)s
        RETURNING attempts
        """,
        {"calendar": calendar.id, "provider": calendar.provider, "channel": channel_id, "code": code},
    ).fetchone()
    return row[0] if row else 1


def retry(conn: Connection, calendar: SyncedCalendar, *, at: datetime) -> None:
    """Try no other channel for this calendar before."""
    conn.execute(
        "UPDATE webhook_channels SET retry_at = %s WHERE calendar_id = %s AND status = 'failed'", (at, calendar.id)
    )


def prolonged(conn: Connection, one: Stored, *, expires_at: datetime) -> None:
    """It lives longer."""
    conn.execute("UPDATE webhook_channels SET status = 'active', expires_at = %s WHERE id = %s", (expires_at, one.id))


def set_status(conn: Connection, one: Stored, status: str) -> None:
    """What became of it."""
    conn.execute("UPDATE webhook_channels SET status = %s WHERE id = %s", (status, one.id))


def expire(conn: Connection, *, forget: timedelta, now: datetime) -> None:
    """Note those whose time is over, and forget those that ended long ago. Needs a transaction across people."""
    conn.execute(
        """
        UPDATE webhook_channels SET status = 'expired'
         WHERE status IN ('pending', 'active', 'silent', 'expiring') AND expires_at <= %s
        """,
        (now,),
    )
    conn.execute(
        "DELETE FROM webhook_channels WHERE status IN ('expired', 'stopped') AND expires_at <= %s", (now - forget,)
    )


def leave(conn: Connection, addresses: Sequence[str]) -> int:
    """Count no more on channels that lead where we no longer are: a new domain, or a tunnel that is gone.

    `addresses` are ours now. The channels stay open until they are replaced or stopped. Needs a transaction across
    people.
    """
    return conn.execute(
        "UPDATE webhook_channels SET status = 'expiring' WHERE status = 'active' AND address <> ALL(%s)",
        (list(addresses),),
    ).rowcount
