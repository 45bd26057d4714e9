"""From appearances to iCalendar (RFC 5545; RFC 7986 for names and refreshing): what readers of a feed get.

Single events stand in UTC. Series stand on their own wall clock, with its VTIMEZONE, so that they hold their local
time. Equal content gives equal bytes: nothing depends on when it was written.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from shared.calendar import recurrence, zones
from shared.calendar.event import Availability, Status
from shared.calendar.ical import vtimezone
from shared.calendar.span import AllDaySpan, TimedSpan, parse_occurrence_key

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from shared.calendar.mirror import Appearance, Mirror
    from shared.calendar.span import Span, Start

PRODID = "-//Kalends//Kalends//EN"
OCTETS = 75
"""RFC 5545, 3.1: a longer line is folded."""
YEARS_AHEAD = 10
"""So far a VTIMEZONE tells the changes of a zone that has no yearly rule for them."""

_UTC = ("UTC", "Etc/UTC")
_BUSY_STATUSES = {
    Availability.FREE: "FREE",
    Availability.TENTATIVE: "TENTATIVE",
    Availability.BUSY: "BUSY",
    Availability.OUT_OF_OFFICE: "OOF",
    Availability.WORKING_ELSEWHERE: "WORKINGELSEWHERE",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One event or series as readers see it. `stamped_at` is the DTSTAMP: when its feed began, so that it tells nobody
    that something hidden has changed."""

    uid: str
    mirror: Mirror
    stamped_at: datetime


def calendar(entries: Iterable[Entry], *, name: str, refresh: timedelta, year: int) -> bytes:
    """A whole calendar, in UTF-8. `refresh` says how often readers should ask; `year` is the current one."""
    ordered = sorted(entries, key=lambda entry: entry.uid)
    clocks = sorted({zone for entry in ordered if (zone := _series_zone(entry.mirror)) is not None})
    minutes = max(1, refresh // timedelta(minutes=1))
    earliest = min((entry.mirror.root.span.starts_at().year for entry in ordered), default=year)
    lines = [
        "BEGIN:VCALENDAR",
        "VERSION:2.0",
        f"PRODID:{PRODID}",
        "CALSCALE:GREGORIAN",
        "METHOD:PUBLISH",
        f"NAME:{_escape(name)}",
        f"X-WR-CALNAME:{_escape(name)}",
        f"REFRESH-INTERVAL;VALUE=DURATION:PT{minutes}M",
        f"X-PUBLISHED-TTL:PT{minutes}M",
        *(
            line
            for zone in clocks
            for line in vtimezone.lines(zone, first=max(1970, min(earliest, year) - 1), last=year + YEARS_AHEAD)
        ),
        *(line for entry in ordered for line in events(entry)),
        "END:VCALENDAR",
    ]
    return "".join(f"{_fold(line)}\r\n" for line in lines).encode()


def events(entry: Entry) -> list[str]:
    """The VEVENTs of one event or series, unfolded."""
    root = entry.mirror.root
    zone = _series_zone(entry.mirror)
    recurring = list(root.recurrence)
    gone = [parse_occurrence_key(key) for key, one in entry.mirror.overrides.items() if one is None]
    if gone and recurring:
        kept = recurrence.parse(recurring, root.span)
        kept = replace(kept, excluded=kept.excluded | frozenset(gone))
        recurring = list(kept.lines(root.span.zone if isinstance(root.span, TimedSpan) else None))
    lines = _event(entry, root, zone=zone, extra=recurring)
    for key, one in entry.mirror.overrides.items():
        if one is not None:
            place = _start("RECURRENCE-ID", parse_occurrence_key(key), zone)
            lines += _event(entry, one, zone=zone, extra=[place])
    return lines


def _event(entry: Entry, one: Appearance, *, zone: str | None, extra: Sequence[str]) -> list[str]:
    lines = [
        "BEGIN:VEVENT",
        f"UID:{_escape(entry.uid)}",
        f"DTSTAMP:{_utc(entry.stamped_at)}",
        *_times(one.span, zone),
        *extra,
        f"SUMMARY:{_escape(one.text.title)}",
    ]
    if one.text.description:
        # A reader that shows no HTML still shows something: tags and all, as Google's own exports have it.
        lines.append(f"DESCRIPTION:{_escape(one.text.description)}")
        if one.text.is_html:
            lines.append(f"X-ALT-DESC;FMTTYPE=text/html:{_escape(one.text.description)}")
    if one.text.location:
        lines.append(f"LOCATION:{_escape(one.text.location)}")
    lines += [
        f"STATUS:{'TENTATIVE' if one.status is Status.TENTATIVE else 'CONFIRMED'}",
        f"TRANSP:{'TRANSPARENT' if one.availability is Availability.FREE else 'OPAQUE'}",
        f"X-MICROSOFT-CDO-BUSYSTATUS:{_BUSY_STATUSES[one.availability]}",
        "END:VEVENT",
    ]
    return lines


def _series_zone(mirror: Mirror) -> str | None:
    """The clock of a timed series; None for what stands in UTC or in days."""
    root = mirror.root
    if not root.recurrence or not isinstance(root.span, TimedSpan) or root.span.zone in _UTC:
        return None
    return root.span.zone


def _times(span: Span, zone: str | None) -> list[str]:
    if isinstance(span, AllDaySpan):
        return [_start("DTSTART", span.start, None), _start("DTEND", span.end, None)]
    return [_start("DTSTART", span.starts_at(), zone), _start("DTEND", span.ends_at(), zone)]


def _start(name: str, at: Start, zone: str | None) -> str:
    if not isinstance(at, datetime):
        return f"{name};VALUE=DATE:{at.year:04}{at:%m%d}"
    if zone is None:
        return f"{name}:{_utc(at)}"
    local = at.astimezone(zones.zone(zone))
    # The second pass of an hour that comes twice cannot be said on the wall clock (RFC 5545, 3.3.5).
    return f"{name}:{_utc(at)}" if local.fold else f"{name};TZID={zone}:{local.year:04}{local:%m%dT%H%M%S}"


def _utc(moment: datetime) -> str:
    moment = moment.astimezone(UTC)
    return f"{moment.year:04}{moment:%m%dT%H%M%SZ}"


def _escape(text: str) -> str:
    """RFC 5545, 3.3.11. Control characters have no place in a text."""
    escaped = text.replace("\\", "\\\\").replace(";", "\\;").replace(",", "\\,")
    escaped = escaped.replace("\r\n", "\\n").replace("\r", "\\n").replace("\n", "\\n")
    return "".join(character for character in escaped if character >= " " or character == "\t")


def _fold(line: str) -> str:
    """RFC 5545, 3.1: at most 75 octets a line, never inside a character."""
    if len(line) * 4 <= OCTETS or len(line.encode()) <= OCTETS:
        return line
    parts: list[str] = []
    part, size = "", 0
    for character in line:
        octets = len(character.encode())
        if size + octets > (OCTETS if not parts else OCTETS - 1):
            parts.append(part)
            part, size = "", 0
        part += character
        size += octets
    return "\r\n ".join([*parts, part])
