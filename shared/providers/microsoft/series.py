"""A series in full: its master, every exception and every cancelled occurrence, wherever they lie. Pure.

One GET of the master tells all of it (v1.0, Get event, example 3: exceptionOccurrences and cancelledOccurrences).
Cancelled occurrences are named by their day only, and Microsoft does not say in which zone. Where an occurrence's
day differs between its own zone and UTC and the rule has an occurrence on both, the place is doubtful: what a listing
of the instances still shows there is not the cancelled one.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from shared.calendar import recurrence, zones
from shared.calendar.event import Unit
from shared.calendar.span import AllDaySpan, TimedSpan, Window, occurrence_key
from shared.core.errors import InvalidError
from shared.providers.microsoft import payloads, reading
from shared.providers.microsoft.payloads import EventPayload

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable
    from datetime import date

    from shared.calendar.event import Event
    from shared.calendar.span import Span, Start


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
        cancelled=tuple(starts for day in sorted(days) if (starts := _starts_on(day, root, root.span))),
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


def _starts_on(day: date, root: Event, span: Span) -> tuple[Start, ...]:
    """The occurrences of the rule that start on that day, locally or in UTC: one, or two where these differ."""
    if isinstance(span, AllDaySpan):
        return (day,) if _has(root, span, day) else ()
    clock, zone = span.local_start().time(), zones.zone(span.zone)
    around = [datetime.combine(day + timedelta(days=offset), clock, zone) for offset in (-1, 0, 1)]
    possible = [local.astimezone(UTC) for local in around if day in (local.date(), local.astimezone(UTC).date())]
    return tuple(start for start in possible if _has(root, span, start))


def _has(root: Event, span: Span, start: Start) -> bool:
    return recurrence.occurrence_span(span, root.recurrence, occurrence_key(start)) is not None


def _place(override: Event) -> str:
    return occurrence_key(override.original_start) if override.original_start is not None else ""
