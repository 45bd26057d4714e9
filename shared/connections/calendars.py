"""The calendars of connections, as the providers list them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from psycopg.rows import class_row

from shared.core.errors import NotFoundError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from uuid import UUID

    from shared.connections.store import Connection
    from shared.providers.port import RemoteCalendar
    from shared.store import database

_COLUMNS = """
  id, user_id, connection_id, calendar_id AS remote_id, name, time_zone, color, can_write, is_primary, readers,
  supports_push, vanished_at, created_at, updated_at
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Calendar:
    """One calendar of an account. `remote_id` is the provider's id; `vanished_at`: the provider lists it no more.

    `readers`: who else sees more there than when somebody is busy, as far as is known; None: nothing is.
    """

    id: UUID
    user_id: UUID
    connection_id: UUID
    remote_id: str
    name: str
    time_zone: str
    color: str | None
    can_write: bool
    is_primary: bool
    readers: list[str] | None
    supports_push: bool
    vanished_at: datetime | None
    created_at: datetime
    updated_at: datetime

    @property
    def is_shared(self) -> bool | None:
        """Whether others can read it; None: nobody can tell."""
        return None if self.readers is None else bool(self.readers)


def get(conn: database.Connection, calendar_id: UUID) -> Calendar:
    """The calendar. Raises NotFoundError."""
    with conn.cursor(row_factory=class_row(Calendar)) as cursor:
        cursor.execute(f"SELECT {_COLUMNS} FROM calendars WHERE id = %s", (calendar_id,))  # noqa: S608 - our own columns
        calendar = cursor.fetchone()
    if calendar is None:
        raise NotFoundError(f"There is no calendar {calendar_id}.", code="CALENDAR.NOT_FOUND")
    return calendar


def list_calendars(conn: database.Connection, *, user_id: UUID, connection_id: UUID | None = None) -> list[Calendar]:
    """A person's calendars, or those of one connection: primary ones first, then by name; vanished ones included."""
    with conn.cursor(row_factory=class_row(Calendar)) as cursor:
        cursor.execute(
            f"""
            SELECT {_COLUMNS} FROM calendars
             WHERE user_id = %(user)s AND (%(connection)s::uuid IS NULL OR connection_id = %(connection)s)
             ORDER BY connection_id, is_primary DESC, lower(name), id
            """,  # noqa: S608 - our own columns
            {"user": user_id, "connection": connection_id},
        )
        return cursor.fetchall()


def save_listing(
    conn: database.Connection, connection: Connection, listing: Sequence[RemoteCalendar], *, now: datetime
) -> None:
    """Bring the rows to what the provider lists: add, rename, mark what vanished, take back what reappeared.

    A linked calendar that is back is asked to be read. Absence is only marked, and an empty listing, which no account
    has, marks nothing (promise 1). Of whose readers nothing is told, what was known of them stays.
    """
    listed = sorted({item.id: item for item in listing}.values(), key=lambda item: item.id)
    conn.execute(
        """
        WITH listed AS (
          SELECT calendar_id, name, time_zone, color, can_write, is_primary,
                 string_to_array(readers, E'\\n') AS readers, supports_push
            FROM unnest(%(ids)s::text[], %(names)s::text[], %(zones)s::text[], %(colors)s::text[],
                        %(writable)s::boolean[], %(primary)s::boolean[], %(readers)s::text[], %(push)s::boolean[])
                     AS l (calendar_id, name, time_zone, color, can_write, is_primary, readers, supports_push)
        ), back AS (
          UPDATE calendar_sync_state s SET requested = requested + 1
            FROM calendars c JOIN listed USING (calendar_id)
           WHERE s.calendar_id = c.id AND c.connection_id = %(connection)s AND c.vanished_at IS NOT NULL
             AND EXISTS (SELECT FROM calendars_in_use u WHERE u.calendar_id = c.id)
        ), saved AS (
          INSERT INTO calendars AS c (user_id, connection_id, calendar_id, name, time_zone, color, can_write,
                                      is_primary, readers, supports_push, created_at, updated_at)
          SELECT %(user)s, %(connection)s, listed.*, %(now)s, %(now)s FROM listed
          ON CONFLICT (connection_id, calendar_id) DO UPDATE
             SET name = excluded.name, time_zone = excluded.time_zone, color = excluded.color,
                 can_write = excluded.can_write, is_primary = excluded.is_primary,
                 readers = coalesce(excluded.readers, c.readers), supports_push = excluded.supports_push,
                 vanished_at = NULL, updated_at = excluded.updated_at
           WHERE (c.name, c.time_zone, c.color, c.can_write, c.is_primary, c.readers, c.supports_push, c.vanished_at)
                 IS DISTINCT FROM (excluded.name, excluded.time_zone, excluded.color, excluded.can_write,
                                   excluded.is_primary, coalesce(excluded.readers, c.readers), excluded.supports_push,
                                   NULL)
          RETURNING c.id
        )
        INSERT INTO calendar_sync_state (calendar_id, user_id, connection_id)
        SELECT id, %(user)s, %(connection)s FROM saved
        ON CONFLICT (calendar_id) DO NOTHING
        """,
        {
            "user": connection.user_id,
            "connection": connection.id,
            "now": now,
            "ids": [item.id for item in listed],
            "names": [_text(item.name) for item in listed],
            "zones": [item.time_zone for item in listed],
            "colors": [item.color for item in listed],
            "writable": [item.can_write for item in listed],
            "primary": [item.is_primary for item in listed],
            "readers": [None if item.readers is None else "\n".join(map(_one_line, item.readers)) for item in listed],
            "push": [item.supports_push for item in listed],
        },
    )
    if listed:
        conn.execute(
            """
            UPDATE calendars SET vanished_at = %s, updated_at = %s
             WHERE connection_id = %s AND vanished_at IS NULL AND calendar_id <> ALL (%s)
            """,
            (now, now, connection.id, [item.id for item in listed]),
        )


def request_linked(conn: database.Connection, connection_id: UUID) -> None:
    """Ask for a look at the connection's calendars that stand in a link; nobody reads the others."""
    conn.execute(
        """
        UPDATE calendar_sync_state s SET requested = requested + 1
         WHERE connection_id = %s
           AND EXISTS (SELECT FROM calendars_in_use u WHERE u.calendar_id = s.calendar_id)
        """,
        (connection_id,),
    )


def _text(given: str) -> str:
    """PostgreSQL's text holds no NUL."""
    return given.replace("\0", "")


def _one_line(given: str) -> str:
    return " ".join(_text(given).split())
