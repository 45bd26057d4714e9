"""The events methods of the API but for listings: get, insert, update, patch, delete, import, move."""

from typing import cast, get_args

from infra.local.simulators.credentials import Caller
from infra.local.simulators.exchange import Answer, Call
from infra.local.simulators.google import access, answers, errors, listing, queries, times
from infra.local.simulators.google.store import Calendar, Entry, Event, Store
from infra.local.simulators.google.writing import Actor, SendUpdates, Writer
from infra.local.simulators.port import Parts


class EventMethods:
    """Handlers; the path gives the calendar's id and the event's."""

    def __init__(self, parts: Parts, store: Store, writer: Writer) -> None:
        self._parts = parts
        self._store = store
        self._writer = writer

    def get(self, call: Call, caller: Caller, calendar_id: str, event_id: str) -> Answer:
        """`events.get`: deleted events are answered too."""
        access.require_scope(caller, access.READ_EVENTS)
        calendar, entry = access.calendar_of(self._store, caller.email, calendar_id)
        return self._answer(call, calendar, entry, self._writer.find(calendar, event_id))

    def insert(self, call: Call, caller: Caller, calendar_id: str) -> Answer:
        """`events.insert`."""
        calendar, entry = self._writable(caller, calendar_id)
        body = _supported(call, answers.body_of(call))
        return self._answer(call, calendar, entry, self._writer.insert(calendar, body, _actor(call, caller)))

    def import_(self, call: Call, caller: Caller, calendar_id: str) -> Answer:
        """`events.import`; it tells nobody."""
        calendar, entry = self._writable(caller, calendar_id)
        body = _supported(call, answers.body_of(call))
        actor = Actor(email=caller.email, origin="api", client_id=caller.client_id, send_updates="none")
        return self._answer(call, calendar, entry, self._writer.import_(calendar, body, actor))

    def update(self, call: Call, caller: Caller, calendar_id: str, event_id: str) -> Answer:
        """`events.update`: what the body leaves out is gone."""
        return self._change(call, caller, calendar_id, event_id, patch=False)

    def patch(self, call: Call, caller: Caller, calendar_id: str, event_id: str) -> Answer:
        """`events.patch`: what the body leaves out stays."""
        return self._change(call, caller, calendar_id, event_id, patch=True)

    def delete(self, call: Call, caller: Caller, calendar_id: str, event_id: str) -> Answer:
        """`events.delete`."""
        calendar, _ = self._writable(caller, calendar_id)
        self._check_version(call, calendar, event_id)
        self._writer.delete(calendar, event_id, _actor(call, caller))
        return answers.EMPTY

    def move(self, call: Call, caller: Caller, calendar_id: str, event_id: str) -> Answer:
        """`events.move`."""
        calendar, _ = self._writable(caller, calendar_id)
        if not call.query.get("destination"):
            raise errors.required("Required parameter: destination")
        destination, entry = self._writable(caller, call.query["destination"])
        if destination.id == calendar.id:
            raise errors.invalid("The source and destination calendars must differ.", "destination")
        moved = self._writer.move(calendar, event_id, destination, _actor(call, caller))
        return self._answer(call, destination, entry, moved)

    def _change(self, call: Call, caller: Caller, calendar_id: str, event_id: str, *, patch: bool) -> Answer:
        calendar, entry = self._writable(caller, calendar_id)
        body = _supported(call, answers.body_of(call))
        self._check_version(call, calendar, event_id)
        event = self._writer.change(calendar, event_id, body, _actor(call, caller), patch=patch)
        return self._answer(call, calendar, entry, event)

    def _writable(self, caller: Caller, calendar_id: str) -> tuple[Calendar, Entry]:
        access.require_scope(caller, access.WRITE_EVENTS)
        calendar, entry = access.calendar_of(self._store, caller.email, calendar_id)
        access.require_role(entry, "writer")
        return calendar, entry

    def _check_version(self, call: Call, calendar: Calendar, event_id: str) -> None:
        wanted = call.headers.get("If-Match", "*")
        if wanted != "*" and self._writer.find(calendar, event_id)["etag"] not in wanted:
            raise errors.condition_not_met()

    def _answer(self, call: Call, calendar: Calendar, entry: Entry, event: Event) -> Answer:
        query = queries.parse(call.query, calendar.time_zone)
        if event["status"] == "cancelled" and self._parts.switchboard.settings.incomplete_tombstones:
            kept = ("id", "status", "recurringEventId", "originalStartTime")
            return answers.resource(call, {key: event[key] for key in kept if key in event})
        times.zone(query.zone)
        return answers.resource(call, listing.seen(event, entry, query.zone, max_attendees=query.max_attendees))


def _actor(call: Call, caller: Caller) -> Actor:
    wanted = call.query.get("sendUpdates")
    if wanted is None:
        wanted = "all" if call.query.get("sendNotifications") == "true" else "none"
    if wanted not in get_args(SendUpdates.__value__):
        raise errors.invalid("Invalid value for: sendUpdates", "sendUpdates")
    return Actor(email=caller.email, origin="api", client_id=caller.client_id, send_updates=cast("SendUpdates", wanted))


def _supported(call: Call, body: Event) -> Event:
    """Without what a client may only send when it says that it understands it."""
    dropped = set()
    if call.query.get("supportsAttachments") != "true":
        dropped.add("attachments")
    if call.query.get("conferenceDataVersion") != "1":
        dropped.add("conferenceData")
    return {key: value for key, value in body.items() if key not in dropped}
