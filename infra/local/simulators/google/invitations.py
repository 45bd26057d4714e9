"""Guests: their copies of an event in other people's calendars, and the mail they would get.

A copy has the organizer's id and shared fields; reminders, colour, private extended properties and availability are
the guest's own (Calendar guide "Invite users", "Extended properties"). An answer given on a copy reaches all others.
"""

from typing import Literal

from infra.local.simulators.google.store import Calendar, Event, Store
from infra.local.simulators.google.writing import Change, Writer
from infra.local.simulators.port import Parts

_OWN = ("reminders", "colorId", "transparency", "visibility")


class Invitations:
    """Carries committed changes on to guests."""

    def __init__(self, parts: Parts, store: Store) -> None:
        self._parts = parts
        self._store = store
        self._writer: Writer | None = None

    def use(self, writer: Writer) -> None:
        """Copies are stored through this writer, whose changes come here."""
        self._writer = writer

    def committed(self, change: Change) -> None:
        """After a change: on the organizer's own copy tell the guests; on a guest's copy carry back the answer."""
        if not _guests(change.before) and not _guests(change.after):
            return
        if change.after.get("organizer", {}).get("self"):
            self._mail(change)
            self._spread(change)
        else:
            self._answer(change)

    def _spread(self, change: Change) -> None:
        guests = _guests(change.after) if change.operation != "delete" else {}
        for email in {**_guests(change.before), **guests}:
            calendar = self._store.calendars.get(email)
            if calendar is None or calendar.id == change.calendar.id:
                continue
            record = self._store.events[calendar.id].find(change.after["id"])
            before = record.event if record else None
            master = self._store.events[calendar.id].find(change.after.get("recurringEventId", ""))
            if email in guests:
                self._put(calendar, before, _copy(change.after, before, email), change)
            elif before is None and master is not None and not master.cancelled:
                self._put(calendar, None, _copy(change.after, None, email), change)
            elif before is not None and before["status"] != "cancelled":
                self._put(calendar, before, before | {"status": "cancelled"}, change)

    def _answer(self, change: Change) -> None:
        organizer = self._store.calendars.get(change.after.get("organizer", {}).get("email", ""))
        record = self._store.events[organizer.id].find(change.after["id"]) if organizer else None
        if organizer is None or record is None or record.cancelled:
            return
        guest = change.calendar.id
        answer = (
            "declined" if change.operation == "delete" else _guests(change.after).get(guest, {}).get("responseStatus")
        )
        attendees = [
            {**attendee, "responseStatus": answer} if attendee["email"] == guest and answer else attendee
            for attendee in record.event.get("attendees", ())
        ]
        if attendees == record.event.get("attendees"):
            return
        after = record.event | {"attendees": attendees}
        self._put(organizer, record.event, after, change)
        for email in _guests(after):
            calendar = self._store.calendars.get(email)
            if calendar is None or calendar.id in (organizer.id, guest):
                continue
            if copy := self._store.events[calendar.id].find(after["id"]):
                self._put(calendar, copy.event, _copy(after, copy.event, email), change)

    def _put(self, calendar: Calendar, before: Event | None, after: Event, change: Change) -> None:
        if self._writer is None:
            raise RuntimeError("use() comes before the first change")
        operation: Literal["insert", "update", "delete"] = "update" if before else "insert"
        if after["status"] == "cancelled":
            operation = "delete"
        self._writer.put_copy(calendar, before, after, operation, change.actor)

    def _mail(self, change: Change) -> None:
        before, after = set(_guests(change.before)), set(_guests(change.after))
        if change.operation == "delete":
            self._send(change, "cancellation", before | after)
            return
        self._send(change, "invitation", after - before)
        self._send(change, "update", after & before)
        self._send(change, "cancellation", before - after)

    def _send(self, change: Change, kind: Literal["invitation", "update", "cancellation"], to: set[str]) -> None:
        to = to - {change.calendar.id, change.calendar.owner}
        if change.actor.send_updates == "externalOnly":
            to = {email for email in to if email not in self._store.calendars}
        if to and change.actor.send_updates != "none":
            self._parts.journal.mail(
                at=self._parts.clock.now(),
                account=change.calendar.owner,
                event=change.after["id"],
                kind=kind,
                to=sorted(to),
            )


def _guests(event: Event | None) -> dict[str, Event]:
    return {
        attendee["email"]: attendee for attendee in (event or {}).get("attendees", ()) if not attendee.get("resource")
    }


def _copy(organizers: Event, guests: Event | None, email: str) -> Event:
    copy = {key: value for key, value in organizers.items() if key not in _OWN}
    copy |= {key: guests[key] for key in _OWN if guests and key in guests}
    copy.setdefault("reminders", {"useDefault": True})
    copy["organizer"] = {key: value for key, value in organizers["organizer"].items() if key != "self"}
    copy["creator"] = {key: value for key, value in organizers["creator"].items() if key != "self"}
    copy["attendees"] = [
        {key: value for key, value in attendee.items() if key != "self"}
        | ({"self": True} if attendee["email"] == email else {})
        | ({"organizer": True} if attendee["email"] == copy["organizer"]["email"] else {})
        for attendee in organizers["attendees"]
    ]
    properties = {
        "shared": organizers.get("extendedProperties", {}).get("shared"),
        "private": (guests or {}).get("extendedProperties", {}).get("private"),
    }
    copy.pop("extendedProperties", None)
    if kept := {key: value for key, value in properties.items() if value}:
        copy["extendedProperties"] = kept
    return copy
