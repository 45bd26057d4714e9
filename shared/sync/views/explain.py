"""Why an event is, or is not, in the calendars that its own is linked to. Reads only.

Decided anew by the functions that decide what is written, so that it never tells another story than they do. Titles
are opened for their owner and for nobody else: the caller's transaction is the owner's.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import UUID

from psycopg.rows import class_row

from shared.calendar import expansion, exposure
from shared.calendar.event import Response
from shared.calendar.span import occurrence_key, parse_occurrence_key
from shared.core.errors import InvalidError, NotFoundError
from shared.sync import links
from shared.sync.rules import plan
from shared.sync.store import calendars, events, meetings
from shared.sync.views import sentences
from shared.sync.views.sentences import Because, Verdict

if TYPE_CHECKING:
    from datetime import datetime

    from shared.calendar.event import Event, Unit
    from shared.calendar.span import Span
    from shared.store.database import Connection
    from shared.sync.links import Link
    from shared.sync.store.calendars import SyncedCalendar
    from shared.sync.views.activity import KeyOf

MOST = 20
"""So many events are explained at once: one id of a provider's may stand in several calendars."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkExplanation:
    """How an event stands in one link. `sentences` say why, `todo` what can be done next ("" for nothing).

    `reason` is the plan's or the provider's word for it. `hidden` names what the mask hides, never its content.
    `due_since` and `next_attempt_at` are set while something waits to be written.
    """

    link_id: UUID
    source_name: str
    target_name: str
    verdict: Verdict
    reason: str
    sentences: tuple[str, ...]
    todo: str
    mirror_event_id: str | None = None
    hidden: tuple[str, ...] = ()
    due_since: datetime | None = None
    next_attempt_at: datetime | None = None
    attempts: int = 0
    last_attempt_at: datetime | None = None
    last_error: str | None = None
    last_written_at: datetime | None = None
    proven_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """One event of a calendar. A mirror names the event that it stands for, which is explained beside it."""

    calendar_id: UUID
    calendar_name: str
    event_id: str
    occurrence: str | None
    is_mirror: bool
    mirror_of: str | None
    title: str | None
    span: Span | None
    links: tuple[LinkExplanation, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """A mapping as a person may want to know it. `conflicts` are the fields that wait for a decision, `lost` those that
    the last edit of the mirror did not carry through, because of `lost_to` (as `decided_by` of a conflict)."""

    state: str
    wanted: str
    reason: str | None
    gives_way: bool
    mirror_event_id: str | None
    is_due: bool
    attempts: int
    due_since: datetime
    next_attempt_at: datetime | None
    last_error: str | None
    updated_at: datetime
    last_written_at: datetime | None
    edit_due: bool
    conflicts: list[str]
    lost: list[str]
    lost_to: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Named:
    """What an id may mean: an event of a calendar, or the mirror of a mapping."""

    calendar_id: UUID
    event_id: str
    occurrence: str | None
    source_calendar_id: UUID | None
    source_event_id: str | None


def explain(conn: Connection, key_of: KeyOf, event: str, *, now: datetime) -> list[Explanation]:
    """Explain the event that an id means: ours, the provider's, a mirror's; of an occurrence or of its series.

    Raises NotFoundError where no calendar of the person has one.
    """
    found: dict[tuple[UUID, str], Explanation] = {}
    for named in _named(conn, event):
        source = (named.calendar_id, named.event_id)
        if named.source_calendar_id is not None and named.source_event_id is not None:
            found[source] = _of_mirror(conn, named, named.source_calendar_id)
            source = (named.source_calendar_id, named.source_event_id)
        if source not in found:
            found[source] = _of_source(conn, key_of, *source, named.occurrence, now=now)
    if not found:
        raise NotFoundError(
            "No calendar of yours that is linked has an event of this id. Look for its id in kalends events, or have "
            "its calendar read: kalends sync.",
            code="EVENT.NOT_FOUND",
        )
    return list(found.values())


def _named(conn: Connection, event: str) -> list[_Named]:
    """An id of ours first; then the provider's; then, for an occurrence that follows its rule, its series."""
    try:
        ours: UUID | None = UUID(event)
    except ValueError:
        ours = None
    found = _look_up(conn, event, ours=ours, occurrence=None)
    if found:
        return found
    series, _, key = event.rpartition("_")
    try:
        parse_occurrence_key(key)
    except ValueError:
        return []
    return _look_up(conn, series, ours=None, occurrence=key)


def _look_up(conn: Connection, event: str, *, ours: UUID | None, occurrence: str | None) -> list[_Named]:
    with conn.cursor(row_factory=class_row(_Named)) as cursor:
        return cursor.execute(
            """
            SELECT DISTINCT calendar_id, coalesce(series_id, external_event_id) AS event_id,
                   coalesce(occurrence, %(occurrence)s) AS occurrence, NULL::uuid AS source_calendar_id,
                   NULL AS source_event_id
              FROM external_calendar_events
             WHERE booking_id IS NULL AND (external_event_id = %(event)s OR id = %(ours)s)
            UNION
            SELECT m.target_calendar_id, coalesce(m.mirror_event_id, m.mirror_key), %(occurrence)s,
                   m.source_calendar_id, m.source_event_id
              FROM event_mappings m
             WHERE m.mirror_event_id = %(event)s OR m.id = %(ours)s
                OR m.id = (SELECT booking_id FROM external_calendar_events WHERE id = %(ours)s)
             ORDER BY 4 NULLS FIRST, 1, 2 LIMIT %(most)s
            """,
            {"event": event, "ours": ours, "occurrence": occurrence, "most": MOST},
        ).fetchall()


def _of_mirror(conn: Connection, named: _Named, source_calendar_id: UUID) -> Explanation:
    names = _names(conn)
    calendar = calendars.get(conn, named.calendar_id)
    because = sentences.itself_a_mirror(names[source_calendar_id])
    return Explanation(
        calendar_id=named.calendar_id,
        calendar_name=names[named.calendar_id],
        event_id=named.event_id,
        occurrence=named.occurrence,
        is_mirror=True,
        mirror_of=named.source_event_id,
        title=None,
        span=None,
        links=tuple(_explained(link, names, calendar, because) for link in links.of_source(conn, named.calendar_id)),
    )


def _of_source(
    conn: Connection, key_of: KeyOf, calendar_id: UUID, event_id: str, occurrence: str | None, *, now: datetime
) -> Explanation:
    names = _names(conn)
    calendar = calendars.get(conn, calendar_id)
    key = key_of(conn, calendar.connection_id)
    unit = events.units(conn, calendar.id, [event_id], key=key, with_text=True).get(event_id)
    shown = _shown(unit, occurrence)
    unreadable = conn.execute(
        """
        SELECT last_error FROM external_calendar_events
         WHERE calendar_id = %s AND external_event_id = %s AND booking_id IS NULL AND sync_status = 'FAILED'
        """,
        (calendar.id, event_id),
    ).fetchone()
    explained: list[LinkExplanation] = []
    for link in links.of_source(conn, calendar.id):
        standing = _standing(conn, link.id, event_id)
        if standing is not None and standing.gives_way and occurrence is not None:
            standing = _standing(conn, link.id, expansion.name(event_id, occurrence)) or standing
        if unreadable is not None:
            because = sentences.unreadable(unreadable[0] or "")
        else:
            because = _because(conn, unit, occurrence, link, calendar, standing, now=now)
        explained.append(_explained(link, names, calendar, because, standing=standing, event=shown))
    return Explanation(
        calendar_id=calendar.id,
        calendar_name=names[calendar.id],
        event_id=event_id,
        occurrence=occurrence,
        is_mirror=False,
        mirror_of=None,
        title=shown.text.title if shown and shown.text else None,
        span=shown.span if shown else None,
        links=tuple(explained),
    )


def _because(
    conn: Connection,
    unit: Unit | None,
    occurrence: str | None,
    link: Link,
    calendar: SyncedCalendar,
    standing: Standing | None,
    *,
    now: datetime,
) -> Because:
    try:
        invited = meetings.invited(conn, calendar.id, link.target_calendar_id, [unit.root.id]) if unit else set()
        decision = plan.decide(unit, link, is_invited=bool(invited), now=now)
    except InvalidError as error:
        return sentences.not_expandable(error)
    because = sentences.of(decision, link, calendar, standing, now=now)
    told: list[str] = []
    override = _override(unit, occurrence)
    if override is not None and not plan.shows(override, link):
        left_out = (
            "it is cancelled" if override.is_cancelled else sentences.because_of(plan.hidden_because(override, link))
        )
        told.append(f"This occurrence of the series is left out: {left_out}.")
    if because.verdict is Verdict.MIRRORED and unit is not None and _is_unanswered(unit.root):
        told.append("It appears as tentative, because you have not accepted it.")
    told += sentences.of_lost_edit(standing) if standing is not None else []
    told += sentences.of_accounts(conn, link, now=now) if because.verdict is Verdict.WAITING else []
    return because.and_also(*told)


def _explained(
    link: Link,
    names: dict[UUID, str],
    calendar: SyncedCalendar,
    because: Because,
    *,
    standing: Standing | None = None,
    event: Event | None = None,
) -> LinkExplanation:
    failed = standing is not None and standing.last_error is not None
    waits = because.verdict is Verdict.WAITING and standing is not None and standing.is_due
    return LinkExplanation(
        link_id=link.id,
        source_name=names[link.source_calendar_id],
        target_name=names[link.target_calendar_id],
        verdict=because.verdict,
        reason=because.reason,
        sentences=because.sentences,
        todo=because.todo,
        mirror_event_id=standing.mirror_event_id if standing else None,
        hidden=exposure.hidden(event, link.mask) if event is not None and event.span is not None else (),
        due_since=standing.due_since if standing and waits else None,
        next_attempt_at=standing.next_attempt_at if standing and waits else None,
        attempts=standing.attempts if standing else 0,
        last_attempt_at=standing.updated_at if standing and failed else None,
        last_error=standing.last_error if standing else None,
        last_written_at=standing.last_written_at if standing else None,
        proven_at=calendar.last_synced_at,
    )


def _standing(conn: Connection, link_id: UUID, source_event_id: str) -> Standing | None:
    with conn.cursor(row_factory=class_row(Standing)) as cursor:
        return cursor.execute(
            """
            SELECT m.state, m.wanted, m.reason, m.gives_way, m.mirror_event_id,
                   m.requested > m.done AS is_due, m.attempts, m.due_since, m.next_attempt_at, m.last_error,
                   m.updated_at,
                   (SELECT max(j.written_at) FROM sync_journal j WHERE j.mapping_id = m.id) AS last_written_at,
                   m.edit_due,
                   ARRAY(SELECT DISTINCT c.field FROM conflicts c
                          WHERE c.mapping_id = m.id AND c.resolved_at IS NULL AND c.winner IS NULL
                          ORDER BY 1) AS conflicts,
                   ARRAY(SELECT DISTINCT c.field FROM conflicts c
                          WHERE c.mapping_id = m.id AND c.resolved_at = last.resolved_at AND c.winner = 'source'
                          ORDER BY 1) AS lost,
                   CASE WHEN last.winner = 'source' THEN last.decided_by END AS lost_to
              FROM event_mappings m
              LEFT JOIN LATERAL (SELECT resolved_at, winner, decided_by FROM conflicts c
                                  WHERE c.mapping_id = m.id AND c.resolved_at IS NOT NULL
                                  ORDER BY c.resolved_at DESC, c.winner LIMIT 1) last ON true
             WHERE m.link_id = %s AND m.source_event_id = %s
            """,
            (link_id, source_event_id),
        ).fetchone()


def _names(conn: Connection) -> dict[UUID, str]:
    return dict(conn.execute("SELECT id, name FROM calendars").fetchall())


def _override(unit: Unit | None, occurrence: str | None) -> Event | None:
    for one in unit.overrides if unit is not None and occurrence is not None else ():
        if one.original_start is not None and occurrence_key(one.original_start) == occurrence:
            return one
    return None


def _shown(unit: Unit | None, occurrence: str | None) -> Event | None:
    override = _override(unit, occurrence)
    if override is not None and override.span is not None:
        return override
    return unit.root if unit else None


def _is_unanswered(event: Event) -> bool:
    return event.response in (Response.TENTATIVE, Response.NEEDS_ACTION)
