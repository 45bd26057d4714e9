"""From a calendar object resource to an event, or a series with everything that differs in it. Pure.

One resource is one event: its master and the overrides with their RECURRENCE-ID stand together (RFC 4791, 4.1). What
an EXDATE takes out is told as a cancelled occurrence, as other providers do.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING

from shared.calendar import recurrence
from shared.calendar.event import Event, Response, Text, Unit
from shared.calendar.ical import values
from shared.calendar.ical.time_zones import Zones
from shared.calendar.ical.values import MARKER
from shared.calendar.span import AllDaySpan, TimedSpan, occurrence_key
from shared.core.errors import InvalidError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from shared.calendar.ical.lines import Component
    from shared.calendar.span import Span, Start

SIGN = "kalends-"
"""What the UIDs of our mirrors begin with: the one property that no server and no program takes away."""

_RESPONSES = {
    "NEEDS-ACTION": Response.NEEDS_ACTION,
    "ACCEPTED": Response.ACCEPTED,
    "TENTATIVE": Response.TENTATIVE,
    "DECLINED": Response.DECLINED,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """What a resource itself does not say: the calendar's zone for floating times, and the addresses of the person
    whose answer to an invitation counts. Asked only when needed."""

    floating_zone: Callable[[], str]
    addresses: Callable[[], Collection[str]]

    def zones(self, calendar: Component) -> Zones:
        """The zones of a resource."""
        return Zones(calendar, default=self.floating_zone)


def unit(calendar: Component, *, event_id: str, etag: str | None, context: Context) -> Unit | None:
    """The event of a resource; None if it holds none (a task, a journal). Raises InvalidError, without its text."""
    found = calendar.components("VEVENT")
    if not found:
        return None
    masters = [one for one in found if one.line("RECURRENCE-ID") is None]
    differing = [one for one in found if one.line("RECURRENCE-ID") is not None]
    if len(masters) > 1:
        raise InvalidError("The resource holds several events, which RFC 4791 forbids.", code="EVENT.MALFORMED")
    reader = _Reader(zones=context.zones(calendar), event_id=event_id, etag=_trusted(etag, found), context=context)
    if not masters:
        return reader.orphans(differing)
    return reader.whole(masters[0], differing)


def has_guests(calendar: Component) -> bool:
    """Whether somebody is invited to it: a server with scheduling mails them every change (RFC 6638)."""
    return any(one.line("ATTENDEE") is not None for one in calendar.components("VEVENT"))


def marker(calendar: Component) -> str | None:
    """The marker that a resource carries."""
    for one in calendar.components("VEVENT"):
        if (line := one.line(MARKER)) is not None:
            return line.text()
    return None


def uid(calendar: Component) -> str:
    """The UID of a resource, or empty."""
    return next((one.value("UID") for one in calendar.components("VEVENT")), "")


def _trusted(etag: str | None, found: list[Component]) -> str | None:
    """No ETag for what others are invited to: then nothing is written without a look."""
    return None if any(one.line("ATTENDEE") is not None for one in found) else etag


@dataclass(frozen=True, slots=True, kw_only=True)
class _Reader:
    zones: Zones
    event_id: str
    etag: str | None
    context: Context

    def whole(self, master: Component, differing: list[Component]) -> Unit:
        root = self.event(master)
        if not values.is_series(master):
            return Unit(root=root)
        span = _span_of(root)
        lines, periods = values.series(master, span, self.zones)
        root = replace(root, recurrence=lines)
        overrides = values.period_overrides(root, periods) | self.overrides(span, differing)
        return self.series(root, overrides)

    def orphans(self, differing: list[Component]) -> Unit:
        """Occurrences without their series: the person was invited to these alone. They are a series of just these."""
        first = self.event(differing[0])
        if len(differing) == 1:
            return Unit(root=first)
        span = _span_of(first)
        places = sorted({values.override_place(one, span, self.zones) for one in differing}, key=occurrence_key)
        span = _at(span, places[0])
        added = ",".join(map(occurrence_key, places[1:]))
        line = f"RDATE{';VALUE=DATE' if span.is_all_day else ''}:{added}"
        root = replace(first, span=span, recurrence=recurrence.normalise([line], span) if added else ())
        return self.series(root, self.overrides(span, differing))

    def series(self, root: Event, overrides: dict[str, Event]) -> Unit:
        """The series with its lines in normal form, and EXDATEs told as cancelled occurrences."""
        rules, excluded = recurrence.split_exclusions(root)
        every = {occurrence_key(start): values.cancelled(self.event_id, start) for start in excluded} | overrides
        return Unit(root=replace(root, recurrence=rules), overrides=tuple(every[key] for key in sorted(every)))

    def overrides(self, span: Span, differing: list[Component]) -> dict[str, Event]:
        found: dict[str, Event] = {}
        for one in differing:
            start = values.override_place(one, span, self.zones)
            key = occurrence_key(start)
            event = self.event(one)
            found[key] = (
                values.cancelled(self.event_id, start)
                if event.is_cancelled
                else replace(
                    event,
                    id=f"{self.event_id}_{key}",
                    series_id=self.event_id,
                    original_start=start,
                    marker=None,
                    claims_marker=False,
                )
            )
        return found

    def event(self, component: Component) -> Event:
        marker_line = component.line(MARKER)
        return Event(
            id=self.event_id,
            span=values.span(component, self.zones),
            status=values.status(component),
            text=Text(
                title=component.text("SUMMARY"),
                description=component.text("DESCRIPTION"),
                location=component.text("LOCATION"),
            ),
            availability=values.availability(component),
            visibility=values.visibility(component),
            response=self.response(component),
            ical_uid=component.text("UID").strip() or None,
            etag=self.etag,
            updated_at=values.updated_at(component),
            marker=None if marker_line is None else marker_line.text(),
            claims_marker=marker_line is None and component.value("UID").startswith(SIGN),
        )

    def response(self, component: Component) -> Response:
        """The person's answer. An organiser has given none unless it is a refusal or a maybe."""
        invited = list(component.lines("ATTENDEE"))
        if not invited:
            return Response.NONE
        own = self.context.addresses()
        organiser = component.line("ORGANIZER")
        for line in invited:
            if values.address(line) in own:
                answer = _RESPONSES.get(line.parameter("PARTSTAT").upper(), Response.NEEDS_ACTION)
                is_silent = answer in (Response.NEEDS_ACTION, Response.ACCEPTED)
                return Response.NONE if organiser and values.address(organiser) in own and is_silent else answer
        return Response.NONE


def _span_of(event: Event) -> Span:
    if event.span is None:
        raise InvalidError("The event has no time.", code="EVENT.NO_TIME")
    return event.span


def _at(span: Span, start: Start) -> Span:
    if isinstance(span, AllDaySpan):
        first = start.date() if isinstance(start, datetime) else start
        return AllDaySpan(start=first, end=first + (span.end - span.start))
    if not isinstance(start, datetime):
        raise InvalidError("The occurrence does not say which one it is.", code="EVENT.OCCURRENCE")
    return TimedSpan(start=start, end=start + (span.end - span.start), zone=span.zone)
