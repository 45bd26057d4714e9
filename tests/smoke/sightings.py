"""What can be seen in a calendar: every occurrence of every event, read from the providers' own resources.

A code path of its own, that shares nothing with the product: it is what the product is judged by.
"""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from html.parser import HTMLParser
from typing import TYPE_CHECKING, Any, Literal
from zoneinfo import ZoneInfo

import icalendar
from dateutil import rrule
from tzlocal import windows_tz

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

type Resource = dict[str, Any]
type Moment = datetime | date
type Availability = Literal["free", "tentative", "busy"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sighting:
    """One event, or one occurrence of a series, at one time.

    Times are instants in UTC, or dates for all-day ones (the end exclusive). `event` is the id of the single event or
    of the series; `description` is text without tags. `hidden` says why no link shows it, "" if all do. `guests`,
    `rings`, `private` and `links` are what mirrors are checked for.
    """

    event: str
    start: Moment
    end: Moment
    title: str
    description: str
    location: str
    availability: Availability
    hidden: str
    guests: int
    rings: bool
    private: bool
    links: bool

    @property
    def when(self) -> tuple[Moment, Moment]:
        """Start and end."""
        return self.start, self.end

    def __str__(self) -> str:
        if isinstance(self.start, datetime):
            return f"{self.start:%Y-%m-%d %H:%M} - {self.end:%Y-%m-%d %H:%M} UTC ({self.event})"
        return f"{self.start} - {self.end} all day ({self.event})"


def read(provider: str, items: Iterable[Resource], first: datetime, last: datetime) -> list[Sighting]:
    """Everything that a calendar's items show from `first` to `last`, cancelled things left out, by start."""
    see = {"google": _google, "microsoft": _microsoft, "caldav": _caldav}[provider]
    found = [one for one in see(list(items), first, last) if touches(one, first, last)]
    return sorted(found, key=lambda one: (str(one.start), one.event))


def touches(sighting: Sighting, first: datetime, last: datetime) -> bool:
    """Whether it happens at least partly in [first, last); days are those of UTC."""
    start, end = (
        moment if isinstance(moment, datetime) else datetime.combine(moment, time(), UTC) for moment in sighting.when
    )
    return start < last and (end > first or (start == end and start >= first))


# Google Calendar


def _google(items: Sequence[Resource], first: datetime, last: datetime) -> Iterable[Sighting]:
    changed: dict[str, dict[Moment, Resource]] = defaultdict(dict)
    for item in items:
        if "recurringEventId" in item:
            changed[item["recurringEventId"]][_google_moment(item["originalStartTime"])] = item
    for item in items:
        if item["status"] == "cancelled" or "recurringEventId" in item:
            continue
        if not item.get("recurrence"):
            yield _google_sighting(item, *_google_times(item), event=item["id"])
            continue
        overrides = changed[item["id"]]
        begin, end = _google_times(item)
        for start in _rfc5545(item["recurrence"], begin, item["start"].get("timeZone", "UTC"), first, last):
            if start not in overrides:
                yield _google_sighting(item, start, start + _length(begin, end), event=item["id"])
        for override in overrides.values():
            if override["status"] != "cancelled":
                yield _google_sighting(override, *_google_times(override), event=item["id"])


def _google_sighting(item: Resource, start: Moment, end: Moment, *, event: str) -> Sighting:
    response = next((one.get("responseStatus", "") for one in item.get("attendees", ()) if one.get("self")), "")
    undecided = item["status"] == "tentative" or response in ("tentative", "needsAction")
    availability: Availability = "tentative" if undecided else "busy"
    hidden = ""
    if item.get("transparency") == "transparent":
        availability, hidden = "free", "free"
    if response == "declined":
        hidden = "declined"
    if item.get("eventType") in ("workingLocation", "birthday"):
        hidden = item["eventType"]
    reminders = item.get("reminders", {})
    return Sighting(
        event=event,
        start=start,
        end=end,
        title=item.get("summary", ""),
        description=plain(item.get("description", "")),
        location=item.get("location", ""),
        availability=availability,
        hidden=hidden,
        guests=len(item.get("attendees", ())),
        rings=bool(reminders.get("useDefault") or reminders.get("overrides")),
        private=item.get("visibility") in ("private", "confidential"),
        links=any(item.get(key) for key in ("conferenceData", "hangoutLink", "attachments", "source")),
    )


def _google_times(item: Resource) -> tuple[Moment, Moment]:
    return _google_moment(item["start"]), _google_moment(item["end"])


def _google_moment(value: Resource) -> Moment:
    if "date" in value:
        return date.fromisoformat(value["date"])
    return datetime.fromisoformat(value["dateTime"]).astimezone(UTC)


def _rfc5545(lines: Sequence[str], begin: Moment, zone: str, first: datetime, last: datetime) -> Iterable[Moment]:
    """Starts of a series: on the wall clock of its zone, or dates."""
    zoned = ZoneInfo(zone)
    wall = begin.astimezone(zoned).replace(tzinfo=None) if isinstance(begin, datetime) else _midnight(begin)
    rules = rrule.rruleset()
    for line in lines:
        head, _, value = line.partition(":")
        name = head.upper().partition(";")[0]
        if name in ("RRULE", "EXRULE"):
            rule = rrule.rrulestr(_local_until(value, zoned), dtstart=wall)
            (rules.rrule if name == "RRULE" else rules.exrule)(rule)  # type: ignore[arg-type]
        else:
            named = re.search(r"TZID=([^;:]+)", head)
            for text in value.split(","):
                moment = _wall(text, zoned, ZoneInfo(named[1]) if named else zoned)
                moment = moment.replace(hour=wall.hour, minute=wall.minute) if "T" not in text else moment
                (rules.rdate if name == "RDATE" else rules.exdate)(moment)
    if not any(line.upper().startswith("RRULE") for line in lines):
        rules.rdate(wall)
    return _between(rules, wall, begin, zoned, first, last)


def _between(
    rules: rrule.rruleset | rrule.rrule, wall: datetime, begin: Moment, zone: ZoneInfo, first: datetime, last: datetime
) -> Iterable[Moment]:
    reach = timedelta(days=40)
    found = rules.between(max(first.replace(tzinfo=None) - reach, wall), last.replace(tzinfo=None) + reach, inc=True)
    if isinstance(begin, datetime):
        return [moment.replace(tzinfo=zone).astimezone(UTC) for moment in found]
    return [moment.date() for moment in found]


def _local_until(rule: str, zone: ZoneInfo) -> str:
    match = re.search(r"UNTIL=(\d{8}(?:T\d{6}Z?)?)", rule)
    if match is None:
        return rule
    until = match[1] if "T" in match[1] else f"{match[1]}T235959"
    return rule.replace(match[0], f"UNTIL={_wall(until, zone, zone):%Y%m%dT%H%M%S}")


def _wall(text: str, zone: ZoneInfo, named: ZoneInfo) -> datetime:
    """A DATE or DATE-TIME as wall time of `zone`; without a Z it is in `named`."""
    if "T" not in text:
        return datetime.strptime(text, "%Y%m%d")  # noqa: DTZ007 - a wall time
    if text.endswith("Z"):
        return datetime.strptime(text, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC).astimezone(zone).replace(tzinfo=None)
    return datetime.strptime(text, "%Y%m%dT%H%M%S").replace(tzinfo=named).astimezone(zone).replace(tzinfo=None)


# Microsoft Graph

_WEEKDAYS = dict(
    zip(("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"), rrule.weekdays, strict=True)
)
_POSITIONS = {"first": 1, "second": 2, "third": 3, "fourth": 4, "last": -1}
_SHOWN_AS: dict[str, Availability] = {"free": "free", "tentative": "tentative"}


def _microsoft(items: Sequence[Resource], first: datetime, last: datetime) -> Iterable[Sighting]:
    changed: dict[str, dict[str, Resource]] = defaultdict(dict)
    for item in items:
        if item.get("seriesMasterId"):
            changed[item["seriesMasterId"]][_graph_time(item["originalStart"]).isoformat()] = item
    for item in items:
        if item.get("seriesMasterId"):
            continue
        begin, end = _microsoft_times(item)
        if not item.get("recurrence"):
            yield _microsoft_sighting(item, begin, end, event=item["id"])
            continue
        overrides = changed[item["id"]]
        for start in _pattern(item["recurrence"], begin, first, last):
            if _place(start) not in overrides:
                yield _microsoft_sighting(item, start, _later(start, begin, end, item), event=item["id"])
        for override in overrides.values():
            if not override.get("isCancelled"):
                yield _microsoft_sighting(override, *_microsoft_times(override), event=item["id"])


def _microsoft_sighting(item: Resource, start: Moment, end: Moment, *, event: str) -> Sighting:
    response = item["responseStatus"]["response"]
    availability = _SHOWN_AS.get(item["showAs"], "busy")
    hidden = "free" if availability == "free" else ""
    if availability == "busy" and response in ("tentativelyAccepted", "notResponded"):
        availability = "tentative"
    if response == "declined":
        hidden = "declined"
    return Sighting(
        event=event,
        start=start,
        end=end,
        title=item["subject"],
        description=plain(item["body"]["content"]),
        location=item["location"]["displayName"],
        availability=availability,
        hidden=hidden,
        guests=len(item["attendees"]),
        rings=item["isReminderOn"],
        private=item["sensitivity"] in ("private", "confidential"),
        links=bool(item["isOnlineMeeting"] or item["hasAttachments"]),
    )


def _microsoft_times(item: Resource) -> tuple[Moment, Moment]:
    start, end = (_graph_time(item[key]["dateTime"]) for key in ("start", "end"))
    if not item["isAllDay"]:
        return start, end
    if start.time() != time():  # the midnight of a zone, told in UTC
        zone = _zone(item["originalStartTimeZone"])
        start, end = start.astimezone(zone), end.astimezone(zone)
    return start.date(), end.date()


def _place(start: Moment) -> str:
    """How originalStart says it: all-day ones at midnight of UTC."""
    return (start if isinstance(start, datetime) else _midnight(start).replace(tzinfo=UTC)).isoformat()


def _later(start: Moment, begin: Moment, end: Moment, item: Resource) -> Moment:
    """The end of an occurrence: Exchange counts its length on the wall clock."""
    if not isinstance(start, datetime) or not isinstance(begin, datetime) or not isinstance(end, datetime):
        return start + _length(begin, end)
    zone = _zone(item["recurrence"]["range"]["recurrenceTimeZone"])
    length = end.astimezone(zone).replace(tzinfo=None) - begin.astimezone(zone).replace(tzinfo=None)
    return (start.astimezone(zone).replace(tzinfo=None) + length).replace(tzinfo=zone).astimezone(UTC)


def _pattern(recurrence: Resource, begin: Moment, first: datetime, last: datetime) -> Iterable[Moment]:
    pattern, bounds = recurrence["pattern"], recurrence["range"]
    zone = _zone(bounds["recurrenceTimeZone"])
    wall = begin.astimezone(zone).replace(tzinfo=None) if isinstance(begin, datetime) else _midnight(begin)
    parts: Resource = {"interval": pattern["interval"], "dtstart": wall}
    if bounds["type"] == "numbered":
        parts["count"] = bounds["numberOfOccurrences"]
    elif bounds["type"] == "endDate":
        parts["until"] = datetime.combine(date.fromisoformat(bounds["endDate"]), time(23, 59, 59))
    days = [_WEEKDAYS[name] for name in pattern["daysOfWeek"]]
    # A month that has no such day has its last one instead.
    upto = {"bymonthday": range(min(28, pattern["dayOfMonth"]), pattern["dayOfMonth"] + 1), "bysetpos": -1}
    nth = {"byweekday": days, "bysetpos": _POSITIONS[pattern["index"]]}
    yearly = {"bymonth": pattern["month"]}
    frequency, by = {
        "daily": (rrule.DAILY, {}),
        "weekly": (rrule.WEEKLY, {"byweekday": days, "wkst": _WEEKDAYS[pattern["firstDayOfWeek"]]}),
        "absoluteMonthly": (rrule.MONTHLY, upto),
        "relativeMonthly": (rrule.MONTHLY, nth),
        "absoluteYearly": (rrule.YEARLY, upto | yearly),
        "relativeYearly": (rrule.YEARLY, nth | yearly),
    }[pattern["type"]]
    rule = rrule.rrule(frequency, **parts, **by)  # type: ignore[arg-type]
    return _between(rule, wall, begin, zone, first, last)


def _graph_time(text: str) -> datetime:
    return datetime.fromisoformat(text[:26].rstrip("Z")).replace(tzinfo=UTC)


def _zone(windows: str) -> ZoneInfo:
    return ZoneInfo("UTC") if windows == "UTC" else ZoneInfo(windows_tz.win_tz[windows])


def _length(begin: Moment, end: Moment) -> timedelta:
    if isinstance(begin, datetime) and isinstance(end, datetime):
        return end - begin
    return timedelta(days=end.toordinal() - begin.toordinal())


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time())


# CalDAV


def _caldav(items: Sequence[Resource], first: datetime, last: datetime) -> Iterable[Sighting]:
    for item in items:
        events = icalendar.Calendar.from_ical(item["data"]).walk("VEVENT")
        overrides = {_ical_moment(one["RECURRENCE-ID"].dt): one for one in events if "RECURRENCE-ID" in one}
        for one in events:
            if "RECURRENCE-ID" in one or "RRULE" not in one:
                yield from _ical_sighting(one, *_ical_times(one), event=item["id"])
                continue
            begin, end = _ical_times(one)
            excluded = one.get("EXDATE", [])
            excluded = excluded if isinstance(excluded, list) else [excluded]
            gone = {_ical_moment(date.dt) for dates in excluded for date in dates.dts} | overrides.keys()
            rule = f"RRULE:{one['RRULE'].to_ical().decode()}"
            for start in _rfc5545([rule], begin, str(one["DTSTART"].params.get("TZID", "UTC")), first, last):
                if start not in gone:
                    yield from _ical_sighting(one, start, start + _length(begin, end), event=item["id"])


def _ical_sighting(item: icalendar.Event, start: Moment, end: Moment, *, event: str) -> Iterable[Sighting]:
    status = str(item.get("STATUS", ""))
    if status == "CANCELLED":
        return
    free = item.get("TRANSP") == "TRANSPARENT"
    yield Sighting(
        event=event,
        start=start,
        end=end,
        title=str(item.get("SUMMARY", "")),
        description=letters(str(item.get("DESCRIPTION", ""))),
        location=str(item.get("LOCATION", "")),
        availability="free" if free else "tentative" if status == "TENTATIVE" else "busy",
        hidden="free" if free else "",
        guests=len(item.get("ATTENDEE", ())),
        rings=bool(item.walk("VALARM")),
        private=item.get("CLASS") in ("PRIVATE", "CONFIDENTIAL"),
        links=any(key in item for key in ("ATTACH", "CONFERENCE", "URL", "X-GOOGLE-CONFERENCE")),
    )


def _ical_times(item: icalendar.Event) -> tuple[Moment, Moment]:
    start = _ical_moment(item["DTSTART"].dt)
    if "DTEND" in item:
        return start, _ical_moment(item["DTEND"].dt)
    if "DURATION" in item:
        return start, start + item["DURATION"].dt
    return start, start if isinstance(start, datetime) else start + timedelta(days=1)


def _ical_moment(value: Moment) -> Moment:
    return value.astimezone(UTC) if isinstance(value, datetime) else value


# Text


class _Words(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.words: list[str] = []
        self._skipping = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        del attrs
        self._skipping += tag in ("style", "script", "title")

    def handle_endtag(self, tag: str) -> None:
        self._skipping -= tag in ("style", "script", "title")

    def handle_data(self, data: str) -> None:
        if not self._skipping:
            self.words.append(data)


def plain(text: str) -> str:
    """The letters of a text without tags and white space: what must survive however a provider dresses it."""
    words = _Words()
    words.feed(text)
    words.close()
    return letters("".join(words.words))


def letters(text: str) -> str:
    """A text without its white space."""
    return re.sub(r"\s+", "", text.replace("\N{ZERO WIDTH SPACE}", ""))
