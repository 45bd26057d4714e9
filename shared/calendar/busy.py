"""When somebody is busy: what an event does to its owner's time, and many such times made one. Pure.

The kinds are those of RFC 5545, 3.2.9 (FBTYPE): BUSY-UNAVAILABLE is out of office, BUSY-TENTATIVE tentative.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, time
from enum import StrEnum
from typing import TYPE_CHECKING

from shared.calendar import zones
from shared.calendar.event import Availability, EventType, Response, Status
from shared.calendar.span import TimedSpan
from shared.core.errors import InvalidError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import date
    from zoneinfo import ZoneInfo

    from shared.calendar.event import Event
    from shared.calendar.span import Span, Window


class Kind(StrEnum):
    """What becomes of a time. UNKNOWN is a gap in what was read: it is never told as free (pain 19)."""

    FREE = "free"
    UNKNOWN = "unknown"
    TENTATIVE = "tentative"
    BUSY = "busy"
    OUT_OF_OFFICE = "out_of_office"


_STRENGTH = (Kind.OUT_OF_OFFICE, Kind.BUSY, Kind.TENTATIVE)
"""Where several meet, the first of these is told."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """From `start` (inclusive) to `end` (exclusive), both UTC."""

    start: datetime
    end: datetime
    kind: Kind


def kind(event: Event) -> Kind:
    """What an event does to its owner's time.

    Cancelled and declined events do nothing, and neither do birthdays and where somebody works. An invitation without
    an answer is tentative, as Outlook shows it. Working elsewhere is busy: providers differ, and busy harms least.
    """
    if event.is_cancelled or event.response is Response.DECLINED or event.availability is Availability.FREE:
        return Kind.FREE
    match event.event_type:
        case EventType.WORKING_LOCATION | EventType.BIRTHDAY:
            return Kind.FREE
        case EventType.OUT_OF_OFFICE:
            return Kind.OUT_OF_OFFICE
        case _:
            pass
    if event.availability is Availability.OUT_OF_OFFICE:
        return Kind.OUT_OF_OFFICE
    undecided = event.response in (Response.TENTATIVE, Response.NEEDS_ACTION) or event.status is Status.TENTATIVE
    return Kind.TENTATIVE if undecided or event.availability is Availability.TENTATIVE else Kind.BUSY


def bounds(span: Span, zone: ZoneInfo) -> tuple[datetime, datetime]:
    """Start and end in UTC. Whole days are those of `zone`, where their owner lives through them."""
    if isinstance(span, TimedSpan):
        return span.starts_at(), span.ends_at()
    return _midnight(span.start, zone), _midnight(span.end, zone)


def zone_of(name: str) -> ZoneInfo:
    """The zone of a calendar; UTC where its name is none."""
    try:
        return zones.zone(name)
    except InvalidError:
        return zones.zone("UTC")


def merge(busy: Iterable[Interval], window: Window, *, gaps: Kind) -> list[Interval]:
    """The window in intervals without gaps or overlaps, in order, neighbours of different kinds; what nothing covers
    is of kind `gaps`. `window` must have both bounds."""
    if window.start is None or window.end is None:
        raise ValueError("a window without a bound has no intervals")
    first, last = window.start.astimezone(UTC), window.end.astimezone(UTC)
    edges: list[tuple[datetime, int, Kind]] = []
    for one in busy:
        start, end = max(one.start, first), min(one.end, last)
        if start < end and one.kind in _STRENGTH:
            edges += [(start, 1, one.kind), (end, -1, one.kind)]
    edges.sort(key=lambda edge: edge[0])
    running = dict.fromkeys(_STRENGTH, 0)
    found: list[Interval] = []
    at = first
    for moment, step, changed in edges:
        _append(found, at, moment, _strongest(running, gaps))
        running[changed] += step
        at = moment
    _append(found, at, last, _strongest(running, gaps))
    return found


def _strongest(running: dict[Kind, int], gaps: Kind) -> Kind:
    return next((one for one in _STRENGTH if running[one]), gaps)


def _append(found: list[Interval], start: datetime, end: datetime, kind: Kind) -> None:
    if start >= end:
        return
    if found and found[-1].kind is kind:
        found[-1] = Interval(start=found[-1].start, end=end, kind=kind)
    else:
        found.append(Interval(start=start, end=end, kind=kind))


def _midnight(day: date, zone: ZoneInfo) -> datetime:
    return datetime.combine(day, time(), zone).astimezone(UTC)
