"""The journal: every write to a provider, with its inverse (promise 12)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from psycopg.rows import class_row

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from shared.store.database import Connection
    from shared.sync.store.mappings import Mapping


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One accepted write: `operation` on the mirror (or on its `occurrence`) in the target calendar."""

    id: UUID
    run_id: UUID | None
    link_id: UUID | None
    mapping_id: UUID
    target_calendar_id: UUID
    mirror_event_id: str
    operation: str
    occurrence: str | None
    written_at: datetime


def append(
    conn: Connection, mapping: Mapping, *, run_id: UUID, operation: str, occurrence: str | None, mirror_event_id: str
) -> None:
    """Note an accepted write. Its inverse is the mirror as it was before, sealed as it stood in the mapping."""
    conn.execute(
        """
        INSERT INTO sync_journal (user_id, run_id, link_id, mapping_id, target_calendar_id, mirror_event_id, operation,
                                  occurrence, inverse)
        VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s)
        """,
        (
            mapping.user_id,
            run_id,
            mapping.link_id,
            mapping.id,
            mapping.target_calendar_id,
            mirror_event_id,
            operation,
            occurrence,
            mapping.base,
        ),
    )


def recent(conn: Connection, *, link_id: UUID | None, before: UUID | None, limit: int) -> list[Entry]:
    """The newest entries, of one link or of all, before the one named."""
    with conn.cursor(row_factory=class_row(Entry)) as cursor:
        return cursor.execute(
            """
            SELECT id, run_id, link_id, mapping_id, target_calendar_id, mirror_event_id, operation, occurrence,
                   written_at
              FROM sync_journal
             WHERE (%(link)s::uuid IS NULL OR link_id = %(link)s) AND (%(before)s::uuid IS NULL OR id < %(before)s)
             ORDER BY id DESC LIMIT %(limit)s
            """,
            {"link": link_id, "before": before, "limit": limit},
        ).fetchall()
