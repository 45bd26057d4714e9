"""A mirror that somebody deleted by hand, where the link heeds that: it is not made again, and perhaps the invitation
behind it is declined, or its event deleted. And what an undo puts back at the source.

What is to be written to the source is noted in the transaction that saw the reason, and carried out with the next look
at the source calendar, which is asked for at the same time: so none is lost, and what it changes is read at once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from psycopg.rows import class_row

from shared.calendar import codec
from shared.core.errors import (
    ConflictError,
    ForbiddenError,
    InvalidError,
    KalendsError,
    NotFoundError,
    PreconditionFailedError,
)
from shared.providers.port import Amend, Failed, Withdraw, Written
from shared.sync import expansion, links
from shared.sync.run import OF_ACCOUNT
from shared.sync.store import calendars, journal, mirrors, seen, undo_items
from shared.sync.store.journal import AtSource

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from shared.providers.port import CalendarProvider
    from shared.store.database import Connection
    from shared.sync.run import Run
    from shared.sync.store.mappings import Mapping

AMEND = "amend"
IGNORED = "deleted by hand"
"""Why a mirror is not made again."""
_FOR_GOOD = (NotFoundError, ConflictError, InvalidError, ForbiddenError, PreconditionFailedError)
"""Errors after which the same is not tried again. What has changed since it was seen is left to its owner."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceWrite:
    """What is to be done to a source event, or to one `occurrence` of it ("": all of it): `operation` is decline,
    withdraw or amend; `patches`, sealed, are what an amendment replaces and brings. `etag` is that of the event as last
    read, of an occurrence if it differs. `undo_run` is the run of kind undo that asks for it."""

    id: UUID
    mapping_id: UUID
    event_id: str
    occurrence: str
    operation: str
    patches: bytes | None
    etag: str | None
    undo_run: UUID | None


def let_go(conn: Connection, mapping: Mapping, *, on_delete: str) -> None:
    """The mirror is gone for good; `on_delete` says what becomes of its source."""
    seen.ignore(conn, mapping)
    mirrors.mark_cancelled(conn, mapping)
    if on_delete != links.IGNORE:
        ask(conn, mapping, on_delete)


def take_back(conn: Connection, link_id: UUID) -> None:
    """Of mirrors that were deleted very many at once, nothing is done to the sources: not to those either that were
    asked for when the first of them were seen."""
    conn.execute(
        """
        DELETE FROM source_writes w USING event_mappings m
         WHERE m.id = w.mapping_id AND m.link_id = %s AND m.state = 'ignored'
           AND w.done_at IS NULL AND w.undo_run IS NULL AND w.operation IN (%s, %s)
        """,
        (link_id, links.DECLINE, links.WITHDRAW),
    )


def ask(
    conn: Connection,
    mapping: Mapping,
    operation: str,
    *,
    occurrence: str = "",
    patches: bytes | None = None,
    undo_run: UUID | None = None,
) -> None:
    """Note what is to be done to the source event, or to one occurrence. Only an invitation is declined."""
    event_id, place = expansion.place(conn, mapping.source_calendar_id, mapping.source_event_id)
    noted = conn.execute(
        """
        INSERT INTO source_writes (user_id, mapping_id, calendar_id, event_id, occurrence, operation, patches, undo_run)
        SELECT %(user)s, %(mapping)s, calendar_id, external_event_id, %(occurrence)s, %(operation)s, %(patches)s,
               %(undo_run)s
          FROM external_calendar_events
         WHERE calendar_id = %(calendar)s AND external_event_id = %(event)s
           AND (%(operation)s <> 'decline' OR details->>'response' IN ('needs_action', 'tentative', 'accepted'))
        ON CONFLICT (mapping_id, occurrence) DO UPDATE
           SET operation = excluded.operation, patches = excluded.patches, undo_run = excluded.undo_run, done_at = NULL,
               last_error = NULL, asked_at = now()
        """,
        {
            "user": mapping.user_id,
            "mapping": mapping.id,
            "calendar": mapping.source_calendar_id,
            "event": event_id,
            "occurrence": occurrence or place,
            "operation": operation,
            "patches": patches,
            "undo_run": undo_run,
        },
    )
    if noted.rowcount:
        calendars.request(conn, [mapping.source_calendar_id])


def due(conn: Connection, calendar_id: UUID) -> list[SourceWrite]:
    """What is to be done in a calendar."""
    with conn.cursor(row_factory=class_row(SourceWrite)) as cursor:
        return cursor.execute(
            """
            SELECT w.id, w.mapping_id, w.event_id, w.occurrence, w.operation, w.patches, w.undo_run,
                   (SELECT e.etag FROM external_calendar_events e
                     WHERE e.calendar_id = w.calendar_id
                       AND CASE w.occurrence WHEN '' THEN e.external_event_id = w.event_id
                                ELSE e.series_id = w.event_id AND e.occurrence = w.occurrence END) AS etag
              FROM source_writes w WHERE w.calendar_id = %s AND w.done_at IS NULL ORDER BY w.id
            """,
            (calendar_id,),
        ).fetchall()


def carry_out(run: Run, provider: CalendarProvider, due: Sequence[SourceWrite]) -> None:
    """Do these in the calendar of a pull, each noted in the journal before. What a provider refuses for good is noted
    and left; what it does not take now is tried with the next look, and nothing else waits for that (promise 10). What
    is wrong with the whole account is raised."""
    for one in due:
        with run.transaction(run.engine.now()) as conn:
            entry_id = _intend(conn, one, run=run)
        if entry_id is None:
            continue  # its link was deleted meanwhile
        error = _write(run, provider, one)
        is_over = error is None or isinstance(error, _FOR_GOOD)
        refusal = None if error is None else f"{error.error_code}: {error.message}"
        with run.transaction(run.engine.now()) as conn:
            answer = Written(event_id=one.event_id, event=None) if error is None else Failed(error=error)
            journal.answered(conn, [(entry_id, answer)])
            if is_over:
                conn.execute(
                    "UPDATE source_writes SET done_at = now(), last_error = %s WHERE id = %s", (refusal, one.id)
                )
            if is_over and one.undo_run is not None:
                undo_items.settle_at_source(conn, one.undo_run, one.mapping_id)
        if isinstance(error, OF_ACCOUNT):
            raise error


def _write(run: Run, provider: CalendarProvider, one: SourceWrite) -> KalendsError | None:
    """Returns what went wrong."""
    calendar_id, occurrence = run.calendar.remote_id, one.occurrence or None
    if one.operation == links.DECLINE:
        try:
            provider.decline(calendar_id, one.event_id, occurrence=occurrence)
        except KalendsError as error:
            return error
        return None
    if one.operation == links.WITHDRAW:
        if one.etag is None and occurrence is None:
            return NotFoundError(f"Event {one.event_id} is not known any more: there is nothing to delete.")
        write: Amend | Withdraw = Withdraw(event_id=one.event_id, occurrence=occurrence, etag=one.etag)
    else:
        _, change = codec.patches_from_json(run.key.open(one.patches or b"", aad=str(one.mapping_id)))
        write = Amend(event_id=one.event_id, patch=change, occurrence=occurrence)
    (answer,) = provider.write(calendar_id, [write])
    return answer.error if isinstance(answer, Failed) else None


def _intend(conn: Connection, one: SourceWrite, *, run: Run) -> UUID | None:
    row = conn.execute("SELECT FROM event_mappings WHERE id = %s", (one.mapping_id,)).fetchone()
    if row is None:
        return None
    (entry_id,) = journal.intend_at_source(
        conn,
        [
            AtSource(
                run_id=one.undo_run or run.id,
                mapping_id=one.mapping_id,
                calendar_id=run.calendar.id,
                event_id=one.event_id,
                operation=one.operation,
                occurrence=one.occurrence or None,
                inverse=one.patches,
            )
        ],
    )
    return entry_id
