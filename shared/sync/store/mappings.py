"""The ties between source events and their mirrors: what is wanted, what is due, what was written."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, LiteralString

from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from shared.sync import marker as markers

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from uuid import UUID

    from shared.store.database import Connection

LIVE, BACKFILL = 0, 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Mapping:
    """One source event in one link. Due while `requested` > `done` and `state` is open."""

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
    lane: int
    requested: int
    done: int
    attempts: int
    tried: bool
    applied: dict[str, Any] | None
    base: bytes | None
    observed: dict[str, str] | None
    mirror_etag: str | None
    rewrites: int
    rewrites_since: datetime | None

    @property
    def is_due(self) -> bool:
        """Whether something is still to be written."""
        return self.requested > self.done

    @property
    def may_have_mirror(self) -> bool:
        """Whether a mirror is known, or may stand at the provider though whoever made it never came to say so."""
        return self.mirror_event_id is not None or self.tried


_COLUMNS = ", ".join(f"m.{field.name}" for field in fields(Mapping))


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What a plan wants of a mirror; `touched` says that the source changed, so that the mirror is rendered anew."""

    source_event_id: str
    wanted: str
    reason: str
    touched: bool


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
    return {mapping.mirror_event_id or mapping.mirror_key: mapping for mapping in found}


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
    lane: int,
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
                state, reason, lane, hold_id)
        SELECT u.mapping, %(user)s, %(link)s, %(source)s, %(target)s, u.id, u.key, u.wanted, %(state)s,
               nullif(u.reason, ''), %(lane)s, %(hold)s
          FROM unnest(%(mappings)b::uuid[], %(ids)b::text[], %(keys)b::text[], %(wanted)b::text[], %(reasons)b::text[],
                      %(touched)b::bool[])
            AS u(mapping, id, key, wanted, reason, touched)
        ON CONFLICT (link_id, source_event_id) DO UPDATE
           SET wanted = excluded.wanted, state = excluded.state, reason = excluded.reason, hold_id = excluded.hold_id,
               lane = CASE WHEN m.requested > m.done THEN least(m.lane, excluded.lane) ELSE excluded.lane END,
               requested = m.requested + 1, attempts = 0, next_attempt_at = NULL, last_error = NULL,
               rewrites = 0, updated_at = now()
         WHERE m.wanted <> excluded.wanted
            OR m.source_event_id = ANY(%(changed)s)
            OR (m.state = 'held' AND excluded.state = 'open')
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
            "touched": [wish.touched for wish in wishes],
            "changed": [wish.source_event_id for wish in wishes if wish.touched],
        },
    ).rowcount


def count_mirrors(conn: Connection, link_id: UUID) -> int:
    """How many mirrors a link has at its target, or may have."""
    row = conn.execute(
        "SELECT count(*) FROM event_mappings WHERE link_id = %s AND (mirror_event_id IS NOT NULL OR tried)", (link_id,)
    ).fetchone()
    return int(row[0]) if row else 0


def due(conn: Connection, target_calendar_id: UUID, *, lane: int, now: datetime, limit: int) -> list[Mapping]:
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


def has_due(conn: Connection, target_calendar_id: UUID, *, now: datetime) -> int | None:
    """The most urgent lane with something to write to a calendar, or None."""
    row = conn.execute(
        """
        SELECT lane FROM mirrors_due
         WHERE target_calendar_id = %s AND (next_attempt_at IS NULL OR next_attempt_at <= %s)
         ORDER BY lane LIMIT 1
        """,
        (target_calendar_id, now),
    ).fetchone()
    return row[0] if row else None


def retry_failed(conn: Connection, calendar_id: UUID, source_event_ids: Sequence[str]) -> None:
    """Try what failed of these sources at once, whatever it waits for, and what was given up until it changes."""
    conn.execute(
        """
        UPDATE event_mappings
           SET requested = greatest(requested, done + 1), attempts = 0, next_attempt_at = NULL, updated_at = now()
         WHERE source_calendar_id = %s AND source_event_id = ANY(%s) AND state = 'open' AND last_error IS NOT NULL
        """,
        (calendar_id, list(source_event_ids)),
    )


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
    observed: dict[str, str],
    etag: str | None,
    finished: bool,
) -> None:
    """The mirror stands as `applied` says. If that `finished` it, only what was asked for meanwhile stays due."""
    conn.execute(
        """
        UPDATE event_mappings
           SET mirror_event_id = %(event)s, marker = %(marker)s, applied = %(applied)s, base = %(base)s,
               observed = %(observed)s,
               mirror_etag = %(etag)s, done = CASE WHEN %(finished)s THEN greatest(done, %(done)s) ELSE done END,
               attempts = CASE WHEN %(finished)s THEN 0 ELSE attempts END, next_attempt_at = NULL,
               last_error = NULL, reason = NULL, updated_at = now()
         WHERE id = %(id)s
        """,
        {
            "event": mirror_event_id,
            "marker": marker,
            "applied": Jsonb(applied),
            "base": base,
            "observed": Jsonb(observed),
            "etag": etag,
            "finished": finished,
            "done": mapping.requested,
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
               tried = false, incarnation = %(incarnation)s, mirror_key = %(key)s,
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
               updated_at = now()
         WHERE id = %(id)s
        """,
        {
            "retry_at": retry_at,
            "message": message,
            "code": code,
            "forget": forget_etag,
            "counted": int(counted),
            "done": mapping.requested,
            "id": mapping.id,
        },
    )


def adopt(conn: Connection, mapping_id: UUID, *, mirror_event_id: str) -> bool:
    """A mirror that we made turned up before its write was recorded: note where it is, unless another is known; it
    stays due."""
    updated = conn.execute(
        "UPDATE event_mappings SET mirror_event_id = %s WHERE id = %s AND mirror_event_id IS NULL",
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
           SET applied = %s, mirror_etag = %s, requested = requested + CASE state WHEN 'open' THEN 1 ELSE 0 END
         WHERE id = %s
        """,
        (Jsonb(applied), etag, mapping_id),
    )


def request_again(conn: Connection, mapping_id: UUID) -> None:
    """Have a mirror written once more."""
    conn.execute(
        "UPDATE event_mappings SET requested = requested + 1, lane = 0, updated_at = now() WHERE id = %s", (mapping_id,)
    )


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
               applied = %(applied)s, mirror_etag = NULL, lane = 0,
               requested = requested + 1, updated_at = now()
         WHERE id = %(id)s
        RETURNING state
        """,
        {
            "applied": Jsonb(applied),
            "now": now,
            "period_start": period_start,
            "limit": limit,
            "id": mapping.id,
        },
    ).fetchone()
    return row is None or row[0] != "frozen"


def release(conn: Connection, hold_id: UUID, *, approved: bool) -> int:
    """Let held deletions go on, or drop them: then the mirrors stay until their source says something new."""
    if approved:
        return conn.execute(
            "UPDATE event_mappings SET state = 'open', hold_id = NULL, updated_at = now() WHERE hold_id = %s",
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
