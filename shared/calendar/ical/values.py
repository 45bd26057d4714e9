"""What the properties of a VEVENT mean (RFC 5545, 3.6.1 and 3.8; [MS-OXCICAL] for X-MICROSOFT-CDO-*), for whoever reads
one: a feed, or a resource of a CalDAV server. Pure.

Leniences that calendars in the field need stand where they are taken. Every refusal is an InvalidError for this event
alone, which holds none of its text.
"""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING

from shared.calendar.event import Availability, Event, Status, Visibility
from shared.calendar.ical.time_zones import Zone
from shared.calendar.span import AllDaySpan, TimedSpan, occurrence_key
from shared.core.errors import InvalidError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from shared.calendar.ical.lines import Component, Line
    from shared.calendar.ical.time_zones import Zones
    from shared.calendar.span import Span, Start

MARKER = "X-KALENDS-MARKER"
"""The property that holds the marker. Servers that keep what they do not know keep it (RFC 4791, 5.3.3)."""
BUSY_STATUSES = {
    Availability.FREE: "FREE",
    Availability.TENTATIVE: "TENTATIVE",
    Availability.BUSY: "BUSY",
    Availability.OUT_OF_OFFICE: "OOF",
    Availability.WORKING_ELSEWHERE: "WORKINGELSEWHERE",
}
"""X-MICROSOFT-CDO-BUSYSTATUS."""
CLASSES = {
    Visibility.PUBLIC: "PUBLIC",
    Visibility.PRIVATE: "PRIVATE",
    Visibility.CONFIDENTIAL: "CONFIDENTIAL",
}
"""CLASS."""

_AVAILABILITIES = {written: meant for meant, written in BUSY_STATUSES.items()}
_VISIBILITIES = {written: meant for meant, written in CLASSES.items()}
_STATUSES = {"TENTATIVE": Status.TENTATIVE, "CANCELLED": Status.CANCELLED}
_OF_A_SERIES = ("RRULE", "RDATE", "EXRULE")
_YEARS = range(1583, 9000)
_MOMENT = re.compile(r"(\d{8})(?:T(\d{2})(\d{2})(\d{2})?(Z)?)?", re.ASCII)
_DURATION = re.compile(
    r"([+-])?P(?=.)(?:(\d{1,6})W)?(?:(\d{1,6})D)?(?:T(?=.)(?:(\d{1,6})H)?(?:(\d{1,6})M)?(?:(\d{1,9})S)?)?", re.ASCII
)


def span(event: Component, zones: Zones) -> Span:
    """When it happens, or its series begins."""
    start = event.line("DTSTART")
    if start is None:
        raise InvalidError("The event has no start.", code="EVENT.NO_TIME")
    try:
        return _span(event, start, zones)
    except OverflowError:
        raise _invalid("lies in a year that no calendar has") from None


def is_series(event: Component) -> bool:
    """Whether it repeats."""
    return any(event.value(name) for name in _OF_A_SERIES) and event.line("RECURRENCE-ID") is None


def series(event: Component, span: Span, zones: Zones) -> tuple[tuple[str, ...], dict[str, Span]]:
    """The lines that make it a series, dates in UTC, and the occurrences that last otherwise (RDATE periods) by key."""
    found = [f"{name}:{line.value.strip()}" for name in ("RRULE", "EXRULE") for line in event.lines(name)]
    periods: dict[str, Span] = {}
    for name in ("RDATE", "EXDATE"):
        keys: list[str] = []
        for line in event.lines(name):
            for begin, end in _dates(line):
                if name == "EXDATE" and _is_date(begin) and not span.is_all_day:
                    continue  # matches nothing, as RFC 5545 has it and Google does
                start = place(line, span, zones, begin)
                keys.append(occurrence_key(start))
                if end and isinstance(start, datetime) and isinstance(span, TimedSpan):
                    until = _after(start, _length(end)) if "P" in end.upper() else _moment(line, zones, end)[0]
                    if isinstance(until, datetime) and until >= start and until - start != span.end - span.start:
                        periods[keys[-1]] = TimedSpan(start=start, end=until.astimezone(UTC), zone=span.zone)
        if keys:
            found.append(f"{name}{';VALUE=DATE' if span.is_all_day else ''}:{','.join(keys)}")
    return tuple(found), periods


def period_overrides(root: Event, periods: dict[str, Span]) -> dict[str, Event]:
    """What `series` found to last otherwise, as occurrences that differ from `root`, by key."""
    return {
        key: replace(
            root,
            id=f"{root.id}_{key}",
            span=one,
            recurrence=(),
            series_id=root.id,
            original_start=one.start,
            marker=None,
            claims_marker=False,
        )
        for key, one in periods.items()
    }


def cancelled(series_id: str, start: Start) -> Event:
    """An occurrence that does not happen."""
    return Event(
        id=f"{series_id}_{occurrence_key(start)}",
        span=None,
        status=Status.CANCELLED,
        series_id=series_id,
        original_start=start,
    )


def override_place(event: Component, span: Span, zones: Zones) -> Start:
    """Which occurrence a VEVENT with RECURRENCE-ID changes, of the series that begins with `span`."""
    line = event.line("RECURRENCE-ID")
    if line is None:
        raise _invalid("names no occurrence")
    if line.parameter("RANGE"):
        raise _invalid("changes all occurrences from one on (RANGE), which calendars no longer write")
    return place(line, span, zones)


def place(line: Line, span: Span, zones: Zones, value: str | None = None) -> Start:
    """The original start that RECURRENCE-ID or one date of EXDATE or RDATE names, as its series has it: a date in an
    all-day series, else UTC."""
    written = line.value if value is None else value
    start, _ = _moment(line, zones, written)
    if isinstance(span, AllDaySpan):
        return start.date() if isinstance(start, datetime) else start
    clock = span.local_start()
    if not isinstance(start, datetime):  # some writers name the day of a timed occurrence: its time is the series'
        return datetime.combine(start, clock.time(), clock.tzinfo).astimezone(UTC)
    if not line.parameter("TZID") and not written.strip().upper().endswith("Z"):
        start = start.replace(tzinfo=clock.tzinfo)
    return start.astimezone(UTC)


def exclusions(line: Line, span: Span, zones: Zones) -> Iterator[tuple[str, Start]]:
    """Each value of an EXDATE with the occurrence it names."""
    for value, _ in _dates(line):
        yield value, place(line, span, zones, value)


def status(event: Component) -> Status:
    """STATUS."""
    return _STATUSES.get(event.value("STATUS").upper(), Status.CONFIRMED)


def visibility(event: Component) -> Visibility:
    """CLASS."""
    return _VISIBILITIES.get(event.value("CLASS").upper(), Visibility.DEFAULT)


def availability(event: Component) -> Availability:
    """What it does to time. TRANSP is what programs change, so that it goes before a BUSYSTATUS that denies it."""
    busy = _AVAILABILITIES.get(event.value("X-MICROSOFT-CDO-BUSYSTATUS").upper())
    transparency = event.value("TRANSP").upper()
    if transparency == "TRANSPARENT":
        return Availability.WORKING_ELSEWHERE if busy is Availability.WORKING_ELSEWHERE else Availability.FREE
    if busy is Availability.FREE and transparency == "OPAQUE":
        busy = None
    return busy or (Availability.TENTATIVE if status(event) is Status.TENTATIVE else Availability.BUSY)


def updated_at(event: Component) -> datetime | None:
    """When it changed last, as far as it says."""
    match = _MOMENT.fullmatch((event.value("LAST-MODIFIED") or event.value("DTSTAMP")).upper())
    if match is None or match[2] is None:
        return None
    try:
        return datetime.fromisoformat(f"{match[1]}T{match[2]}{match[3]}{match[4] or '00'}Z")
    except ValueError:
        return None


def _span(event: Component, start: Line, zones: Zones) -> Span:
    begins, zone = _moment(start, zones)
    if zone.name is None and isinstance(begins, datetime) and is_series(event):
        raise InvalidError(
            "The series repeats on a clock that no zone of the IANA database keeps.", code="ZONE.UNKNOWN"
        )
    end, duration = event.line("DTEND"), event.line("DURATION")
    if end is not None and end.value.strip():
        ends = _moment(end, zones)[0]
    elif duration is not None:
        ends = _after(begins, _length(duration.value))
    else:  # RFC 5545, 3.6.1: a date lasts that day, a time no time at all
        ends = begins
    if not isinstance(begins, datetime):
        if isinstance(ends, datetime):
            raise _invalid("starts with a date and ends with a time")
        if ends < begins:
            raise _invalid("ends before it starts")
        # Some writers mean the last day itself, or the first one again.
        return AllDaySpan(start=begins, end=max(ends, begins + timedelta(days=1)))
    if not isinstance(ends, datetime):
        raise _invalid("starts with a time and ends with a date")
    local, local_end = begins.astimezone(zone.clock), ends.astimezone(zone.clock)
    is_all_day = event.value("X-MICROSOFT-CDO-ALLDAYEVENT").upper() == "TRUE"
    if is_all_day and local.time() == local_end.time() == time() and local < local_end:
        return AllDaySpan(start=local.date(), end=local_end.date())  # as Outlook exports whole days
    if ends < begins:
        raise _invalid("ends before it starts")
    return TimedSpan(start=begins.astimezone(UTC), end=ends.astimezone(UTC), zone=zone.name or "UTC")


def _after(begins: Start, length: timedelta) -> Start:
    if not isinstance(begins, datetime):
        return begins + timedelta(days=max(1, length.days))
    # RFC 5545, 3.3.6: days of a duration are days of the wall clock, the rest is exact.
    days = begins + timedelta(days=length.days)
    return (days.astimezone(UTC) + (length - timedelta(days=length.days))).astimezone(begins.tzinfo)


def _moment(line: Line, zones: Zones, value: str | None = None) -> tuple[Start, Zone]:
    """A date, or an aware datetime on the clock it was written for, and that clock."""
    match = _MOMENT.fullmatch((line.value if value is None else value).strip().upper())
    if match is None:
        raise _invalid("has something that should be a date or a time")
    day, hour, minute, second, is_utc = match.groups()
    try:
        on = date(int(day[:4]), int(day[4:6]), int(day[6:]))
        if on.year not in _YEARS:
            raise _invalid("lies in a year that no calendar has")
        if hour is None:
            return on, Zone(name="UTC", clock=UTC)
        at = time(int(hour), int(minute), min(int(second or 0), 59))  # 60: a leap second
    except ValueError:
        raise _invalid("has a date or time that does not exist") from None
    tzid = line.parameter("TZID")
    zone = zones.zone(tzid) if tzid else Zone(name="UTC", clock=UTC) if is_utc else zones.default
    return datetime.combine(on, at, UTC if is_utc else zone.clock), zone


def _length(value: str) -> timedelta:
    match = _DURATION.fullmatch(value.strip().upper())
    if match is None:
        raise _invalid("has a duration that cannot be understood")
    sign, *numbers = match.groups()
    if sign == "-":
        raise _invalid("ends before it starts")
    weeks, days, hours, minutes, seconds = (int(number or 0) for number in numbers)
    return timedelta(weeks=weeks, days=days, hours=hours, minutes=minutes, seconds=seconds)


def _dates(line: Line) -> Iterator[tuple[str, str]]:
    """The dates of an RDATE or EXDATE; of periods with their end."""
    for value in line.value.split(","):
        begin, _, end = value.strip().partition("/")
        if begin:
            yield begin, end


def _is_date(value: str) -> bool:
    return "T" not in value.upper()


def _invalid(what: str) -> InvalidError:
    return InvalidError(f"The event {what}.", code="EVENT.TIME")


def address(line: Line) -> str:
    """Whose calendar address an ORGANIZER or ATTENDEE line names, in small letters, without `mailto:`."""
    return line.value.strip().lower().removeprefix("mailto:")
