"""A series in full: its master, every exception and every cancelled occurrence, wherever they lie. Pure.

One GET of the master tells all of it (v1.0, Get event, example 3: exceptionOccurrences and cancelledOccurrences).
Cancelled occurrences are named by their day only, and Microsoft does not say in which zone. Where an occurrence's
day differs between its own zone and UTC and the rule has an occurrence on both, the place is doubtful: what a listing
of the instances still shows there is not the cancelled one.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from typing import TYPE_CHECKING, Any

from shared.calendar import recurrence, zones
from shared.calendar.event import Unit
from shared.calendar.span import AllDaySpan, TimedSpan, Window, occurrence_key
from shared.core.errors import InvalidError
from shared.providers.microsoft import payloads, reading
from shared.providers.microsoft.payloads import EventPayload

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence
    from datetime import date

    from shared.calendar.event import Event
    from shared.calendar.span import Span, Start

_MARGIN = timedelta(days=3)


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """What one GET of a master told. Each member of `cancelled` holds the starts that its day can mean."""

    root: Event
    exceptions: tuple[Event, ...]
    cancelled: tuple[tuple[Start, ...], ...]

    @property
    def doubt(self) -> Window | None:
        """Where the instances have to be listed before the cancelled occurrences are known; None: nowhere."""
        moments = [start for starts in self.cancelled if len(starts) > 1 for start in starts]
        known = [start for start in moments if isinstance(start, datetime)]
        if not known:
            return None
        return Window(start=min(known) - timedelta(days=1), end=max(known) + timedelta(days=1))

    def unit(self, listed: Collection[Start] = ()) -> Unit:
        """The series and its overrides; `listed` are the original starts of the instances where there was doubt."""
        taken = {one.original_start for one in self.exceptions} | set(listed)
        gone = {start for starts in self.cancelled for start in starts if start not in taken}
        overrides = [*self.exceptions, *(reading.cancelled(self.root.id, start) for start in gone)]
        return Unit(root=self.root, overrides=tuple(sorted(overrides, key=_place)))


def read(payload: EventPayload) -> Series:
    """A series from the answer to the GET of its master. Raises InvalidError."""
    root = reading.event(payload)
    if root.span is None or not root.is_series:
        raise InvalidError("Microsoft Graph sent a series without a rule.", code="PROVIDER.PAYLOAD")
    if payload.exception_occurrences is None or payload.cancelled_occurrences is None:
        raise InvalidError("Microsoft Graph did not tell which occurrences differ.", code="PROVIDER.PAYLOAD")
    zone = root.span.zone if isinstance(root.span, TimedSpan) else None
    days = {reading.occurrence_day(occurrence_id) for occurrence_id in payload.cancelled_occurrences}
    return Series(
        root=root,
        exceptions=tuple(_exceptions(payload.exception_occurrences, root, zone)),
        cancelled=tuple(_cancelled(root, root.span, sorted(days))),
    )


def original_starts(instances: Iterable[EventPayload], zone: str | None) -> set[Start]:
    """The places in the series that these instances take; `zone` is None in an all-day series. Raises InvalidError."""
    return {_original_start(instance, zone) for instance in instances}


def _exceptions(answers: Iterable[dict[str, Any]], root: Event, zone: str | None) -> Iterable[Event]:
    for answer in answers:
        payload = payloads.parse(EventPayload, answer)
        yield reading.override(payload, series_id=root.id, original_start=_original_start(payload, zone))


def _original_start(payload: EventPayload, zone: str | None) -> Start:
    start = reading.original_start(payload, zone=zone)
    if start is None:
        raise InvalidError("Microsoft Graph sent an occurrence without its originalStart.", code="PROVIDER.PAYLOAD")
    return start


def _cancelled(root: Event, span: Span, days: Sequence[date]) -> Iterable[tuple[Start, ...]]:
    """For each day the occurrences of the rule that it can mean; a day that means none any more says nothing."""
    if not days:
        return
    around = (datetime.combine(days[0], time(), UTC) - _MARGIN, datetime.combine(days[-1], time(), UTC) + _MARGIN)
    expected = {one.original_start for one in recurrence.expand(root, Window(start=around[0], end=around[1]))}
    for day in days:
        starts = tuple(start for start in _starts_on(day, span) if start in expected)
        if starts:
            yield starts


def _starts_on(day: date, span: Span) -> list[Start]:
    """Where an occurrence can start that lies on that day, in the series' own zone or in UTC."""
    if isinstance(span, AllDaySpan):
        return [day]
    clock, zone = span.local_start().time(), zones.zone(span.zone)
    around = [datetime.combine(day + timedelta(days=offset), clock, zone) for offset in (-1, 0, 1)]
    return [local.astimezone(UTC) for local in around if day in (local.date(), local.astimezone(UTC).date())]


def _place(override: Event) -> str:
    return occurrence_key(override.original_start) if override.original_start is not None else ""
