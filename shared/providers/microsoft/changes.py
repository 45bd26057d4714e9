"""What changed in a calendar. `calendarView/delta` is a hint; what it hints at is asked for by name.

- Single events come straight from the delta, which gives all of them but extended properties: an event that carries
  our category is asked for its marker, unless its ETag is that of our own last write.
- Of a series the delta tells expanded occurrences and never a deleted one: each series it touches is read in full.
- `@removed` also means "left the window": only an event's own GET proves that it is gone.
Repeats, replays and any order are harmless, because nothing is concluded from the order or from absence.

Source: Graph v1.0, event: delta; delta query overview; microsoft-graph-docs #7632 and PR 4501.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from shared.calendar.event import Event, Unit
from shared.calendar.span import TimedSpan
from shared.core.errors import (
    CursorExpiredError,
    ForbiddenError,
    InvalidError,
    KalendsError,
)
from shared.providers.microsoft import graph as wire
from shared.providers.microsoft import payloads, queries, reading, series
from shared.providers.microsoft.payloads import EventPayload
from shared.providers.microsoft.writing import CATEGORY
from shared.providers.port import Page, Removed, Skipped, Upserted

if TYPE_CHECKING:
    from collections.abc import Iterable

    from shared.calendar.span import Window
    from shared.providers.microsoft.graph import Answer, Graph, Request
    from shared.providers.port import AsLeft

LARGEST_PAGE = 1000
"""Graph's largest page of events."""
MAX_PAGES = 1000
"""A round of changes with more pages than this goes round in circles."""
SPARSE, SPARSE_WEIGHS = 10, 5
"""Graph sends pages with few items or none, but not hundreds: one with fewer than its own default counts as several."""


@dataclass(slots=True, kw_only=True)
class _Hints:
    """What a page of the delta mentions, each once. `ours` are the ETags of what carries our category."""

    singles: dict[str, EventPayload] = field(default_factory=dict)
    series: set[str] = field(default_factory=set)
    ours: dict[str, str] = field(default_factory=dict)
    in_question: set[str] = field(default_factory=set)
    skipped: list[Skipped] = field(default_factory=list)


def read_page(
    graph: Graph,
    calendar_id: str,
    *,
    cursor: str | None,
    page: str | None,
    window: Window,
    page_size: int,
    as_left: AsLeft,
) -> Page:
    """One page, everything it hints at looked up. Raises CursorExpiredError when Graph does not take the cursor."""
    calls = graph.calls
    what = f"changes of calendar {calendar_id}"
    number, link = _place(cursor=cursor, page=page)
    try:
        answer = graph.get(
            link or queries.delta(calendar_id, *queries.bounds(window)),
            what=what,
            prefer=f"odata.maxpagesize={min(page_size, LARGEST_PAGE)}",
        )
    except InvalidError as error:
        if link is None:
            raise
        # The address is Graph's own, token and all: if it is malformed by now, only a new one helps.
        raise CursorExpiredError(f"{error.message} A full read follows.") from None
    following = graph.relative(answer.get("@odata.nextLink"), what=what)
    last = graph.relative(answer.get("@odata.deltaLink"), what=what)
    items = wire.items(answer, what=what)
    number += SPARSE_WEIGHS if len(items) < SPARSE else 1
    goes_in_circles = following is not None and (following == link or number > MAX_PAGES)
    if (following is None) == (last is None) or goes_in_circles:
        raise wire.endless(what)
    hints = _hints(items)
    hints.in_question |= hints.ours.keys() - as_left(hints.ours)
    changes = _look_up(graph, calendar_id, hints)
    return Page(
        changes=tuple(changes),
        skipped=tuple(hints.skipped),
        next_page=None if following is None else f"{number} {following}",
        cursor=last,
        requests=graph.calls - calls,
    )


def _place(*, cursor: str | None, page: str | None) -> tuple[int, str | None]:
    """How many pages were read, and the address of the next: a cursor is the path of a deltaLink, a page token is a
    number and the path of a nextLink. Raises CursorExpiredError for anything else."""
    number, _, link = page.partition(" ") if page is not None else ("0", "", cursor)
    if link is not None and not (number.isdecimal() and link.startswith("/")):
        raise CursorExpiredError("The cursor is not one of Microsoft Graph's: a full read follows.")
    return int(number), link


def get(graph: Graph, calendar_id: str, event_id: str) -> Unit | None:
    """One event, or the whole series it belongs to; None only on Graph's word that it does not exist."""
    payload = _parse(graph.send(queries.get_event(calendar_id, event_id)))
    if payload is None:
        return None
    series_id = _series_of(payload)
    if series_id is None:
        return Unit(root=reading.event(payload))
    payload = _parse(graph.send(queries.get_series(calendar_id, series_id)))
    return None if payload is None else _unit(graph, payload)


def find_marked(graph: Graph, calendar_id: str) -> list[Event]:
    """Every event or series that carries a marker; one that cannot be read comes without its time."""
    listed = graph.pages(
        queries.marked(calendar_id),
        what=f"markers in calendar {calendar_id}",
        prefer=f"odata.maxpagesize={LARGEST_PAGE}",
    )
    requests = [queries.get_event(calendar_id, str(item.get("id"))) for item in listed]
    found: list[Event] = []
    for answer in graph.batch(requests):
        if isinstance(answer, KalendsError):
            raise answer
        payload = _parse(answer)
        if payload is None or (marker := reading.marker(payload)) is None:
            continue
        try:
            found.append(reading.event(payload))
        except InvalidError:
            found.append(Event(id=payload.id, span=None, marker=marker))
    return found


def _hints(items: Iterable[dict[str, Any]]) -> _Hints:
    hints = _Hints()
    for item in items:
        event_id, series_id = item.get("id"), item.get("seriesMasterId")
        if isinstance(series_id, str) and series_id:
            hints.series.add(series_id)
        elif not isinstance(event_id, str) or not event_id:
            hints.skipped.append(Skipped(event_id="", reason="Microsoft Graph mentioned an event without its id."))
        elif "@removed" in item:
            hints.in_question.add(event_id)
        else:
            _hint(hints, event_id, item)
    for event_id in hints.in_question:
        hints.singles.pop(event_id, None)
        hints.ours.pop(event_id, None)
    return hints


def _hint(hints: _Hints, event_id: str, item: dict[str, Any]) -> None:
    try:
        payload = payloads.parse(EventPayload, item)
    except InvalidError as error:
        hints.skipped.append(Skipped(event_id=event_id, reason=error.message))
        return
    if payload.type == "seriesMaster":
        hints.series.add(event_id)
    elif CATEGORY in payload.categories:
        if payload.etag is None or hints.ours.setdefault(event_id, payload.etag) != payload.etag:
            hints.in_question.add(event_id)
    else:
        known = hints.singles.get(event_id)
        if known is None or _is_newer(payload, known):
            hints.singles[event_id] = payload


def _is_newer(payload: EventPayload, known: EventPayload) -> bool:
    if payload.last_modified_date_time is None or known.last_modified_date_time is None:
        return True
    return payload.last_modified_date_time >= known.last_modified_date_time


def _look_up(graph: Graph, calendar_id: str, hints: _Hints) -> list[Upserted | Removed]:
    """What became of everything hinted at. Raises rather than let the cursor pass something that was not read."""
    removed: list[Upserted | Removed] = []
    upserted: list[Upserted | Removed] = []
    questions = {event_id: queries.get_event(calendar_id, event_id) for event_id in sorted(hints.in_question)}
    for event_id, payload in _ask(graph, questions, hints).items():
        if payload is None:
            removed.append(Removed(event_id=event_id))
        elif (series_id := _series_of(payload)) is not None:
            hints.series.add(series_id)
        else:
            hints.singles[event_id] = payload
    for event_id, payload in hints.singles.items():
        try:
            upserted.append(Upserted(event=reading.event(payload)))
        except InvalidError as error:
            hints.skipped.append(Skipped(event_id=event_id, reason=error.message))
    masters = {series_id: queries.get_series(calendar_id, series_id) for series_id in sorted(hints.series)}
    for series_id, payload in _ask(graph, masters, hints).items():
        if payload is None:
            removed.append(Removed(event_id=series_id))
            continue
        try:
            unit = _unit(graph, payload)
            upserted.append(Upserted(event=unit.root, overrides=unit.overrides))
        except InvalidError as error:
            hints.skipped.append(Skipped(event_id=series_id, reason=error.message))
    return removed + upserted


def _ask(graph: Graph, requests: dict[str, Request], hints: _Hints) -> dict[str, EventPayload | None]:
    """The events asked for, by id; None is proof that one is gone. What may not be read is skipped."""
    found: dict[str, EventPayload | None] = {}
    for event_id, answer in zip(requests, graph.batch(list(requests.values())), strict=True):
        if isinstance(answer, KalendsError):
            raise answer
        try:
            found[event_id] = _parse(answer)
        except (InvalidError, ForbiddenError) as error:
            hints.skipped.append(Skipped(event_id=event_id, reason=error.message))
    return found


def _parse(answer: Answer) -> EventPayload | None:
    return None if answer.is_gone else payloads.parse(EventPayload, answer.result())


def _series_of(payload: EventPayload) -> str | None:
    """The master to read instead: an event's own if it is one, or that of an occurrence; None for a single event."""
    return payload.id if payload.type == "seriesMaster" else payload.series_master_id


def _unit(graph: Graph, payload: EventPayload) -> Unit:
    """A series in full; where the cancelled occurrences are in doubt, the instances settle it."""
    if payload.recurrence is None:  # it became a single event between two requests
        return Unit(root=reading.event(payload))
    found = series.read(payload)
    if found.doubt is None:
        return found.unit()
    zone = found.root.span.zone if isinstance(found.root.span, TimedSpan) else None
    start, end = queries.bounds(found.doubt)
    what = f"occurrences of series {payload.id}"
    prefer = f"odata.maxpagesize={queries.INSTANCES_PER_PAGE}"
    listed = graph.pages(queries.instances(payload.id, start, end), what=what, prefer=prefer)
    places = series.original_starts((payloads.parse(EventPayload, item) for item in listed), zone)
    return found.unit(places)
