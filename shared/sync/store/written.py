"""What a push says of mappings: what is about to be sent, and what became of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from psycopg.types.json import Jsonb

from shared.sync import marker as markers

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from uuid import UUID

    from shared.store.database import Connection
    from shared.sync.store.mappings import Mapping


def mark_tried(conn: Connection, mapping_ids: Sequence[UUID]) -> None:
    """Note, before it is sent, that a creation may reach the provider even if its answer never reaches us."""
    conn.execute("UPDATE event_mappings SET tried = true WHERE id = ANY(%s)", (list(mapping_ids),))


def save_written(
    conn: Connection,
    mapping: Mapping,
    *,
    mirror_event_id: str,
    marker: str,
    applied: dict[str, Any],
    base: bytes,
    shown: bytes | None,
    observed: dict[str, str],
    etag: str | None,
    finished: bool,
    rendering: int,
    done: int,
) -> None:
    """The mirror stands as `applied` says. If that `finished` it, what was asked for up to `done` is done, and it is in
    line with this `rendering` of its link."""
    conn.execute(
        """
        UPDATE event_mappings m
           SET mirror_event_id = %(event)s, marker = %(marker)s, applied = %(applied)s, base = %(base)s,
               shown = %(shown)s, observed = %(observed)s,
               undo_to = CASE WHEN undo_to IS NOT NULL THEN %(base)s ELSE undo_to END,
               rendering = CASE WHEN %(finished)s THEN greatest(rendering, %(rendering)s) ELSE rendering END,
               mirror_etag = %(etag)s, done = CASE WHEN %(finished)s THEN greatest(done, %(done)s) ELSE done END,
               attempts = CASE WHEN %(finished)s THEN 0 ELSE attempts END, next_attempt_at = NULL,
               last_error = NULL, reason = CASE WHEN state IN ('held', 'discarded') THEN reason END,
               -- Its deletion may have been held while it was being written.
               remask = state IN ('held', 'discarded') AND (NOT %(finished)s OR %(rendering)s
                        < (SELECT l.rendering FROM links l WHERE l.id = m.link_id)), updated_at = now(),
               -- Deleted by hand while it was being written: it stands again, and may be deleted again.
               state = CASE state WHEN 'ignored' THEN 'open' ELSE state END
         WHERE id = %(id)s
        """,
        {
            "event": mirror_event_id,
            "marker": marker,
            "applied": Jsonb(applied),
            "base": base,
            "shown": shown,
            "observed": Jsonb(observed),
            "etag": etag,
            "finished": finished,
            "rendering": rendering,
            "done": done,
            "id": mapping.id,
        },
    )


def forget_root(conn: Connection, mapping: Mapping, *, applied: dict[str, Any]) -> None:
    """Have the root written anew with the next attempt."""
    conn.execute("UPDATE event_mappings SET applied = %s WHERE id = %s", (Jsonb(applied), mapping.id))


def save_gone(conn: Connection, mapping: Mapping, *, done: bool) -> None:
    """The mirror is known to be gone; a next one gets a new key. With `done` that was what was wanted."""
    conn.execute(
        """
        UPDATE event_mappings
           SET mirror_event_id = NULL, marker = NULL, applied = NULL, base = NULL, observed = NULL, mirror_etag = NULL,
               shown = NULL, edit = NULL, edit_due = false, tried = false, remask = false,
               incarnation = %(incarnation)s, mirror_key = %(key)s,
               done = CASE WHEN %(is_done)s THEN greatest(done, %(done)s) ELSE done END,
               attempts = CASE WHEN %(is_done)s THEN 0 ELSE attempts END, next_attempt_at = NULL, last_error = NULL,
               updated_at = now()
         WHERE id = %(id)s
        """,
        {
            "incarnation": mapping.incarnation + 1,
            "key": markers.mirror_key(mapping.link_id, mapping.source_event_id, mapping.incarnation + 1),
            "is_done": done,
            "done": mapping.requested,
            "id": mapping.id,
        },
    )


def save_failed(
    conn: Connection,
    mapping: Mapping,
    *,
    code: str,
    message: str,
    retry_at: datetime | None,
    counted: bool = True,
    forget_etag: bool = False,
) -> None:
    """A write failed. With `retry_at` it is tried again then; without, the item is skipped until it changes.

    What is not `counted` was no attempt: a provider that throttles has not looked at it.
    """
    conn.execute(
        """
        UPDATE event_mappings
           SET attempts = attempts + %(counted)s, next_attempt_at = %(retry_at)s, last_error = %(message)s,
               reason = CASE WHEN %(retry_at)s::timestamptz IS NULL THEN %(code)s ELSE reason END,
               mirror_etag = CASE WHEN %(forget)s THEN NULL ELSE mirror_etag END,
               done = CASE WHEN %(retry_at)s::timestamptz IS NULL THEN greatest(done, %(done)s) ELSE done END,
               remask = remask AND %(retry_at)s::timestamptz IS NOT NULL, updated_at = now()
         WHERE id = %(id)s
        """,
        {
            "retry_at": retry_at,
            "message": message,
            "code": code,
            "forget": forget_etag,
            "counted": int(counted),
            "done": mapping.done if mapping.remask else mapping.requested,
            "id": mapping.id,
        },
    )


def keep(conn: Connection, mapping: Mapping, *, rendering: int) -> None:
    """Leave a mirror as it is: what was to be put back has changed since. What was asked for meanwhile stays due, and
    so does everything if the mirror is not in line with this `rendering` of its link: it may show what that hides."""
    conn.execute(
        """
        UPDATE event_mappings
           SET state = CASE state WHEN 'undone' THEN 'open' ELSE state END, undo_to = NULL, reason = NULL,
               done = CASE WHEN rendering < %s THEN done ELSE greatest(done, %s) END,
               attempts = 0, next_attempt_at = NULL, last_error = NULL, updated_at = now()
         WHERE id = %s
        """,
        (rendering, mapping.requested, mapping.id),
    )


def is_settled(conn: Connection, mapping: Mapping) -> bool:
    """Whether what was asked for when `mapping` was claimed is over, done or given up."""
    row = conn.execute(
        "SELECT done >= %s FROM event_mappings WHERE id = %s", (mapping.requested, mapping.id)
    ).fetchone()
    return row is None or bool(row[0])
