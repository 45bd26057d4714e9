"""The rows of external_calendar_events that stand for mirrors: what runbook 004 sees of them.

`booking_id` names the mapping. Their text is ours (it is in the mapping's sealed base), so none is kept here.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from shared.calendar.mirror import Appearance
    from shared.store.database import Connection
    from shared.sync.store.calendars import SyncedCalendar
    from shared.sync.store.mappings import Mapping

SHOWN_AFTER = 3
"""A mirror whose write failed so often shows as FAILED, although it is still tried."""

_ROWS = """
    unnest(%(bookings)b::uuid[], %(events)b::text[], %(statuses)b::text[], %(reasons)b::text[],
           %(starts)b::timestamptz[], %(ends)b::timestamptz[], %(busy)b::bool[], %(checksums)b::text[],
           %(details)b::text[])
        AS u(booking, event, status, reason, starts, ends, busy, checksum, details)
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A mirror as its row shows it. Without a `root` it could not be written, and `reason` says why. `checksum` is the
    root's fingerprint."""

    mapping_id: UUID
    event_id: str
    status: str
    root: Appearance | None
    checksum: str = ""
    reason: str | None = None


def save(conn: Connection, calendar: SyncedCalendar, rows: Sequence[Row]) -> None:
    """Mirrors stand, or could not be written. Rows from an earlier failure are taken over."""
    parameters = _parameters(rows)
    updated = conn.execute(
        f"""
        UPDATE external_calendar_events e
           SET external_event_id = u.event, sync_status = u.status, last_error = u.reason,
               start_time = coalesce(u.starts, e.start_time), end_time = coalesce(u.ends, e.end_time),
               is_busy = u.busy, checksum = u.checksum, details = u.details::jsonb, updated_at = now()
          FROM {_ROWS}
         WHERE e.booking_id = u.booking
        RETURNING e.booking_id
        """,  # noqa: S608 - a constant
        parameters,
    ).fetchall()
    known = {booking_id for (booking_id,) in updated}
    news = {row.event_id: row for row in rows if row.mapping_id not in known}
    if not news:
        return
    conn.execute(
        f"""
        INSERT INTO external_calendar_events
               (provider_id, calendar_provider, calendar_id, external_event_id, booking_id, start_time, end_time,
                is_busy, checksum, sync_status, last_error, details)
        SELECT %(user)s, %(provider)s, %(calendar)s, u.event, u.booking, u.starts, u.ends, u.busy, u.checksum, u.status,
               u.reason, u.details::jsonb
          FROM {_ROWS}
        ON CONFLICT (calendar_id, external_event_id) DO UPDATE
           SET booking_id = excluded.booking_id, sync_status = excluded.sync_status, last_error = excluded.last_error,
               raw_payload = NULL, details = excluded.details, updated_at = now()
        """,  # noqa: S608 - a constant
        {
            **_parameters([*news.values()]),
            "user": calendar.user_id,
            "provider": calendar.provider,
            "calendar": calendar.id,
        },
    )


def mark_failed(
    conn: Connection, calendar: SyncedCalendar, mapping: Mapping, *, event_id: str | None, reason: str
) -> None:
    """The mirror could not be written; without an id of the provider's it is called `local-<mapping>`."""
    event_id = event_id or f"local-{mapping.id}"
    save(conn, calendar, [Row(mapping_id=mapping.id, event_id=event_id, status="FAILED", root=None, reason=reason)])


def mark_cancelled(conn: Connection, mapping: Mapping) -> None:
    """The mirror is gone."""
    conn.execute(
        """
        UPDATE external_calendar_events SET sync_status = 'CANCELLED', last_error = NULL, updated_at = now()
         WHERE booking_id = %s
        """,
        (mapping.id,),
    )


def _parameters(rows: Sequence[Row]) -> dict[str, Any]:
    roots = [row.root for row in rows]
    return {
        "bookings": [row.mapping_id for row in rows],
        "events": [row.event_id for row in rows],
        "statuses": [row.status for row in rows],
        "reasons": [row.reason for row in rows],
        "starts": [root and root.span.starts_at() for root in roots],
        "ends": [root and root.span.ends_at() for root in roots],
        "busy": [root is None or root.availability.value != "free" for root in roots],
        "checksums": [row.checksum for row in rows],
        "details": [json.dumps({"recurrence": list(root.recurrence) if root else []}) for root in roots],
    }
