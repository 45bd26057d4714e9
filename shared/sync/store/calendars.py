"""Calendars and how far each has been read."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from psycopg.rows import class_row

from shared.core.errors import NotFoundError
from shared.core.lanes import Lane

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from uuid import UUID

    from shared.store.database import Connection

QUEUED_FOR = "1 minute"
"""A message that was not taken up for so long counts as lost."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncedCalendar:
    """A calendar with its sync state. `remote_id` is the provider's id; work is due while `requested` > `done`.

    `covered`: requests up to this one are answered when the pages that are being read have come to an end. What was
    requested after the first of them may tell of changes that none of them shows. `lacks_channel`: it can be watched,
    and no channel is known to live. `unfinished`: events to be asked for by name with the last page, because
    pages have shown them in part. `reads_on`: a full read has ended, and the cursor from before it is read to its end.
    """

    id: UUID
    user_id: UUID
    connection_id: UUID
    remote_id: str
    provider: str
    time_zone: str
    sync_token: str | None
    reads_on: bool
    page_token: str | None
    needs_full_sync: bool
    read_lane: int
    generation: int
    window_start: datetime | None
    window_end: datetime | None
    requested: int
    done: int
    covered: int
    unfinished: list[str]
    last_synced_at: datetime | None
    reconcile_since: datetime | None
    times_until: datetime | None
    lacks_channel: bool

    @property
    def pull_lane(self) -> Lane:
        """Of the next look at it."""
        return Lane(self.read_lane) if self.needs_full_sync else Lane.LIVE

    @property
    def for_unseen(self) -> SyncedCalendar:
        """The calendar for events that the last full read has not shown: saving them does not count as having."""
        return replace(self, generation=self.generation - 1)


def get(conn: Connection, calendar_id: UUID) -> SyncedCalendar:
    """One calendar. Raises NotFoundError when it is gone, for example with its connection."""
    with conn.cursor(row_factory=class_row(SyncedCalendar)) as cursor:
        calendar = cursor.execute(
            """
            SELECT c.id, c.user_id, c.connection_id, c.calendar_id AS remote_id, x.provider, c.time_zone,
                   s.sync_token, s.next_sync_token IS NOT NULL AS reads_on, s.page_token, s.needs_full_sync,
                   s.read_lane, s.generation, s.window_start, s.window_end, s.requested, s.done,
                   coalesce(s.round_requested, s.requested) AS covered,
                   s.unfinished, s.last_synced_at, s.reconcile_since, s.times_until,
                   c.supports_push AND NOT EXISTS (SELECT FROM webhook_channels w
                                                    WHERE w.calendar_id = c.id AND w.status = 'active') AS lacks_channel
              FROM calendars c
              JOIN external_calendar_connections x ON x.id = c.connection_id
              JOIN calendar_sync_state s ON s.calendar_id = c.id
             WHERE c.id = %s
            """,
            (calendar_id,),
        ).fetchone()
    if calendar is None:
        raise NotFoundError(f"There is no calendar {calendar_id}.")
    return calendar


def is_due(conn: Connection, calendar_id: UUID) -> bool:
    """Whether somebody asks for a look at the calendar that no pull has begun for."""
    row = conn.execute(
        "SELECT requested > done OR needs_full_sync FROM calendar_sync_state WHERE calendar_id = %s", (calendar_id,)
    ).fetchone()
    return row is not None and bool(row[0])


def to_be_searched(conn: Connection, calendar_ids: Sequence[UUID]) -> set[UUID]:
    """Those that are being reconciled, where everything around them has been read since that began."""
    rows = conn.execute(
        "SELECT calendar_id FROM calendars_to_search WHERE calendar_id = ANY(%s)", (list(calendar_ids),)
    )
    return {calendar_id for (calendar_id,) in rows}


def request(conn: Connection, calendar_ids: Sequence[UUID]) -> None:
    """Ask for a look at these calendars: a pull that starts after this transaction will see to it."""
    conn.execute(
        "UPDATE calendar_sync_state SET requested = requested + 1 WHERE calendar_id = ANY(%s)", (list(calendar_ids),)
    )


def mark_queued(conn: Connection, calendar_ids: Sequence[UUID], task: str, *, now: datetime) -> list[UUID]:
    """Which of these calendars need a message on the `task` lane ("pull" or "push"); notes that they get one."""
    if not calendar_ids:
        return []
    column = {"pull": "pull_queued_at", "push": "push_queued_at"}[task]
    rows = conn.execute(
        f"""
        UPDATE calendar_sync_state SET {column} = %(now)s
         WHERE calendar_id = ANY(%(ids)s)
           AND ({column} IS NULL OR {column} < %(now)s - interval '{QUEUED_FOR}')
        RETURNING calendar_id
        """,  # noqa: S608 - both parts are constants
        {"ids": list(calendar_ids), "now": now},
    ).fetchall()
    return [row[0] for row in rows]


def take_up(conn: Connection, calendar_id: UUID, task: str) -> None:
    """A message was received: whatever comes after this needs another one."""
    column = {"pull": "pull_queued_at", "push": "push_queued_at"}[task]
    conn.execute(f"UPDATE calendar_sync_state SET {column} = NULL WHERE calendar_id = %s", (calendar_id,))  # noqa: S608


def forget_requests(conn: Connection, calendar_id: UUID) -> None:
    """Nobody links the calendar any more: there is nothing to look for in it."""
    conn.execute("UPDATE calendar_sync_state SET done = requested WHERE calendar_id = %s", (calendar_id,))


def save_page(
    conn: Connection,
    calendar: SyncedCalendar,
    *,
    next_page: str | None,
    cursor: str | None,
    unfinished: Sequence[str],
    now: datetime,
) -> bool:
    """Move the cursor in the transaction that saved what it covers (promise 5). What is `unfinished` now takes the
    place of what was so before the page.

    A full read shows its window only. So a cursor from before it stays, and is read to its end before that of the full
    read takes its place: two more looks are asked for.

    Returns False, saving nothing, when the calendar was reset meanwhile: what was read counts, where it stood does not.
    """
    if cursor is None:
        updated = conn.execute(
            """
            UPDATE calendar_sync_state SET page_token = %s, round_requested = %s
             WHERE calendar_id = %s AND generation = %s
            """,
            (next_page, calendar.covered, calendar.id, calendar.generation),
        )
    else:
        updated = conn.execute(
            """
            UPDATE calendar_sync_state
               SET sync_token = CASE WHEN needs_full_sync THEN coalesce(sync_token, %(cursor)s)
                                     ELSE coalesce(next_sync_token, %(cursor)s) END,
                   next_sync_token = CASE WHEN needs_full_sync AND sync_token IS NOT NULL THEN %(cursor)s END,
                   requested = requested + CASE WHEN CASE WHEN needs_full_sync THEN sync_token ELSE next_sync_token END
                                                     IS NULL THEN 0 ELSE 1 END,
                   page_token = NULL, round_requested = NULL, needs_full_sync = false,
                   last_full_sync_at = CASE WHEN needs_full_sync THEN %(now)s ELSE last_full_sync_at END,
                   done = greatest(done, %(covered)s), last_synced_at = %(now)s, sync_errors = 0, last_error = NULL
             WHERE calendar_id = %(id)s AND generation = %(generation)s
            """,
            {
                "cursor": cursor,
                "now": now,
                "covered": calendar.covered,
                "id": calendar.id,
                "generation": calendar.generation,
            },
        )
    if unfinished or calendar.unfinished:
        conn.execute(
            """
            UPDATE calendar_sync_state
               SET unfinished = ARRAY(SELECT one FROM unnest(unfinished) AS one WHERE one <> ALL(%s)
                                      UNION SELECT unnest(%s::text[]) ORDER BY 1)
             WHERE calendar_id = %s
            """,
            (calendar.unfinished, list(unfinished), calendar.id),
        )
    return updated.rowcount == 1


def ask_for(conn: Connection, calendar_id: UUID, event_id: str) -> None:
    """Have an event asked for by name with the next look at its calendar, which is due from now on."""
    conn.execute(
        """
        UPDATE calendar_sync_state
           SET unfinished = ARRAY(SELECT unnest(unfinished) UNION SELECT %s ORDER BY 1), requested = requested + 1
         WHERE calendar_id = %s
        """,
        (event_id, calendar_id),
    )


def start_full_read(conn: Connection, calendar: SyncedCalendar, *, start: datetime, end: datetime | None) -> None:
    """Note the window of a full read at its first page. What it finds is compared with its neighbours afterwards."""
    conn.execute(
        "UPDATE calendar_sync_state SET window_start = %s, window_end = %s, times_until = NULL WHERE calendar_id = %s",
        (start, end, calendar.id),
    )


def mark_error(conn: Connection, calendar_id: UUID, *, code: str) -> None:
    """Count a failed pull; `code` is the error's code, never its text."""
    conn.execute(
        "UPDATE calendar_sync_state SET sync_errors = sync_errors + 1, last_error = %s WHERE calendar_id = %s",
        (code, calendar_id),
    )


def request_full_read(conn: Connection, calendar_id: UUID, *, lane: Lane) -> None:
    """Read the calendar in full, once: everything known stays. One that is needed already keeps its lane."""
    conn.execute(
        """
        UPDATE calendar_sync_state
           SET next_sync_token = NULL, page_token = NULL, round_requested = NULL, needs_full_sync = true,
               read_lane = CASE WHEN needs_full_sync THEN read_lane ELSE %s END,
               generation = generation + 1, requested = requested + 1, pull_queued_at = NULL
         WHERE calendar_id = %s
        """,
        (lane, calendar_id),
    )


def forget_cursor(conn: Connection, calendar: SyncedCalendar) -> None:
    """The provider does not know any more where a reading stood. A full read begins anew; what another would have told
    nobody tells any more, and it goes on where the last full read ended, or a full read is next."""
    if calendar.needs_full_sync:
        request_full_read(conn, calendar.id, lane=Lane.REPAIR)
        return
    row = conn.execute(
        """
        UPDATE calendar_sync_state
           SET sync_token = next_sync_token, next_sync_token = NULL, page_token = NULL, round_requested = NULL
         WHERE calendar_id = %s AND generation = %s AND sync_token IS NOT DISTINCT FROM %s
        RETURNING sync_token
        """,
        (calendar.id, calendar.generation, calendar.sync_token),
    ).fetchone()
    if row == (None,):
        request_full_read(conn, calendar.id, lane=Lane.REPAIR)
