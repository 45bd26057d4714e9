"""iCalendar as other programs write it, and what one that knows RFC 5545 reads in it: by icalendar and dateutil."""

from __future__ import annotations

from collections import defaultdict
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import icalendar
from dateutil.rrule import rruleset, rrulestr

from tests.matrix import series
from tests.matrix.series import HOME, Occurrence

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tests.matrix.series import Case, Change, Local, Series

ZONES = {"W. Europe Standard Time": "Europe/Berlin", "Eastern Standard Time": "America/New_York"}
"""What Outlook calls zones, as far as the corpus does."""


def uids(case: Case) -> list[str]:
    """The UID of each series of a case."""
    return [f"{case.name}-{number}@matrix.example" for number in range(len(case.series))]


def events(case: Case, number: int) -> list[icalendar.Event]:
    """The components of one series of a case, in the order in which they are written."""
    one = case.series[number]
    uid = uids(case)[number]
    master = _event(uid, one.title, one, one.start, one.length)
    for rule in one.rules:
        master.add("rrule", icalendar.vRecur.from_ical(rule))
    for name, times in (("rdate", one.added), ("exdate", one.excluded)):
        if times:
            master.add(name, [_time(at, "UTC" if case.utc_exclusions else one.zone, one.zone) for at in times])
    for change in one.changes:
        if change.cancelled:
            master.add("exdate", _time(change.at, one.zone, one.zone))
    changed = [_override(uid, one, change) for change in one.changes if not change.cancelled]
    return [*changed, master] if case.overrides_first else [master, *changed]


def calendar(components: Iterable[icalendar.Event], *, windows_zone: str | None = None) -> str:
    """A whole iCalendar object with its time zones, one of them perhaps under its Windows name."""
    whole = icalendar.Calendar()
    whole.add("version", "2.0")
    whole.add("prodid", "-//Somebody//EN")
    zones = set()
    for component in components:
        whole.add_component(component)
        zones |= {
            one.params["TZID"]
            for name in ("DTSTART", "RECURRENCE-ID")
            if (one := component.get(name)) and "TZID" in one.params
        }
    whole.add_missing_timezones()
    text = whole.to_ical().decode()
    if windows_zone is not None:
        (zone,) = zones
        text = text.replace(f"TZID={zone}", f"TZID={windows_zone}").replace(f"TZID:{zone}", f"TZID:{windows_zone}")
    return text


def occurrences(text: str, last: date) -> list[Occurrence]:
    """Everything that happens up to a day, of all that the text holds."""
    grouped: defaultdict[str, list[icalendar.Event]] = defaultdict(list)
    for event in icalendar.Calendar.from_ical(text).walk("VEVENT"):
        grouped[str(event["UID"])].append(event)
    return [one for group in grouped.values() for one in _occurrences(group, last)]


def titled(text: str, title: str) -> bool:
    """Whether the series or single event of a resource is called that."""
    return str(_master(icalendar.Calendar.from_ical(text)).get("SUMMARY", "")) == title


def renamed(text: str, title: str) -> str:
    """The resource with another title of its series or single event; what differs keeps its own."""
    whole = icalendar.Calendar.from_ical(text)
    _master(whole)["SUMMARY"] = icalendar.vText(title)
    return _again(whole)


def moved(text: str, one: Occurrence, by: timedelta) -> str:
    """The resource with something that happens then moved: by an override, if it is one of a series."""
    whole = icalendar.Calendar.from_ical(text)
    master = _master(whole)
    changed = master
    if "RRULE" in master or "RDATE" in master:
        changed = icalendar.Event()
        for name in ("UID", "SUMMARY"):
            changed[name] = master[name]
        changed.add("dtstamp", datetime.now(UTC))
        changed.add("recurrence-id", _as_in(master, one.start))
        whole.add_component(changed)
    times = {"dtstart": _as_in(master, one.start + by), "dtend": _as_in(master, one.end + by)}
    for name, at in times.items():
        changed.pop(name, None)
        changed.add(name, at)
    return _again(whole)


def without(text: str, one: Occurrence) -> str | None:
    """The resource without something that happens then; None if nothing is left of it."""
    whole = icalendar.Calendar.from_ical(text)
    master = _master(whole)
    if "RRULE" not in master and "RDATE" not in master:
        return None
    master.add("exdate", _as_in(master, one.start))
    return _again(whole)


def _master(whole: icalendar.Calendar) -> icalendar.Event:
    (master,) = [one for one in whole.walk("VEVENT") if "RECURRENCE-ID" not in one]
    return master


def _as_in(master: icalendar.Event, at: Local) -> Local:
    """A moment on the wall clock of a series."""
    if not isinstance(at, datetime):
        return at
    zone = master["DTSTART"].params.get("TZID")
    return at.astimezone(ZoneInfo(zone)) if zone else at


def _again(whole: icalendar.Calendar) -> str:
    return str(whole.to_ical().decode())


def _written(event: icalendar.Event, name: str) -> Local:
    """A time as it is written, in the zone that its TZID means."""
    value = event[name]
    zone = ZONES.get(value.params.get("TZID", ""))
    return value.dt if zone is None else value.dt.replace(tzinfo=ZoneInfo(zone))


def _occurrences(group: list[icalendar.Event], last: date) -> Iterator[Occurrence]:
    (master,) = [one for one in group if "RECURRENCE-ID" not in one]
    overrides = {_moment(_written(one, "RECURRENCE-ID")): one for one in group if one is not master}
    for start in _starts(master, last):
        if _moment(start) not in overrides:
            yield _occurrence(master, start)
    for override in overrides.values():
        if str(override.get("STATUS", "")) != "CANCELLED":
            yield _occurrence(override, _written(override, "DTSTART"))


def _starts(master: icalendar.Event, last: date) -> list[Local]:
    """The places of a series; datetimes are in its own zone."""
    first = _written(master, "DTSTART")
    zone = first.tzinfo if isinstance(first, datetime) else None
    naive = _naive(first, zone)
    made = rruleset(cache=True)
    made.rdate(naive)
    for rule in _listed(master.get("RRULE")):
        text = rule.to_ical().decode()
        if zone is not None or not isinstance(first, datetime):
            text = series.local_until(text, str(zone) if zone is not None else "UTC")
        made.rrule(rrulestr(f"RRULE:{text}", dtstart=naive))  # type: ignore[arg-type]
    for given in _dates(master.get("RDATE")):
        made.rdate(_naive(given, zone))
    for given in _dates(master.get("EXDATE")):
        made.exdate(_naive(given, zone))
    found: list[Local] = []
    for moment in made:
        if moment.date() > last:
            break
        found.append(moment.replace(tzinfo=zone) if isinstance(first, datetime) else moment.date())
    return found


def _occurrence(event: icalendar.Event, start: Local) -> Occurrence:
    began = _written(event, "DTSTART")
    ended = (
        _written(event, "DTEND")
        if "DTEND" in event
        else began + (event["DURATION"].dt if "DURATION" in event else _usual(began))
    )
    title = str(event.get("SUMMARY", ""))
    if isinstance(start, datetime):
        begin = _moment(start)
        assert isinstance(begin, datetime)
        return Occurrence(begin, begin + (_moment(ended) - _moment(began)), title)  # type: ignore[operator]
    return Occurrence(start, start + (ended - began), title)


def _usual(began: Local) -> timedelta:
    return timedelta() if isinstance(began, datetime) else timedelta(days=1)


def _naive(local: Local, zone: Any) -> datetime:
    if not isinstance(local, datetime):
        return datetime.combine(local, time())
    return local.replace(tzinfo=None) if local.tzinfo is None else local.astimezone(zone or UTC).replace(tzinfo=None)


def _moment(local: Local) -> Local:
    if not isinstance(local, datetime):
        return local
    return series.moment(local, HOME) if local.tzinfo is None else local.astimezone(UTC)


def _listed(value: Any) -> list[Any]:
    return [] if value is None else value if isinstance(value, list) else [value]


def _dates(value: Any) -> list[Any]:
    """The times of all lines of one name."""
    found = []
    for line in _listed(value):
        zone = ZONES.get(line.params.get("TZID", ""))
        found += [one.dt if zone is None else one.dt.replace(tzinfo=ZoneInfo(zone)) for one in line.dts]
    return found


def _override(uid: str, one: Series, change: Change) -> icalendar.Event:
    start = change.at if change.start is None else change.start
    made = _event(uid, change.title or one.title, one, start, one.length if change.length is None else change.length)
    made.add("recurrence-id", _time(change.at, one.zone, one.zone))
    return made


def _event(uid: str, title: str, one: Series, start: Local, length: timedelta) -> icalendar.Event:
    made = icalendar.Event()
    made.add("uid", uid)
    made.add("dtstamp", datetime(2026, 1, 1, tzinfo=UTC))
    made.add("summary", title)
    zone = one.zone
    if one.is_all_day and isinstance(start, datetime):
        zone = HOME
    made.add("dtstart", _time(start, zone, zone))
    made.add("dtend", _time(start, zone, zone, later=length))
    return made


def _time(local: Local, written: str | None, zone: str | None, *, later: timedelta = timedelta()) -> Local:
    """A local time of `zone` on the wall clock of `written`; without a zone it floats. `later` is real time."""
    if not isinstance(local, datetime):
        return local + later
    if written is None:
        return local + later
    return (series.moment(local, zone) + later).astimezone(ZoneInfo(written))
