"""From a calendar object resource to an event, or a series with everything that differs in it. Pure.

One resource is one event: its master and the overrides with their RECURRENCE-ID stand together (RFC 4791, 4.1). What
an EXDATE takes out is told as a cancelled occurrence, as other providers do.
Source: RFC 5545; [MS-OXCICAL] for X-MICROSOFT-CDO-BUSYSTATUS.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING

from shared.calendar import recurrence, zones
from shared.calendar.event import Availability, Event, Response, Status, Text, Unit, Visibility
from shared.calendar.span import AllDaySpan, TimedSpan, occurrence_key
from shared.core.errors import InvalidError
from shared.providers.caldav import timezones

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

    from shared.calendar.span import Span, Start
    from shared.providers.caldav.lines import Component, Line

MARKER = "X-KALENDS-MARKER"
"""The property that holds the marker. Servers that keep what they do not know keep it (RFC 4791, 5.3.3)."""
SIGN = "kalends-"
"""What the UIDs of our mirrors begin with: the one property that no server and no program takes away."""

_DATE_TIME = re.compile(r"(\d{8})(?:T(\d{6})(Z)?)?", re.ASCII)
_DURATION = re.compile(
    r"([+-])?P(?:(\d{1,6})W)?(?:(\d{1,6})D)?(?:T(?:(\d{1,7})H)?(?:(\d{1,8})M)?(?:(\d{1,9})S)?)?", re.ASCII
)
_STATUSES = {"TENTATIVE": Status.TENTATIVE, "CANCELLED": Status.CANCELLED}
_BUSY = {
    "TENTATIVE": Availability.TENTATIVE,
    "OOF": Availability.OUT_OF_OFFICE,
    "WORKINGELSEWHERE": Availability.WORKING_ELSEWHERE,
    "FREE": Availability.FREE,
}
_VISIBILITIES = {"PUBLIC": Visibility.PUBLIC, "PRIVATE": Visibility.PRIVATE, "CONFIDENTIAL": Visibility.CONFIDENTIAL}
_RESPONSES = {
    "NEEDS-ACTION": Response.NEEDS_ACTION,
    "ACCEPTED": Response.ACCEPTED,
    "TENTATIVE": Response.TENTATIVE,
    "DECLINED": Response.DECLINED,
}
_FIRST_YEAR, _LAST_YEAR = 1000, 9000


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """What a resource itself does not say: the calendar's zone for floating times, and the addresses of the person
    whose answer to an invitation counts. Asked only when needed."""

    floating_zone: Callable[[], str]
    addresses: Callable[[], Collection[str]]


def unit(calendar: Component, *, event_id: str, etag: str | None, context: Context) -> Unit | None:
    """The event of a resource; None if it holds none (a task, a journal). Raises InvalidError, without its text."""
    found = calendar.components("VEVENT")
    if not found:
        return None
    masters = [one for one in found if one.line("RECURRENCE-ID") is None]
    differing = [one for one in found if one.line("RECURRENCE-ID") is not None]
    if len(masters) > 1:
        raise InvalidError("The resource holds several events, which RFC 4791 forbids.", code="EVENT.MALFORMED")
    reader = _Reader(calendar=calendar, event_id=event_id, etag=_trusted(etag, found), context=context)
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
    calendar: Component
    event_id: str
    etag: str | None
    context: Context

    def whole(self, master: Component, differing: list[Component]) -> Unit:
        span = self.span(master)
        lines_, periods = self.recurrence(master, span)
        root = self.event(master, span, recurrence_=lines_)
        if not lines_:
            return Unit(root=root)
        return self.series(root, self.overrides(root, differing, periods))

    def orphans(self, differing: list[Component]) -> Unit:
        """Occurrences without their series: the person was invited to these alone. They are a series of just these."""
        if len(differing) == 1:
            return Unit(root=self.event(differing[0], self.span(differing[0])))
        first = self.event(differing[0], self.span(differing[0]))
        if first.span is None:
            raise InvalidError("The event has no time.", code="EVENT.NO_TIME")
        places = sorted({self.place(one, first.span) for one in differing}, key=occurrence_key)
        span = _at(first.span, places[0])
        added = ",".join(map(occurrence_key, places[1:]))
        line = f"RDATE{';VALUE=DATE' if span.is_all_day else ''}:{added}"
        root = replace(first, span=span, recurrence=recurrence.normalise([line], span) if added else ())
        return self.series(root, self.overrides(root, differing, {}))

    def series(self, root: Event, overrides: dict[str, Event]) -> Unit:
        """The series with its lines in normal form, and EXDATEs told as cancelled occurrences."""
        rules, excluded = recurrence.split_exclusions(root)
        cancelled = {occurrence_key(start): self.cancelled(start) for start in excluded}
        every = cancelled | overrides
        return Unit(root=replace(root, recurrence=rules), overrides=tuple(every[key] for key in sorted(every)))

    def cancelled(self, start: Start) -> Event:
        return Event(
            id=f"{self.event_id}_{occurrence_key(start)}",
            span=None,
            status=Status.CANCELLED,
            series_id=self.event_id,
            original_start=start,
        )

    def overrides(self, root: Event, differing: list[Component], periods: dict[str, Span]) -> dict[str, Event]:
        if root.span is None:
            raise InvalidError("The event has no time.", code="EVENT.NO_TIME")
        found = {
            key: replace(
                root,
                id=f"{self.event_id}_{key}",
                span=span,
                recurrence=(),
                series_id=self.event_id,
                original_start=span.start if isinstance(span, AllDaySpan) else span.starts_at(),
                marker=None,
                claims_marker=False,
            )
            for key, span in periods.items()
        }
        for one in differing:
            start = self.place(one, root.span)
            if one.value("STATUS").upper() == "CANCELLED":
                event = self.cancelled(start)
            else:
                event = replace(
                    self.event(one, self.span(one)),
                    id=f"{self.event_id}_{occurrence_key(start)}",
                    series_id=self.event_id,
                    original_start=start,
                    marker=None,
                    claims_marker=False,
                )
            found[occurrence_key(start)] = event
        return found

    def event(self, component: Component, span: Span, recurrence_: tuple[str, ...] = ()) -> Event:
        status = _STATUSES.get(component.value("STATUS").upper(), Status.CONFIRMED)
        marker_line = component.line(MARKER)
        return Event(
            id=self.event_id,
            span=span,
            status=status,
            text=Text(
                title=_text(component, "SUMMARY"),
                description=_text(component, "DESCRIPTION"),
                location=_text(component, "LOCATION"),
            ),
            availability=_availability(component, status),
            visibility=_VISIBILITIES.get(component.value("CLASS").upper(), Visibility.DEFAULT),
            response=self.response(component),
            recurrence=recurrence_,
            ical_uid=component.value("UID") or None,
            etag=self.etag,
            updated_at=_updated(component),
            marker=None if marker_line is None else marker_line.text(),
            claims_marker=marker_line is None and component.value("UID").startswith(SIGN),
        )

    def span(self, component: Component) -> Span:
        start_line = component.line("DTSTART")
        if start_line is None:
            raise InvalidError("The event has no DTSTART.", code="EVENT.NO_TIME")
        start, zone = self.moment(start_line)
        end_line, duration_line = component.line("DTEND"), component.line("DURATION")
        try:
            if not isinstance(start, datetime):
                if end_line is not None:
                    end = self.moment(end_line)[0]
                    last = end.date() if isinstance(end, datetime) else end
                else:
                    last = start + (_duration(duration_line.value) if duration_line else timedelta(days=1))
                # Many programs write a day that ends on itself.
                return AllDaySpan(start=start, end=start + timedelta(days=1) if last == start else last)
            if end_line is not None:
                end, _ = self.moment(end_line)
                until = end if isinstance(end, datetime) else _midnight(end, zone)
            else:
                until = start + (_duration(duration_line.value) if duration_line else timedelta())
            return TimedSpan(start=start, end=until, zone=zone)
        except (ValueError, OverflowError):
            raise InvalidError("The event ends before it starts.", code="EVENT.TIME") from None

    def moment(self, line: Line, value: str | None = None) -> tuple[Start, str]:
        """The moment (in UTC) or date of a line, and the zone whose clock it is on."""
        match = _DATE_TIME.fullmatch((line.value if value is None else value).strip())
        if match is None:
            raise InvalidError("A time of the event is not understood.", code="EVENT.TIME")
        day, clock, is_utc = match.groups()
        try:
            naive = datetime.strptime(f"{day}{clock or '000000'}", "%Y%m%d%H%M%S")  # noqa: DTZ007 - aware in a moment
        except ValueError:
            raise InvalidError("A date of the event does not exist.", code="EVENT.TIME") from None
        if not _FIRST_YEAR <= naive.year <= _LAST_YEAR:
            raise InvalidError("The event lies in a year that no calendar has.", code="EVENT.TIME")
        if clock is None:
            return naive.date(), "UTC"
        if is_utc:
            return naive.replace(tzinfo=UTC), "UTC"
        zone = self.zone(line.parameter("TZID"), naive.year)
        return naive.replace(tzinfo=zones.zone(zone)).astimezone(UTC), zone

    def zone(self, tzid: str, year: int) -> str:
        if not tzid:
            return self.context.floating_zone()
        found = timezones.of(tzid, self.calendar, year=year)
        if found is None:
            raise InvalidError(
                "The event's time zone is unknown, and its rules are those of no known one.", code="ZONE.UNKNOWN"
            )
        return found

    def place(self, component: Component, span: Span) -> Start:
        """Which occurrence a component changes, in the form that the series has."""
        line = component.line("RECURRENCE-ID")
        if line is None:
            raise InvalidError("The occurrence does not say which one it is.", code="EVENT.OCCURRENCE")
        if line.parameter("RANGE"):
            raise InvalidError(
                "It changes all following occurrences (RANGE), which is not supported.", code="EVENT.OCCURRENCE"
            )
        return self.place_of(line, line.value, span)

    def place_of(self, line: Line, value: str, span: Span) -> Start:
        start, zone = self.moment(line, value)
        if isinstance(span, AllDaySpan):
            return start.astimezone(zones.zone(zone)).date() if isinstance(start, datetime) else start
        if isinstance(start, datetime):
            return start
        # A date where a time is due, as some programs write: the occurrence of that day.
        clock = span.local_start()
        return datetime.combine(start, clock.time(), clock.tzinfo).astimezone(UTC)

    def recurrence(self, master: Component, span: Span) -> tuple[tuple[str, ...], dict[str, Span]]:
        """The lines that make it a series, times in UTC, and the occurrences that last otherwise (RDATE periods)."""
        found = [f"{name}:{line.value}" for name in ("RRULE", "EXRULE") for line in master.lines(name)]
        periods: dict[str, Span] = {}
        for name in ("RDATE", "EXDATE"):
            for line in master.lines(name):
                for value in filter(None, line.value.split(",")):
                    begin, _, end = value.partition("/")
                    start = self.place_of(line, begin, span) if name == "RDATE" else self.moment(line, begin)[0]
                    if end and isinstance(start, datetime) and isinstance(span, TimedSpan):
                        until = start + _duration(end) if "P" in end else self.moment(line, end)[0]
                        if isinstance(until, datetime) and until - start != span.end - span.start and until >= start:
                            periods[occurrence_key(start)] = TimedSpan(start=start, end=until, zone=span.zone)
                    date_only = ";VALUE=DATE" if not isinstance(start, datetime) else ""
                    found.append(f"{name}{date_only}:{occurrence_key(start)}")
        return (tuple(found) if any(not one.startswith("EXDATE") for one in found) else ()), periods

    def response(self, component: Component) -> Response:
        """The person's answer. An organiser has given none unless it is a refusal or a maybe."""
        invited = list(component.lines("ATTENDEE"))
        if not invited:
            return Response.NONE
        own = self.context.addresses()
        organiser = component.line("ORGANIZER")
        for line in invited:
            if _address(line) in own:
                answer = _RESPONSES.get(line.parameter("PARTSTAT").upper(), Response.NEEDS_ACTION)
                is_silent = answer in (Response.NEEDS_ACTION, Response.ACCEPTED)
                return Response.NONE if organiser and _address(organiser) in own and is_silent else answer
        return Response.NONE


def dates(line: Line, calendar: Component, span: Span, context: Context) -> Iterator[tuple[str, Start]]:
    """Each value of an EXDATE with the occurrence it names. Raises InvalidError."""
    reader = _Reader(calendar=calendar, event_id="", etag=None, context=context)
    for value in filter(None, line.value.split(",")):
        yield value, reader.place_of(line, value, span)


def span(component: Component, calendar: Component, context: Context) -> Span:
    """When a VEVENT happens. Raises InvalidError."""
    return _Reader(calendar=calendar, event_id="", etag=None, context=context).span(component)


def place(component: Component, calendar: Component, span: Span, context: Context) -> Start:
    """Which occurrence a VEVENT with RECURRENCE-ID changes. Raises InvalidError."""
    return _Reader(calendar=calendar, event_id="", etag=None, context=context).place(component, span)


def _availability(component: Component, status: Status) -> Availability:
    busy = _BUSY.get(component.value("X-MICROSOFT-CDO-BUSYSTATUS").upper())
    transparency = component.value("TRANSP").upper()
    if transparency == "TRANSPARENT":
        return Availability.WORKING_ELSEWHERE if busy is Availability.WORKING_ELSEWHERE else Availability.FREE
    if busy is Availability.FREE and transparency == "OPAQUE":
        busy = None  # TRANSP is what programs change
    return busy or (Availability.TENTATIVE if status is Status.TENTATIVE else Availability.BUSY)


def _at(span: Span, start: Start) -> Span:
    if isinstance(span, AllDaySpan):
        first = start.date() if isinstance(start, datetime) else start
        return AllDaySpan(start=first, end=first + (span.end - span.start))
    if not isinstance(start, datetime):
        raise InvalidError("The occurrence does not say which one it is.", code="EVENT.OCCURRENCE")
    return TimedSpan(start=start, end=start + (span.end - span.start), zone=span.zone)


def _midnight(day: date, zone: str) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=zones.zone(zone)).astimezone(UTC)


def _duration(value: str) -> timedelta:
    match = _DURATION.fullmatch(value.strip().upper())
    if match is None:
        raise InvalidError("The event's duration is not understood.", code="EVENT.TIME")
    sign, *numbers = match.groups()
    weeks, days, hours, minutes, seconds = (int(number or 0) for number in numbers)
    length = timedelta(weeks=weeks, days=days, hours=hours, minutes=minutes, seconds=seconds)
    return -length if sign == "-" else length


def _text(component: Component, name: str) -> str:
    line = component.line(name)
    return "" if line is None else line.text().replace("\0", "")


def _address(line: Line) -> str:
    return line.value.strip().lower().removeprefix("mailto:")


def _updated(component: Component) -> datetime | None:
    match = _DATE_TIME.fullmatch(component.value("LAST-MODIFIED") or component.value("DTSTAMP"))
    if match is None or match[2] is None:
        return None
    try:
        return datetime.strptime(f"{match[1]}{match[2]}", "%Y%m%d%H%M%S").replace(tzinfo=UTC)
    except ValueError:
        return None
