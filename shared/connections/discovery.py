"""Finding an account's calendars: on connecting, and every hour after, so that new ones appear by themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shared.connections import calendars

if TYPE_CHECKING:
    from datetime import datetime

    from shared.connections.calendars import Calendar
    from shared.connections.store import Connection
    from shared.providers.port import CalendarProvider
    from shared.store.database import Database


def discover(
    database: Database, *, connection: Connection, provider: CalendarProvider, now: datetime
) -> list[Calendar]:
    """List the account's calendars and bring ours into line; returns all of them, vanished ones included.

    It takes one provider call, and proves a quiet connection current: `last_synced_at` moves with
    `last_discovered_at` unless something of the connection is failing. Raises the provider's errors, saving nothing.
    """
    listing = provider.list_calendars()
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
