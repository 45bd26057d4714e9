"""What a push says of mappings: what is about to be sent, and what became of it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from psycopg.types.json import Jsonb

from shared.core.lanes import Lane
from shared.sync.rules import marker as markers

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from uuid import UUID

    from shared.store.database import Connection
    from shared.sync.store.mappings import Mapping


def mark_tried(conn: Connection, creations: dict[UUID, bytes | None]) -> None:
    """Note, before they are sent, that creations may reach the provider even if their answers never reach us; and as
    what, where an edit of such a mirror is to be told from what we wrote."""
    conn.execute(
        """
        UPDATE event_mappings m SET tried = true, base = u.base
          FROM unnest(%s::uuid[], %s::bytea[]) AS u(id, base) WHERE m.id = u.id
        """,
        (list(creations), list(creations.values())),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """A mirror that stands as `applied` says. If that `finished` it, what was asked for up to `done` is done, and it is
    in line with this `rendering` of its link."""

    mapping_id: UUID
    mirror_event_id: str
    marker: str
    applied: dict[str, Any]
    base: bytes
    shown: bytes | None
    observed: dict[str, str]
    etag: str | None
    finished: bool
    rendering: int
    done: int


def save_written(conn: Connection, standing: Sequence[Standing]) -> None:
    """Mirrors were written."""
    conn.execute(
        """
        UPDATE event_mappings m
           SET mirror_event_id = u.event, marker = u.marker, applied = u.applied::jsonb, base = u.base,
               shown = u.shown, observed = u.observed::jsonb,
               undo_to = CASE WHEN m.undo_to IS NOT NULL THEN u.base ELSE m.undo_to END,
               rendering = CASE WHEN u.finished THEN greatest(m.rendering, u.rendering) ELSE m.rendering END,
               mirror_etag = u.etag, done = CASE WHEN u.finished THEN greatest(m.done, u.done) ELSE m.done END,
               attempts = CASE WHEN u.finished THEN 0 ELSE m.attempts END, next_attempt_at = NULL,
               last_error = NULL, reason = CASE WHEN m.state IN ('held', 'discarded') THEN m.reason END,
               -- Its deletion may have been held while it was being written.
               remask = m.state IN ('held', 'discarded') AND (NOT u.finished OR u.rendering
                        < (SELECT l.rendering FROM links l WHERE l.id = m.link_id)), updated_at = now(),
               -- Deleted by hand while it was being written: it stands again, and may be deleted again.
               state = CASE m.state WHEN 'ignored' THEN 'open' ELSE m.state END
          FROM unnest(%(ids)b::uuid[], %(events)b::text[], %(markers)b::text[], %(applied)b::text[],
                      %(bases)b::bytea[], %(shown)b::bytea[], %(observed)b::text[], %(etags)b::text[],
                       %(finished)b::bool[],
                      %(renderings)b::int8[], %(done)b::int8[])
            AS u(id, event, marker, applied, base, shown, observed, etag, finished, rendering, done)
         WHERE m.id = u.id
        """,
        {
            "ids": [one.mapping_id for one in standing],
            "events": [one.mirror_event_id for one in standing],
            "markers": [one.marker for one in standing],
            "applied": [json.dumps(one.applied) for one in standing],
            "bases": [one.base for one in standing],
            "shown": [one.shown for one in standing],
            "observed": [json.dumps(one.observed) for one in standing],
            "etags": [one.etag for one in standing],
            "finished": [one.finished for one in standing],
            "renderings": [one.rendering for one in standing],
            "done": [one.done for one in standing],
        },
    )


def save_base(conn: Connection, mapping_id: UUID, base: bytes, *, applied: dict[str, Any]) -> None:
    """What a mirror shows of which nothing else is known."""
    conn.execute(
        "UPDATE event_mappings SET base = %s, applied = %s WHERE id = %s AND base IS NULL",
        (base, Jsonb(applied), mapping_id),
    )


def save_applied(conn: Connection, mapping: Mapping, *, applied: dict[str, Any]) -> None:
    """`applied` is what still stands of a mirror: the rest is written with the next attempt, if there is one."""
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
    gives_way: bool = False,
    forget_etag: bool = False,
) -> None:
    """A write failed. With `retry_at` it is tried again then; without, the item is skipped until it changes.

    What is not `counted` was no attempt: a provider that throttles has not looked at it. What `gives_way` to
    live work is a repair from then on.
    """
    conn.execute(
        """
        UPDATE event_mappings
           SET attempts = attempts + %(counted)s,
               lane = CASE WHEN %(gives_way)s THEN greatest(lane, %(repair)s) ELSE lane END,
               next_attempt_at = %(retry_at)s, last_error = %(message)s,
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
            "gives_way": gives_way,
            "repair": Lane.REPAIR,
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
