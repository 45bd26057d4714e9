"""The rows of external_calendar_events that stand for mirrors: what runbook 004 sees of them.

`booking_id` names the mapping. Their text is ours (it is in the mapping's sealed base), so none is kept here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from psycopg.types.json import Jsonb

if TYPE_CHECKING:
    from uuid import UUID

    from shared.calendar.mirror import Appearance
    from shared.store.database import Connection
    from shared.sync.store.calendars import SyncedCalendar
    from shared.sync.store.mappings import Mapping

SHOWN_AFTER = 3
"""A mirror whose write failed so often shows as FAILED, although it is still tried."""


def save(
    conn: Connection, calendar: SyncedCalendar, mapping: Mapping, root: Appearance, *, event_id: str, created: bool
) -> None:
    """The mirror stands. A row from an earlier failure is taken over."""
    _upsert(
        conn,
        calendar,
        mapping.id,
        event_id=event_id,
        status="CREATED" if created else "UPDATED",
        reason=None,
        root=root,
    )


def mark_failed(
    conn: Connection, calendar: SyncedCalendar, mapping: Mapping, *, event_id: str | None, reason: str
) -> None:
    """The mirror could not be written; without an id of the provider's it is called `local-<mapping>`."""
    _upsert(
        conn,
        calendar,
        mapping.id,
        event_id=event_id or f"local-{mapping.id}",
        status="FAILED",
        reason=reason,
        root=None,
    )


def mark_cancelled(conn: Connection, mapping: Mapping) -> None:
    """The mirror is gone."""
    conn.execute(
        """
        UPDATE external_calendar_events SET sync_status = 'CANCELLED', last_error = NULL, updated_at = now()
         WHERE booking_id = %s
        """,
        (mapping.id,),
    )


def _upsert(
    conn: Connection,
    calendar: SyncedCalendar,
    mapping_id: UUID,
    *,
    event_id: str,
    status: str,
    reason: str | None,
    root: Appearance | None,
) -> None:
    parameters = {
        "user": calendar.user_id,
        "provider": calendar.provider,
        "calendar": calendar.id,
        "booking": mapping_id,
        "event": event_id,
        "status": status,
        "reason": reason,
        "starts": root and root.span.starts_at(),
        "ends": root and root.span.ends_at(),
        "busy": root is None or root.availability.value != "free",
        "checksum": root.fingerprint() if root else "",
        "details": Jsonb({"recurrence": list(root.recurrence) if root else []}),
    }
    updated = conn.execute(
        """
        UPDATE external_calendar_events
           SET external_event_id = %(event)s, sync_status = %(status)s, last_error = %(reason)s,
               start_time = coalesce(%(starts)s, start_time), end_time = coalesce(%(ends)s, end_time),
               is_busy = %(busy)s, checksum = %(checksum)s, details = %(details)s, updated_at = now()
         WHERE booking_id = %(booking)s
        """,
        parameters,
    )
    if updated.rowcount:
        return
    conn.execute(
        """
        INSERT INTO external_calendar_events
               (provider_id, calendar_provider, calendar_id, external_event_id, booking_id, start_time, end_time,
                is_busy, checksum, sync_status, last_error, details)
        VALUES (%(user)s, %(provider)s, %(calendar)s, %(event)s, %(booking)s, %(starts)s, %(ends)s, %(busy)s,
                %(checksum)s, %(status)s, %(reason)s, %(details)s)
        ON CONFLICT (calendar_id, external_event_id) DO UPDATE
           SET booking_id = %(booking)s, sync_status = %(status)s, last_error = %(reason)s, raw_payload = NULL,
               details = %(details)s, updated_at = now()
        """,
        parameters,
    )
