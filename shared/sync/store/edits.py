"""Edits of mirrors on their way to the source, as mappings keep them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from psycopg.types.json import Jsonb

from shared.core.lanes import Lane

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from shared.store.database import Connection
    from shared.sync.store.mappings import Mapping


def save(conn: Connection, mapping_id: UUID, *, edit: bytes, etag: str | None) -> None:
    """An edit was seen, under this ETag of the mirror: it waits for the next look at the source."""
    conn.execute(
        """
        UPDATE event_mappings
           SET edit = %s, edit_due = true, mirror_etag = %s, lane = %s, attempts = 0, next_attempt_at = NULL,
               updated_at = now()
         WHERE id = %s
        """,
        (edit, etag, Lane.LIVE, mapping_id),
    )


def due(conn: Connection, source_calendar_id: UUID, *, now: datetime, limit: int) -> list[UUID]:
    """The mappings of a source calendar with an edit to merge by now, the oldest first."""
    rows = conn.execute(
        """
        SELECT m.id FROM event_mappings m JOIN links l ON l.id = m.link_id AND l.state = 'active'
         WHERE m.source_calendar_id = %s AND m.edit_due AND m.state = 'open' AND m.wanted = 'present'
           AND (m.next_attempt_at IS NULL OR m.next_attempt_at <= %s)
         ORDER BY m.updated_at, m.id LIMIT %s
        """,
        (source_calendar_id, now, limit),
    ).fetchall()
    return [row[0] for row in rows]


def postpone(conn: Connection, mapping: Mapping, *, until: datetime, reason: str) -> None:
    """The source could not be written: that edit waits, and nothing else with it."""
    conn.execute(
        """
        UPDATE event_mappings
           SET attempts = attempts + 1, next_attempt_at = %s, last_error = %s, updated_at = now()
         WHERE id = %s AND edit_due
        """,
        (until, reason, mapping.id),
    )


def wake(conn: Connection, *, now: datetime) -> list[UUID]:
    """The source calendars with postponed edits whose time has come. Needs a transaction across people."""
    rows = conn.execute(
        """
        UPDATE event_mappings SET next_attempt_at = NULL
         WHERE edit_due AND next_attempt_at <= %s RETURNING source_calendar_id
        """,
        (now,),
    ).fetchall()
    return sorted({row[0] for row in rows})


def sources_waiting(conn: Connection, link_id: UUID) -> list[UUID]:
    """The source calendar of a link, if edits of its mirrors wait for a look at it."""
    rows = conn.execute(
        "SELECT DISTINCT source_calendar_id FROM event_mappings WHERE link_id = %s AND edit_due", (link_id,)
    ).fetchall()
    return [row[0] for row in rows]


def ask(conn: Connection, mapping_id: UUID) -> None:
    """Merge the edit that waits once more: something was decided, or the source has changed."""
    conn.execute("UPDATE event_mappings SET edit_due = true WHERE id = %s AND edit IS NOT NULL", (mapping_id,))


def drop(conn: Connection, mapping: Mapping) -> None:
    """Forget an edit, unless another came meanwhile."""
    conn.execute(
        """
        UPDATE event_mappings
           SET edit = NULL, edit_due = false, attempts = 0, next_attempt_at = NULL, last_error = NULL
         WHERE id = %s AND edit = %s
        """,
        (mapping.id, mapping.edit),
    )


def drop_all(conn: Connection, link_id: UUID) -> None:
    """Merge nothing more in a link: what was edited is written anew."""
    conn.execute(
        """
        UPDATE event_mappings
           SET applied = jsonb_set(applied, '{root}', 'null'), edit = NULL, edit_due = false,
               requested = greatest(requested, done + 1), updated_at = now()
         WHERE link_id = %s AND edit IS NOT NULL
        """,
        (link_id,),
    )
    conn.execute("UPDATE event_mappings SET shown = NULL WHERE link_id = %s AND shown IS NOT NULL", (link_id,))


def save_merged(
    conn: Connection,
    mapping: Mapping,
    *,
    base: bytes | None,
    shown: bytes | None,
    applied: dict[str, Any],
    observed: dict[str, str],
    stays: bytes | None,
    is_due: bool,
    is_new: bool,
    now: datetime,
    period_start: datetime,
    limit: int,
) -> bool:
    """The edit of `mapping` is merged: `base` and `shown` are what both sides are now, None if not known. `stays` is
    the mirror that stands while a conflict waits, None where none does. With `is_due` something is still to be written
    to the target. `is_new` is what was not merged before: no decision about what has waited since.

    Returns False, freezing the mirror, at the `limit`th new one since `period_start` (promise 3).
    """
    row = conn.execute(
        """
        UPDATE event_mappings
           SET base = %(base)s, shown = %(shown)s, applied = %(applied)s, observed = %(observed)s,
               edit = CASE WHEN edit = %(edit)s THEN %(stays)s ELSE edit END,
               -- Another edit came meanwhile, or a decision about what waits.
               edit_due = edit_due AND (edit <> %(edit)s OR EXISTS (
                   SELECT FROM conflicts c WHERE c.mapping_id = %(id)s AND c.resolved_at IS NULL
                                             AND c.winner IS NOT NULL)),
               requested = requested + %(is_due)s::int, lane = %(lane)s, attempts = 0, next_attempt_at = NULL,
               last_error = NULL,
               rewrites = CASE WHEN %(since)s > %(period_start)s THEN %(before)s + %(new)s ELSE %(new)s END,
               rewrites_since = CASE WHEN %(since)s > %(period_start)s THEN %(since)s ELSE %(now)s END,
               state = CASE WHEN %(since)s > %(period_start)s AND %(before)s + %(new)s >= %(limit)s
                            THEN 'frozen' ELSE state END,
               reason = CASE WHEN %(since)s > %(period_start)s AND %(before)s + %(new)s >= %(limit)s
                             THEN 'rewritten again and again' ELSE reason END,
               updated_at = now()
         WHERE id = %(id)s
        RETURNING state
        """,
        {
            "base": base,
            "shown": shown,
            "applied": Jsonb(applied),
            "observed": Jsonb(observed),
            "edit": mapping.edit,
            "stays": stays,
            "is_due": is_due,
            "lane": Lane.LIVE,
            "since": mapping.rewrites_since,
            "before": mapping.rewrites,
            "new": int(is_new),
            "now": now,
            "period_start": period_start,
            "limit": limit,
            "id": mapping.id,
        },
    ).fetchone()
    return row is None or row[0] != "frozen"
