"""What happens and what happened: the coming events of a calendar or link, the writes of late, what was skipped.

Texts are opened here for their owner and for nobody else: the caller's transaction is the owner's.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from shared.calendar import codec, expansion, recurrence
from shared.calendar.event import Event, Status, Unit
from shared.calendar.span import parse_occurrence_key
from shared.core.errors import InvalidError
from shared.sync import links, sealing
from shared.sync.store import calendars, events

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime
    from uuid import UUID

    from shared.calendar.event import Availability
    from shared.calendar.mirror import Appearance, Mirror
    from shared.calendar.recurrence import Occurrence
    from shared.calendar.span import Span, Window
    from shared.crypto.keyring import DataKey
    from shared.store.database import Connection

    type KeyOf = Callable[[Connection, UUID], DataKey]
    """The data key of a connection, by its id."""

type Place = tuple[str, str, str, str]
"""Where an item stands in an agenda: start (ISO 8601, UTC), kind, event id, occurrence."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One occurrence in a calendar. `kind` says whether it is its owner's or a mirror of ours.

    `title` is None where none is kept: a busy-only link stores no text. A mirror names its link and source event.
    """

    kind: Literal["source", "mirror"]
    calendar_id: UUID
    event_id: str
    occurrence: str
    span: Span
    title: str | None
    location: str | None
    availability: Availability
    repeats: bool
    link_id: UUID | None = None
    source_event_id: str | None = None

    @property
    def place(self) -> Place:
        """Its place in the order of an agenda."""
        return (self.span.starts_at().isoformat(), self.kind, self.event_id, self.occurrence)


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One write to a provider. `title` and `span` are the mirror's, as it is now or was last; `outcome` as in the
    journal."""

    id: UUID
    at: datetime
    operation: str
    outcome: str
    occurrence: str | None
    link_id: UUID | None
    source_name: str | None
    target_name: str
    mirror_event_id: str
    title: str | None
    span: Span | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Skipped:
    """A source event that a link cannot mirror until it changes: `reason` is a stable code, `message` says it in words.

    `has_mirror`: an earlier state of it still stands at the target.
    """

    source_event_id: str
    reason: str
    message: str
    since: datetime
    starts_at: datetime | None
    title: str | None
    has_mirror: bool


def agenda(
    conn: Connection,
    key_of: KeyOf,
    *,
    calendar_id: UUID | None,
    link_id: UUID | None,
    window: Window,
    after: Place | None,
    limit: int,
) -> list[Item]:
    """What happens inside the window, in order: in a calendar, or at a link's source together with its mirrors.

    `window` must have both bounds. Raises NotFoundError.
    """
    if link_id is not None:
        link = links.get(conn, link_id)
        found = [*_sources(conn, key_of, link.source_calendar_id, window)]
        found += _mirrors(conn, key_of, calendar_id=None, link_id=link_id, window=window)
    elif calendar_id is not None:
        found = [*_sources(conn, key_of, calendar_id, window)]
        found += _mirrors(conn, key_of, calendar_id=calendar_id, link_id=None, window=window)
    else:
        raise InvalidError("Name a calendar or a link.", code="REQUEST.INVALID")
    found.sort(key=lambda item: item.place)
    return [item for item in found if after is None or item.place > after][:limit]


def changes(conn: Connection, key_of: KeyOf, *, link_id: UUID | None, before: UUID | None, limit: int) -> list[Change]:
    """The newest writes, of one link or of all, before the one named."""
    rows = conn.execute(
        """
        SELECT j.id, j.written_at, j.operation, j.outcome, j.occurrence, j.link_id, s.name, t.name, j.mirror_event_id,
               j.mapping_id, t.connection_id, CASE WHEN j.operation = 'delete' THEN j.inverse ELSE m.base END
          FROM sync_journal j
          JOIN calendars t ON t.id = j.target_calendar_id
          LEFT JOIN event_mappings m ON m.id = j.mapping_id
          LEFT JOIN links l ON l.id = j.link_id
          LEFT JOIN calendars s ON s.id = l.source_calendar_id
         WHERE (%(link)s::uuid IS NULL OR j.link_id = %(link)s) AND (%(before)s::uuid IS NULL OR j.id < %(before)s)
         ORDER BY j.id DESC LIMIT %(limit)s
        """,
        {"link": link_id, "before": before, "limit": limit},
    ).fetchall()
    keys = _Keys(conn, key_of)
    found: list[Change] = []
    for row in rows:
        root = keys.mirror(row[10], row[9], row[11]).root if row[11] is not None else None
        found.append(
            Change(
                id=row[0],
                at=row[1],
                operation=row[2],
                outcome=row[3],
                occurrence=row[4],
                link_id=row[5],
                source_name=row[6],
                target_name=row[7],
                mirror_event_id=row[8],
                title=root.text.title if root else None,
                span=root.span if root else None,
            )
        )
    return found


def skipped(conn: Connection, key_of: KeyOf, *, link_id: UUID, after: str, limit: int) -> list[Skipped]:
    """What a link skips, by source event id after the one named: what its target refused, what of its source could not
    be read, and the mirrors that are frozen. Raises NotFoundError."""
    link = links.get(conn, link_id)
    rows = conn.execute(
        """
        SELECT s.source_event_id, s.reason, s.message, s.since, e.start_time, e.raw_payload, s.has_mirror
          FROM (SELECT source_event_id, coalesce(reason, 'UNKNOWN') AS reason, last_error AS message,
                       updated_at AS since, mirror_event_id IS NOT NULL AS has_mirror
                  FROM event_mappings
                 WHERE link_id = %(link)s AND state IN ('open', 'held', 'discarded') AND NOT waits
                   AND last_error IS NOT NULL
                UNION ALL
                SELECT source_event_id, 'MIRROR.FROZEN', %(frozen)s, updated_at, true FROM event_mappings
                 WHERE link_id = %(link)s AND state = 'frozen'
                UNION ALL
                SELECT external_event_id, 'EVENT.UNREADABLE', last_error, updated_at, false
                  FROM external_calendar_events
                 WHERE calendar_id = %(source)s AND booking_id IS NULL AND sync_status = 'FAILED') s
          LEFT JOIN external_calendar_events e
                 ON e.calendar_id = %(source)s AND e.external_event_id = s.source_event_id
         WHERE s.source_event_id > %(after)s
         ORDER BY s.source_event_id LIMIT %(limit)s
        """,
        {
            "link": link_id,
            "source": link.source_calendar_id,
            "after": after,
            "limit": limit,
            "frozen": "Somebody else changes the mirror again and again; it rests until its source changes.",
        },
    ).fetchall()
    key = key_of(conn, calendars.get(conn, link.source_calendar_id).connection_id) if rows else None
    aad = str(link.source_calendar_id)
    return [
        Skipped(
            source_event_id=row[0],
            reason=row[1],
            message=row[2] or "",
            since=row[3],
            starts_at=row[4],
            title=codec.text_from_json(key.open(row[5], aad=aad)).title if key and row[5] is not None else None,
            has_mirror=row[6],
        )
        for row in rows
    ]


def _sources(conn: Connection, key_of: KeyOf, calendar_id: UUID, window: Window) -> Iterator[Item]:
    calendar = calendars.get(conn, calendar_id)
    rows = conn.execute(
        f"SELECT external_event_id FROM external_calendar_events e WHERE calendar_id = %(calendar)s AND {_IN_REACH}",  # noqa: S608
        {"calendar": calendar_id, "start": window.start, "end": window.end},
    ).fetchall()
    if not rows:
        return
    key = key_of(conn, calendar.connection_id)
    units = events.units(conn, calendar_id, [row[0] for row in rows], key=key, with_text=True)
    for unit in units.values():
        for one in _occurrences(unit, window):
            event = one.override or unit.root
            yield Item(
                kind="source",
                calendar_id=calendar_id,
                event_id=unit.root.id,
                occurrence=one.key if unit.root.is_series else "",
                span=one.span,
                title=event.text.title if event.text else None,
                location=event.text.location if event.text else None,
                availability=event.availability,
                repeats=unit.root.is_series,
            )


def _mirrors(
    conn: Connection, key_of: KeyOf, *, calendar_id: UUID | None, link_id: UUID | None, window: Window
) -> Iterator[Item]:
    """The mirrors whose sources lie in reach: a mirror happens when its source does."""
    rows = conn.execute(
        f"""
        SELECT m.id, m.link_id, m.target_calendar_id, m.mirror_event_id, m.source_event_id, m.base, t.connection_id
          FROM event_mappings m
          JOIN calendars t ON t.id = m.target_calendar_id
          JOIN external_calendar_events e
            ON e.calendar_id = m.source_calendar_id AND e.series_id IS NULL
           AND e.external_event_id IN (m.source_event_id, regexp_replace(m.source_event_id, %(occurrence)s, ''))
         WHERE (m.link_id = %(link)s OR m.target_calendar_id = %(calendar)s)
           AND m.mirror_event_id IS NOT NULL AND m.base IS NOT NULL AND {_IN_REACH}
        """,  # noqa: S608 - a constant
        {
            "link": link_id,
            "calendar": calendar_id,
            "start": window.start,
            "end": window.end,
            "occurrence": expansion.SUFFIX,
        },
    ).fetchall()
    keys = _Keys(conn, key_of)
    for mapping_id, of_link, target_id, event_id, source_event_id, base, connection_id in rows:
        unit = _unit(event_id, keys.mirror(connection_id, mapping_id, base))
        for one in _occurrences(unit, window):
            event = one.override or unit.root
            yield Item(
                kind="mirror",
                calendar_id=target_id,
                event_id=event_id,
                occurrence=one.key if unit.root.is_series else "",
                span=one.span,
                title=event.text.title if event.text else None,
                location=event.text.location if event.text else None,
                availability=event.availability,
                repeats=unit.root.is_series,
                link_id=of_link,
                source_event_id=source_event_id,
            )


_IN_REACH = """e.booking_id IS NULL AND e.series_id IS NULL AND e.sync_status <> 'FAILED' AND e.start_time < %(end)s
           AND (e.end_time > %(start)s OR e.start_time >= %(start)s
                OR jsonb_array_length(e.details->'recurrence') > 0)"""


def _occurrences(unit: Unit, window: Window) -> list[Occurrence]:
    try:
        return recurrence.occurrences(unit, window)
    except InvalidError:
        return []  # nobody can expand this rule: it is among what the link skipped, with its reason


def _unit(event_id: str, mirror: Mirror) -> Unit:
    """A mirror as the event that it is in its own calendar."""
    return Unit(
        root=_event(event_id, mirror.root),
        overrides=tuple(
            Event(
                id=f"{event_id}_{key}",
                span=None,
                status=Status.CANCELLED,
                series_id=event_id,
                original_start=parse_occurrence_key(key),
            )
            if shown is None
            else _event(f"{event_id}_{key}", shown, series_id=event_id, original_start=parse_occurrence_key(key))
            for key, shown in mirror.overrides.items()
        ),
    )


def _event(event_id: str, shown: Appearance, **place: Any) -> Event:
    return Event(
        id=event_id,
        span=shown.span,
        status=shown.status,
        text=shown.text,
        availability=shown.availability,
        recurrence=shown.recurrence,
        **place,
    )


class _Keys:
    """The data keys of one reading, each unwrapped once."""

    def __init__(self, conn: Connection, key_of: KeyOf) -> None:
        self._conn, self._key_of = conn, key_of
        self._known: dict[UUID, DataKey] = {}

    def mirror(self, connection_id: UUID, mapping_id: UUID, sealed: bytes) -> Mirror:
        if connection_id not in self._known:
            self._known[connection_id] = self._key_of(self._conn, connection_id)
        return sealing.opened(sealed, mapping_id, key=self._known[connection_id])
