"""Plans in the providers' own shapes: what a person's click sends to the simulators."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import islice
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from tests.outlook import INDEXES, WEEKDAYS
from tests.smoke import seeding

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.smoke.seeding import Plan

type Resource = dict[str, Any]
type Moment = datetime | date


@dataclass(frozen=True, slots=True, kw_only=True)
class Edit:
    """A change of one occurrence: its original start (RFC 3339 in UTC, or a date), and a patch or a cancellation."""

    original_start: str
    body: Resource


def event(provider: str, plan: Plan, *, owner: str) -> Resource:
    """The resource that makes the event in the calendar of `owner`."""
    return {"google": google, "microsoft": microsoft}[provider](plan, owner=owner)


def edits(provider: str, plan: Plan) -> Iterator[Edit]:
    """What happens to single occurrences afterwards."""
    starts = list(islice(seeding.starts(plan), 1 + max((*plan.moved, *plan.cancelled), default=-1)))
    span = {"google": google_span, "microsoft": microsoft_span}[provider]
    for number, shift in plan.moved.items():
        begin = starts[number] + shift
        yield Edit(original_start=original(starts[number], plan.zone), body=span(begin, _end(plan, begin), plan.zone))
    for number in plan.cancelled:
        yield Edit(original_start=original(starts[number], plan.zone), body={"cancelled": True})


def original(start: Moment, zone: str) -> str:
    """An occurrence's original start, as /_sim wants it in an address."""
    if not isinstance(start, datetime):
        return start.isoformat()
    return start.replace(tzinfo=ZoneInfo(zone)).astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _end(plan: Plan, begin: Moment) -> Moment:
    if isinstance(plan.start, datetime) and isinstance(plan.end, datetime):
        return begin + (plan.end - plan.start)
    return begin + timedelta(days=plan.end.toordinal() - plan.start.toordinal())


# Google


def google(plan: Plan, *, owner: str) -> Resource:
    """As Google Calendar v3 wants it."""
    body: Resource = {
        "summary": plan.title,
        "description": plan.description,
        "location": plan.place,
        "status": "tentative" if plan.tentative else "confirmed",
        "transparency": "transparent" if plan.free else "opaque",
        **google_span(plan.start, plan.end, plan.zone),
    }
    if plan.rule:
        body["recurrence"] = [f"RRULE:{plan.rule}"]
    if plan.guests:
        body["attendees"] = [
            {"email": f"guest{number}@guests.example", "displayName": name} for number, name in enumerate(plan.guests)
        ]
        body["attendees"].append({"email": owner, "responseStatus": plan.answer or "accepted"})
    return body


def google_span(start: Moment, end: Moment, zone: str) -> Resource:
    """Start and end."""

    def moment(value: Moment) -> Resource:
        if isinstance(value, datetime):
            return {"dateTime": value.isoformat(timespec="seconds"), "timeZone": zone, "date": None}
        return {"date": value.isoformat(), "dateTime": None, "timeZone": None}

    return {"start": moment(start), "end": moment(end)}


# Microsoft


def microsoft(plan: Plan, *, owner: str) -> Resource:
    """As Microsoft Graph wants it."""
    body: Resource = {
        "subject": plan.title,
        "body": {"contentType": "html" if plan.description.startswith("<") else "text", "content": plan.description},
        "location": {"displayName": plan.place},
        "showAs": "free" if plan.free else "tentative" if plan.tentative else "busy",
        **microsoft_span(plan.start, plan.end, plan.zone),
    }
    if plan.rule:
        body["recurrence"] = graph_recurrence(plan)
    if plan.guests:
        body["attendees"] = [
            {"emailAddress": {"name": name, "address": f"guest{number}@guests.example"}}
            for number, name in enumerate(plan.guests)
        ]
    if plan.answer:
        body["isOrganizer"] = False
        body["organizer"] = {"emailAddress": {"name": "Boss", "address": "boss@guests.example"}}
        body["attendees"].append({"emailAddress": {"name": "Me", "address": owner}})
        body["responseStatus"] = {"response": plan.answer, "time": "2026-01-01T00:00:00Z"}
    return body


def microsoft_span(start: Moment, end: Moment, zone: str) -> Resource:
    """Start, end and isAllDay."""

    def moment(value: Moment) -> Resource:
        if isinstance(value, datetime):
            return {"dateTime": value.isoformat(timespec="seconds"), "timeZone": zone}
        return {"dateTime": f"{value.isoformat()}T00:00:00", "timeZone": zone}

    return {"start": moment(start), "end": moment(end), "isAllDay": not isinstance(start, datetime)}


def graph_recurrence(plan: Plan) -> Resource:
    """The plan's rule as a patternedRecurrence; only the patterns that seeds have."""
    parts = dict(part.split("=", 1) for part in plan.rule.split(";"))
    first = plan.start.date() if isinstance(plan.start, datetime) else plan.start
    by_day = parts.get("BYDAY", "")
    pattern: Resource = {"interval": int(parts.get("INTERVAL", 1))}
    match parts["FREQ"]:
        case "DAILY":
            pattern["type"] = "daily"
        case "WEEKLY":
            pattern |= {"type": "weekly", "daysOfWeek": [WEEKDAYS[day] for day in by_day.split(",")]}
            pattern["firstDayOfWeek"] = WEEKDAYS[parts.get("WKST", "MO")]
        case "MONTHLY" if by_day:
            pattern |= {"type": "relativeMonthly", "daysOfWeek": [WEEKDAYS[by_day[-2:]]], "index": INDEXES[by_day[:-2]]}
        case "MONTHLY":
            pattern |= {"type": "absoluteMonthly", "dayOfMonth": first.day}
        case _:
            pattern |= {"type": "absoluteYearly", "dayOfMonth": first.day, "month": first.month}
    bounds: Resource = {"type": "noEnd", "startDate": first.isoformat(), "recurrenceTimeZone": plan.zone}
    if "COUNT" in parts:
        bounds |= {"type": "numbered", "numberOfOccurrences": int(parts["COUNT"])}
    if until := parts.get("UNTIL"):
        last = datetime.strptime(until, "%Y%m%dT%H%M%SZ" if "T" in until else "%Y%m%d").replace(tzinfo=UTC)
        last = last.astimezone(ZoneInfo(plan.zone)) if "T" in until else last
        bounds |= {"type": "endDate", "endDate": last.date().isoformat()}
    return {"pattern": pattern, "range": bounds}
