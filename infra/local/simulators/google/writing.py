"""Changes of events: what insert, update, patch, delete, import and move do, whoever asks: a client or a person."""

import re
import secrets
import string
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from infra.local.simulators.google import errors, recurrence, resources, times
from infra.local.simulators.google.store import Calendar, Event, Record, Store
from infra.local.simulators.journal import Operation, Origin
from infra.local.simulators.port import Parts

if TYPE_CHECKING:
    from infra.local.simulators.google.faults import GoogleFaults

_ID = re.compile(r"[a-v0-9]{5,1024}")
_ID_ALPHABET = string.digits + "abcdefghijklmnopqrstuv"
_SHARED_BY_ORGANIZER = ("guestsCanInviteOthers", "guestsCanModify", "guestsCanSeeOtherGuests")

type SendUpdates = Literal["all", "externalOnly", "none"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Actor:
    """Who makes a change, and which guests are to be told."""

    email: str
    origin: Origin = "person"
    client_id: str = ""
    send_updates: SendUpdates = "all"


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One committed change. `before` is None for a new event."""

    calendar: Calendar
    before: Event | None
    after: Event
    operation: Operation
    actor: Actor


class Writer:
    """Makes the changes. `changed` hears the calendar's id after each; `committed` hears those guests care about."""

    def __init__(
        self,
        parts: Parts,
        store: Store,
        *,
        changed: Callable[[str], None],
        committed: Callable[[Change], None],
    ) -> None:
        self._parts = parts
        self._store = store
        self._changed = changed
        self._committed = committed

    def find(self, calendar: Calendar, event_id: str) -> Event:
        """An event, or an occurrence that nothing has changed yet; deleted ones too. 404 otherwise."""
        events = self._store.events[calendar.id]
        if record := events.find(event_id):
            return record.event
        if parts := recurrence.split_id(event_id):
            master_id, original, all_day = parts
            master = events.find(master_id)
            if (
                master is not None
                and master.is_series
                and times.is_all_day(master.event) == all_day
                and recurrence.has_start(master.event, original)
            ):
                return recurrence.instance(master.event, original)
        raise errors.not_found()

    def insert(self, calendar: Calendar, body: Event, actor: Actor) -> Event:
        """A new event; 409 when its id or iCalUID is taken, the id also by a deleted one."""
        events = self._store.events[calendar.id]
        event_id = body.get("id") or _new_id()
        if not isinstance(event_id, str) or not _ID.fullmatch(event_id):
            raise errors.invalid("Invalid resource id value.")
        uid = body.get("iCalUID") or f"{event_id}@google.com"
        if events.find(event_id) or any(not record.cancelled for record in events.by_uid(uid)):
            raise errors.duplicate()
        cleaned = self._clean(calendar, body)
        if cleaned["status"] == "cancelled":
            raise errors.invalid("Invalid value for: status")
        event = self._born(calendar, actor, event_id, uid) | cleaned
        return self._commit(calendar, None, event, "insert", actor)

    def import_(self, calendar: Calendar, body: Event, actor: Actor) -> Event:
        """A private copy of an event that lives elsewhere; one with the same iCalUID is updated."""
        uid = body.get("iCalUID")
        if not isinstance(uid, str) or not uid:
            raise errors.required("Missing iCal UID.")
        events = self._store.events[calendar.id]
        known = next((record.event for record in events.by_uid(uid) if not record.master_id), None)
        cleaned = self._clean(calendar, {**body, "eventType": "default"})
        born = known or self._born(calendar, actor, _new_id(), uid)
        event = _read_only(born) | cleaned
        if isinstance(body.get("organizer"), dict) and body["organizer"].get("email"):
            kept = {key: body["organizer"][key] for key in ("email", "displayName") if body["organizer"].get(key)}
            event["organizer"] = kept | ({"self": True} if kept["email"] == calendar.id else {})
        return self._commit(calendar, known, event, "update" if known else "insert", actor)

    def change(self, calendar: Calendar, event_id: str, body: Event, actor: Actor, *, patch: bool) -> Event:
        """`patch` merges the body into the event; otherwise the body replaces all that can be written."""
        before = self.find(calendar, event_id)
        if before["status"] == "cancelled" and body.get("status") not in ("confirmed", "tentative"):
            raise errors.forbidden()
        kind = before.get("eventType", "default")
        if body.get("eventType") not in (None, kind):
            raise errors.invalid("Event type cannot be changed.")
        if not before.get("organizer", {"self": True}).get("self") and any(
            body[key] != before.get(key, key != "guestsCanModify") for key in _SHARED_BY_ORGANIZER if key in body
        ):
            raise errors.forbidden(
                "Shared properties can only be changed by the organizer of the event.",
                "forbiddenForNonOrganizer",
                in_calendar=True,
            )
        if body.get("status") == "cancelled":
            return self._cancel(calendar, before, actor)
        if body.get("attendeesOmitted") is True:
            body = _with_everybody(before, body)
        writable = {key: value for key, value in body.items() if key in resources.WRITABLE}
        draft = resources.merged(before, writable) if patch else {"eventType": kind, **writable}
        draft = {key: value for key, value in draft.items() if key in resources.WRITABLE}
        if before.get("recurringEventId"):
            draft.pop("recurrence", None)
        moved_away = "creator" not in before
        born = self._born(calendar, actor, event_id, before["iCalUID"]) if moved_away else _read_only(before)
        after = born | self._clean(calendar, draft)
        after["sequence"] = _next_sequence(before, after, body.get("sequence"))
        return self._commit(calendar, before, after, "update", actor)

    def delete(self, calendar: Calendar, event_id: str, actor: Actor) -> None:
        """Cancel an event, a series or an occurrence; 410 when it is already."""
        before = self.find(calendar, event_id)
        if before["status"] == "cancelled":
            raise errors.deleted()
        self._cancel(calendar, before, actor)

    def move(self, calendar: Calendar, event_id: str, destination: Calendar, actor: Actor) -> Event:
        """Take an event, with the exceptions of a series, to another calendar, which becomes its organizer."""
        before = self.find(calendar, event_id)
        if before["status"] == "cancelled":
            raise errors.not_found()
        if before.get("recurringEventId"):
            raise errors.invalid("Cannot move a single instance of a recurring event.")
        if before["eventType"] != "default":
            raise errors.invalid("Only events of type default can be moved.")
        taken = self._store.events[destination.id].find(event_id)
        if taken is not None and not taken.cancelled:
            raise errors.duplicate()
        moved = before
        for event in [before, *(record.event for record in self._store.events[calendar.id].exceptions(event_id))]:
            there = event | {
                "organizer": _organizer(destination),
                "htmlLink": resources.html_link(event["id"], destination.id),
            }
            gone = {key: event[key] for key in _STAYS_BEHIND if key in event} | {"status": "cancelled"}
            self._commit(calendar, None, gone, "delete", actor)
            there = self._commit(destination, None, there, "insert", actor)
            moved = there if event is before else moved
        return moved

    def put_copy(
        self, calendar: Calendar, before: Event | None, after: Event, operation: Operation, actor: Actor
    ) -> None:
        """Store a guest's copy of an event, without telling the guests about it."""
        self._commit(calendar, before, after, operation, actor, tell=False)

    def _clean(self, calendar: Calendar, draft: Event) -> Event:
        faults: GoogleFaults = self._parts.switchboard.settings
        return resources.clean(
            draft,
            calendar_zone=calendar.time_zone,
            self_email=calendar.owner if calendar.primary else calendar.id,
            primary=calendar.primary,
            default_reminders=self._store.default_reminders(calendar),
            trim=faults.trim_text,
        )

    def _born(self, calendar: Calendar, actor: Actor, event_id: str, uid: str) -> Event:
        mine = calendar.primary and actor.email == calendar.owner
        return {
            "kind": "calendar#event",
            "id": event_id,
            "htmlLink": resources.html_link(event_id, calendar.id),
            "created": times.millisecond_text(self._parts.clock.now().replace(microsecond=0)),
            "creator": {"email": actor.email, **({"self": True} if mine else {})},
            "organizer": _organizer(calendar),
            "iCalUID": uid,
        }

    def _cancel(self, calendar: Calendar, before: Event, actor: Actor) -> Event:
        after = self._commit(calendar, before, before | {"status": "cancelled"}, "delete", actor)
        if "recurrence" in before and self._parts.switchboard.settings.exceptions_follow_master:
            for record in self._store.events[calendar.id].exceptions(before["id"]):
                if not record.cancelled:
                    self._commit(calendar, record.event, record.event | {"status": "cancelled"}, "delete", actor)
        return after

    def _commit(
        self,
        calendar: Calendar,
        before: Event | None,
        after: Event,
        operation: Operation,
        actor: Actor,
        *,
        tell: bool = True,
    ) -> Event:
        faults: GoogleFaults = self._parts.switchboard.settings
        if before is not None and not faults.always_etag_change and _same(before, after):
            return before
        now = self._parts.clock.now()
        only_reminders = before is not None and _same(before, after | {"reminders": before.get("reminders")})
        after = after | {
            "etag": f'"{self._store.next_version(now)}"',
            "updated": before["updated"] if before and only_reminders else times.millisecond_text(now),
        }
        record = self._store.put_event(calendar.id, after)
        self._parts.journal.write(
            at=now,
            account=calendar.owner,
            calendar=calendar.id,
            event=record.id,
            operation=operation,
            origin=actor.origin,
            client_id=actor.client_id,
            occurrence="recurringEventId" in after,
        )
        self._changed(calendar.id)
        if tell:
            change = Change(calendar=calendar, before=before, after=after, operation=operation, actor=actor)
            self._committed(change)
        if before is not None and "recurrence" in before and operation == "update":
            self._end_lost_exceptions(calendar, record, actor)
        return after

    def _end_lost_exceptions(self, calendar: Calendar, master: Record, actor: Actor) -> None:
        """Exceptions whose original start is no longer a start of the series go with it (unverified)."""
        for record in self._store.events[calendar.id].exceptions(master.id):
            parts = recurrence.split_id(record.id)
            kept = parts and master.is_series and times.is_all_day(master.event) == parts[2]
            if not record.cancelled and not (parts and kept and recurrence.has_start(master.event, parts[1])):
                self._commit(calendar, record.event, record.event | {"status": "cancelled"}, "delete", actor)


_STAYS_BEHIND = ("kind", "id", "recurringEventId", "originalStartTime", "iCalUID")
_READ_ONLY = (*_STAYS_BEHIND, "htmlLink", "created", "creator", "organizer", "etag", "updated")


def _with_everybody(before: Event, body: Event) -> Event:
    """A list with attendees left out changes only those that it names (Events: attendeesOmitted)."""
    named = {one.get("email"): one for one in body.get("attendees", ()) if isinstance(one, dict)}
    everybody = [one | named.get(one["email"], {}) for one in before.get("attendees", ())]
    return {**{key: value for key, value in body.items() if key != "attendeesOmitted"}, "attendees": everybody}


def _read_only(event: Event) -> Event:
    return {key: event[key] for key in _READ_ONLY if key in event}


def _organizer(calendar: Calendar) -> Event:
    if calendar.primary:
        return {"email": calendar.id, "self": True}
    return {"email": calendar.id, "displayName": calendar.summary, "self": True}


def _new_id() -> str:
    return "".join(secrets.choice(_ID_ALPHABET) for _ in range(26))


def _same(before: Event, after: Event) -> bool:
    ignored = {"etag", "updated"}
    return {k: v for k, v in before.items() if k not in ignored} == {k: v for k, v in after.items() if k not in ignored}


def _next_sequence(before: Event, after: Event, wanted: Any) -> int:
    current = int(before.get("sequence", 0))
    if wanted is not None and after["sequence"] < current:
        raise errors.invalid(
            "Invalid sequence value. The specified sequence number is below the current sequence number of the "
            "resource. Re-fetch the resource and use its sequence number on the following request."
        )
    moved = any(before.get(key) != after.get(key) for key in ("start", "end", "recurrence", "location"))
    return max(int(after["sequence"]), current + 1 if moved else current)
