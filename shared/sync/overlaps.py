"""Overlaps: two events of a person that take the same time, in one calendar or in two.

They are found in the transaction that writes a change, by comparing only what changed with its neighbours in time (what
a full read found is compared with the next look), and go by themselves when that is no longer so. Free, declined and
cancelled events take no time, and mirrors are no events of anybody's.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from itertools import islice
from typing import TYPE_CHECKING

from shared.calendar import busy, codec, recurrence, slots
from shared.calendar.busy import Kind
from shared.calendar.span import Window
from shared.core.errors import InvalidError, NotFoundError
from shared.sync.store import calendars, events
from shared.sync.store import overlaps as store
from shared.sync.store.overlaps import PIECE, Taken
from shared.sync.views import availability

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from datetime import datetime
    from uuid import UUID
    from zoneinfo import ZoneInfo

    from shared.calendar.event import Unit
    from shared.control.gates import Flags
    from shared.crypto.keyring import DataKey
    from shared.store.database import Connection
    from shared.sync.context import Engine
    from shared.sync.store.calendars import SyncedCalendar
    from shared.sync.store.overlaps import Pair

    type KeyOf = Callable[[Connection, UUID], DataKey]
    """The data key of a connection, by its id."""

HORIZON = timedelta(days=92)
"""So far ahead double bookings are told."""
BEHIND = timedelta(days=1)
MOST_PIECES = 1_000
"""So many times of one series are compared: a series of every hour of the horizon has more."""
BATCH = 500


LONGEST_PROPOSAL = timedelta(hours=10)
NEAR = timedelta(days=7)
"""So far before and after an overlap free times are looked for."""
PROPOSED = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposals:
    """Free times, the nearest first. Not `complete`: a calendar cannot be relied on, so nothing is known to be free."""

    slots: list[tuple[datetime, datetime]]
    complete: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """One of the two. `title` is None where no text is kept; `response` is its owner's answer to the invitation."""

    calendar_id: UUID
    calendar_name: str
    event_id: str
    occurrence: str
    starts_at: datetime
    ends_at: datetime
    all_day: bool
    title: str | None
    response: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Overlap:
    """Two events that take the time from `starts_at` to `ends_at` both."""

    id: UUID
    starts_at: datetime
    ends_at: datetime
    detected_at: datetime
    ignored_at: datetime | None
    sides: tuple[Side, Side]


def follow(conn: Connection, calendar: SyncedCalendar, roots: Sequence[str], *, now: datetime) -> int:
    """Compare these events, as they are now, with everything around them; returns how many overlaps are new."""
    if not roots:
        return 0
    units = events.units(conn, calendar.id, roots, key=None, with_text=False)
    window = Window(start=now - BEHIND, end=now + HORIZON)
    zone = busy.zone_of(calendar.time_zone)
    taken = [piece for unit in units.values() for piece in islice(_pieces(unit, window=window, zone=zone), MOST_PIECES)]
    store.alone(conn, calendar.user_id)
    store.replace(conn, calendar, roots, taken)
    found = store.detect(conn, calendar, taken, now=now)
    store.settle(conn, calendar, roots, now=now)
    return found


def advance(engine: Engine, *, now: datetime) -> int:
    """Look at what has come within the horizon since last time, and drop what is over; returns how many events."""
    with engine.database.everyone() as conn:
        rows = conn.execute(
            """
            SELECT s.calendar_id, s.user_id, s.times_until FROM calendar_sync_state s
             WHERE EXISTS (SELECT FROM calendars_in_use u WHERE u.calendar_id = s.calendar_id)
             ORDER BY s.user_id, s.calendar_id
            """
        ).fetchall()
        store.forget_past(conn, before=now - BEHIND)
    return sum(
        catch_up(engine, calendar_id, since=until or now, user_id=user_id, now=now)
        for calendar_id, user_id, until in rows
    )


def catch_up(engine: Engine, calendar_id: UUID, *, since: datetime, user_id: UUID, now: datetime) -> int:
    """Look at everything that happens in a calendar from `since` to the horizon; returns how many events that were.

    A full read leaves this to the next look, so that no first copy waits for it.
    """
    window = Window(start=since - PIECE, end=now + HORIZON + PIECE)
    looked_at, after = 0, ""
    while True:
        with engine.database.person(user_id) as conn:
            roots = events.roots_touching(conn, calendar_id, window, after_id=after, limit=BATCH)
            if not roots:
                conn.execute(
                    "UPDATE calendar_sync_state SET times_until = %s WHERE calendar_id = %s",
                    (now + HORIZON, calendar_id),
                )
                return looked_at
            follow(conn, calendars.get(conn, calendar_id), roots, now=now)
        looked_at += len(roots)
        after = roots[-1]


def list_page(
    conn: Connection,
    key_of: KeyOf,
    *,
    after: tuple[datetime, UUID] | None,
    limit: int,
    ignored: bool,
    all_day: bool,
    now: datetime,
) -> list[Overlap]:
    """The person's double bookings that are not over, in order; or those that they ignore. `all_day` also counts whole
    days against timed events: a holiday meets everything."""
    pairs = store.list_page(conn, after=after, limit=limit, ignored=ignored, mixed=all_day, now=now)
    return _told(conn, key_of, pairs)


def get(conn: Connection, key_of: KeyOf, overlap_id: UUID) -> Overlap:
    """One. Raises NotFoundError, also when it has been resolved meanwhile."""
    pair = store.find(conn, overlap_id)
    if pair is None:
        raise NotFoundError(f"There is no overlap {overlap_id}, or no longer. List yours: kalends overlaps list.")
    return _told(conn, key_of, [pair])[0]


def ignore(conn: Connection, key_of: KeyOf, overlap_id: UUID, *, ignored: bool, now: datetime) -> Overlap:
    """Tell of it no more, or again. Twice is fine. Raises NotFoundError."""
    get(conn, key_of, overlap_id)
    store.mark_ignored(conn, overlap_id, at=now if ignored else None)
    return get(conn, key_of, overlap_id)


def proposals(
    conn: Connection,
    key_of: KeyOf,
    overlap_id: UUID,
    *,
    user_id: UUID,
    flags: Flags,
    length: timedelta | None,
    now: datetime,
) -> Proposals:
    """Free times near an overlap to which one of the two could move, the nearest first; as long as the shorter of the
    two, unless told otherwise. Raises NotFoundError, InvalidError."""
    found = get(conn, key_of, overlap_id)
    wanted = length or min(one.ends_at - one.starts_at for one in found.sides)
    if wanted > LONGEST_PROPOSAL:
        raise InvalidError(
            "Both last longer than a working day: there is no time to propose for that. Name a length.",
            code="OVERLAP.TOO_LONG",
        )
    start = max(now, found.starts_at - NEAR)
    free = availability.read(
        conn, user_id=user_id, flags=flags, start=start, end=found.ends_at + NEAR, calendar_ids=None, now=now
    )
    (zone,) = conn.execute(
        "SELECT coalesce(p.timezone, c.time_zone) FROM profiles p, calendars c WHERE p.id = %s AND c.id = %s",
        (user_id, found.sides[0].calendar_id),
    ).fetchall()[0]
    return Proposals(
        slots=slots.nearest(
            list(availability.free_slots(free, length=wanted)),
            length=wanted,
            to=found.starts_at,
            zone=busy.zone_of(zone),
            limit=PROPOSED,
        ),
        complete=free.complete,
    )


def _pieces(unit: Unit, *, window: Window, zone: ZoneInfo) -> Iterator[Taken]:
    """The times that an event takes inside the window, in pieces; none for a rule that nobody can expand."""
    try:
        found = recurrence.occurrences(unit, window)
    except InvalidError:
        return
    for one in found:
        if busy.kind(one.override or unit.root) is Kind.FREE:
            continue
        start, end = busy.bounds(one.span, zone)
        while start < end:
            until = min(start + PIECE, end)
            if window.touches(start, until):
                yield Taken(
                    event_id=unit.root.id,
                    occurrence=one.key if unit.root.is_series else "",
                    starts_at=start,
                    ends_at=until,
                    all_day=one.span.is_all_day,
                )
            start = until


def _told(conn: Connection, key_of: KeyOf, pairs: Sequence[Pair]) -> list[Overlap]:
    places = [
        *((one.first_calendar_id, one.first_event_id, one.first_occurrence) for one in pairs),
        *((one.second_calendar_id, one.second_event_id, one.second_occurrence) for one in pairs),
    ]
    rows = conn.execute(
        """
        SELECT p.calendar_id, p.event_id, p.occurrence, c.name, c.connection_id, t.starts_at, t.ends_at, t.all_day,
               e.raw_payload, e.details->>'response'
          FROM unnest(%s::uuid[], %s::text[], %s::text[]) AS p(calendar_id, event_id, occurrence)
          JOIN calendars c ON c.id = p.calendar_id
         CROSS JOIN LATERAL (
               SELECT min(starts_at) AS starts_at, max(ends_at) AS ends_at, bool_and(all_day) AS all_day
                 FROM event_times t
                WHERE (t.calendar_id, t.event_id, t.occurrence) = (p.calendar_id, p.event_id, p.occurrence)) t
         CROSS JOIN LATERAL (
               SELECT raw_payload, details FROM external_calendar_events e
                WHERE e.calendar_id = p.calendar_id
                  AND (e.external_event_id = p.event_id
                       OR (e.series_id = p.event_id AND e.occurrence = p.occurrence))
                ORDER BY e.series_id IS NULL LIMIT 1) e
         WHERE t.starts_at IS NOT NULL
        """,
        tuple(list(column) for column in zip(*places, strict=True)) if places else ([], [], []),
    ).fetchall()
    keys: dict[UUID, DataKey] = {}
    sides: dict[tuple[UUID, str, str], Side] = {}
    for calendar_id, event_id, occurrence, name, connection_id, starts_at, ends_at, all_day, sealed, response in rows:
        if sealed is not None and connection_id not in keys:
            keys[connection_id] = key_of(conn, connection_id)
        text = codec.text_from_json(keys[connection_id].open(sealed, aad=str(calendar_id))) if sealed else None
        sides[calendar_id, event_id, occurrence] = Side(
            calendar_id=calendar_id,
            calendar_name=name,
            event_id=event_id,
            occurrence=occurrence,
            starts_at=starts_at,
            ends_at=ends_at,
            all_day=all_day,
            title=text.title if text else None,
            response=response,
        )
    return [
        Overlap(
            id=one.id,
            starts_at=one.starts_at,
            ends_at=one.ends_at,
            detected_at=one.detected_at,
            ignored_at=one.ignored_at,
            sides=(sides[first], sides[second]),
        )
        for one, first, second in zip(pairs, places, places[len(pairs) :], strict=False)
    ]
