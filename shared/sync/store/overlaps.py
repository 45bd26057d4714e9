"""Two tables: when events take time, and which of them meet. All that changes is written and compared as sets."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from psycopg.rows import class_row

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from uuid import UUID

    from shared.store.database import Connection
    from shared.sync.store.calendars import SyncedCalendar

PIECE = timedelta(days=1)
"""Nothing in event_times lasts longer, so whatever meets a time starts less than so much before it."""
MOST_NEIGHBOURS = 20
"""Of more events at one time the first so many are told: a calendar with everything at noon stays affordable."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """A time that an occurrence of an event takes, at most a PIECE long."""

    event_id: str
    occurrence: str
    starts_at: datetime
    ends_at: datetime
    all_day: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """Two occurrences that take the same time, from `starts_at` to `ends_at`."""

    id: UUID
    first_calendar_id: UUID
    first_event_id: str
    first_occurrence: str
    second_calendar_id: UUID
    second_event_id: str
    second_occurrence: str
    starts_at: datetime
    ends_at: datetime
    detected_at: datetime
    ignored_at: datetime | None


_PAIR = """o.id, o.first_calendar_id, o.first_event_id, o.first_occurrence, o.second_calendar_id, o.second_event_id,
           o.second_occurrence, o.starts_at, o.ends_at, o.detected_at, o.ignored_at"""
_READ = """o.resolved_at IS NULL
       AND EXISTS (SELECT FROM calendars_in_use u WHERE u.calendar_id = o.first_calendar_id)
       AND EXISTS (SELECT FROM calendars_in_use u WHERE u.calendar_id = o.second_calendar_id)"""


def alone(conn: Connection, user_id: UUID) -> None:
    """From here on, nobody else compares this person's times until the transaction ends: of two events that come at
    the same moment, the later one sees the other."""
    conn.execute("SELECT pg_advisory_xact_lock(hashtextextended('overlaps:' || %s, 0))", (str(user_id),))


def replace(conn: Connection, calendar: SyncedCalendar, roots: Sequence[str], taken: Sequence[Taken]) -> None:
    """These events of a calendar take these times, and no others."""
    conn.execute("DELETE FROM event_times WHERE calendar_id = %s AND event_id = ANY(%s)", (calendar.id, list(roots)))
    if not taken:
        return
    conn.execute(
        """
        INSERT INTO event_times (user_id, calendar_id, event_id, occurrence, starts_at, ends_at, all_day, ical_uid)
        SELECT %(user)s, %(calendar)s, t.event_id, t.occurrence, t.starts_at, t.ends_at, t.all_day, e.ical_uid
          FROM unnest(%(events)b::text[], %(occurrences)b::text[], %(starts)b::timestamptz[], %(ends)b::timestamptz[],
                      %(all_day)b::bool[]) AS t(event_id, occurrence, starts_at, ends_at, all_day)
          JOIN external_calendar_events e ON e.calendar_id = %(calendar)s AND e.external_event_id = t.event_id
        ON CONFLICT DO NOTHING
        """,
        {
            "user": calendar.user_id,
            "calendar": calendar.id,
            "events": [one.event_id for one in taken],
            "occurrences": [one.occurrence for one in taken],
            "starts": [one.starts_at for one in taken],
            "ends": [one.ends_at for one in taken],
            "all_day": [one.all_day for one in taken],
        },
    )


def settle(conn: Connection, calendar: SyncedCalendar, roots: Sequence[str], *, now: datetime) -> None:
    """What no longer meets is resolved.

    Step by step, each pair by itself (MATERIALIZED, OFFSET 0): where the database does not know yet how much a first
    copy has brought, it would else compare all times with all others.
    """
    conn.execute(
        """
        WITH asked AS MATERIALIZED (
          SELECT o.* FROM double_bookings o
           WHERE o.first_calendar_id = %(calendar)s AND o.first_event_id = ANY(%(roots)s)
          UNION ALL
          SELECT o.* FROM double_bookings o
           WHERE o.second_calendar_id = %(calendar)s AND o.second_event_id = ANY(%(roots)s)
        ), over AS MATERIALIZED (
          SELECT o.id FROM asked o
           WHERE o.resolved_at IS NULL AND NOT EXISTS (
                 SELECT FROM event_times a JOIN event_times b ON b.starts_at < a.ends_at AND b.ends_at > a.starts_at
                  WHERE (a.calendar_id, a.event_id, a.occurrence)
                        = (o.first_calendar_id, o.first_event_id, o.first_occurrence)
                    AND (b.calendar_id, b.event_id, b.occurrence)
                        = (o.second_calendar_id, o.second_event_id, o.second_occurrence)
                    AND (a.ical_uid IS NULL OR b.ical_uid IS DISTINCT FROM a.ical_uid) OFFSET 0)
        )
        UPDATE double_bookings o SET resolved_at = %(now)s FROM over WHERE o.id = over.id
        """,
        {"calendar": calendar.id, "roots": list(roots), "now": now},
    )


def detect(conn: Connection, calendar: SyncedCalendar, taken: Sequence[Taken], *, now: datetime) -> int:
    """Note what these times of a calendar meet; returns how many overlaps are new, or other than they were.

    Two occurrences of one series never meet, and neither do two copies of one meeting (the same iCalendar UID). The
    times come as arrays, so that each search is one range of an index that row-level security lets be used.
    """
    if not taken:
        return 0
    return conn.execute(
        """
        WITH met AS (
          SELECT t.event_id, t.occurrence, b.calendar_id AS other_calendar, b.event_id AS other_event,
                 b.occurrence AS other_occurrence, min(greatest(t.starts_at, b.starts_at)) AS starts_at,
                 max(least(t.ends_at, b.ends_at)) AS ends_at, bool_or(b.all_day <> t.all_day) AS mixed
            FROM unnest(%(events)b::text[], %(occurrences)b::text[], %(since)b::timestamptz[],
                        %(starts)b::timestamptz[], %(ends)b::timestamptz[], %(all_day)b::bool[])
              AS t(event_id, occurrence, since, starts_at, ends_at, all_day)
            JOIN external_calendar_events e ON e.calendar_id = %(calendar)s AND e.external_event_id = t.event_id
           CROSS JOIN LATERAL (
                 SELECT * FROM event_times b
                  WHERE b.user_id = %(user)s AND b.starts_at > t.since AND b.starts_at < t.ends_at
                    AND b.ends_at > t.starts_at
                    AND (b.calendar_id <> %(calendar)s OR b.event_id <> t.event_id)
                    AND (e.ical_uid IS NULL OR b.ical_uid IS DISTINCT FROM e.ical_uid)
                  ORDER BY b.starts_at, b.calendar_id, b.event_id LIMIT %(most)s) b
           GROUP BY 1, 2, 3, 4, 5
        )
        INSERT INTO double_bookings AS o (user_id, first_calendar_id, first_event_id, first_occurrence,
               second_calendar_id, second_event_id, second_occurrence, starts_at, ends_at, mixed, detected_at)
        SELECT DISTINCT ON (f.calendar, f.event, f.occurrence, s.calendar, s.event, s.occurrence)
               %(user)s, f.calendar, f.event, f.occurrence, s.calendar, s.event, s.occurrence,
               m.starts_at, m.ends_at, m.mixed, %(now)s
          FROM met m
         CROSS JOIN LATERAL (SELECT (%(calendar)s, m.event_id, m.occurrence)
                                    < (m.other_calendar, m.other_event, m.other_occurrence) AS goes_first) w
         CROSS JOIN LATERAL (SELECT %(calendar)s, m.event_id, m.occurrence WHERE w.goes_first
                              UNION ALL SELECT m.other_calendar, m.other_event, m.other_occurrence
                              WHERE NOT w.goes_first) f(calendar, event, occurrence)
         CROSS JOIN LATERAL (SELECT %(calendar)s, m.event_id, m.occurrence WHERE NOT w.goes_first
                              UNION ALL SELECT m.other_calendar, m.other_event, m.other_occurrence
                              WHERE w.goes_first) s(calendar, event, occurrence)
        ON CONFLICT (first_calendar_id, first_event_id, first_occurrence, second_calendar_id, second_event_id,
                     second_occurrence) DO UPDATE
           SET starts_at = excluded.starts_at, ends_at = excluded.ends_at, mixed = excluded.mixed, resolved_at = NULL,
               detected_at = CASE WHEN o.resolved_at IS NULL THEN o.detected_at ELSE excluded.detected_at END
         WHERE (o.starts_at, o.ends_at, o.mixed, o.resolved_at)
               IS DISTINCT FROM (excluded.starts_at, excluded.ends_at, excluded.mixed, NULL)
        """,
        {
            "user": calendar.user_id,
            "calendar": calendar.id,
            "most": MOST_NEIGHBOURS,
            "now": now,
            "events": [one.event_id for one in taken],
            "occurrences": [one.occurrence for one in taken],
            "since": [one.starts_at - PIECE for one in taken],
            "starts": [one.starts_at for one in taken],
            "ends": [one.ends_at for one in taken],
            "all_day": [one.all_day for one in taken],
        },
    ).rowcount


def list_page(
    conn: Connection,
    *,
    after: tuple[datetime, UUID] | None,
    limit: int,
    ignored: bool,
    mixed: bool,
    now: datetime,
) -> list[Pair]:
    """What meets and is not over, in order of time: open ones, or the ignored ones; `mixed` adds whole days that meet
    timed events. Calendars that no link reads any more are left out: nobody knows what is in them now."""
    with conn.cursor(row_factory=class_row(Pair)) as cursor:
        return cursor.execute(
            f"""
            SELECT {_PAIR} FROM double_bookings o
             WHERE {_READ} AND o.ends_at > %(now)s AND (o.ignored_at IS NOT NULL) = %(ignored)s
               AND (%(mixed)s OR NOT o.mixed)
               AND (%(at)s::timestamptz IS NULL OR (o.starts_at, o.id) > (%(at)s, %(id)s::uuid))
             ORDER BY o.starts_at, o.id LIMIT %(limit)s
            """,  # noqa: S608 - constants
            {
                "at": after[0] if after else None,
                "id": after[1] if after else None,
                "limit": limit,
                "ignored": ignored,
                "mixed": mixed,
                "now": now,
            },
        ).fetchall()


def find(conn: Connection, overlap_id: UUID) -> Pair | None:
    """One that has not been resolved, or None."""
    with conn.cursor(row_factory=class_row(Pair)) as cursor:
        return cursor.execute(
            f"SELECT {_PAIR} FROM double_bookings o WHERE {_READ} AND o.id = %s",  # noqa: S608 - constants
            (overlap_id,),
        ).fetchone()


def mark_ignored(conn: Connection, overlap_id: UUID, *, at: datetime | None) -> None:
    """Ignore it from now on, or, with None, no longer."""
    conn.execute("UPDATE double_bookings SET ignored_at = %s WHERE id = %s", (at, overlap_id))


def forget_past(conn: Connection, *, before: datetime) -> None:
    """Drop what is over; needs a transaction across people."""
    conn.execute("DELETE FROM event_times WHERE ends_at < %s", (before,))
    conn.execute("DELETE FROM double_bookings WHERE ends_at < %s", (before,))
