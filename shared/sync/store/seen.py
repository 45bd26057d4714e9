"""What pulls saw of mirrors that somebody else may have changed, put into their mappings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from psycopg.types.json import Jsonb

from shared.core.lanes import Lane
from shared.sync.store import written

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from uuid import UUID

    from shared.store.database import Connection
    from shared.sync.store.mappings import Mapping


def adopt(conn: Connection, mapping_id: UUID, *, mirror_event_id: str) -> bool:
    """A mirror that we made turned up before its write was recorded: note where it is, unless another is known; it
    stays due."""
    updated = conn.execute(
        """
        UPDATE event_mappings m
           SET mirror_event_id = %s,
               remask = state IN ('held', 'discarded')
                        AND m.rendering < (SELECT l.rendering FROM links l WHERE l.id = m.link_id)
         WHERE id = %s AND mirror_event_id IS NULL
        """,
        (mirror_event_id, mapping_id),
    )
    return updated.rowcount == 1


def disturb(conn: Connection, mapping_id: UUID, *, applied: dict[str, Any], etag: str | None) -> None:
    """A mirror that is to be written, or is just being written, was seen to look otherwise than it was left.

    `applied` is what still stands. Whoever is writing it can tell by the root's `etag` whether it was its own doing.
    """
    conn.execute(
        """
        UPDATE event_mappings
           SET applied = %s, mirror_etag = %s, lane = CASE WHEN requested > done THEN lane ELSE %s END,
               requested = requested
               + CASE WHEN state = 'open' OR (state = 'undone' AND requested > done) THEN 1 ELSE 0 END
         WHERE id = %s
        """,
        (Jsonb(applied), etag, Lane.REPAIR, mapping_id),
    )


def stands_as(conn: Connection, mapping_id: UUID, *, etag: str) -> None:
    """A mirror looks as it was left, under this ETag."""
    conn.execute("UPDATE event_mappings SET mirror_etag = %s WHERE id = %s", (etag, mapping_id))


def restore(
    conn: Connection,
    mapping: Mapping,
    *,
    applied: dict[str, Any],
    now: datetime,
    limit: int,
    period_start: datetime,
) -> bool:
    """A mirror was changed by somebody else: write it again; `applied` is what still stands.

    Returns False, freezing it, at the `limit`th time since `period_start` without a change of its source (promise 3).
    """
    row = conn.execute(
        """
        UPDATE event_mappings
           SET rewrites = CASE WHEN rewrites_since > %(period_start)s THEN rewrites + 1 ELSE 1 END,
               rewrites_since = CASE WHEN rewrites_since > %(period_start)s THEN rewrites_since ELSE %(now)s END,
               state = CASE WHEN rewrites_since > %(period_start)s AND rewrites + 1 >= %(limit)s
                            THEN 'frozen' ELSE state END,
               reason = CASE WHEN rewrites_since > %(period_start)s AND rewrites + 1 >= %(limit)s
                             THEN 'rewritten again and again' ELSE reason END,
               applied = %(applied)s, mirror_etag = NULL, lane = %(lane)s,
               requested = requested + 1, updated_at = now()
         WHERE id = %(id)s
        RETURNING state
        """,
        {
            "applied": Jsonb(applied),
            "lane": Lane.REPAIR,
            "now": now,
            "period_start": period_start,
            "limit": limit,
            "id": mapping.id,
        },
    ).fetchone()
    return row is None or row[0] != "frozen"


def ignore(conn: Connection, mapping: Mapping) -> None:
    """Somebody deleted the mirror by hand, and it is not to be made again, whatever its source does; unless that is
    deleted itself."""
    written.save_gone(conn, mapping, done=True)
    conn.execute(
        "UPDATE event_mappings SET state = 'ignored', undo_to = NULL, reason = 'deleted by hand' WHERE id = %s",
        (mapping.id,),
    )


def leave(conn: Connection, mapping_id: UUID, *, observed: dict[str, str], ignored: Sequence[str]) -> None:
    """What somebody changed by hand stays: it is known now as it looks. `ignored` occurrences stay out for good."""
    conn.execute(
        """
        UPDATE event_mappings
           SET observed = coalesce(observed, '{}') || %s, updated_at = now(),
               ignored = ARRAY(SELECT DISTINCT unnest(ignored || %s::text[]) ORDER BY 1)
         WHERE id = %s
        """,
        (Jsonb(observed), list(ignored), mapping_id),
    )
