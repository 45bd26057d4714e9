"""Held changes: mass deletions that wait for a person (promise 1)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from psycopg.rows import class_row

from shared.audit import record
from shared.core.errors import ConflictError, NotFoundError
from shared.store import outbox
from shared.sync.store import mappings

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from shared.store.database import Connection
    from shared.sync.links import Link


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """So many deletions of a link, of so many mirrors, wait. `resolution` is approved, discarded or None."""

    id: UUID
    link_id: UUID
    target_calendar_id: UUID
    deletions: int
    mirrors: int
    created_at: datetime
    resolution: str | None
    resolved_at: datetime | None


def hold(conn: Connection, link: Link, *, deletions: int, mirrors: int, run_id: UUID) -> UUID:
    """Open a hold and tell the person."""
    row = conn.execute(
        """
        INSERT INTO held_changes (user_id, link_id, run_id, deletions, mirrors) VALUES (%s, %s, %s, %s, %s)
        RETURNING id
        """,
        (link.user_id, link.id, run_id, deletions, mirrors),
    ).fetchone()
    if row is None:
        raise AssertionError("INSERT ... RETURNING answered nothing")
    hold_id: UUID = row[0]
    outbox.publish(
        conn,
        "link.deletions_held",
        user_id=link.user_id,
        aggregate_type="link",
        aggregate_id=link.id,
        payload={"held_id": str(hold_id), "deletions": deletions},
    )
    return hold_id


def list_page(conn: Connection, *, after: UUID | None, limit: int, open_only: bool = True) -> list[Held]:
    """Held changes, oldest first."""
    with conn.cursor(row_factory=class_row(Held)) as cursor:
        return cursor.execute(
            """
            SELECT h.id, h.link_id, l.target_calendar_id, h.deletions, h.mirrors, h.created_at, h.resolution,
                   h.resolved_at
              FROM held_changes h JOIN links l ON l.id = h.link_id
             WHERE (%(after)s::uuid IS NULL OR h.id > %(after)s) AND (h.resolution IS NULL OR NOT %(open)s)
             ORDER BY h.id LIMIT %(limit)s
            """,
            {"after": after, "open": open_only, "limit": limit},
        ).fetchall()


def resolve(conn: Connection, hold_id: UUID, *, approved: bool, user_id: UUID, actor: str) -> Held:
    """Approve (the mirrors are deleted) or discard (they stay). Raises ConflictError when that was decided already."""
    with conn.cursor(row_factory=class_row(Held)) as cursor:
        held = cursor.execute(
            """
            UPDATE held_changes h SET resolution = %s, resolved_at = now(), resolved_by = %s
              FROM links l
             WHERE h.id = %s AND h.resolution IS NULL AND l.id = h.link_id
            RETURNING h.id, h.link_id, l.target_calendar_id, h.deletions, h.mirrors, h.created_at, h.resolution,
                      h.resolved_at
            """,
            ("approved" if approved else "discarded", actor, hold_id),
        ).fetchone()
    if held is None:
        if conn.execute("SELECT 1 FROM held_changes WHERE id = %s", (hold_id,)).fetchone():
            raise ConflictError(f"Held change {hold_id} was decided already.")
        raise NotFoundError(f"There is no held change {hold_id}. List yours: kalends held list.")
    mappings.release(conn, hold_id, approved=approved)
    record.record(
        conn,
        user_id=user_id,
        actor=actor,
        action=f"held.{held.resolution}",
        entity=f"link:{held.link_id}",
        metadata={"held_id": str(hold_id), "deletions": held.deletions},
    )
    return held
