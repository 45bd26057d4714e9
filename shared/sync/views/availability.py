"""When a person is busy, over all their calendars, and how far that can be believed (pain 19).

Mirrors are never counted: the events behind them are. What could not be read is named, and then no gap passes as free.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from shared.calendar import busy, recurrence
from shared.calendar.busy import Interval, Kind
from shared.calendar.span import Window
from shared.connections import store as connections
from shared.control import gates
from shared.core.errors import InvalidError, NotFoundError
from shared.sync.store import events, times
from shared.sync.store.times import Chosen
from shared.sync.views import status

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime
    from uuid import UUID
    from zoneinfo import ZoneInfo

    from shared.connections.store import Connection as Account
    from shared.control.gates import Flags
    from shared.store.database import Connection
    from shared.sync.views.status import CalendarStatus

LONGEST = timedelta(days=62)
STALE_AFTER = timedelta(hours=2)
"""A linked calendar is proved current within the hour, however quiet it is; one that is not, cannot be relied on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """One calendar that was asked. `proven_at`: when its provider last told us everything there was.

    `problem` is the code of why it cannot be relied on, or None; `unreadable` items of it have no known time.
    """

    calendar_id: UUID
    name: str
    proven_at: datetime | None
    problem: str | None
    unreadable: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Availability:
    """The window in intervals, without gaps. `complete`: every source can be relied on; else gaps are UNKNOWN."""

    window: Window
    complete: bool
    intervals: list[Interval]
    sources: list[Source]


def read(
    conn: Connection,
    *,
    user_id: UUID,
    flags: Flags,
    start: datetime,
    end: datetime,
    calendar_ids: Sequence[UUID] | None,
    now: datetime,
) -> Availability:
    """When the person of this transaction is busy in these calendars; None: in all that a link reads or writes.

    Raises InvalidError for a range that is empty or longer than LONGEST, NotFoundError for an unknown calendar.
    """
    if not start < end <= start + LONGEST:
        raise InvalidError(
            f"Ask for a time that ends after it starts, and at most {LONGEST.days} days later.",
            code="AVAILABILITY.RANGE",
        )
    accounts = {one.id: one for one in connections.list_connections(conn, user_id=user_id)}
    syncs = gates.is_open(conn, gates.Operation.SYNC, settings_flags=flags)
    usable = {one.id for one in accounts.values() if syncs and one.may_sync(now)}
    known = {one.id: one for one in status.calendars_of(conn, usable=usable, now=now)}
    chosen = _chosen(known, calendar_ids)
    unreadable = times.unreadable(conn, [one.id for one in chosen])
    window = Window(start=start, end=end)
    zones = {one.id: busy.zone_of(one.time_zone) for one in known.values()}
    taken, unclear = _taken(conn, Chosen(calendars=[one.id for one in chosen], start=start, end=end), zones)
    sources = [
        Source(
            calendar_id=one.id,
            name=one.name,
            proven_at=one.proven_at,
            problem=_problem(
                one, accounts[one.connection_id], window, unreadable=one.id in unreadable or one.id in unclear, now=now
            ),
            unreadable=unreadable.get(one.id, 0) + unclear.get(one.id, 0),
        )
        for one in chosen
    ]
    complete = (
        bool(sources) and not any(one.problem for one in sources) and unclear.keys() <= {one.id for one in chosen}
    )
    return Availability(
        window=window,
        complete=complete,
        intervals=busy.merge(taken, window, gaps=Kind.FREE if complete else Kind.UNKNOWN),
        sources=sources,
    )


def _chosen(known: dict[UUID, CalendarStatus], calendar_ids: Sequence[UUID] | None) -> list[CalendarStatus]:
    if calendar_ids is None:
        return [one for one in known.values() if one.is_linked]
    for calendar_id in calendar_ids:
        if calendar_id not in known:
            raise NotFoundError(f"There is no calendar {calendar_id}. List yours: kalends calendars list.")
    return [known[one] for one in dict.fromkeys(calendar_ids)]


def _taken(conn: Connection, chosen: Chosen, zones: dict[UUID, ZoneInfo]) -> tuple[list[Interval], dict[UUID, int]]:
    """What takes time, and how many series of each calendar nobody can expand."""
    found: list[Interval] = []
    unclear: dict[UUID, int] = {}
    for calendar_id, event in times.singles(conn, chosen):
        if event.span is not None:
            start, end = busy.bounds(event.span, zones[calendar_id])
            found.append(Interval(start=start, end=end, kind=busy.kind(event)))
    around = Window(start=chosen.parameters["start"], end=chosen.parameters["end"])
    for calendar_id, roots in times.series(conn, chosen).items():
        for unit in events.units(conn, calendar_id, roots, key=None, with_text=False).values():
            try:
                for one in recurrence.occurrences(unit, around):
                    start, end = busy.bounds(one.span, zones[calendar_id])
                    found.append(Interval(start=start, end=end, kind=busy.kind(one.override or unit.root)))
            except InvalidError:
                unclear[calendar_id] = unclear.get(calendar_id, 0) + 1
    return found, unclear


def _problem(one: CalendarStatus, account: Account, window: Window, *, unreadable: bool, now: datetime) -> str | None:
    """Why a calendar cannot be relied on: the gravest reason."""
    if not one.is_linked:
        return "CALENDAR.NOT_LINKED"
    if one.vanished_at is not None:
        return "CALENDAR.VANISHED"
    if account.status in ("needs_reauth", "disabled", "disconnected"):
        return f"CONNECTION.{account.status.upper()}"
    if one.proven_at is None or one.window_start is None:
        return "CALENDAR.NEVER_READ"
    if one.proven_at < now - STALE_AFTER:
        return "CALENDAR.STALE"
    ends = None if account.provider == "google" else one.window_end  # Google's cursor knows no end
    if window.start is None or window.start < one.window_start or (ends and window.end and window.end > ends):
        return "CALENDAR.OUTSIDE_WINDOW"
    return "EVENT.UNREADABLE" if unreadable else None


def free_slots(found: Availability, *, length: timedelta) -> Iterator[tuple[datetime, datetime]]:
    """The free intervals at least that long, in order. Where something is unknown, nothing is free."""
    for one in found.intervals:
        if one.kind is Kind.FREE and one.end - one.start >= length:
            yield one.start, one.end
