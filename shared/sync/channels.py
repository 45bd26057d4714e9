"""Push channels: opened for every linked calendar, renewed with overlap, found again when they die."""

from __future__ import annotations

import hashlib
import logging
import secrets as random
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING
from uuid import uuid4

from psycopg.rows import class_row

from shared.connections import store as connections
from shared.core.errors import InvalidError, KalendsError
from shared.providers.port import Channel
from shared.sync.store import calendars

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime
    from uuid import UUID

    from shared.providers.port import CalendarProvider
    from shared.store.database import Connection
    from shared.sync.context import Engine

log = logging.getLogger(__name__)

LIFETIME = timedelta(days=6, hours=23)
"""Asked for at opening: just under Google's and Graph's seven days (Graph: 10,080 minutes)."""
POLL_WITH_CHANNEL = timedelta(hours=6)
"""A calendar with a healthy channel is looked at so often, in case the channel is silent."""
RENEW_BEFORE = timedelta(days=1)
"""A channel is replaced so long before it ends; the old one is stopped only when the new one is open."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """A channel as the table has it."""

    id: UUID
    user_id: UUID
    calendar_id: UUID
    provider: str
    channel_id: str
    resource_id: str
    status: str
    expires_at: datetime


def token_hash(token: str) -> bytes:
    """What is stored of a channel's token."""
    return hashlib.sha256(token.encode()).digest()


def lacking(conn: Connection, *, providers: Sequence[str], now: datetime, limit: int) -> list[tuple[UUID, UUID]]:
    """(calendar, person) of linked calendars that can be watched and have no channel that lives long enough.

    `providers` are those that can reach us.
    """
    return conn.execute(
        """
        SELECT c.id, c.user_id FROM calendars c JOIN external_calendar_connections x ON x.id = c.connection_id
         WHERE c.supports_push AND c.vanished_at IS NULL AND x.provider = ANY(%(providers)s)
           AND x.sync_enabled AND x.status IN ('active', 'error')
           AND (x.backoff_until IS NULL OR x.backoff_until <= %(now)s)
           AND EXISTS (SELECT FROM links l WHERE c.id IN (l.source_calendar_id, l.target_calendar_id))
           AND NOT EXISTS (SELECT FROM webhook_channels w WHERE w.calendar_id = c.id AND w.status = 'active'
                              AND w.expires_at > %(now)s + %(margin)s)
         ORDER BY c.id LIMIT %(limit)s
        """,
        {"now": now, "margin": RENEW_BEFORE, "limit": limit, "providers": list(providers)},
    ).fetchall()


def leave(conn: Connection, addresses: Sequence[str]) -> int:
    """Count no more on channels that lead where we no longer are: a new domain, or a tunnel that is gone.

    `addresses` are ours now. The channels stay open until `renew` replaces or stops them. Needs a transaction across
    people.
    """
    return conn.execute(
        "UPDATE webhook_channels SET status = 'expiring' WHERE status = 'active' AND address <> ALL(%s)",
        (list(addresses),),
    ).rowcount


def open_channel(engine: Engine, calendar_id: UUID, *, user_id: UUID, now: datetime) -> Channel:
    """Open a channel for a calendar, then stop the ones it replaces, then ask for a pull: whatever happened before
    it opened was not announced. Raises the provider's errors, and InvalidError where it cannot reach us."""
    with engine.database.person(user_id) as conn:
        calendar = calendars.get(conn, calendar_id)
        connection = connections.get(conn, calendar.connection_id)
        address = engine.webhook_address(calendar.provider)
        if address is None:
            raise InvalidError(
                f"{calendar.provider.capitalize()} cannot notify this installation: its address is not https.",
                code="CHANNEL.NO_ADDRESS",
            )
        # Before the call, because a provider's first notification can arrive before its answer.
        token, channel_id = random.token_urlsafe(32), str(uuid4())
        conn.execute(
            """
            INSERT INTO webhook_channels
                   (user_id, connection_id, calendar_id, provider, channel_id, address, token_hash, status, expires_at)
            VALUES (%s, %s, %s, %s, %s, %s, %s, 'pending', %s)
            """,
            (
                user_id,
                calendar.connection_id,
                calendar_id,
                calendar.provider,
                channel_id,
                address,
                token_hash(token),
                now + LIFETIME,
            ),
        )
    try:
        channel = engine.with_provider(
            connection,
            lambda provider: provider.watch(
                calendar.remote_id,
                channel_id=channel_id,
                address=address,
                token=token,
                expires_at=now + LIFETIME,
            ),
        )
    except KalendsError:
        with engine.database.person(user_id) as conn:
            _set_status(conn, calendar.provider, [channel_id], "failed")
        raise
    with engine.database.person(user_id) as conn:
        conn.execute(
            """
            UPDATE webhook_channels SET channel_id = %s, resource_id = %s, expires_at = %s, status = 'active'
             WHERE provider = %s AND channel_id = %s
            """,
            (channel.id, channel.resource_id, channel.expires_at, calendar.provider, channel_id),
        )
        replaced = [one for one in of_calendar(conn, calendar_id) if one.channel_id != channel.id]
        calendars.request(conn, [calendar_id])
    _stop(engine, connection, replaced)
    return channel


def ensure(engine: Engine, calendar_id: UUID, *, user_id: UUID, now: datetime) -> None:
    """Open a channel unless one lives, or none can: such a calendar is polled. A refusal is not an error here: the
    calendar is polled until it succeeds; one that time mends backs the connection off, as Retry-After asks. Database
    errors are raised."""
    with engine.database.person(user_id) as conn:
        if engine.webhook_address(calendars.get(conn, calendar_id).provider) is None:
            return
        lives = conn.execute(
            """
            SELECT 1 FROM calendars c WHERE c.id = %(id)s AND (NOT c.supports_push
               OR EXISTS (SELECT FROM webhook_channels w WHERE w.calendar_id = c.id AND w.status = 'active'
                             AND w.expires_at > %(now)s))
            """,
            {"id": calendar_id, "now": now},
        ).fetchone()
    if lives:
        return
    try:
        open_channel(engine, calendar_id, user_id=user_id, now=now)
    except KalendsError as error:
        if error.error_code.startswith("DATABASE."):
            raise
        if error.retryable:
            with engine.database.person(user_id) as conn:
                calendar = calendars.get(conn, calendar_id)
                connections.mark_failure(conn, calendar.connection_id, error, now=engine.now())
        log.warning(
            "channel not opened",
            extra={
                "category": "calendar_sync",
                "error_code": error.error_code,
                "calendar_id": str(calendar_id),
                "provider_id": str(user_id),
            },
        )


def of_calendar(conn: Connection, calendar_id: UUID) -> list[Stored]:
    """The channels of a calendar that are not over."""
    with conn.cursor(row_factory=class_row(Stored)) as cursor:
        return cursor.execute(
            """
            SELECT id, user_id, calendar_id, provider, channel_id, resource_id, status, expires_at
              FROM webhook_channels WHERE calendar_id = %s AND status IN ('active', 'expiring')
             ORDER BY id
            """,
            (calendar_id,),
        ).fetchall()


def stop_all(engine: Engine, calendar_ids: Sequence[UUID], *, user_id: UUID) -> int:
    """Stop every channel of these calendars, for example before a disconnect; returns how many."""
    stopped = 0
    for calendar_id in calendar_ids:
        with engine.database.person(user_id) as conn:
            channels = of_calendar(conn, calendar_id)
            calendar = calendars.get(conn, calendar_id)
            connection = connections.get(conn, calendar.connection_id)
        _stop(engine, connection, channels)
        stopped += len(channels)
    return stopped


def renew(engine: Engine, *, now: datetime, limit: int = 200) -> dict[str, int]:
    """Give every linked calendar a channel that lives; one that cannot be opened leaves its reason on the connection,
    and its calendar is polled. Providers that cannot reach us are told to stop what leads elsewhere."""
    addresses = engine.addresses()
    with engine.database.everyone() as conn:
        conn.execute(
            "UPDATE webhook_channels SET status = 'expired' WHERE status = 'active' AND expires_at <= %s", (now,)
        )
        leave(conn, list(addresses.values()))
        wanted = lacking(conn, providers=list(addresses), now=now, limit=limit)
        useless = _left(conn, providers=list(addresses), now=now, limit=limit)
    for calendar_id, user_id in useless:
        _stop_left(engine, calendar_id, user_id=user_id)
    opened = failed = 0
    for calendar_id, user_id in wanted:
        try:
            open_channel(engine, calendar_id, user_id=user_id, now=now)
            opened += 1
        except KalendsError as error:
            failed += 1
            with engine.database.person(user_id) as conn:
                calendar = calendars.get(conn, calendar_id)
                # Now, not when the round began: Retry-After counts from the answer.
                connections.mark_failure(conn, calendar.connection_id, error, now=engine.now())
            log.warning(
                "channel not opened",
                extra={
                    "category": "calendar_sync",
                    "error_code": error.error_code,
                    "calendar_id": str(calendar_id),
                    "provider_id": str(user_id),
                },
            )
    return {"opened": opened, "failed": failed}


def _left(conn: Connection, *, providers: Sequence[str], now: datetime, limit: int) -> list[tuple[UUID, UUID]]:
    """(calendar, person) of channels that only stopping can end: no new one will take their place."""
    return conn.execute(
        """
        SELECT DISTINCT w.calendar_id, w.user_id
          FROM webhook_channels w JOIN external_calendar_connections x ON x.id = w.connection_id
         WHERE w.status = 'expiring' AND w.expires_at > %(now)s AND w.provider <> ALL(%(providers)s)
           AND x.sync_enabled AND x.status IN ('active', 'error')
           AND (x.backoff_until IS NULL OR x.backoff_until <= %(now)s)
         ORDER BY w.calendar_id LIMIT %(limit)s
        """,
        {"now": now, "providers": list(providers), "limit": limit},
    ).fetchall()


def _stop_left(engine: Engine, calendar_id: UUID, *, user_id: UUID) -> None:
    try:
        stop_all(engine, [calendar_id], user_id=user_id)
    except KalendsError as error:
        if error.error_code.startswith("DATABASE."):
            raise
        log.warning(
            "channel not stopped",
            extra={
                "category": "calendar_sync",
                "error_code": error.error_code,
                "calendar_id": str(calendar_id),
                "provider_id": str(user_id),
            },
        )


def _stop(engine: Engine, connection: connections.Connection, channels: Sequence[Stored]) -> None:
    for one in channels:
        channel = Channel(id=one.channel_id, resource_id=one.resource_id, expires_at=one.expires_at)
        engine.with_provider(connection, _stopping(channel))
        with engine.database.person(one.user_id) as conn:
            _set_status(conn, one.provider, [one.channel_id], "stopped")


def _stopping(channel: Channel) -> Callable[[CalendarProvider], None]:
    return lambda provider: provider.stop(channel)


def _set_status(conn: Connection, provider: str, channel_ids: Sequence[str], status: str) -> None:
    conn.execute(
        "UPDATE webhook_channels SET status = %s WHERE provider = %s AND channel_id = ANY(%s)",
        (status, provider, list(channel_ids)),
    )
