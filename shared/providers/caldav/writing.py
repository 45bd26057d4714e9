"""From an appearance to the lines of a resource, new or there already. Pure. No attendees, no alarms: never.

Of a resource that is there only our own lines are replaced; what else a person or program has put into it stays.
"""

from __future__ import annotations

import html
import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import nh3

from shared.calendar import recurrence, zones
from shared.calendar.event import Availability, Status, Visibility
from shared.calendar.span import AllDaySpan, occurrence_key, parse_occurrence_key
from shared.core.errors import InvalidError, NotFoundError
from shared.providers.caldav import reading, timezones
from shared.providers.caldav.lines import Component, Line, text_line

if TYPE_CHECKING:
    from shared.calendar.mirror import Appearance
    from shared.calendar.span import Span, Start
    from shared.providers.caldav.reading import Context

PRODUCT = "-//Kalends//Calendar synchronisation//EN"

_LOOKS = (
    "DTSTART", "DTEND", "DURATION", "SUMMARY", "DESCRIPTION", "X-ALT-DESC", "LOCATION", "STATUS", "TRANSP",
    "X-MICROSOFT-CDO-BUSYSTATUS", "DTSTAMP", "LAST-MODIFIED",
)  # fmt: skip
_OF_A_SERIES = ("RRULE", "RDATE", "EXRULE")
_BUSY = {
    Availability.FREE: "FREE",
    Availability.TENTATIVE: "TENTATIVE",
    Availability.BUSY: "BUSY",
    Availability.OUT_OF_OFFICE: "OOF",
    Availability.WORKING_ELSEWHERE: "WORKINGELSEWHERE",
}
_FREE = (Availability.FREE, Availability.WORKING_ELSEWHERE)
_CLASSES = {
    Visibility.PUBLIC: "PUBLIC",
    Visibility.PRIVATE: "PRIVATE",
    Visibility.CONFIDENTIAL: "CONFIDENTIAL",
}
_BREAKS = re.compile(r"<br\s*/?>|</(?:p|div|li|tr|h[1-6]|blockquote)>", re.IGNORECASE)
_TEXT_ONLY = nh3.Cleaner(tags=set(), attributes={}, clean_content_tags={"script", "style", "title"}, link_rel=None)


def new(uid: str, appearance: Appearance, *, marker: str, now: datetime) -> Component:
    """The resource of a mirror that is not there yet."""
    event = Component("VEVENT", [Line("UID", "", uid)])
    calendar = Component(
        "VCALENDAR",
        [Line("VERSION", "", "2.0"), Line("PRODID", "", PRODUCT), Line("CALSCALE", "", "GREGORIAN"), event],
    )
    root(calendar, appearance, marker=marker, anew=True, now=now)
    return calendar


def root(calendar: Component, appearance: Appearance, *, marker: str, anew: bool, now: datetime) -> None:
    """Bring the single event or master to `appearance`. Occurrences that differ stay, unless it is written `anew` or
    is no series any more. Raises InvalidError for a resource without one."""
    master = _master(calendar)
    rules = [_split(line) for line in appearance.recurrence]
    class_ = _CLASSES.get(appearance.visibility)
    given = [*_looks(appearance, now, in_series=bool(rules)), *([Line("CLASS", "", class_)] if class_ else []), *rules]
    dropped = {*_LOOKS, *_OF_A_SERIES, "CLASS", reading.MARKER}
    if anew or not rules:
        dropped.add("EXDATE")
        calendar.parts = [
            part
            for part in calendar.parts
            if not (isinstance(part, Component) and part.name == "VEVENT" and part is not master)
        ]
    master.replace(dropped, [*given, text_line(reading.MARKER, marker)])
    _raise_sequence(master)
    _require_zones(calendar)


def occurrence(calendar: Component, key: str, appearance: Appearance, *, context: Context, now: datetime) -> None:
    """Make one occurrence differ. Raises NotFoundError if the series has no such place."""
    master, span, start = _locate(calendar, key, context)
    _include(calendar, master, span, key, context)
    found = _override(calendar, key, span, context)
    if found is None:
        uid = master.value("UID")
        found = Component("VEVENT", [Line("UID", "", uid), _time_line("RECURRENCE-ID", start, _zone(span))])
        calendar.parts.append(found)
    found.replace(_LOOKS, _looks(appearance, now, in_series=True))
    _raise_sequence(found)
    _require_zones(calendar)


def cancel(calendar: Component, key: str, *, context: Context) -> None:
    """Take one occurrence out; one that is gone already is fine. Raises NotFoundError if there is no such place."""
    master, span, start = _locate(calendar, key, context)
    found = _override(calendar, key, span, context)
    calendar.parts = [part for part in calendar.parts if part is not found]
    _include(calendar, master, span, key, context)
    master.replace((), [_time_line("EXDATE", start, _zone(span))])
    _raise_sequence(master)


def _locate(calendar: Component, key: str, context: Context) -> tuple[Component, Span, Start]:
    """The master, its span, and the original start that `key` names."""
    master = _master(calendar)
    span = reading.span(master, calendar, context)
    rules = tuple(str(line) for name in _OF_A_SERIES for line in master.lines(name))
    if recurrence.occurrence_span(span, rules, key) is None:
        raise NotFoundError(f"The series has no occurrence {key}.")
    return master, span, parse_occurrence_key(key)


def _include(calendar: Component, master: Component, span: Span, key: str, context: Context) -> None:
    """Take `key` out of the EXDATEs."""
    kept: list[Line] = []
    for line in master.lines("EXDATE"):
        values = [
            value for value, start in reading.dates(line, calendar, span, context) if occurrence_key(start) != key
        ]
        if values:
            kept.append(Line("EXDATE", line.parameters, ",".join(values)))
    master.replace(("EXDATE",), kept)


def _override(calendar: Component, key: str, span: Span, context: Context) -> Component | None:
    for one in calendar.components("VEVENT"):
        if one.line("RECURRENCE-ID") and occurrence_key(reading.place(one, calendar, span, context)) == key:
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
    stamp = now.astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")
    return [
        *_times(appearance.span, in_series=in_series),
        text_line("SUMMARY", text.title),
        *([text_line("DESCRIPTION", description)] if description else []),
        *([text_line("LOCATION", text.location)] if text.location else []),
        Line("STATUS", "", "TENTATIVE" if is_open else "CONFIRMED"),
        Line("TRANSP", "", "TRANSPARENT" if availability in _FREE else "OPAQUE"),
        Line("X-MICROSOFT-CDO-BUSYSTATUS", "", "TENTATIVE" if undecided else _BUSY[availability]),
        Line("DTSTAMP", "", stamp),
        Line("LAST-MODIFIED", "", stamp),
    ]


def _times(span: Span, *, in_series: bool) -> list[Line]:
    if isinstance(span, AllDaySpan):
        return [_time_line("DTSTART", span.start, ""), _time_line("DTEND", span.end, "")]
    clock = zones.zone(span.zone)
    # In the hour that comes twice when clocks go back, a wall-clock time means its first pass; a series keeps its zone.
    is_second_pass = any(moment.astimezone(clock).fold for moment in (span.start, span.end))
    zone = "UTC" if is_second_pass and not in_series else span.zone
    return [_time_line("DTSTART", span.start, zone), _time_line("DTEND", span.end, zone)]


def _time_line(name: str, start: Start, zone: str) -> Line:
    if not isinstance(start, datetime):
        return Line(name, ";VALUE=DATE", start.strftime("%Y%m%d"))
    if timezones.vtimezone(zone) is None:
        return Line(name, "", start.astimezone(UTC).strftime("%Y%m%dT%H%M%SZ"))
    return Line(name, f";TZID={zone}", start.astimezone(zones.zone(zone)).strftime("%Y%m%dT%H%M%S"))


def _zone(span: Span) -> str:
    return "" if isinstance(span, AllDaySpan) else span.zone


def _split(line: str) -> Line:
    head, _, value = line.partition(":")
    name, semicolon, parameters = head.partition(";")
    return Line(name, semicolon + parameters, value)


def _raise_sequence(component: Component) -> None:
    """A revision has a higher number (RFC 5545, 3.8.7.4); some servers ignore those that have not."""
    number = component.value("SEQUENCE")
    component.replace(("SEQUENCE",), [Line("SEQUENCE", "", str(int(number) + 1 if number.isdigit() else 0))])


def _require_zones(calendar: Component) -> None:
    """Every TZID has its VTIMEZONE (RFC 5545, 3.6.5)."""
    used = {
        part.parameter("TZID")
        for event in calendar.components("VEVENT")
        for part in event.parts
        if isinstance(part, Line) and "TZID" in part.parameters
    }
    missing = used - {one.value("TZID") for one in calendar.components("VTIMEZONE")} - {""}
    made = [zone for name in sorted(missing) if (zone := timezones.vtimezone(name)) is not None]
    at = next((i for i, part in enumerate(calendar.parts) if isinstance(part, Component)), len(calendar.parts))
    calendar.parts[at:at] = made


def plain(description: str) -> str:
    """HTML as the plain text that DESCRIPTION holds."""
    return html.unescape(_TEXT_ONLY.clean(_BREAKS.sub("\n", description))).strip()
