"""The journal: every write to a provider, with its inverse (promise 12).

An entry is written ahead: whoever dies after the provider's accept leaves one that says what was intended.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from psycopg.rows import class_row

from shared.core.errors import RateLimitedError, TransientError
from shared.providers.port import Failed, Written

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime
    from uuid import UUID

    from shared.store.database import Connection
    from shared.sync.store.calendars import SyncedCalendar
    from shared.sync.store.orphans import Orphan


_UNANSWERED = """
    j.mapping_id = ANY(%(mappings)s) AND j.outcome = 'intended'
    AND j.operation IN ('insert', 'update', 'write_occurrence', 'cancel_occurrence')
    AND NOT EXISTS (SELECT FROM sync_journal later
                     WHERE later.mapping_id = j.mapping_id AND later.outcome = 'accepted' AND later.id > j.id
                       AND later.occurrence IS NOT DISTINCT FROM j.occurrence)
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Intent:
    """One write about to be sent: `operation` on a mirror, or on its `occurrence` (None: the single event or series).

    `run_id` is the run it is done for. `mirror_event_id` is the event, or the key with which it is to be made. `sent`
    is the mirror as it will be, sealed, where edits of it are merged: they are told apart from it if no answer comes.
    """

    run_id: UUID
    mapping_id: UUID
    operation: str
    occurrence: str | None
    mirror_event_id: str
    sent: bytes | None = None


def intend(conn: Connection, intents: Sequence[Intent]) -> dict[UUID, dict[str | None, UUID]]:
    """Note what is about to be written, in this order; returns the entries' ids by mapping and occurrence.

    The inverse is the mirror as it was before, sealed as it stands in the mapping.
    """
    if not intents:
        return {}
    rows = conn.execute(
        """
        INSERT INTO sync_journal (user_id, run_id, link_id, mapping_id, target_calendar_id, mirror_event_id, operation,
                                  occurrence, inverse, sent, outcome)
        SELECT m.user_id, u.run, m.link_id, m.id, m.target_calendar_id, u.event, u.operation, u.occurrence, m.base,
               u.sent, 'intended'
          FROM unnest(%(runs)b::uuid[], %(mappings)b::uuid[], %(events)b::text[], %(operations)b::text[],
                      %(occurrences)b::text[], %(sent)b::bytea[])
               WITH ORDINALITY AS u(run, mapping, event, operation, occurrence, sent, place)
          JOIN event_mappings m ON m.id = u.mapping
         ORDER BY u.place
        RETURNING mapping_id, occurrence, id
        """,
        {
            "runs": [intent.run_id for intent in intents],
            "mappings": [intent.mapping_id for intent in intents],
            "events": [intent.mirror_event_id for intent in intents],
            "operations": [intent.operation for intent in intents],
            "occurrences": [intent.occurrence for intent in intents],
            "sent": [intent.sent for intent in intents],
        },
    ).fetchall()
    entries: dict[UUID, dict[str | None, UUID]] = {}
    for mapping_id, occurrence, entry_id in rows:
        entries.setdefault(mapping_id, {})[occurrence] = entry_id
    return entries


@dataclass(frozen=True, slots=True, kw_only=True)
class AtSource:
    """One write about to be sent to the source of a mapping: `operation` on its event, or on its `occurrence` (None:
    the event as a whole). `inverse` holds the fields before and after, sealed under the source connection's data key;
    None where a write cannot be taken back."""

    run_id: UUID
    mapping_id: UUID
    calendar_id: UUID
    event_id: str
    operation: str
    occurrence: str | None
    inverse: bytes | None


def intend_at_source(conn: Connection, intents: Sequence[AtSource]) -> list[UUID]:
    """Note what is about to be written to sources, in this order; returns the entries' ids."""
    return [
        row[0]
        for one in intents
        for row in conn.execute(
            """
            INSERT INTO sync_journal (user_id, run_id, link_id, mapping_id, target_calendar_id, mirror_event_id,
                                      operation, occurrence, inverse, outcome)
            SELECT user_id, %(run)s, link_id, id, %(calendar)s, %(event)s, %(operation)s, %(occurrence)s, %(inverse)s,
                   'intended'
              FROM event_mappings WHERE id = %(mapping)s
            RETURNING id
            """,
            {
                "run": one.run_id,
                "mapping": one.mapping_id,
                "calendar": one.calendar_id,
                "event": one.event_id,
                "operation": one.operation,
                "occurrence": one.occurrence,
                "inverse": one.inverse,
            },
        )
    ]


def intend_orphan(conn: Connection, calendar: SyncedCalendar, orphan: Orphan, *, run_id: UUID) -> UUID:
    """Note that a mirror which no mapping knows is about to be removed; only its calendar knows how it looks."""
    row = conn.execute(
        """
        INSERT INTO sync_journal (user_id, run_id, mapping_id, target_calendar_id, mirror_event_id, operation, outcome)
        VALUES (%s, %s, %s, %s, %s, 'delete', 'intended') RETURNING id
        """,
        (calendar.user_id, run_id, orphan.mapping_id, calendar.id, orphan.event_id),
    ).fetchone()
    if row is None:
        raise AssertionError("INSERT ... RETURNING answered nothing")
    entry_id: UUID = row[0]
    return entry_id


def settle(conn: Connection, *, accepted: Mapping[UUID, str], refused: Sequence[UUID]) -> None:
    """What became of entries: `accepted` ones name their event, `refused` ones were no writes. Others stay intended."""
    if accepted:
        conn.execute(
            """
            UPDATE sync_journal j SET outcome = 'accepted', mirror_event_id = u.event, sent = NULL, written_at = now()
              FROM unnest(%(ids)b::uuid[], %(events)b::text[]) AS u(id, event)
             WHERE j.id = u.id
            """,
            {"ids": list(accepted), "events": list(accepted.values())},
        )
    if refused:
        conn.execute("DELETE FROM sync_journal WHERE id = ANY(%s) AND outcome = 'intended'", (list(refused),))


def answered(conn: Connection, answers: Iterable[tuple[UUID, Written | Failed | None]]) -> None:
    """Say what became of entries by the providers' answers; None was never sent. Where no answer was heard nobody
    knows."""
    accepted: dict[UUID, str] = {}
    refused: list[UUID] = []
    for entry_id, answer in answers:
        match answer:
            case Written(event_id=event_id):
                accepted[entry_id] = event_id
            case Failed(error=TransientError() as error) if not isinstance(error, RateLimitedError):
                pass
            case _:
                refused.append(entry_id)
    settle(conn, accepted=accepted, refused=refused)


def unanswered(conn: Connection, mapping_ids: Sequence[UUID]) -> dict[UUID, set[str]]:
    """By mapping the places of its mirror ("" is the root) to which something was sent whose answer nobody heard."""
    rows = conn.execute(
        f"SELECT DISTINCT j.mapping_id, coalesce(j.occurrence, '') FROM sync_journal j WHERE {_UNANSWERED}",  # noqa: S608
        {"mappings": list(mapping_ids)},
    ).fetchall()
    found: dict[UUID, set[str]] = {}
    for mapping_id, place in rows:
        found.setdefault(mapping_id, set()).add(place)
    return found


def accepted_since(conn: Connection, mapping_ids: Sequence[UUID], since: datetime) -> set[UUID]:
    """Those of these mappings whose mirrors were written since then."""
    rows = conn.execute(
        """
        SELECT DISTINCT mapping_id FROM sync_journal
         WHERE mapping_id = ANY(%s) AND outcome = 'accepted' AND written_at >= %s
        """,
        (list(mapping_ids), since),
    ).fetchall()
    return {row[0] for row in rows}


def sent(conn: Connection, mapping_id: UUID) -> list[bytes]:
    """A mirror as it was to be by writes whose answers nobody heard, the first one first; each sealed."""
    rows = conn.execute(
        f"SELECT j.sent FROM sync_journal j WHERE {_UNANSWERED} AND j.sent IS NOT NULL ORDER BY j.id",  # noqa: S608
        {"mappings": [mapping_id]},
    ).fetchall()
    return [*dict.fromkeys(row[0] for row in rows)]


def is_removing(conn: Connection, mapping_id: UUID, *, mirror_event_id: str) -> bool:
    """Whether we were about to remove this mirror of a mapping, and nobody knows what became of that."""
    row = conn.execute(
        """
        SELECT EXISTS (
          SELECT FROM sync_journal
           WHERE mapping_id = %s AND mirror_event_id = %s AND operation = 'delete' AND outcome = 'intended')
        """,
        (mapping_id, mirror_event_id),
    ).fetchone()
    return row is not None and bool(row[0])


def confirm_creation(conn: Connection, mapping_id: UUID, *, mirror_event_id: str) -> None:
    """A mirror turned up whose creation was intended, so it was accepted: by all that is known the first attempt at it,
    and another may be under way."""
    conn.execute(
        """
        UPDATE sync_journal SET outcome = 'accepted', mirror_event_id = %s, written_at = now()
         WHERE id = (SELECT j.id FROM sync_journal j JOIN event_mappings m ON m.id = j.mapping_id
                      WHERE j.mapping_id = %s AND j.operation = 'insert' AND j.outcome = 'intended'
                        AND j.mirror_event_id = m.mirror_key
                      ORDER BY j.id LIMIT 1)
        """,
        (mirror_event_id, mapping_id),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Before:
    """How a mirror was before a run wrote it: `inverse`, sealed, or None where there was none. `is_known`: or else it
    was there, and its look was not kept. `at_source`: not the mirror was written, but its source. `last_id` is the
    run's last entry about it."""

    mapping_id: UUID
    inverse: bytes | None
    is_known: bool
    at_source: bool
    last_id: UUID


def before_run(conn: Connection, run_id: UUID) -> list[Before]:
    """How each mirror that a run wrote, or may have written, was before."""
    with conn.cursor(row_factory=class_row(Before)) as cursor:
        return cursor.execute(
            """
            SELECT DISTINCT ON (mapping_id) mapping_id,
                   CASE WHEN operation <> 'insert' THEN inverse END AS inverse,
                   operation = 'insert' OR inverse IS NOT NULL AS is_known,
                   operation IN ('decline', 'amend', 'withdraw') AS at_source,
                   last_value(id) OVER (PARTITION BY mapping_id ORDER BY id
                                        ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING) AS last_id
              FROM sync_journal WHERE run_id = %s ORDER BY mapping_id, id
            """,
            (run_id,),
        ).fetchall()


@dataclass(frozen=True, slots=True, kw_only=True)
class WrittenAtSource:
    """What a run wrote to a source: see AtSource."""

    operation: str
    occurrence: str | None
    inverse: bytes | None


def at_source(conn: Connection, run_id: UUID, mapping_id: UUID) -> list[WrittenAtSource]:
    """What a run wrote to the source of a mapping, the latest first."""
    with conn.cursor(row_factory=class_row(WrittenAtSource)) as cursor:
        return cursor.execute(
            """
            SELECT operation, occurrence, inverse FROM sync_journal
             WHERE run_id = %s AND mapping_id = %s AND operation IN ('decline', 'amend', 'withdraw') ORDER BY id DESC
            """,
            (run_id, mapping_id),
        ).fetchall()


def written_since(conn: Connection, before: Before) -> bool:
    """Whether a mirror was written again after the run, or may have been."""
    row = conn.execute(
        """
        SELECT EXISTS (SELECT FROM sync_journal WHERE mapping_id = %s AND id > %s
                          AND operation NOT IN ('decline', 'amend', 'withdraw'))
        """,
        (before.mapping_id, before.last_id),
    ).fetchone()
    return row is not None and bool(row[0])
