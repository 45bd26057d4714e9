"""Finding an account's calendars: on connecting, and every hour after, so that new ones appear by themselves."""

from __future__ import annotations

import logging
from datetime import timedelta
from time import monotonic
from typing import TYPE_CHECKING

from shared.connections import calendars, store
from shared.core.errors import KalendsError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from shared.connections.calendars import Calendar
    from shared.connections.store import Connection
    from shared.providers.port import CalendarProvider, RemoteCalendar
    from shared.store.database import Database

EVERY = timedelta(minutes=55)
"""A connection is asked again after so long: with a schedule of ten minutes, each is asked every hour."""

log = logging.getLogger(__name__)


def discover(
    database: Database, *, connection: Connection, provider: CalendarProvider, now: datetime
) -> list[Calendar]:
    """List the account's calendars and bring ours into line; returns all of them, vanished ones included.

    It takes one provider call, at Microsoft one more for each of the account's own calendars, and proves a quiet
    connection current: `last_synced_at` moves with `last_discovered_at` unless something of the connection is failing.
    Raises the provider's errors, saving nothing.
    """
    return save(database, connection=connection, listing=provider.list_calendars(), now=now)


def save(
    database: Database, *, connection: Connection, listing: Sequence[RemoteCalendar], now: datetime
) -> list[Calendar]:
    """Bring our calendars into line with what the account lists; returns all of them, vanished ones included."""
    primary = next((item.id for item in listing if item.is_primary), None)
    with database.person(connection.user_id) as conn:
        calendars.save_listing(conn, connection, listing, now=now)
        conn.execute(
            """
            UPDATE external_calendar_connections
               SET last_discovered_at = %(now)s, provider_calendar_id = coalesce(%(primary)s, provider_calendar_id),
                   last_synced_at = CASE WHEN status = 'active' AND error_count = 0
                                         THEN greatest(last_synced_at, %(now)s) ELSE last_synced_at END,
                   updated_at = %(now)s
             WHERE id = %(id)s
            """,
            {"now": now, "primary": primary, "id": connection.id},
        )
        return calendars.list_calendars(conn, user_id=connection.user_id, connection_id=connection.id)


def discover_due(
    database: Database, *, open_provider: Callable[[Connection], CalendarProvider], now: datetime, limit: int = 500
) -> dict[str, int]:
    """Ask every connection whose last discovery is an hour old, longest ago first; one failure stops no other.

    So a quiet connection is proved current each hour, and runbook 004's question for stuck ones finds real trouble.
    """
    began = monotonic()
    with database.everyone() as conn:
        due = conn.execute(
            """
            SELECT id, provider_id FROM external_calendar_connections
             WHERE sync_enabled AND status IN ('active', 'error')
               AND (backoff_until IS NULL OR backoff_until <= %(now)s)
               AND (last_discovered_at IS NULL OR last_discovered_at <= %(before)s)
             ORDER BY last_discovered_at NULLS FIRST, id LIMIT %(limit)s
            """,
            {"now": now, "before": now - EVERY, "limit": limit},
        ).fetchall()
    failed = 0
    for connection_id, user_id in due:
        try:
            with database.person(user_id) as conn:
                connection = store.get(conn, connection_id)
            discover(database, connection=connection, provider=open_provider(connection), now=now)
        except KalendsError as error:
            failed += 1
            log.warning(
                "calendars not discovered",
                extra={
                    "category": "calendar_sync",
                    "error_code": error.error_code,
                    "connection_id": str(connection_id),
                    "provider_id": str(user_id),
                },
            )
            with database.person(user_id) as conn:
                # Not when the round began: Retry-After counts from the answer.
                store.mark_failure(conn, connection_id, error, now + timedelta(seconds=monotonic() - began))
    return {"discovered": len(due) - failed, "failed": failed}
