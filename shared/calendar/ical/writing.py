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
from shared.calendar.ical.lines import Component, Line, split, text_line
from shared.calendar.ical.values import BUSY_STATUSES
from shared.calendar.span import AllDaySpan, TimedSpan, parse_occurrence_key

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from shared.calendar.mirror import Appearance, Mirror
    from shared.calendar.span import Span, Start

PRODID = "-//Kalends//Kalends//EN"
YEARS_AHEAD = 10
"""So far a VTIMEZONE tells the changes of a zone that has no yearly rule for them."""

_UTC = ("UTC", "Etc/UTC")


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
    whole = Component(
        "VCALENDAR",
        [
            Line("VERSION", "", "2.0"),
            Line("PRODID", "", PRODID),
            Line("CALSCALE", "", "GREGORIAN"),
            Line("METHOD", "", "PUBLISH"),
            text_line("NAME", name),
            text_line("X-WR-CALNAME", name),
            Line("REFRESH-INTERVAL", ";VALUE=DURATION", f"PT{minutes}M"),
            Line("X-PUBLISHED-TTL", "", f"PT{minutes}M"),
            *(definition(zone, earliest=earliest, year=year) for zone in clocks),
            *(event for entry in ordered for event in events(entry)),
        ],
    )
    return str(whole).encode()


def definition(zone: str, *, earliest: int, year: int) -> Component:
    """The VTIMEZONE for what begins in the year `earliest` or later; `year` is the current one."""
    return vtimezone.component(zone, first=max(1970, min(earliest, year) - 1), last=year + YEARS_AHEAD)


def events(entry: Entry) -> list[Component]:
    """The VEVENTs of one event or series."""
    root = entry.mirror.root
    zone = _series_zone(entry.mirror)
    recurring = list(root.recurrence)
    gone = [parse_occurrence_key(key) for key, one in entry.mirror.overrides.items() if one is None]
    if gone and recurring:
        kept = recurrence.parse(recurring, root.span)
        kept = replace(kept, excluded=kept.excluded | frozenset(gone))
        recurring = list(kept.lines(root.span.zone if isinstance(root.span, TimedSpan) else None))
    found = [_event(entry, root, zone=zone, extra=[split(line) for line in recurring])]
    for key, one in entry.mirror.overrides.items():
        if one is not None:
            place = time_line("RECURRENCE-ID", parse_occurrence_key(key), zone)
            found.append(_event(entry, one, zone=zone, extra=[place]))
    return found


def time_line(name: str, at: Start, zone: str | None, *, keeps_zone: bool = False) -> Line:
    """A date, or a time on the clock of `zone` (None: UTC); the second pass of an hour that comes twice, which a wall
    clock cannot say (RFC 5545, 3.3.5), in UTC unless it `keeps_zone`."""
    if not isinstance(at, datetime):
        return Line(name, ";VALUE=DATE", f"{at.year:04}{at:%m%d}")
    if zone is None or zone in _UTC:
        return Line(name, "", utc(at))
    local = at.astimezone(zones.zone(zone))
    if local.fold and not keeps_zone:
        return Line(name, "", utc(at))
    return Line(name, f";TZID={zone}", f"{local.year:04}{local:%m%dT%H%M%S}")


def utc(moment: datetime) -> str:
    """A time in UTC."""
    moment = moment.astimezone(UTC)
    return f"{moment.year:04}{moment:%m%dT%H%M%SZ}"


def _event(entry: Entry, one: Appearance, *, zone: str | None, extra: Sequence[Line]) -> Component:
    # A reader that shows no HTML still shows something: tags and all, as Google's own exports have it.
    description = [text_line("DESCRIPTION", one.text.description)] if one.text.description else []
    if one.text.description and one.text.is_html:
        description.append(text_line("X-ALT-DESC", one.text.description, ";FMTTYPE=text/html"))
    return Component(
        "VEVENT",
        [
            text_line("UID", entry.uid),
            Line("DTSTAMP", "", utc(entry.stamped_at)),
            *_times(one.span, zone),
            *extra,
            text_line("SUMMARY", one.text.title),
            *description,
            *([text_line("LOCATION", one.text.location)] if one.text.location else []),
            Line("STATUS", "", "TENTATIVE" if one.status is Status.TENTATIVE else "CONFIRMED"),
            Line("TRANSP", "", "TRANSPARENT" if one.availability is Availability.FREE else "OPAQUE"),
            Line("X-MICROSOFT-CDO-BUSYSTATUS", "", BUSY_STATUSES[one.availability]),
        ],
    )


def _series_zone(mirror: Mirror) -> str | None:
    """The clock of a timed series; None for what stands in UTC or in days."""
    root = mirror.root
    if not root.recurrence or not isinstance(root.span, TimedSpan) or root.span.zone in _UTC:
        return None
    return root.span.zone


def _times(span: Span, zone: str | None) -> list[Line]:
    if isinstance(span, AllDaySpan):
        return [time_line("DTSTART", span.start, None), time_line("DTEND", span.end, None)]
    return [time_line("DTSTART", span.starts_at(), zone), time_line("DTEND", span.ends_at(), zone)]
