"""A mirror that somebody deleted by hand, where the link heeds that: it is not made again, and perhaps the invitation
behind it is declined.

A decline is noted in the transaction that saw the deletion, and carried out with the next look at the source calendar,
which is asked for at the same time: so none is lost, and what it changes is read at once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from psycopg.rows import class_row

from shared.core.errors import ConflictError, ForbiddenError, InvalidError, NotFoundError, RateLimitedError
from shared.sync.store import calendars, journal, mirrors, seen

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from shared.providers.port import CalendarProvider
    from shared.store.database import Connection
    from shared.sync.run import Run
    from shared.sync.store.mappings import Mapping

RESTORE, DECLINE = "restore", "decline"
IGNORED = "deleted by hand"
"""Why a mirror is not made again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Decline:
    """An invitation, or one `occurrence` of it ("": all of it), to be declined."""

    id: UUID
    event_id: str
    occurrence: str


def let_go(conn: Connection, mapping: Mapping, *, decline: bool) -> None:
    """The mirror is gone for good."""
    seen.ignore(conn, mapping)
    mirrors.mark_cancelled(conn, mapping)
    if decline:
        ask(conn, mapping)


def ask(conn: Connection, mapping: Mapping, *, occurrence: str = "") -> None:
    """Note that the source event, or one occurrence, is to be declined, if it is an invitation at all."""
    noted = conn.execute(
        """
        INSERT INTO source_declines AS d (user_id, mapping_id, calendar_id, event_id, occurrence)
        SELECT %(user)s, %(mapping)s, calendar_id, external_event_id, %(occurrence)s FROM external_calendar_events
         WHERE calendar_id = %(calendar)s AND external_event_id = %(event)s
           AND details->>'response' IN ('needs_action', 'tentative', 'accepted')
        ON CONFLICT (mapping_id, occurrence) DO UPDATE SET done_at = NULL, last_error = NULL, asked_at = now()
        """,
        {
            "user": mapping.user_id,
            "mapping": mapping.id,
            "calendar": mapping.source_calendar_id,
            "event": mapping.source_event_id,
            "occurrence": occurrence,
        },
    )
    if noted.rowcount:
        calendars.request(conn, [mapping.source_calendar_id])


def due(conn: Connection, calendar_id: UUID) -> list[Decline]:
    """What is to be declined in a calendar."""
    with conn.cursor(row_factory=class_row(Decline)) as cursor:
        return cursor.execute(
            """
            SELECT id, event_id, occurrence FROM source_declines
             WHERE calendar_id = %s AND done_at IS NULL ORDER BY id
            """,
            (calendar_id,),
        ).fetchall()


def decline_all(run: Run, provider: CalendarProvider, declines: Sequence[Decline]) -> None:
    """Decline these in the calendar of a pull, each noted in the journal before. What a provider refuses for good is
    noted and left; any other error is raised, and what is left is tried with the next look."""
    for one in declines:
        with run.transaction(run.engine.now()) as conn:
            entry_id = _intend(conn, one, run_id=run.id)
        if entry_id is None:
            continue  # its link was deleted meanwhile
        refusal: str | None = None
        try:
            provider.decline(run.calendar.remote_id, one.event_id, occurrence=one.occurrence or None)
        except (NotFoundError, ConflictError, InvalidError, ForbiddenError) as error:
            refusal = f"{error.error_code}: {error.message}"
        except RateLimitedError:
            with run.transaction(run.engine.now()) as conn:
                journal.settle(conn, accepted={}, refused=[entry_id])
            raise
        with run.transaction(run.engine.now()) as conn:
            conn.execute("UPDATE source_declines SET done_at = now(), last_error = %s WHERE id = %s", (refusal, one.id))
            journal.settle(
                conn,
                accepted={} if refusal else {entry_id: one.event_id},
                refused=[entry_id] if refusal else [],
            )


def _intend(conn: Connection, decline: Decline, *, run_id: UUID) -> UUID | None:
    row = conn.execute(
        """
        INSERT INTO sync_journal (user_id, run_id, link_id, mapping_id, target_calendar_id, mirror_event_id, operation,
                                  occurrence, outcome)
        SELECT d.user_id, %s, m.link_id, m.id, d.calendar_id, d.event_id, 'decline', nullif(d.occurrence, ''),
               'intended'
          FROM source_declines d JOIN event_mappings m ON m.id = d.mapping_id WHERE d.id = %s
        RETURNING id
        """,
        (run_id, decline.id),
    ).fetchone()
    return row[0] if row else None
