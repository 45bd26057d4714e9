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


@dataclass(frozen=True, slots=True, kw_only=True)
class Before:
    """How a mirror was before a run wrote it: `inverse`, sealed, or None where there was none. `is_known`: or else it
    was there, and its look was not kept. `last_id` is the run's last entry about it."""

    mapping_id: UUID
    inverse: bytes | None
    is_known: bool
    last_id: UUID


def before_run(conn: Connection, run_id: UUID) -> list[Before]:
    """How each mirror that a run wrote was before."""
    with conn.cursor(row_factory=class_row(Before)) as cursor:
        return cursor.execute(
            """
            SELECT DISTINCT ON (mapping_id) mapping_id,
                   CASE WHEN operation <> 'insert' THEN inverse END AS inverse,
                   operation = 'insert' OR inverse IS NOT NULL AS is_known,
                   last_value(id) OVER (PARTITION BY mapping_id ORDER BY id
                                        ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING) AS last_id
              FROM sync_journal WHERE run_id = %s ORDER BY mapping_id, id
            """,
            (run_id,),
        ).fetchall()


def written_since(conn: Connection, before: Before) -> bool:
    """Whether a mirror was written again after the run."""
    row = conn.execute(
        "SELECT EXISTS (SELECT FROM sync_journal WHERE mapping_id = %s AND id > %s)",
        (before.mapping_id, before.last_id),
    ).fetchone()
    return row is not None and bool(row[0])
