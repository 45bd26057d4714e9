"""From iCalendar to units: single events, and series with the occurrences that differ (RFC 5545, 3.6.1).

Whatever cannot be understood is left out alone, with a reason that holds none of its text. Leniences that calendars
in the field need stand where they are taken. Event ids are UIDs, `<uid>_<occurrence_key>` for occurrences.
"""

from __future__ import annotations

import hashlib
import re
from collections import defaultdict
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING

from shared.calendar import recurrence
from shared.calendar.event import Availability, Event, Response, Status, Text, Unit, Visibility
from shared.calendar.ical import grammar
from shared.calendar.ical.time_zones import Zone, Zones, iana
from shared.calendar.span import AllDaySpan, Span, Start, TimedSpan, occurrence_key
from shared.core.errors import InvalidError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from shared.calendar.ical.grammar import Component, Property

DESCRIPTION_LENGTH = 32_000
"""Characters of a description that are kept: no provider holds more (Graph's limit is the widest that is known)."""
LINE_LENGTH = 1_000
"""Characters of a title or place that are kept."""
ID_LENGTH = 400
"""A longer UID is known by its hash: ids are indexed."""

_WANTED = frozenset(
    (
        *("UID", "DTSTART", "DTEND", "DURATION", "RECURRENCE-ID", "RRULE", "RDATE", "EXDATE", "EXRULE", "STATUS"),
        *("TRANSP", "CLASS", "SUMMARY", "DESCRIPTION", "LOCATION", "SEQUENCE", "LAST-MODIFIED", "DTSTAMP"),
        *("X-MICROSOFT-CDO-BUSYSTATUS", "X-MICROSOFT-CDO-ALLDAYEVENT", "X-KALENDS-MARKER"),
    )
)
_YEARS = range(1583, 9000)
_MOMENT = re.compile(r"(\d{8})(?:T(\d{2})(\d{2})(\d{2})?(Z)?)?", re.ASCII)
_DURATION = re.compile(
    r"([+-])?P(?=.)(?:(\d{1,6})W)?(?:(\d{1,6})D)?(?:T(?=.)(?:(\d{1,6})H)?(?:(\d{1,6})M)?(?:(\d{1,9})S)?)?", re.ASCII
)
_BUSY_STATUSES = {
    "FREE": Availability.FREE,
    "TENTATIVE": Availability.TENTATIVE,
    "BUSY": Availability.BUSY,
    "OOF": Availability.OUT_OF_OFFICE,
    "WORKINGELSEWHERE": Availability.WORKING_ELSEWHERE,
}
_STATUSES = {"TENTATIVE": Status.TENTATIVE, "CANCELLED": Status.CANCELLED}
_VISIBILITIES = {
    "PUBLIC": Visibility.PUBLIC,
    "PRIVATE": Visibility.PRIVATE,
    "CONFIDENTIAL": Visibility.CONFIDENTIAL,
}
# What changes by itself each time a calendar is written.
_VOLATILE = ("DTSTAMP", "LAST-MODIFIED", "CREATED", "SEQUENCE")


@dataclass(frozen=True, slots=True, kw_only=True)
class Unreadable:
    """One item that could not be understood. `id` is its UID (and occurrence) where that much could be read, else a
    hash of it; `is_known` tells which. `reason` holds no text."""

    id: str
    reason: str
    is_known: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Calendar:
    """A calendar as read. `is_whole`: from BEGIN to END, and of nothing in it is unknown which item it is; only then
    does an item's absence mean that it is not there. A root with status CANCELLED says itself that it is gone."""

    units: tuple[Unit, ...]
    unreadable: tuple[Unreadable, ...]
    is_whole: bool
    name: str
    time_zone: str | None


def read(body: bytes | str, *, default_zone: str = "UTC", charset: str | None = None) -> Calendar:
    """Everything in an iCalendar text. `default_zone` (IANA) is the clock of floating times, unless X-WR-TIMEZONE
    names another; `charset` is what a label says where the text is not UTF-8.

    Raises InvalidError if it is not a calendar at all.
    """
    structure = grammar.parse(grammar.decode(body, charset) if isinstance(body, bytes) else grammar.unfold(body))
    if structure is None:
        raise InvalidError("What was read is not an iCalendar text.", code="ICAL.NOT_A_CALENDAR")
    own_zone = structure.calendar.find("X-WR-TIMEZONE")
    zone = iana(own_zone.value.strip()) if own_zone else None
    name = structure.calendar.find("X-WR-CALNAME") or structure.calendar.find("NAME")
    reader = _Reader(Zones(structure.components, default=zone or default_zone))
    for component in structure.components:
        if component.name == "VEVENT":
            reader.take(component)
    return Calendar(
        units=reader.units(),
        unreadable=tuple(reader.unreadable),
        is_whole=structure.is_whole and all(one.is_known for one in reader.unreadable),
        name=_line(name.text) if name else "",
        time_zone=zone,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Item:
    """A VEVENT that could be read on its own. `place` is its RECURRENCE-ID, to be read on its series' clock."""

    event: Event
    place: Property | None
    revision: tuple[int, str, str]


class _Reader:
    """Collects items by UID, so that an override may come before its master."""

    def __init__(self, zones: Zones) -> None:
        self._zones = zones
        self._items: defaultdict[str, list[_Item]] = defaultdict(list)
        self.unreadable: list[Unreadable] = []

    def take(self, component: Component) -> None:
        uid = component.find("UID")
        identity = _identity(component, uid)
        try:
            if component.is_broken:
                raise _invalid("has no end")
            try:
                properties = component.properties(_WANTED)
            except ValueError:
                raise _invalid("has a line that is no property") from None
            self._items[identity].append(_item(identity, properties, self._zones))
        except InvalidError as error:
            place = component.find("RECURRENCE-ID")
            known = uid is not None and bool(uid.value.strip()) and not component.is_broken
            suffix = f"_{place.value.strip()[:20]}" if place else ""
            self.unreadable.append(Unreadable(id=f"{identity}{suffix}", reason=error.message, is_known=known))

    def units(self) -> tuple[Unit, ...]:
        return tuple(unit for uid, items in self._items.items() for unit in self._of_one_uid(uid, items))

    def _of_one_uid(self, uid: str, items: Sequence[_Item]) -> list[Unit]:
        masters = [item for item in items if item.place is None]
        others = [item for item in items if item.place is not None]
        if not masters:
            # Whoever was invited to one occurrence has no more than that: an event of its own.
            return [Unit(root=one) for one in self._overrides(uid, others, None).values() if not one.is_cancelled]
        # One UID is one event (RFC 5545, 3.8.4.7): of several the latest revision counts.
        master = max(masters, key=lambda item: item.revision)
        root = master.event
        if not root.is_series:
            return [Unit(root=root)]
        found = self._overrides(uid, others, root)
        return [Unit(root=root, overrides=tuple(found[key] for key in sorted(found)))]

    def _overrides(self, uid: str, items: Sequence[_Item], root: Event | None) -> dict[str, Event]:
        found: dict[str, Event] = {}
        for item in sorted(items, key=lambda item: item.revision):
            try:
                place = _place(item, root, self._zones)
            except InvalidError as error:
                self.unreadable.append(Unreadable(id=item.event.id, reason=error.message, is_known=True))
                continue
            event_id = f"{uid}_{occurrence_key(place)}"
            if root is None:
                found[event_id] = replace(item.event, id=event_id)
            elif item.event.is_cancelled:
                found[event_id] = Event(
                    id=event_id, span=None, status=Status.CANCELLED, series_id=uid, original_start=place
                )
            else:
                found[event_id] = replace(
                    item.event, id=event_id, series_id=uid, original_start=place, recurrence=(), marker=None
                )
        return found


def _item(uid: str, properties: dict[str, list[Property]], zones: Zones) -> _Item:
    def first(name: str) -> Property | None:
        return properties[name][0] if name in properties else None

    def word(name: str) -> str:
        found = first(name)
        return found.value.strip().upper() if found else ""

    start = first("DTSTART")
    if start is None:
        raise _invalid("has no start")
    place = first("RECURRENCE-ID")
    if place is not None and place.parameters.get("RANGE", "").upper() == "THISANDFUTURE":
        raise _invalid("changes all occurrences from one on (RANGE=THISANDFUTURE), which calendars no longer write")
    is_series = place is None and bool(properties.keys() & {"RRULE", "RDATE", "EXRULE"})
    all_day = word("X-MICROSOFT-CDO-ALLDAYEVENT") == "TRUE"
    try:
        span = _span(start, first("DTEND"), first("DURATION"), zones, all_day=all_day, is_series=is_series)
    except OverflowError:
        raise _invalid("lies in a year that no calendar has") from None
    status = _STATUSES.get(word("STATUS"), Status.CONFIRMED)
    lines = _lines(properties, span, zones) if is_series and status is not Status.CANCELLED else ()
    transparent = Availability.FREE if word("TRANSP") == "TRANSPARENT" else Availability.BUSY
    marker = first("X-KALENDS-MARKER")
    event = Event(
        id=uid,
        span=span,
        status=status,
        text=Text(
            title=_line(summary.text) if (summary := first("SUMMARY")) else "",
            description=description.text[:DESCRIPTION_LENGTH] if (description := first("DESCRIPTION")) else "",
            location=_line(location.text) if (location := first("LOCATION")) else "",
        ),
        availability=_BUSY_STATUSES.get(word("X-MICROSOFT-CDO-BUSYSTATUS"), transparent),
        visibility=_VISIBILITIES.get(word("CLASS"), Visibility.DEFAULT),
        response=Response.NONE,
        recurrence=lines,
        ical_uid=uid,
        marker=marker.text.strip() if marker else None,
    )
    sequence = word("SEQUENCE")
    revision = (int(sequence) if re.fullmatch(r"\d{1,9}", sequence, re.ASCII) else 0, word("LAST-MODIFIED"))
    return _Item(event=event, place=place, revision=(*revision, word("DTSTAMP")))


def _span(
    start: Property, end: Property | None, duration: Property | None, zones: Zones, *, all_day: bool, is_series: bool
) -> Span:
    begins, zone = _moment(start, zones)
    if is_series and isinstance(begins, datetime) and zone.name is None:
        raise InvalidError(
            "The series repeats on a clock that no zone of the IANA database keeps.", code="ZONE.UNKNOWN"
        )
    if end is not None and end.value.strip():
        ends = _moment(end, zones)[0]
    elif duration is not None:
        ends = _after(begins, _length(duration.value))
    else:  # RFC 5545, 3.6.1: a date lasts that day, a time no time at all
        ends = begins
    if isinstance(begins, datetime) != isinstance(ends, datetime):
        raise _invalid("starts with a date and ends with a time, or the other way round")
    if not isinstance(begins, datetime):
        # Some writers mean the last day itself, or the first one again.
        return _whole_days(begins, ends)
    if not isinstance(ends, datetime):
        raise _invalid("starts with a time and ends with a date")
    local, local_end = begins.astimezone(zone.clock), ends.astimezone(zone.clock)
    if all_day and local.time() == local_end.time() == time() and local < local_end:
        return AllDaySpan(start=local.date(), end=local_end.date())  # as Outlook exports whole days
    if ends < begins:
        raise _invalid("ends before it starts")
    return TimedSpan(start=begins.astimezone(UTC), end=ends.astimezone(UTC), zone=zone.name or "UTC")


def _whole_days(first: date, last: date) -> AllDaySpan:
    if last < first:
        raise _invalid("ends before it starts")
    return AllDaySpan(start=first, end=max(last, first + timedelta(days=1)))


def _after(begins: Start, length: timedelta) -> Start:
    if not isinstance(begins, datetime):
        return begins + timedelta(days=max(1, length.days))
    # RFC 5545, 3.3.6: days of a duration are days of the wall clock, the rest is exact.
    days = begins + timedelta(days=length.days)
    return (days.astimezone(UTC) + (length - timedelta(days=length.days))).astimezone(begins.tzinfo)


def _moment(written: Property, zones: Zones) -> tuple[Start, Zone]:
    """A date, or an aware datetime on the clock it was written for, and that clock."""
    match = _MOMENT.fullmatch(written.value.strip().upper())
    if match is None:
        raise _invalid("has something that should be a date or a time")
    day, hour, minute, second, is_utc = match.groups()
    tzid = written.parameters.get("TZID", "")
    try:
        on = datetime.strptime(day, "%Y%m%d").replace(tzinfo=UTC).date()
        if on.year not in _YEARS:
            raise _invalid("lies in a year that no calendar has")
        if hour is None:
            return on, zones.default
        zone = zones.zone(tzid) if tzid else zones.default
        at = time(int(hour), int(minute), min(int(second or 0), 59))  # 60: a leap second
    except ValueError:
        raise _invalid("has a date or time that does not exist") from None
    if is_utc:
        return datetime.combine(on, at, UTC), zone if tzid else Zone(name="UTC", clock=UTC)
    return datetime.combine(on, at, zone.clock), zone


def _length(value: str) -> timedelta:
    match = _DURATION.fullmatch(value.strip().upper())
    if match is None:
        raise _invalid("has a duration that cannot be understood")
    sign, weeks, days, hours, minutes, seconds = match.groups()
    if sign == "-":
        raise _invalid("ends before it starts")
    return timedelta(
        weeks=int(weeks or 0),
        days=int(days or 0),
        hours=int(hours or 0),
        minutes=int(minutes or 0),
        seconds=int(seconds or 0),
    )


def _lines(properties: dict[str, list[Property]], span: Span, zones: Zones) -> tuple[str, ...]:
    """The recurrence in its normal form; a rule that nobody can hold is an InvalidError, for this item."""
    lines: list[str] = []
    for name in ("RRULE", "EXRULE", "RDATE", "EXDATE"):
        for written in properties.get(name, ()):
            parameters = "".join(f";{key}={written.parameters[key]}" for key in ("VALUE",) if key in written.parameters)
            if "TZID" in written.parameters and "RULE" not in name:
                zone = zones.zone(written.parameters["TZID"])
                if zone.name is None:
                    raise InvalidError("The series names a clock that no IANA zone keeps.", code="ZONE.UNKNOWN")
                parameters += f";TZID={zone.name}"
            if written.value.strip():
                lines.append(f"{name}{parameters}:{written.value.strip().rstrip(',')}")
    return recurrence.normalise(lines, span)


def _place(item: _Item, root: Event | None, zones: Zones) -> Start:
    """The original start that RECURRENCE-ID names, as its series has it: a date in an all-day series, else UTC."""
    written = item.place
    if written is None:
        raise _invalid("names no occurrence")
    place, _ = _moment(written, zones)
    span = root.span if root else item.event.span
    if isinstance(span, AllDaySpan):
        return place.date() if isinstance(place, datetime) else place
    if not isinstance(place, datetime):
        # Some writers name the day of a timed occurrence: its time is the series'.
        if span is None:
            raise _invalid("names no occurrence")
        local = span.local_start()
        return datetime.combine(place, local.time(), local.tzinfo).astimezone(UTC)
    is_floating = "TZID" not in written.parameters and not written.value.strip().upper().endswith("Z")
    if is_floating and isinstance(span, TimedSpan):
        place = place.replace(tzinfo=span.local_start().tzinfo)
    return place.astimezone(UTC)


def _identity(component: Component, uid: Property | None) -> str:
    text = uid.text.strip() if uid else ""
    if not text:
        # RFC 5545 wants one. Without it, an item is what it says; what its writer stamps anew each time set aside.
        content = "\n".join(line for line in component.lines if not line.upper().startswith(_VOLATILE))
        return f"sha256:{hashlib.sha256(content.encode()).hexdigest()}"
    return text if len(text.encode()) <= ID_LENGTH else f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"


def _line(text: str) -> str:
    return " ".join(text.split())[:LINE_LENGTH]


def _invalid(what: str) -> InvalidError:
    return InvalidError(f"The event {what}.", code="ICAL.INVALID")
