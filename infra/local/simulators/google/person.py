"""What people do by hand: through the /_sim routes and through the forms of the pages."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

from infra.local.simulators.exchange import Refused
from infra.local.simulators.google import calendars, errors, recurrence, times
from infra.local.simulators.google.channels import Channels
from infra.local.simulators.google.store import Calendar, Event, Store
from infra.local.simulators.google.writing import Actor, Writer
from infra.local.simulators.port import AgendaItem, Draft, NotFoundError


class Person:
    """Acts as the owner of a calendar. Raises NotFoundError for what is not there."""

    def __init__(self, store: Store, writer: Writer, channels: Channels) -> None:
        self._store = store
        self._writer = writer
        self._channels = channels

    def insert(self, calendar_id: str, body: Event) -> Event:
        """Add an event."""
        calendar = self._store.calendar(calendar_id)
        return self._writer.insert(calendar, body, _owner(calendar))

    def insert_many(self, calendar_id: str, bodies: Sequence[Event]) -> list[Event]:
        """Add events, with one notification for all."""
        calendar = self._store.calendar(calendar_id)
        with self._channels.together():
            return [self._writer.insert(calendar, body, _owner(calendar)) for body in bodies]

    def patch(self, calendar_id: str, event_id: str, body: Event) -> Event:
        """Change an event or an occurrence."""
        calendar = self._store.calendar(calendar_id)
        self._find(calendar, event_id)
        return self._writer.change(calendar, event_id, body, _owner(calendar), patch=True)

    def delete(self, calendar_id: str, event_id: str) -> None:
        """Delete an event, a series or an occurrence."""
        calendar = self._store.calendar(calendar_id)
        self._find(calendar, event_id)
        self._writer.delete(calendar, event_id, _owner(calendar))

    def edit_occurrence(self, calendar_id: str, event_id: str, original_start: str, body: Event) -> Event:
        """Change or cancel one occurrence, named by its original start."""
        try:
            if len(original_start) == len("2026-03-01"):
                moment, all_day = datetime.fromisoformat(original_start).replace(tzinfo=UTC), True
            else:
                moment, all_day = times.parse_local(original_start), False
        except ValueError as error:
            raise errors.invalid("The original start must be RFC 3339 in UTC, or a date.") from error
        instance_id = f"{event_id}_{recurrence.stamp(moment, all_day=all_day)}"
        if not body.pop("cancelled", False):
            return self.patch(calendar_id, instance_id, body)
        self.delete(calendar_id, instance_id)
        return self._writer.find(self._store.calendar(calendar_id), instance_id)

    def agenda(self, calendar_id: str, first: date, days: int) -> list[AgendaItem]:
        """What happens on these days of the calendar's zone, by start."""
        calendar = self._store.calendar(calendar_id)
        begin = datetime.combine(first, datetime.min.time()).replace(tzinfo=times.zone(calendar.time_zone))
        end = datetime.combine(first + timedelta(days=days), datetime.min.time()).replace(tzinfo=begin.tzinfo)
        found = calendars.occurrences(self._store, calendar, begin.astimezone(UTC), end.astimezone(UTC))
        return [_line(event) for event in sorted(found, key=lambda e: times.instant(e["start"], calendar.time_zone))]

    def add_draft(self, calendar_id: str, draft: Draft) -> None:
        """Add what was typed."""
        calendar = self._store.calendar(calendar_id)
        body: dict[str, Any] = {"summary": draft.title, **_times(draft, calendar)}
        if draft.repeat:
            body["recurrence"] = [f"RRULE:FREQ={draft.repeat}"]
        self.insert(calendar_id, body)

    def change_draft(self, calendar_id: str, event_id: str, draft: Draft) -> None:
        """Move or rename."""
        calendar = self._store.calendar(calendar_id)
        cleared = {"date": None, "dateTime": None, "timeZone": None}
        moved = {key: cleared | value for key, value in _times(draft, calendar).items()}
        self.patch(calendar_id, event_id, {"summary": draft.title or None, **moved})

    def _find(self, calendar: Calendar, event_id: str) -> Event:
        try:
            return self._writer.find(calendar, event_id)
        except Refused:
            raise NotFoundError(f"there is no event {event_id!r} in calendar {calendar.id!r}") from None


def _owner(calendar: Calendar) -> Actor:
    return Actor(email=calendar.owner)


def _times(draft: Draft, calendar: Calendar) -> dict[str, dict[str, str]]:
    def shown(value: datetime | date) -> dict[str, str]:
        if isinstance(value, datetime):
            return {"dateTime": value.isoformat(timespec="seconds"), "timeZone": calendar.time_zone}
        return {"date": value.isoformat()}

    return {"start": shown(draft.start), "end": shown(draft.end)}


def _line(event: Event) -> AgendaItem:
    notes = [event[key] for key in ("visibility", "transparency") if key in event]
    if guests := len(event.get("attendees", ())):
        notes.append("1 guest" if guests == 1 else f"{guests} guests")
    notes += [event["status"]] if event["status"] == "tentative" else []
    notes += [event["eventType"]] if event.get("eventType", "default") != "default" else []
    notes += ["written by an application"] if event.get("extendedProperties", {}).get("private") else []
    start, end = (
        datetime.fromisoformat(event[key]["dateTime"])
        if "dateTime" in event[key]
        else date.fromisoformat(event[key]["date"])
        for key in ("start", "end")
    )
    return AgendaItem(
        id=event["id"],
        title=event.get("summary", ""),
        start=start,
        end=end,
        series="recurringEventId" in event,
        note=", ".join(notes),
    )
