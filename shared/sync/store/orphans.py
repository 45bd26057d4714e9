"""Mirrors of ours that no mapping knows: waiting for their person, approved to be removed, or kept on purpose."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from psycopg.rows import class_row

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime
    from uuid import UUID

    from shared.store.database import Connection
    from shared.sync.store.calendars import SyncedCalendar


@dataclass(frozen=True, slots=True, kw_only=True)
class Orphan:
    """A mirror in a calendar; `mapping_id` is what its marker names."""

    calendar_id: UUID
    event_id: str
    mapping_id: UUID
    state: str
    found_at: datetime


def save(conn: Connection, calendar: SyncedCalendar, found: Mapping[str, UUID], *, state: str, now: datetime) -> None:
    """What a search found, by event id: what was known stays as it was decided, and what is gone is forgotten."""
    conn.execute("DELETE FROM orphans WHERE calendar_id = %s AND event_id <> ALL(%s)", (calendar.id, list(found)))
    conn.execute(
        """
        INSERT INTO orphans (calendar_id, event_id, user_id, mapping_id, state, found_at)
        SELECT %(calendar)s, u.event_id, %(user)s, u.mapping_id, %(state)s, %(now)s
          FROM unnest(%(events)b::text[], %(mappings)b::uuid[]) AS u(event_id, mapping_id)
        ON CONFLICT (calendar_id, event_id) DO NOTHING
        """,
        {
            "calendar": calendar.id,
            "user": calendar.user_id,
            "state": state,
            "now": now,
            "events": list(found),
            "mappings": list(found.values()),
        },
    )


def keep(conn: Connection, link_id: UUID, *, now: datetime) -> None:
    """The mirrors of a link that is about to be deleted stay: its person wants them."""
    conn.execute(
        """
        INSERT INTO orphans (calendar_id, event_id, user_id, mapping_id, state, found_at)
        SELECT target_calendar_id, mirror_event_id, user_id, id, 'kept', %s
          FROM event_mappings WHERE link_id = %s AND mirror_event_id IS NOT NULL
        ON CONFLICT (calendar_id, event_id) DO UPDATE SET state = 'kept'
        """,
        (now, link_id),
    )


def kept(conn: Connection, calendar_id: UUID) -> set[str]:
    """The event ids of those that stay."""
    rows = conn.execute("SELECT event_id FROM orphans WHERE calendar_id = %s AND state = 'kept'", (calendar_id,))
    return {row[0] for row in rows}


def among(conn: Connection, calendar_id: UUID, event_ids: Sequence[str]) -> set[str]:
    """Those of these events that are known as orphans, whatever is to become of them."""
    rows = conn.execute(
        "SELECT event_id FROM orphans WHERE calendar_id = %s AND event_id = ANY(%s)", (calendar_id, list(event_ids))
    )
    return {row[0] for row in rows}


def approved(conn: Connection, calendar_id: UUID, *, limit: int) -> list[Orphan]:
    """Those that may be removed."""
    return _select(conn, "calendar_id = %s AND state = 'approved' ORDER BY event_id LIMIT %s", (calendar_id, limit))


def list_page(conn: Connection, calendar_id: UUID, *, after: str, limit: int) -> list[Orphan]:
    """The orphans of a calendar, by event id."""
    return _select(conn, "calendar_id = %s AND event_id > %s ORDER BY event_id LIMIT %s", (calendar_id, after, limit))


def approve(conn: Connection, calendar_id: UUID, *, now: datetime) -> int:
    """Have those that wait removed: they are searched for once more, and only what is there still goes. Nothing is read
    anew for that: it was, before they were found."""
    count = conn.execute(
        "UPDATE orphans SET state = 'approved' WHERE calendar_id = %s AND state = 'waiting'", (calendar_id,)
    ).rowcount
    if count:
        conn.execute(
            """
            UPDATE calendar_sync_state s
               SET reconcile_since = coalesce(
                     s.reconcile_since,
                     (SELECT min(o.last_full_sync_at) FROM links l
                        JOIN calendar_sync_state o ON o.calendar_id IN (l.source_calendar_id, s.calendar_id)
                       WHERE l.target_calendar_id = s.calendar_id),
                     %s)
             WHERE s.calendar_id = %s
            """,
            (now, calendar_id),
        )
    return count


def wait(conn: Connection, calendar_id: UUID, event_ids: Sequence[str]) -> None:
    """The provider refuses to remove these: somebody has to look."""
    conn.execute(
        "UPDATE orphans SET state = 'waiting' WHERE calendar_id = %s AND event_id = ANY(%s)",
        (calendar_id, list(event_ids)),
    )


def remove(conn: Connection, calendar_id: UUID, event_ids: Sequence[str]) -> None:
    """These are gone."""
    conn.execute("DELETE FROM orphans WHERE calendar_id = %s AND event_id = ANY(%s)", (calendar_id, list(event_ids)))


def finish(conn: Connection, calendar_id: UUID) -> None:
    """The calendar has been searched to the end."""
    conn.execute("UPDATE calendar_sync_state SET reconcile_since = NULL WHERE calendar_id = %s", (calendar_id,))


def _select(conn: Connection, condition: str, given: tuple[object, ...]) -> list[Orphan]:
    with conn.cursor(row_factory=class_row(Orphan)) as cursor:
        return cursor.execute(
            f"SELECT calendar_id, event_id, mapping_id, state, found_at FROM orphans WHERE {condition}".encode(),  # noqa: S608
            given,
        ).fetchall()
