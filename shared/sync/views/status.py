"""How everything of a person stands: accounts, calendars, links, and what needs them. Reads only."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Literal

from psycopg.rows import class_row, dict_row

from shared.connections import store as connections
from shared.control import gates
from shared.core.lanes import Lane
from shared.sync import links
from shared.sync.asking import readers
from shared.sync.listening import silence
from shared.sync.two_way import conflicts
from shared.sync.views import attention

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from shared.connections.store import Connection as Account
    from shared.control.gates import Flags, Gate
    from shared.store.database import Connection
    from shared.sync.links import Link
    from shared.sync.views.attention import Attention

type CalendarState = Literal["vanished", "unlinked", "waiting", "reading", "behind", "current"]
type LinkState = Literal["deleting", "paused", "waiting", "copying", "behind", "attention", "current"]

MAX_LINKS = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class CalendarStatus:
    """A calendar. A look at it is due while `requested` > `done`; `items` were read so far by its last full read.

    `state` is vanished (the provider lists it no more), unlinked (nothing reads it), waiting (its account or a gate
    holds it up), reading (a full read is under way), behind (a look is due) or current.
    """

    id: UUID
    connection_id: UUID
    name: str
    time_zone: str
    can_write: bool
    is_linked: bool
    vanished_at: datetime | None
    needs_full_sync: bool
    requested: int
    done: int
    items: int
    proven_at: datetime | None
    """When the provider last told us everything there was."""
    window_start: datetime | None
    window_end: datetime | None
    """What its last full read covered."""
    pushed_until: datetime | None
    """Until when the provider notifies us of changes; None: the calendar is polled."""
    poll_minutes: int
    """How often it is looked at when nothing tells of a change."""
    errors: int
    last_error: str | None
    orphans: int
    """Mirrors in it that no link knows, and that wait for their person."""
    state: CalendarState = "current"


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """A link in numbers: `mirrors` stand at the target, `rewritten` of them are in line with the link's present
    settings, `due` wait to be written (of these `retrying` have failed before, `repair` put right what stands already,
    and `backfill` belong to a first copy), `held` deletions wait for the person, `frozen` mirrors were changed by
    somebody else again and again, `conflicts` wait for the person to say who wins. `next_attempt_at`: when the first
    retry comes."""

    mirrors: int = 0
    rewritten: int = 0
    due: int = 0
    retrying: int = 0
    repair: int = 0
    backfill: int = 0
    held: int = 0
    frozen: int = 0
    conflicts: int = 0
    next_attempt_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkStatus:
    """A link. `skipped` counts, by reason, what cannot be mirrored until it changes; `refused`, by code, the edits of
    mirrors that the source's provider has not taken in the last day. `new_readers` read in its target more than when
    somebody is busy, and the person has not said that they may.

    `state` is deleting, paused, attention (the person must decide), waiting (an account or a gate holds it up),
    copying (the first copy, or one anew), behind (something is due) or current.
    """

    link: Link
    source_name: str
    target_name: str
    state: LinkState
    counts: Counts
    skipped: dict[str, int]
    refused: dict[str, int]
    new_readers: list[str]
    last_written_at: datetime | None
    proven_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """Everything of one person at one moment."""

    at: datetime
    gates: list[Gate]
    connections: list[Account]
    calendars: list[CalendarStatus]
    links: list[LinkStatus]
    attention: list[Attention]


def read(conn: Connection, *, user_id: UUID, flags: Flags, now: datetime) -> Status:
    """Everything of the person of this transaction."""
    gate_list = gates.list_gates(conn, settings_flags=flags)
    syncs = any(one.open for one in gate_list if one.name == gates.Operation.SYNC)
    accounts = {one.id: one for one in connections.list_connections(conn, user_id=user_id)}
    usable = {one.id for one in accounts.values() if syncs and one.may_sync(now)}
    calendars = {one.id: one for one in calendars_of(conn, usable=usable, now=now)}
    return Status(
        at=now,
        gates=gate_list,
        connections=list(accounts.values()),
        calendars=list(calendars.values()),
        links=(states := _links(conn, calendars, usable=usable, now=now)),
        attention=attention.found(
            gates=gate_list, accounts=accounts, calendars=calendars.values(), links=states, now=now
        ),
    )


def calendars_of(conn: Connection, *, usable: set[UUID], now: datetime) -> list[CalendarStatus]:
    """The person's calendars; `usable` are the accounts that may be asked now."""
    return [replace(one, state=_calendar_state(one, usable=usable)) for one in _calendars(conn, now=now)]


def _calendar_state(one: CalendarStatus, *, usable: set[UUID]) -> CalendarState:
    if one.vanished_at is not None:
        return "vanished"
    if not one.is_linked:
        return "unlinked"
    if one.connection_id not in usable:
        return "waiting"
    if one.needs_full_sync:
        return "reading"
    return "behind" if one.requested > one.done else "current"


def _links(
    conn: Connection, calendars: dict[UUID, CalendarStatus], *, usable: set[UUID], now: datetime
) -> list[LinkStatus]:
    counts, skipped, written = _counts(conn), _skipped(conn), _last_written(conn)
    listed = links.list_page(conn, after=None, limit=MAX_LINKS)
    merging = [link.id for link in listed if link.on_edit == links.MERGE]
    waiting = conflicts.count_waiting(conn, merging)
    refused = conflicts.count_refused(conn, merging, since=now - attention.REFUSED_WITHIN)
    unaccepted = readers.unaccepted(conn)
    found: list[LinkStatus] = []
    for link in listed:
        source, target = calendars[link.source_calendar_id], calendars[link.target_calendar_id]
        new_readers = unaccepted.get(link.id, []) if link.mask.tells else []
        numbers = replace(counts.get(link.id, Counts()), conflicts=waiting.get(link.id, 0))
        found.append(
            LinkStatus(
                link=link,
                source_name=source.name,
                target_name=target.name,
                state=_link_state(link, source, target, numbers, asks=bool(new_readers), usable=usable),
                counts=numbers,
                skipped={**skipped.get(link.id, {}), **skipped.get(source.id, {})},
                refused=refused.get(link.id, {}),
                new_readers=new_readers,
                last_written_at=written.get(link.id),
                proven_at=source.proven_at,
            )
        )
    return found


def _link_state(
    link: Link, source: CalendarStatus, target: CalendarStatus, counts: Counts, *, asks: bool, usable: set[UUID]
) -> LinkState:
    if link.state == "deleting":
        return "deleting"
    if link.state == "paused":
        return "paused"
    if asks or counts.held or counts.frozen or counts.conflicts or source.vanished_at or target.vanished_at:
        return "attention"
    if not {source.connection_id, target.connection_id} <= usable:
        return "waiting"
    if source.needs_full_sync or counts.backfill:
        return "copying"
    return "behind" if counts.due or source.requested > source.done else "current"


def _calendars(conn: Connection, *, now: datetime) -> list[CalendarStatus]:
    with conn.cursor(row_factory=class_row(CalendarStatus)) as cursor:
        return cursor.execute(
            """
            SELECT c.id, c.connection_id, c.name, c.time_zone, c.can_write, c.vanished_at,
                   w.pushed_until,
                   CASE WHEN w.pushed_until IS NULL THEN x.sync_frequency_minutes ELSE %(with_channel)s END
                     AS poll_minutes,
                   s.requested, s.done, s.needs_full_sync, s.last_synced_at AS proven_at, s.sync_errors AS errors,
                   s.last_error, s.window_start, s.window_end,
                   coalesce((SELECT j.items FROM sync_jobs j WHERE j.calendar_id = c.id AND j.generation = s.generation
                              ORDER BY j.id DESC LIMIT 1), 0) AS items,
                   EXISTS (SELECT FROM calendars_in_use u WHERE u.calendar_id = c.id) AS is_linked,
                   (SELECT count(*) FROM orphans o WHERE o.calendar_id = c.id AND o.state = 'waiting') AS orphans
              FROM calendars c JOIN calendar_sync_state s ON s.calendar_id = c.id
              JOIN external_calendar_connections x ON x.id = c.connection_id
              CROSS JOIN LATERAL (
                   SELECT max(expires_at) AS pushed_until FROM webhook_channels
                    WHERE calendar_id = c.id AND status = 'active' AND expires_at > %(now)s) w
             ORDER BY c.connection_id, c.is_primary DESC, lower(c.name), c.id
            """,
            {"now": now, "with_channel": silence.CHECK // timedelta(minutes=1)},
        ).fetchall()


def _counts(conn: Connection) -> dict[UUID, Counts]:
    with conn.cursor(row_factory=dict_row) as cursor:
        rows = cursor.execute(
            """
            SELECT link_id, count(*) FILTER (WHERE mirror_event_id IS NOT NULL) AS mirrors,
                   count(*) FILTER (WHERE mirror_event_id IS NOT NULL AND rendering >= wanted_rendering) AS rewritten,
                   count(*) FILTER (WHERE waits) AS due, count(*) FILTER (WHERE waits AND attempts > 0) AS retrying,
                   count(*) FILTER (WHERE waits AND lane = %(repair)s) AS repair,
                   count(*) FILTER (WHERE waits AND lane = %(backfill)s) AS backfill,
                   count(*) FILTER (WHERE state = 'held') AS held, count(*) FILTER (WHERE state = 'frozen') AS frozen,
                   min(next_attempt_at) FILTER (WHERE waits) AS next_attempt_at
              FROM (SELECT m.*, l.rendering AS wanted_rendering
                      FROM event_mappings m JOIN links l ON l.id = m.link_id) m
             GROUP BY link_id
            """,
            {"repair": Lane.REPAIR, "backfill": Lane.BACKFILL},
        ).fetchall()
    return {row.pop("link_id"): Counts(**row) for row in rows}


def _skipped(conn: Connection) -> dict[UUID, dict[str, int]]:
    """How many items cannot be mirrored, by reason: under a link's id what its target refused, under a calendar's what
    could not be read."""
    rows = conn.execute(
        """
        SELECT link_id AS id, coalesce(reason, 'UNKNOWN') AS reason, count(*) FROM event_mappings
         WHERE state IN ('open', 'held', 'discarded') AND NOT waits AND last_error IS NOT NULL GROUP BY 1, 2
        UNION ALL
        SELECT calendar_id, 'EVENT.UNREADABLE', count(*) FROM external_calendar_events
         WHERE booking_id IS NULL AND sync_status = 'FAILED' GROUP BY 1
        """
    ).fetchall()
    found: dict[UUID, dict[str, int]] = {}
    for owner, reason, count in rows:
        found.setdefault(owner, {})[reason] = count
    return found


def _last_written(conn: Connection) -> dict[UUID, datetime]:
    return dict(
        conn.execute(
            """
            SELECT l.id, j.written_at FROM links l
              JOIN LATERAL (SELECT written_at FROM sync_journal WHERE link_id = l.id AND outcome = 'accepted'
                                  ORDER BY id DESC LIMIT 1) j ON true
            """
        ).fetchall()
    )
