"""What changing mirrors and changing a person's own events have in common: masters, places in a series, times,
revisions. Pure.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from shared.calendar import recurrence, zones
from shared.calendar.ical import values
from shared.calendar.ical.lines import Component, Line
from shared.calendar.ical.writing import definition, time_line, utc
from shared.calendar.span import AllDaySpan, TimedSpan, parse_occurrence_key
from shared.core.errors import InvalidError, NotFoundError, PreconditionFailedError

if TYPE_CHECKING:
    from shared.calendar.ical.time_zones import Zones
    from shared.calendar.span import Span, Start
    from shared.providers.caldav.reading import Context

OF_A_SERIES = ("RRULE", "RDATE", "EXRULE")
TIMES = ("DTSTART", "DTEND", "DURATION")
STAMPS = ("DTSTAMP", "LAST-MODIFIED")


def master(calendar: Component) -> Component:
    """The single event or master. Raises InvalidError for a resource without one."""
    for one in calendar.components("VEVENT"):
        if one.line("RECURRENCE-ID") is None:
            return one
    raise InvalidError("The resource has no event that could be changed.", code="EVENT.MALFORMED")


def require_unchanged(name: str, known: str | None, etag: str | None) -> None:
    """Raises PreconditionFailedError if the resource, whose ETag is `known`, is not what was last seen as `etag`."""
    if etag is not None and known != etag:
        raise PreconditionFailedError(f"Event {name} changed meanwhile: read it again.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """A series in its resource, and the place in it that is to be changed."""

    calendar: Component
    master: Component
    span: Span
    start: Start
    zones: Zones

    @classmethod
    def of(cls, calendar: Component, key: str, context: Context) -> Series:
        """Raises NotFoundError if the series has no such place."""
        first, known = master(calendar), context.zones(calendar)
        span = values.span(first, known)
        lines = [line for line in values.series(first, span, known)[0] if not line.startswith("EXDATE")]
        if recurrence.occurrence_span(span, lines, key) is None:
            raise NotFoundError(f"The series has no occurrence {key}.")
        return cls(calendar=calendar, master=first, span=span, start=parse_occurrence_key(key), zones=known)

    def named(self, name: str) -> Line:
        """The line of that name for the place."""
        return named(name, self.start, self.span, floating=floats(self.master))

    def span_of(self, key: str) -> Span:
        """When the rule has that place."""
        found = recurrence.occurrence_span(self.span, values.series(self.master, self.span, self.zones)[0], key)
        if found is None:
            raise NotFoundError(f"The series has no occurrence {key}.")
        return found

    def include(self) -> None:
        """Take the place out of the EXDATEs."""
        kept: list[Line] = []
        for line in self.master.lines("EXDATE"):
            others = [value for value, start in values.exclusions(line, self.span, self.zones) if start != self.start]
            if others:
                kept.append(Line("EXDATE", line.parameters, ",".join(others)))
        self.master.replace(("EXDATE",), kept)

    def exclude(self) -> None:
        """Take the place out of the series, with whatever differs there."""
        found = self.override()
        self.calendar.parts = [part for part in self.calendar.parts if part is not found]
        self.include()
        self.master.replace((), [self.named("EXDATE")])

    def override(self) -> Component | None:
        """What differs there."""
        for one in self.calendar.components("VEVENT"):
            if one.line("RECURRENCE-ID") and values.override_place(one, self.span, self.zones) == self.start:
                return one
        return None

    def own_override(self, key: str, now: datetime) -> Component:
        """What differs there; made like its series where nothing does yet. Raises NotFoundError where the place was
        taken out."""
        found = self.override()
        if found is None:
            span = self.span_of(key)
            found = Component("VEVENT", list(self.master.parts))
            found.replace((*OF_A_SERIES, "EXDATE", *TIMES), [self.named("RECURRENCE-ID"), *times(span, in_series=True)])
            self.calendar.parts.append(found)
            require_zones(self.calendar, now)
        return found


def floats(component: Component) -> bool:
    """Whether it starts at a time without a zone (RFC 5545, 3.3.5, form 1)."""
    line = component.line("DTSTART")
    return line is not None and "T" in line.value and not line.parameter("TZID") and not line.value.endswith("Z")


def named(name: str, start: Start, span: Span, *, floating: bool) -> Line:
    """The line of that name for a place of the series that begins with `span`, in local time "if and only if" the
    series itself is (RFC 5545, 3.8.4.4; programs that compare values find no EXDATE otherwise)."""
    if floating and isinstance(span, TimedSpan) and isinstance(start, datetime):
        local = start.astimezone(zones.zone(span.zone))
        return Line(name, "", f"{local.year:04}{local:%m%dT%H%M%S}")
    return time_line(name, start, None if isinstance(span, AllDaySpan) else span.zone)


def times(span: Span, *, in_series: bool) -> list[Line]:
    """DTSTART and DTEND."""
    if isinstance(span, AllDaySpan):
        return [time_line("DTSTART", span.start, None), time_line("DTEND", span.end, None)]
    clock = zones.zone(span.zone)
    # In the hour that comes twice when clocks go back, a wall-clock time means its first pass; a series keeps its zone.
    is_second_pass = any(moment.astimezone(clock).fold for moment in (span.start, span.end))
    zone = None if is_second_pass and not in_series else span.zone
    return [time_line(name, at, zone, keeps_zone=True) for name, at in (("DTSTART", span.start), ("DTEND", span.end))]


def stamps(now: datetime) -> list[Line]:
    """The lines that say when a component was last changed."""
    return [Line(name, "", utc(now)) for name in STAMPS]


def raise_sequence(component: Component) -> None:
    """A revision has a higher number (RFC 5545, 3.8.7.4); some servers ignore those that have not."""
    number = component.value("SEQUENCE")
    component.replace(("SEQUENCE",), [Line("SEQUENCE", "", str(int(number) + 1 if number.isdigit() else 0))])


def revise(component: Component, now: datetime) -> None:
    """Say that a component was changed."""
    component.replace(STAMPS, stamps(now))
    raise_sequence(component)


def require_zones(calendar: Component, now: datetime) -> None:
    """Every TZID has its VTIMEZONE (RFC 5545, 3.6.5)."""
    used = [
        part
        for event in calendar.components("VEVENT")
        for part in event.parts
        if isinstance(part, Line) and part.parameter("TZID")
    ]
    earliest = min((int(part.value[:4]) for part in used if part.value[:4].isdigit()), default=now.year)
    missing = {part.parameter("TZID") for part in used} - {
        one.value("TZID") for one in calendar.components("VTIMEZONE")
    }
    made = [definition(name, earliest=earliest, year=now.year) for name in sorted(missing) if zones.is_iana(name)]
    at = next((i for i, part in enumerate(calendar.parts) if isinstance(part, Component)), len(calendar.parts))
    calendar.parts[at:at] = made
