"""The ties between source events and their mirrors: what is wanted, what is due, what was written."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, LiteralString

from psycopg.rows import class_row

from shared.core.lanes import Lane
from shared.sync.rules import marker as markers

if TYPE_CHECKING:
    from collections.abc import Mapping as Dictionary
    from collections.abc import Sequence
    from datetime import datetime
    from uuid import UUID

    from shared.store.database import Connection


@dataclass(frozen=True, slots=True, kw_only=True)
class Mapping:
    """One source event in one link. Due while `requested` > `done` and `state` is open or undone.

    One that is undone rests at `undo_to` (None: without a mirror) until its source changes, whatever is `wanted`. With
    `remask` the mirror of one that is held or discarded shows more, or other things, than its link does by now: it was
    last brought in line with the link's `rendering` of this number. With `edit` somebody changed the mirror by hand and
    that is not merged yet: while it is `edit_due` nothing is written, afterwards a conflict waits.
    """

    id: UUID
    user_id: UUID
    link_id: UUID
    source_calendar_id: UUID
    target_calendar_id: UUID
    source_event_id: str
    incarnation: int
    mirror_key: str
    mirror_event_id: str | None
    marker: str | None
    wanted: str
    state: str
    hold_id: UUID | None
    gives_way: bool
    lane: int
    requested: int
    done: int
    attempts: int
    tried: bool
    applied: dict[str, Any] | None
    base: bytes | None
    undo_to: bytes | None
    observed: dict[str, str] | None
    mirror_etag: str | None
    ignored: list[str]
    edit: bytes | None
    edit_due: bool
    shown: bytes | None
    rendering: int
    remask: bool
    rewrites: int
    rewrites_since: datetime | None

    @property
    def is_due(self) -> bool:
        """Whether something is still to be written."""
        return self.requested > self.done

    @property
    def is_removal(self) -> bool:
        """Whether no mirror shall stand."""
        return self.undo_to is None if self.state == "undone" else self.wanted == "absent"

    @property
    def mirror_id(self) -> str:
        """The provider's id of its mirror; as long as none is known, the key that it is created with."""
        return self.mirror_event_id or self.mirror_key

    @property
    def may_have_mirror(self) -> bool:
        """Whether a mirror is known, or may stand at the provider though whoever made it never came to say so."""
        return self.mirror_event_id is not None or self.tried


_COLUMNS = ", ".join(f"m.{field.name}" for field in fields(Mapping))


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What a plan wants of a mirror; `touched` says that the source changed, so that the mirror is rendered anew, and
    `gives_way` that the other form of its series takes its place."""

    source_event_id: str
    wanted: str
    reason: str
    touched: bool
    gives_way: bool = False


def of_sources(conn: Connection, link_id: UUID, source_event_ids: Sequence[str]) -> dict[str, Mapping]:
    """A link's mappings by source event."""
    given = {"link": link_id, "ids": list(source_event_ids)}
    found = _select(conn, "WHERE link_id = %(link)s AND source_event_id = ANY(%(ids)s)", given)
    return {mapping.source_event_id: mapping for mapping in found}


def of_mirrors(conn: Connection, calendar_id: UUID, event_ids: Sequence[str]) -> dict[str, Mapping]:
    """The mappings whose mirrors in `calendar_id` have these ids, or will: deterministic ids are known beforehand."""
    found = _select(
        conn,
        """
        WHERE target_calendar_id = %(calendar)s
          AND (mirror_event_id = ANY(%(ids)s) OR (mirror_event_id IS NULL AND mirror_key = ANY(%(ids)s)))
        """,
        {"calendar": calendar_id, "ids": list(event_ids)},
    )
    return {mapping.mirror_id: mapping for mapping in found}


def with_etags(conn: Connection, calendar_id: UUID, etags: Dictionary[str, str]) -> dict[str, bool]:
    """Of mirrors in `calendar_id` by id, whether each is a single event that has the ETag of our last write; those that
    are known, and not just being written."""
    return dict(
        conn.execute(
            """
            SELECT u.id, m.mirror_etag IS NOT DISTINCT FROM u.etag AND m.applied->>'shape' = ''
              FROM unnest(%s::text[], %s::text[]) AS u(id, etag)
              JOIN event_mappings m ON m.target_calendar_id = %s AND m.mirror_event_id = u.id
             WHERE m.requested <= m.done OR m.mirror_etag = u.etag
            """,
            (list(etags), list(etags.values()), calendar_id),
        ).fetchall()
    )


def lock(conn: Connection, mapping_ids: Sequence[UUID]) -> dict[UUID, Mapping]:
    """These mappings as they are now, kept so until the transaction ends; those of deleted links are missing."""
    found = _select(conn, "WHERE id = ANY(%(ids)s) ORDER BY id FOR UPDATE", {"ids": list(mapping_ids)})
    return {mapping.id: mapping for mapping in found}


def want(
    conn: Connection,
    *,
    user_id: UUID,
    link_id: UUID,
    source_calendar_id: UUID,
    target_calendar_id: UUID,
    wishes: Sequence[Wish],
    lane: Lane,
    hold_id: UUID | None = None,
) -> int:
    """Record wishes as a set; returns how many are now due. With `hold_id` they wait for approval.

    A wish that is already fulfilled and untouched asks for nothing. A frozen mirror thaws when its source changes.
    """
    if not wishes:
        return 0
    return conn.execute(
        """
        INSERT INTO event_mappings AS m
               (id, user_id, link_id, source_calendar_id, target_calendar_id, source_event_id, mirror_key, wanted,
                state, reason, gives_way, lane, hold_id)
        SELECT u.mapping, %(user)s, %(link)s, %(source)s, %(target)s, u.id, u.key, u.wanted, %(state)s,
               nullif(u.reason, ''), u.gives_way, %(lane)s, %(hold)s
          FROM unnest(%(mappings)b::uuid[], %(ids)b::text[], %(keys)b::text[], %(wanted)b::text[], %(reasons)b::text[],
                      %(gives_way)b::bool[])
            AS u(mapping, id, key, wanted, reason, gives_way)
        ON CONFLICT (link_id, source_event_id) DO UPDATE
           SET wanted = excluded.wanted, state = excluded.state, reason = excluded.reason, hold_id = excluded.hold_id,
               gives_way = excluded.wanted = 'absent' AND (m.gives_way OR excluded.gives_way), undo_to = NULL,
               edit = CASE excluded.wanted WHEN 'present' THEN m.edit END,
               edit_due = m.edit IS NOT NULL AND excluded.wanted = 'present',
               remask = excluded.state = 'held' AND m.mirror_event_id IS NOT NULL
                        AND m.rendering < (SELECT rendering FROM links WHERE id = m.link_id),
               lane = CASE WHEN m.requested > m.done THEN least(m.lane, excluded.lane) ELSE excluded.lane END,
               requested = m.requested + 1, attempts = 0, next_attempt_at = NULL, last_error = NULL,
               rewrites = 0, updated_at = now()
         WHERE (m.state <> 'ignored' OR excluded.wanted = 'absent') AND (m.wanted <> excluded.wanted
            OR m.source_event_id = ANY(%(changed)s)
            OR (m.state = 'held' AND excluded.state = 'open'))
        """,
        {
            "user": user_id,
            "link": link_id,
            "source": source_calendar_id,
            "target": target_calendar_id,
            "lane": lane,
            "hold": hold_id,
            "state": "held" if hold_id else "open",
            "mappings": [markers.mapping_id(link_id, wish.source_event_id) for wish in wishes],
            "ids": [wish.source_event_id for wish in wishes],
            "keys": [markers.mirror_key(link_id, wish.source_event_id, 1) for wish in wishes],
            "wanted": [wish.wanted for wish in wishes],
            "reasons": [wish.reason for wish in wishes],
            "gives_way": [wish.gives_way for wish in wishes],
            "changed": [wish.source_event_id for wish in wishes if wish.touched],
        },
    ).rowcount


def count_mirrors(conn: Connection, link_id: UUID) -> int:
    """How many mirrors a link has at its target, or may have."""
    row = conn.execute(
        "SELECT count(*) FROM event_mappings WHERE link_id = %s AND (mirror_event_id IS NOT NULL OR tried)", (link_id,)
    ).fetchone()
    return int(row[0]) if row else 0


def first_mirrors(conn: Connection, link_id: UUID, *, limit: int) -> list[Mapping]:
    """Some mappings of a link that have a mirror, the oldest first."""
    clauses = "WHERE m.link_id = %(link)s AND m.mirror_event_id IS NOT NULL ORDER BY m.created_at, m.id LIMIT %(limit)s"
    return _select(conn, clauses, {"link": link_id, "limit": limit})


def due(conn: Connection, target_calendar_id: UUID, *, lane: Lane, now: datetime, limit: int) -> list[Mapping]:
    """What is to be written to a calendar in this lane; links that are paused wait."""
    return _select(
        conn,
        """
        JOIN mirrors_due d ON d.id = m.id
        WHERE d.target_calendar_id = %(calendar)s AND d.lane = %(lane)s
          AND (d.next_attempt_at IS NULL OR d.next_attempt_at <= %(now)s)
        ORDER BY d.next_attempt_at NULLS FIRST, m.created_at, m.id
        LIMIT %(limit)s
        """,
        {"calendar": target_calendar_id, "lane": lane, "now": now, "limit": limit},
    )


def lanes_due(conn: Connection, target_calendar_ids: Sequence[UUID], *, now: datetime) -> dict[UUID, Lane]:
    """The most urgent lane with something to write, of each of these calendars that has one."""
    rows = conn.execute(
        """
        SELECT t.id, d.lane FROM unnest(%s) AS t(id)
         CROSS JOIN LATERAL (SELECT lane FROM mirrors_due
                              WHERE target_calendar_id = t.id AND (next_attempt_at IS NULL OR next_attempt_at <= %s)
                              ORDER BY lane LIMIT 1) d
        """,
        (list(target_calendar_ids), now),
    )
    return {calendar_id: Lane(lane) for calendar_id, lane in rows}


def has_due(conn: Connection, target_calendar_id: UUID, *, now: datetime) -> Lane | None:
    """The most urgent lane with something to write to a calendar, or None."""
    return lanes_due(conn, [target_calendar_id], now=now).get(target_calendar_id)


def retry_failed(conn: Connection, calendar_id: UUID, source_event_ids: Sequence[str]) -> None:
    """Try what failed of these sources at once, whatever it waits for, and what was given up until it changes."""
    conn.execute(
        """
        UPDATE event_mappings
           SET lane = CASE WHEN requested > done THEN lane ELSE %s END, requested = greatest(requested, done + 1),
               attempts = 0, next_attempt_at = NULL, updated_at = now()
         WHERE source_calendar_id = %s AND source_event_id = ANY(%s) AND state = 'open' AND last_error IS NOT NULL
        """,
        (Lane.REPAIR, calendar_id, list(source_event_ids)),
    )


def render_anew(conn: Connection, link_id: UUID) -> None:
    """Bring every mirror of a link in line with what it shows by now, frozen ones and past ones included; also those
    whose deletion is held or was discarded, and that stays as it is decided."""
    conn.execute(
        """
        UPDATE event_mappings
           SET requested = requested + CASE WHEN state IN ('held', 'discarded') THEN 0 ELSE 1 END,
               remask = state IN ('held', 'discarded') OR edit_due, lane = %s, attempts = 0, next_attempt_at = NULL,
               rewrites = 0,
               state = CASE state WHEN 'frozen' THEN 'open' ELSE state END
         WHERE link_id = %s
           AND (state IN ('open', 'frozen', 'undone')
                OR (state IN ('held', 'discarded') AND mirror_event_id IS NOT NULL))
        """,
        (Lane.REPAIR, link_id),
    )


def remask(conn: Connection, mapping_ids: Sequence[UUID]) -> None:
    """Write those of these mirrors anew that stand although their deletion is held or was discarded, as their links
    have it: whatever they show, it is not known any more."""
    conn.execute(
        """
        UPDATE event_mappings
           SET remask = true, applied = NULL, observed = NULL, mirror_etag = NULL, lane = %s, attempts = 0,
               next_attempt_at = NULL, updated_at = now()
         WHERE id = ANY(%s) AND state IN ('held', 'discarded') AND mirror_event_id IS NOT NULL AND base IS NOT NULL
        """,
        (Lane.REPAIR, list(mapping_ids)),
    )


def heed_no_deletions(conn: Connection, link_id: UUID) -> None:
    """Make again what was deleted by hand and ignored."""
    conn.execute(
        """
        UPDATE event_mappings
           SET state = CASE state WHEN 'ignored' THEN 'open' ELSE state END, ignored = '{}', reason = NULL,
               requested = requested + 1, lane = %s, updated_at = now()
         WHERE link_id = %s AND (state = 'ignored' OR ignored <> '{}')
        """,
        (Lane.REPAIR, link_id),
    )


def undo(conn: Connection, mapping_id: UUID, *, undo_to: bytes | None, is_parked: bool) -> None:
    """Have a mirror put back; one that `is_parked` rests there until its source changes."""
    conn.execute(
        """
        UPDATE event_mappings
           SET state = %s, undo_to = %s, reason = CASE WHEN %s THEN 'undone' END, requested = requested + 1, lane = %s,
               remask = false, edit = NULL, edit_due = false, attempts = 0, next_attempt_at = NULL, last_error = NULL,
               rewrites = 0, updated_at = now()
         WHERE id = %s
        """,
        ("undone" if is_parked else "open", undo_to if is_parked else None, is_parked, Lane.REPAIR, mapping_id),
    )


def follow(conn: Connection, mapping_ids: Sequence[UUID]) -> int:
    """Let mirrors that rest undone follow their sources again; returns how many did rest."""
    return conn.execute(
        """
        UPDATE event_mappings
           SET state = 'open', undo_to = NULL, reason = NULL, requested = requested + 1, lane = %s, attempts = 0,
               next_attempt_at = NULL, updated_at = now()
         WHERE id = ANY(%s) AND state = 'undone'
        """,
        (Lane.REPAIR, list(mapping_ids)),
    ).rowcount


def release(conn: Connection, hold_id: UUID, *, approved: bool) -> int:
    """Let held deletions go on, or drop them: then the mirrors stay until their source says something new."""
    if approved:
        return conn.execute(
            """
            UPDATE event_mappings
               SET state = 'open', hold_id = NULL, remask = false, attempts = 0, next_attempt_at = NULL,
                   updated_at = now()
             WHERE hold_id = %s
            """,
            (hold_id,),
        ).rowcount
    return conn.execute(
        """
        UPDATE event_mappings
           SET state = 'discarded', hold_id = NULL, reason = 'deletion discarded', done = requested, updated_at = now()
         WHERE hold_id = %s
        """,
        (hold_id,),
    ).rowcount


def _select(conn: Connection, clauses: LiteralString, given: dict[str, Any]) -> list[Mapping]:
    """The mappings (`m`) that the clauses after FROM leave."""
    with conn.cursor(row_factory=class_row(Mapping)) as cursor:
        return cursor.execute(f"SELECT {_COLUMNS} FROM event_mappings m {clauses}", given).fetchall()  # noqa: S608
