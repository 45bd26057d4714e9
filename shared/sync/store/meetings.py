"""Meetings: one event in the calendars of everybody invited, known by its iCalUID (RFC 5545, 3.8.4.7)."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from shared.store.database import Connection


def invited(conn: Connection, source_id: UUID, target_id: UUID, root_ids: Sequence[str]) -> set[str]:
    """Those of these roots whose meeting stands in the target calendar itself: the same iCalUID (RFC 5545, 3.8.4.7),
    which a meeting has in the calendar of everybody invited. Mirrors of ours have another."""
    rows = conn.execute(
        """
        SELECT external_event_id, ical_uid FROM external_calendar_events
         WHERE calendar_id = %s AND external_event_id = ANY(%s) AND ical_uid IS NOT NULL
        """,
        (source_id, list(root_ids)),
    ).fetchall()
    there = by_uid(conn, target_id, [ical_uid for _, ical_uid in rows])
    return {event_id for event_id, ical_uid in rows if ical_uid in there}


def by_uid(conn: Connection, calendar_id: UUID, ical_uids: Sequence[str]) -> dict[str, list[str]]:
    """The roots of a calendar itself that are these meetings, by iCalUID.

    Apart from the statement that finds the iCalUIDs: joined to it, a database without fresh statistics compares each
    with each.
    """
    rows = conn.execute(
        """
        SELECT ical_uid, external_event_id FROM external_calendar_events
         WHERE calendar_id = %s AND ical_uid = ANY(%s) AND booking_id IS NULL AND series_id IS NULL
           AND sync_status IN ('CREATED', 'UPDATED')
        """,
        (calendar_id, list(ical_uids)),
    ).fetchall()
    found: dict[str, list[str]] = {}
    for ical_uid, event_id in rows:
        found.setdefault(ical_uid, []).append(event_id)
    return found


def same(conn: Connection, target_id: UUID, event_ids: Sequence[str], source_id: UUID) -> list[str]:
    """The roots in a source calendar that are the same meetings as these events of a target, gone ones included."""
    rows = conn.execute(
        """
        SELECT DISTINCT ical_uid FROM external_calendar_events
         WHERE calendar_id = %s AND external_event_id = ANY(%s) AND booking_id IS NULL AND ical_uid IS NOT NULL
        """,
        (target_id, list(event_ids)),
    ).fetchall()
    return sorted({root for roots in by_uid(conn, source_id, [row[0] for row in rows]).values() for root in roots})
