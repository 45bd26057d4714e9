"""What becomes of each mirror that a run of kind undo takes back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from psycopg.rows import class_row

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from shared.store.database import Connection

type ItemOutcome = Literal["waiting", "done", "refused"]

CHANGED = "UNDO.CHANGED"
"""The code of a mirror that somebody else has changed since it was written."""
OVERTAKEN = "UNDO.SOURCE_CHANGED: Its source changed, or its link was deleted, before it could be put back."


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One mirror. `reason`, of one that was refused: a code and a sentence, without anybody's text."""

    mapping_id: UUID
    outcome: ItemOutcome
    reason: str | None


def add(
    conn: Connection,
    run_id: UUID,
    mapping_id: UUID,
    *,
    user_id: UUID,
    parks: bool = False,
    at_source: bool = False,
    reason: str | None = None,
) -> None:
    """Note what a run is to take back, or the `reason` why it does not. One that `parks` rests at what it is put back
    to; what is taken back `at_source` is no write to the mirror."""
    conn.execute(
        """
        INSERT INTO undo_items (run_id, mapping_id, user_id, outcome, parks, at_source, reason)
        VALUES (%s, %s, %s, %s, %s, %s, %s)
        """,
        (run_id, mapping_id, user_id, "refused" if reason else "waiting", parks, at_source, reason),
    )


def settle(
    conn: Connection, run_id: UUID, mapping_id: UUID, *, outcome: ItemOutcome, reason: str | None = None
) -> None:
    """It is over."""
    conn.execute(
        "UPDATE undo_items SET outcome = %s, reason = %s WHERE run_id = %s AND mapping_id = %s",
        (outcome, reason, run_id, mapping_id),
    )


def settle_at_source(conn: Connection, run_id: UUID, mapping_id: UUID) -> None:
    """Something was written to the source: it is over with the last of it, and refused if any of it was."""
    conn.execute(
        """
        UPDATE undo_items i SET outcome = CASE WHEN w.errors IS NULL THEN 'done' ELSE 'refused' END, reason = w.errors
          FROM (SELECT bool_and(done_at IS NOT NULL) AS is_over, max(last_error) AS errors FROM source_writes
                 WHERE undo_run = %(run)s AND mapping_id = %(mapping)s) w
         WHERE i.run_id = %(run)s AND i.mapping_id = %(mapping)s AND w.is_over
        """,
        {"run": run_id, "mapping": mapping_id},
    )


def waiting(conn: Connection, mapping_ids: Sequence[UUID]) -> dict[UUID, tuple[UUID, bool]]:
    """The run that waits for each of these mappings, where one does, and whether the mirror was checked already."""
    return {
        row[0]: (row[1], row[2])
        for row in conn.execute(
            """
            SELECT i.mapping_id, i.run_id, i.checked FROM undo_items i JOIN event_mappings m ON m.id = i.mapping_id
             WHERE i.mapping_id = ANY(%s) AND i.outcome = 'waiting' AND NOT i.at_source
               AND (m.state = 'undone' OR NOT i.parks)
            """,
            (list(mapping_ids),),
        )
    }


def mark_checked(conn: Connection, mapping_ids: Sequence[UUID]) -> None:
    """Note, before anything is sent, that nobody else has changed these mirrors."""
    conn.execute(
        "UPDATE undo_items SET checked = true WHERE mapping_id = ANY(%s) AND outcome = 'waiting'", (list(mapping_ids),)
    )


def of_run(conn: Connection, run_id: UUID) -> list[Item]:
    """What became of a run's mirrors. What still waited when a source changed or a link went was overtaken."""
    with conn.cursor(row_factory=class_row(Item)) as cursor:
        return cursor.execute(
            """
            SELECT i.mapping_id, CASE WHEN o.overtaken THEN 'refused' ELSE i.outcome END AS outcome,
                   CASE WHEN o.overtaken THEN %(overtaken)s ELSE i.reason END AS reason
              FROM undo_items i LEFT JOIN event_mappings m ON m.id = i.mapping_id
              CROSS JOIN LATERAL (SELECT i.outcome = 'waiting'
                                         AND (m.id IS NULL OR i.parks AND m.state <> 'undone') AS overtaken) o
             WHERE i.run_id = %(run)s ORDER BY i.mapping_id
            """,
            {"run": run_id, "overtaken": OVERTAKEN},
        ).fetchall()


def unfinished(conn: Connection) -> list[UUID]:
    """Runs of kind undo that are not closed. Needs a transaction across people."""
    return [row[0] for row in conn.execute("SELECT id FROM sync_runs WHERE kind = 'undo' AND finished_at IS NULL")]
