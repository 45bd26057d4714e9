"""Conflicts: what both sides of a link changed, with both values, and who won or must decide."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from psycopg.rows import class_row

from shared.audit import record
from shared.calendar import codec, expansion
from shared.calendar.patch import Field
from shared.calendar.two_way import Winner
from shared.core.errors import ConflictError, NotFoundError
from shared.providers import port
from shared.sync.store import calendars, edits

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from datetime import datetime
    from uuid import UUID

    from shared.calendar.patch import Patch
    from shared.calendar.two_way import Conflict
    from shared.crypto.keyring import DataKey
    from shared.store.database import Connection
    from shared.sync.context import Engine
    from shared.sync.store.mappings import Mapping

BY_POLICY, OVERTAKEN = "policy", "overtaken"
"""Who decided where the link's policy did, or nobody because the source or its mirror went first; otherwise an actor,
or the code of the error with which the source's provider refused the edit."""
RESTORED = "restored"
"""Who decided after the database was restored: what the target shows then may be our own, under settings that are
forgotten, so none of it goes to the source; it is kept here."""
_REFUSED_BECAUSE = {
    port.NOT_ORGANIZER: "somebody else organises the event, and only they can change it",
    port.HAS_GUESTS: "others are invited to the event, and would be mailed, or lose it unheard",
    port.CONFERENCE: "its description holds an online meeting, which a change would lose",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """A conflict as it is listed. It waits while `winner` is None, and is carried out once it is `resolved_at`."""

    id: UUID
    link_id: UUID
    mapping_id: UUID
    source_calendar_id: UUID
    target_calendar_id: UUID
    source_event_id: str
    occurrence: str
    field: str
    winner: str | None
    decided_by: str | None
    detected_at: datetime
    resolved_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Values:
    """Both values of a conflict; None: there is no such occurrence on that side. `title` and `starts_at` are those of
    the source event; None where no text is kept, or it is gone."""

    source: Patch | None
    target: Patch | None
    title: str | None = None
    starts_at: datetime | None = None


_LISTED = """
    SELECT c.id, c.link_id, c.mapping_id, m.source_calendar_id, m.target_calendar_id, m.source_event_id, c.occurrence,
           c.field, c.winner, c.decided_by, c.detected_at, c.resolved_at
      FROM conflicts c JOIN event_mappings m ON m.id = c.mapping_id
"""


def list_page(conn: Connection, *, with_resolved: bool, before: UUID | None, limit: int) -> list[Listed]:
    """The newest conflicts before the one named: those that wait for a decision, or all of the last 30 days."""
    with conn.cursor(row_factory=class_row(Listed)) as cursor:
        return cursor.execute(
            f"""
            {_LISTED} WHERE (%(all)s OR (c.resolved_at IS NULL AND c.winner IS NULL))
               AND (%(before)s::uuid IS NULL OR c.id < %(before)s)
             ORDER BY c.id DESC LIMIT %(limit)s
            """,
            {"all": with_resolved, "before": before, "limit": limit},
        ).fetchall()


def get(conn: Connection, conflict_id: UUID) -> Listed:
    """One conflict. Raises NotFoundError."""
    with conn.cursor(row_factory=class_row(Listed)) as cursor:
        found = cursor.execute(f"{_LISTED} WHERE c.id = %s", (conflict_id,)).fetchone()
    if found is None:
        raise NotFoundError(
            f"There is no conflict {conflict_id}. List yours: kalends conflicts list.", code="CONFLICT.NOT_FOUND"
        )
    return found


def values(conn: Connection, engine: Engine, conflicts: Sequence[Listed]) -> dict[UUID, Values]:
    """The values of these conflicts, opened for their owner."""
    keys: dict[UUID, DataKey] = {}
    found: dict[UUID, Values] = {}
    sealed = {
        row[0]: row[1:]
        for row in conn.execute(
            """
            SELECT c.id, c.source_value, c.target_value, e.raw_payload, e.start_time
              FROM conflicts c JOIN event_mappings m ON m.id = c.mapping_id
              LEFT JOIN external_calendar_events e
                     ON e.calendar_id = m.source_calendar_id AND e.series_id IS NULL
                    AND e.external_event_id IN (m.source_event_id, regexp_replace(m.source_event_id, %s, ''))
             WHERE c.id = ANY(%s)
            """,
            (expansion.SUFFIX, [one.id for one in conflicts]),
        )
    }
    for one in conflicts:
        calendar_id = one.source_calendar_id
        if calendar_id not in keys:
            keys[calendar_id] = engine.data_key(conn, calendars.get(conn, calendar_id).connection_id)
        key = keys[calendar_id]
        source, target, text, starts_at = sealed[one.id]
        found[one.id] = Values(
            source=_open(source, one.mapping_id, key=key),
            target=_open(target, one.mapping_id, key=key),
            title=None if text is None else codec.text_from_json(key.open(text, aad=str(calendar_id))).title,
            starts_at=starts_at,
        )
    return found


def decide(conn: Connection, conflict_id: UUID, *, winner: Winner, user_id: UUID, actor: str) -> Listed:
    """Say whose value stays; the next look at the source, which is asked for, carries it out. Raises NotFoundError,
    and ConflictError for a conflict that was resolved already."""
    conflict = get(conn, conflict_id)
    if conflict.resolved_at is not None:
        raise ConflictError(f"Conflict {conflict_id} is resolved: the {conflict.winner} won.", code="CONFLICT.RESOLVED")
    conn.execute("UPDATE conflicts SET winner = %s, decided_by = %s WHERE id = %s", (winner.value, actor, conflict_id))
    edits.ask(conn, conflict.mapping_id)
    calendars.request(conn, [conflict.source_calendar_id])
    record.record(
        conn,
        user_id=user_id,
        actor=actor,
        action="conflict.decided",
        entity=f"conflict:{conflict_id}",
        metadata={"winner": winner.value, "field": conflict.field},
    )
    return get(conn, conflict_id)


def decisions(conn: Connection, mapping_id: UUID) -> dict[tuple[str, Field], Winner]:
    """What was decided for an event and is not carried out yet, by place and field."""
    rows = conn.execute(
        """
        SELECT occurrence, field, winner FROM conflicts
         WHERE mapping_id = %s AND resolved_at IS NULL AND winner IS NOT NULL
        """,
        (mapping_id,),
    ).fetchall()
    return {(occurrence, Field(field)): Winner(winner) for occurrence, field, winner in rows}


def settle(
    conn: Connection,
    mapping: Mapping,
    found: Sequence[Conflict],
    *,
    refused: dict[str, str],
    key: DataKey,
    now: datetime,
    by: str = BY_POLICY,
) -> None:
    """Record what a merge found, decided `by` the policy or RESTORED. `refused`: by place, the code of the error with
    which the source did not take an edit; its value is kept here, and the mirror is put right."""
    left = [(one.place, one.field.value) for one in found]
    conn.execute(
        """
        UPDATE conflicts SET resolved_at = %(now)s, winner = coalesce(winner, 'source'),
                             decided_by = coalesce(decided_by, %(by)s)
         WHERE mapping_id = %(mapping)s AND resolved_at IS NULL
           AND (occurrence, field) NOT IN (SELECT * FROM unnest(%(places)b::text[], %(fields)b::text[]))
        """,
        {
            "now": now,
            "by": by,
            "mapping": mapping.id,
            "places": [place for place, _ in left],
            "fields": [name for _, name in left],
        },
    )
    for one in found:
        winner = "source" if one.place in refused else one.winner and one.winner.value
        given = {
            "user": mapping.user_id,
            "link": mapping.link_id,
            "mapping": mapping.id,
            "place": one.place,
            "field": one.field.value,
            "source": _seal(one.source, mapping, key=key),
            "target": _seal(one.target, mapping, key=key),
            "winner": winner,
            "refusal": refused.get(one.place),
            "by": None if winner is None else refused.get(one.place, by),
            "now": now,
        }
        standing = conn.execute(
            """
            UPDATE conflicts
               SET source_value = %(source)s, target_value = %(target)s, winner = coalesce(%(winner)s, winner),
                   decided_by = coalesce(%(refusal)s, decided_by, %(by)s),
                   resolved_at = CASE WHEN %(winner)s::text IS NOT NULL THEN %(now)s::timestamptz END
             WHERE mapping_id = %(mapping)s AND occurrence = %(place)s AND field = %(field)s AND resolved_at IS NULL
            """,
            given,
        )
        if standing.rowcount == 0:
            conn.execute(
                """
                INSERT INTO conflicts (user_id, link_id, mapping_id, occurrence, field, source_value, target_value,
                                       winner, decided_by, detected_at, resolved_at)
                VALUES (%(user)s, %(link)s, %(mapping)s, %(place)s, %(field)s, %(source)s, %(target)s, %(winner)s,
                        %(by)s, %(now)s, CASE WHEN %(winner)s::text IS NOT NULL THEN %(now)s::timestamptz END)
                """,
                given,
            )


def expire(conn: Connection, *, before: datetime) -> int:
    """Forget what was resolved before a moment, values included."""
    return conn.execute("DELETE FROM conflicts WHERE resolved_at < %s", (before,)).rowcount


def count_waiting(conn: Connection, link_ids: Collection[UUID]) -> dict[UUID, int]:
    """How many conflicts wait for a decision, by link."""
    rows = conn.execute(
        """
        SELECT link_id, count(*) FROM conflicts
         WHERE link_id = ANY(%s) AND resolved_at IS NULL AND winner IS NULL GROUP BY 1
        """,
        (list(link_ids),),
    ).fetchall()
    return dict(rows)


def count_refused(conn: Connection, link_ids: Collection[UUID], *, since: datetime) -> dict[UUID, dict[str, int]]:
    """How many edits of mirrors the source's provider has refused, by link and code."""
    rows = conn.execute(
        """
        SELECT link_id, decided_by, count(DISTINCT (mapping_id, occurrence)) FROM conflicts
         WHERE link_id = ANY(%s) AND resolved_at >= %s AND decided_by ~ '^[A-Z]' GROUP BY 1, 2 ORDER BY 1, 2
        """,
        (list(link_ids), since),
    ).fetchall()
    found: dict[UUID, dict[str, int]] = {}
    for link_id, code, count in rows:
        found.setdefault(link_id, {})[code] = count
    return found


def is_refusal(decided_by: str) -> bool:
    """Whether that is the code of an error, and nobody who decided."""
    return decided_by[:1].isupper()


def refused_because(code: str) -> str:
    """Why a provider did not take an edit, as half a sentence; a code that is not known here stands for itself."""
    return _REFUSED_BECAUSE.get(code, f"its provider refused it ({code})")


def _seal(value: Patch | None, mapping: Mapping, *, key: DataKey) -> bytes | None:
    return None if value is None else key.seal(codec.patch_to_json(value), aad=str(mapping.id))


def _open(sealed: bytes | None, mapping_id: UUID, *, key: DataKey) -> Patch | None:
    return None if sealed is None else codec.patch_from_json(key.open(sealed, aad=str(mapping_id)))
