"""Which events a listing's restrictions let through."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from infra.local.simulators.google import recurrence, times
from infra.local.simulators.google.queries import Query
from infra.local.simulators.google.store import Calendar, Event, Events, Record

type Window = tuple[datetime | None, datetime | None]


def record(candidate: Record, query: Query, events: Events, calendar: Calendar, window: Window) -> bool:
    """Whether a stored event belongs into a listing that expands nothing."""
    if events.is_gone(candidate) and not (query.sync_token or query.updated_min or query.show_deleted):
        return False
    return content(candidate.event, query) and (window == (None, None) or in_window(candidate.event, window, calendar))


def content(event: Event, query: Query) -> bool:
    """Whether an event meets the restrictions on what it says; the window is another matter."""
    if query.event_types and event.get("eventType", "default") not in query.event_types:
        return False
    if query.ical_uid and event.get("iCalUID") != query.ical_uid:
        return False
    if query.updated_min and datetime.fromisoformat(event["updated"]) < query.updated_min:
        return False
    properties = event.get("extendedProperties", {})
    for part, constraints in (("private", query.private), ("shared", query.shared)):
        held = properties.get(part, {})
        if any(held.get(key) != value for key, value in constraints):
            return False
    return not query.text or _says(event, query.text)


def in_window(event: Event, window: Window, calendar: Calendar) -> bool:
    """Whether the event, or any occurrence of a series, ends after the first edge and starts before the second."""
    after, before = window
    if after is None and before is None:
        return True
    if "start" not in event:
        return False
    if "recurrence" in event:
        return next(recurrence.starts(event, calendar.time_zone, after, before), None) is not None
    start, end = (times.instant(event[key], calendar.time_zone) for key in ("start", "end"))
    return (before is None or start < before) and (after is None or end > after)


def _says(event: Event, text: str) -> bool:
    words = " ".join(_texts(event)).casefold()
    return all(word in words for word in text.casefold().split())


def _texts(event: Event) -> Iterator[str]:
    for key in ("summary", "description", "location"):
        yield event.get(key, "")
    people: list[dict[str, Any]] = [*event.get("attendees", ()), event.get("organizer", {})]
    for person in people:
        yield person.get("displayName", "")
        yield person.get("email", "")
