"""From an appearance to the lines of a resource, new or there already. Pure. No attendees, no alarms: never.

Of a resource that is there only our own lines are replaced; what else a person or program has put into it stays.
"""

from __future__ import annotations

import html
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import nh3

from shared.calendar import recurrence, zones
from shared.calendar.event import Availability, Status
from shared.calendar.ical import values
from shared.calendar.ical.lines import Component, Line, split, text_line
from shared.calendar.ical.values import BUSY_STATUSES, CLASSES, MARKER
from shared.calendar.ical.writing import PRODID, definition, time_line, utc
from shared.calendar.span import AllDaySpan, parse_occurrence_key
from shared.core.errors import ConflictError, InvalidError, NotFoundError

if TYPE_CHECKING:
    from datetime import datetime

    from shared.calendar.ical.time_zones import Zones
    from shared.calendar.mirror import Appearance
    from shared.calendar.span import Span, Start
    from shared.providers.caldav.reading import Context

_LOOKS = (
    "DTSTART", "DTEND", "DURATION", "SUMMARY", "DESCRIPTION", "X-ALT-DESC", "LOCATION", "STATUS", "TRANSP",
    "X-MICROSOFT-CDO-BUSYSTATUS", "X-MICROSOFT-CDO-ALLDAYEVENT", "DTSTAMP", "LAST-MODIFIED",
)  # fmt: skip
_OF_A_SERIES = ("RRULE", "RDATE", "EXRULE")
_TIMES = ("DTSTART", "DTEND", "DURATION")
_FREE = (Availability.FREE, Availability.WORKING_ELSEWHERE)
_BREAKS = re.compile(r"<br\s*/?>|</(?:p|div|li|tr|h[1-6]|blockquote)>", re.IGNORECASE)
_TEXT_ONLY = nh3.Cleaner(tags=set(), attributes={}, clean_content_tags={"script", "style", "title"}, link_rel=None)


def new(uid: str, appearance: Appearance, *, marker: str, now: datetime) -> Component:
    """The resource of a mirror that is not there yet."""
    event = Component("VEVENT", [Line("UID", "", uid)])
    calendar = Component(
        "VCALENDAR",
        [Line("VERSION", "", "2.0"), Line("PRODID", "", PRODID), Line("CALSCALE", "", "GREGORIAN"), event],
    )
    root(calendar, appearance, marker=marker, anew=True, now=now)
    return calendar


def root(calendar: Component, appearance: Appearance, *, marker: str, anew: bool, now: datetime) -> None:
    """Bring the single event or master to `appearance`. Occurrences that differ stay, unless it is written `anew` or
    is no series any more. Raises InvalidError for a resource without one."""
    master = _master(calendar)
    rules = [split(line) for line in appearance.recurrence]
    given = [*_looks(appearance, now, in_series=bool(rules)), *_class(appearance), *rules]
    dropped = {*_LOOKS, *_OF_A_SERIES, "CLASS", MARKER}
    if anew or not rules:
        dropped.add("EXDATE")
        calendar.parts = [
            part
            for part in calendar.parts
            if not (isinstance(part, Component) and part.name == "VEVENT" and part is not master)
        ]
    master.replace(dropped, [*given, text_line(MARKER, marker)])
    _raise_sequence(master)
    _require_zones(calendar, now)


def occurrence(calendar: Component, key: str, appearance: Appearance, *, context: Context, now: datetime) -> None:
    """Make one occurrence differ. Raises NotFoundError if the series has no such place."""
    series = _Series.of(calendar, key, context)
    series.include()
    found = series.override()
    if found is None:
        uid = series.master.value("UID")
        found = Component("VEVENT", [Line("UID", "", uid), series.named("RECURRENCE-ID")])
        calendar.parts.append(found)
    found.replace((*_LOOKS, "CLASS"), [*_looks(appearance, now, in_series=True), *_class(appearance)])
    _raise_sequence(found)
    _require_zones(calendar, now)


def cancel(calendar: Component, key: str, *, context: Context) -> None:
    """Take one occurrence out; one that is gone already is fine. Raises NotFoundError if there is no such place."""
    series = _Series.of(calendar, key, context)
    found = series.override()
    calendar.parts = [part for part in calendar.parts if part is not found]
    series.include()
    series.master.replace((), [series.named("EXDATE")])
    _raise_sequence(series.master)


def decline(calendar: Component, key: str | None, *, context: Context, now: datetime) -> None:
    """Answer an invitation with no, or the occurrence `key` of it.

    The server is told to leave the organiser alone (SCHEDULE-AGENT, RFC 6638, 7.1): it is we who speak to them, and we
    do not. Raises ConflictError where the person is not invited, NotFoundError if there is no such place.
    """
    own = context.addresses()
    answering = _master(calendar) if key is None else _own_override(calendar, key, context, now)
    organiser = answering.line("ORGANIZER")
    invited = [line for line in answering.lines("ATTENDEE") if values.address(line) in own]
    if not invited or organiser is None or values.address(organiser) in own:
        raise ConflictError("The person is not invited to this event: there is nothing to decline.")
    if all(line.parameter("PARTSTAT").upper() == "DECLINED" for line in invited):
        return
    answering.parts = [
        part.having("PARTSTAT", "DECLINED")
        if part in invited
        else part.having("SCHEDULE-AGENT", "CLIENT")
        if part is organiser
        else part
        for part in answering.parts
    ]
    answering.replace(("DTSTAMP",), [Line("DTSTAMP", "", utc(now))])


def _own_override(calendar: Component, key: str, context: Context, now: datetime) -> Component:
    """What differs at that place; made like its series where nothing does yet."""
    series = _Series.of(calendar, key, context)
    found = series.override()
    if found is None:
        span = series.span_of(key)
        found = Component("VEVENT", list(series.master.parts))
        found.replace(
            (*_OF_A_SERIES, "EXDATE", *_TIMES), [series.named("RECURRENCE-ID"), *_times(span, in_series=True)]
        )
        calendar.parts.append(found)
        _require_zones(calendar, now)
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class _Series:
    """A series in its resource, and the place in it that is to be changed."""

    calendar: Component
    master: Component
    span: Span
    start: Start
    zones: Zones

    @classmethod
    def of(cls, calendar: Component, key: str, context: Context) -> _Series:
        """Raises NotFoundError if the series has no such place."""
        master, known = _master(calendar), context.zones(calendar)
        span = values.span(master, known)
        lines = [line for line in values.series(master, span, known)[0] if not line.startswith("EXDATE")]
        if recurrence.occurrence_span(span, lines, key) is None:
            raise NotFoundError(f"The series has no occurrence {key}.")
        return cls(calendar=calendar, master=master, span=span, start=parse_occurrence_key(key), zones=known)

    def named(self, name: str) -> Line:
        """The line of that name for the place."""
        return time_line(name, self.start, None if isinstance(self.span, AllDaySpan) else self.span.zone)

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

    def override(self) -> Component | None:
        """What differs there."""
        for one in self.calendar.components("VEVENT"):
            if one.line("RECURRENCE-ID") and values.override_place(one, self.span, self.zones) == self.start:
                return one
        return None


def _master(calendar: Component) -> Component:
    for one in calendar.components("VEVENT"):
        if one.line("RECURRENCE-ID") is None:
            return one
    raise InvalidError("The resource has no event that could be changed.", code="EVENT.MALFORMED")


def _looks(appearance: Appearance, now: datetime, *, in_series: bool) -> list[Line]:
    text, availability = appearance.text, appearance.availability
    is_open = availability is Availability.TENTATIVE or appearance.status is Status.TENTATIVE
    undecided = is_open and availability is Availability.BUSY
    description = plain(text.description) if text.is_html else text.description
    stamp = utc(now)
    return [
        *_times(appearance.span, in_series=in_series),
        text_line("SUMMARY", text.title),
        *([text_line("DESCRIPTION", description)] if description else []),
        *([text_line("LOCATION", text.location)] if text.location else []),
        Line("STATUS", "", "TENTATIVE" if is_open else "CONFIRMED"),
        Line("TRANSP", "", "TRANSPARENT" if availability in _FREE else "OPAQUE"),
        Line("X-MICROSOFT-CDO-BUSYSTATUS", "", "TENTATIVE" if undecided else BUSY_STATUSES[availability]),
        Line("DTSTAMP", "", stamp),
        Line("LAST-MODIFIED", "", stamp),
    ]


def _class(appearance: Appearance) -> list[Line]:
    """Who may read it. An occurrence that differs inherits nothing: without a line of its own it is public (RFC 5545,
    3.8.1.3)."""
    class_ = CLASSES.get(appearance.visibility)
    return [Line("CLASS", "", class_)] if class_ else []


def _times(span: Span, *, in_series: bool) -> list[Line]:
    if isinstance(span, AllDaySpan):
        return [time_line("DTSTART", span.start, None), time_line("DTEND", span.end, None)]
    clock = zones.zone(span.zone)
    # In the hour that comes twice when clocks go back, a wall-clock time means its first pass; a series keeps its zone.
    is_second_pass = any(moment.astimezone(clock).fold for moment in (span.start, span.end))
    zone = None if is_second_pass and not in_series else span.zone
    return [time_line(name, at, zone, keeps_zone=True) for name, at in (("DTSTART", span.start), ("DTEND", span.end))]


def _raise_sequence(component: Component) -> None:
    """A revision has a higher number (RFC 5545, 3.8.7.4); some servers ignore those that have not."""
    number = component.value("SEQUENCE")
    component.replace(("SEQUENCE",), [Line("SEQUENCE", "", str(int(number) + 1 if number.isdigit() else 0))])


def _require_zones(calendar: Component, now: datetime) -> None:
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


def plain(description: str) -> str:
    """HTML as the plain text that DESCRIPTION holds."""
    return html.unescape(_TEXT_ONLY.clean(_BREAKS.sub("\n", description))).strip()
