"""Every change of an event goes through here, whoever makes it: an application by Graph, or a person by hand.

Rules are Exchange's: a transactionId makes a POST idempotent, a new pattern or time of a series ends its
exceptions, an occurrence stays between its neighbours, guests get mail.
"""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import date, timedelta
from itertools import islice, pairwise
from typing import Any, Literal

from infra.local.simulators.credentials import Account
from infra.local.simulators.journal import Operation
from infra.local.simulators.microsoft import errors, extended, identifiers, properties, zones
from infra.local.simulators.microsoft.bodies import Body
from infra.local.simulators.microsoft.identifiers import Reference
from infra.local.simulators.microsoft.items import Calendar, Change, Extras, Item, Occurrence, Stamps, Times
from infra.local.simulators.microsoft.mailboxes import Mailboxes, Transaction
from infra.local.simulators.microsoft.properties import Written
from infra.local.simulators.microsoft.recurrence import Recurrence
from infra.local.simulators.port import Parts

type ChangeType = Literal["created", "updated", "deleted"]
type Publish = Callable[[Item, ChangeType], None]

_SPAN_CHECKED = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Actor:
    """Who writes: an account, through an application unless `client_id` is empty (then the person)."""

    account: Account
    client_id: str = ""

    @property
    def person(self) -> bool:
        """Whether it is the person and not an application."""
        return not self.client_id


class Writes:
    """Creates, changes and deletes events; tells the journal, the guests and the subscribers."""

    def __init__(self, parts: Parts, mailboxes: Mailboxes, publish: Publish) -> None:
        self._parts = parts
        self._mailboxes = mailboxes
        self._publish = publish

    def create(self, calendar: Calendar, body: Mapping[str, Any], actor: Actor) -> tuple[Item, bool]:
        """A new event, or the one that the same transactionId made before; says whether it is new.

        Raises Refused with Graph's answer.
        """
        faults = self._parts.switchboard.settings
        written = properties.read(body, faults=faults, person=actor.person, zone=calendar.zone)
        if written.transaction_id and (known := self._repeated(calendar, written.transaction_id, body)):
            return known, False
        number = self._mailboxes.next_number()
        times, recurrence = _series(properties.times(written, None), written.recurrence)
        organizer = {"emailAddress": {"name": actor.account.name, "address": actor.account.email}}
        content = _coherent({**properties.DEFAULTS, "organizer": organizer, **written.content}, {})
        item = Item(
            number=number,
            mailbox=calendar.mailbox,
            calendar=calendar.number,
            uid=hashlib.sha256(f"{calendar.mailbox} {number}".encode()).hexdigest()[:48].upper(),
            content=content,
            body=written.body or Body(),
            times=times,
            recurrence=recurrence,
            stamps=self._stamps(None, number),
            extras=extended.written(body, Extras()),
            transaction_id=written.transaction_id,
        )
        self._put(item, actor, "insert")
        if written.transaction_id:
            transaction = Transaction(number=number, fingerprint=_fingerprint(body), at=self._parts.clock.now())
            self._mailboxes.remember(calendar.mailbox, written.transaction_id, transaction)
        self._mail(item, "invitation", _guests(content))
        return item, True

    def update(self, item: Item, body: Mapping[str, Any], actor: Actor) -> Item:
        """Change a single event or a whole series. Raises Refused with Graph's answer."""
        faults = self._parts.switchboard.settings
        written = properties.read(body, faults=faults, person=actor.person, zone=item.times.start_zone)
        times = _moved(written, item.times)
        recurrence = written.recurrence if written.sets_recurrence else item.recurrence
        if recurrence:
            times = _in_zone(times, recurrence.zone)
            if not written.sets_recurrence:
                recurrence = replace(recurrence, start=times.start.date())
        times, recurrence = _series(times, recurrence)
        keeps = recurrence == item.recurrence and times == item.times
        changed = replace(
            item,
            content=_coherent({**item.content, **written.content}, item.content),
            body=item.body if written.body is None else written.body,
            times=times,
            recurrence=recurrence,
            exceptions=item.exceptions if keeps else {},
            cancelled=item.cancelled if keeps else frozenset(),
            stamps=self._stamps(item.stamps, self._mailboxes.next_number()),
            extras=extended.written(body, item.extras),
        )
        self._put(changed, actor, "update")
        self._mail_update(changed, item.content, changed.content, only_guests=set(body) == {"attendees"})
        return changed

    def update_occurrence(self, occurrence: Occurrence, body: Mapping[str, Any], actor: Actor) -> Item:
        """Make an occurrence an exception, or change one; answers its series. Raises Refused."""
        item, day = occurrence.item, occurrence.day
        faults = self._parts.switchboard.settings
        written = properties.read(body, faults=faults, person=actor.person, zone=item.times.start_zone)
        if written.recurrence is not None:
            raise errors.invalid("An occurrence cannot have a recurrence of its own.", "ErrorInvalidRequest")
        times = _moved(written, occurrence.times)
        if times != occurrence.times:
            _stay_between_neighbours(item, day, times)
        before = occurrence.change
        stamps = self._stamps(before.stamps if before else item.stamps, self._mailboxes.next_number())
        content = {**(before.content if before else {}), **written.content}
        change = Change(
            content=content,
            body=written.body if written.body is not None else before.body if before else None,
            times=None if times == item.times_on(day) else times,
            stamps=stamps,
            extras=extended.written(body, before.extras if before else item.extras),
        )
        changed = replace(item, exceptions={**item.exceptions, day: change}, stamps=_touched(item, stamps))
        self._put(changed, actor, "update", day)
        old = {**item.content, **(before.content if before else {})}
        self._mail_update(changed, old, {**item.content, **content}, only_guests=set(body) == {"attendees"})
        return changed

    def set_extras(self, item: Item, day: date | None, extras: Extras, actor: Actor) -> Item:
        """Replace the extras of an item, or of one occurrence, which becomes an exception."""
        stamps = self._stamps(item.stamps, self._mailboxes.next_number())
        if day is None:
            changed = replace(item, extras=extras, stamps=stamps)
        else:
            before = item.exceptions.get(day) or Change(content={}, body=None, times=None, stamps=stamps, extras=extras)
            change = replace(before, extras=extras, stamps=stamps)
            changed = replace(item, exceptions={**item.exceptions, day: change}, stamps=_touched(item, stamps))
        self._put(changed, actor, "update", day)
        return changed

    def decline(self, found: Item | Occurrence, actor: Actor, *, tell: bool) -> None:
        """Answer an invitation with no. Raises Refused for the organizer's own event."""
        item = found if isinstance(found, Item) else found.item
        if item.content["isOrganizer"]:
            raise errors.invalid(
                "Your request can't be completed. You can't respond to this meeting because you're the meeting "
                "organizer.",
                "ErrorInvalidRequest",
            )
        answer = {"responseStatus": {"response": "declined", "time": self._parts.clock.now().isoformat()}}
        stamps = self._stamps(item.stamps, self._mailboxes.next_number())
        if isinstance(found, Item):
            changed = replace(item, content={**item.content, **answer}, stamps=stamps)
            self._put(changed, actor, "update")
        else:
            before = found.change or Change(content={}, body=None, times=None, stamps=stamps, extras=item.extras)
            change = replace(before, content={**before.content, **answer}, stamps=stamps)
            changed = replace(item, exceptions={**item.exceptions, found.day: change}, stamps=_touched(item, stamps))
            self._put(changed, actor, "update", found.day)
        if tell:
            id_ = identifiers.event_id(
                item.mailbox, Reference(number=item.number), calendar=item.calendar, immutable=True
            )
            to = [item.content["organizer"]["emailAddress"]["address"]]
            self._parts.journal.mail(at=self._parts.clock.now(), account=item.mailbox, event=id_, kind="update", to=to)

    def delete(self, item: Item, actor: Actor) -> None:
        """Delete a single event or a whole series."""
        self._mailboxes.drop_item(item)
        self._record(item, actor, "delete", None)
        self._publish(item, "deleted")
        self._mail(item, "cancellation", _guests(item.content))

    def cancel_occurrence(self, occurrence: Occurrence, actor: Actor) -> Item:
        """Delete one occurrence; answers its series."""
        item, day = occurrence.item, occurrence.day
        changed = replace(
            item,
            exceptions={other: change for other, change in item.exceptions.items() if other != day},
            cancelled=item.cancelled | {day},
            stamps=self._stamps(item.stamps, self._mailboxes.next_number()),
        )
        self._put(changed, actor, "delete", day)
        self._mail(changed, "cancellation", _guests(item.content))
        return changed

    def _repeated(self, calendar: Calendar, transaction_id: str, body: Mapping[str, Any]) -> Item | None:
        faults, now = self._parts.switchboard.settings, self._parts.clock.now()
        known = self._mailboxes.transaction(calendar.mailbox, transaction_id)
        if known is None or now - known.at >= timedelta(seconds=faults.transaction_id_lifetime):
            return None
        item = self._mailboxes.item(known.number)
        if item is None:
            return None
        if faults.transaction_id_answer == "conflict" or known.fingerprint != _fingerprint(body):
            raise errors.refused(
                faults.transaction_id_status,
                "ErrorDuplicateTransactionId",
                "Your request can't be completed. The TransactionId specified in the request has already been used "
                "to create a different event.",
            )
        return item

    def _stamps(self, before: Stamps | None, version: int) -> Stamps:
        now = self._parts.clock.now()
        return Stamps(created=before.created if before else now, modified=now, version=version)

    def _put(self, item: Item, actor: Actor, operation: Operation, day: date | None = None) -> None:
        self._mailboxes.put_item(item)
        self._record(item, actor, operation, day)
        self._publish(item, "created" if operation == "insert" else "updated")

    def _record(self, item: Item, actor: Actor, operation: Operation, day: date | None) -> None:
        reference = Reference(number=item.number, day=day)
        self._parts.journal.write(
            at=self._parts.clock.now(),
            account=item.mailbox,
            calendar=self._mailboxes.calendar_of(item).id,
            event=identifiers.event_id(item.mailbox, reference, calendar=item.calendar, immutable=True),
            operation=operation,
            origin="person" if actor.person else "api",
            client_id=actor.client_id,
            occurrence=day is not None,
        )

    def _mail_update(
        self, item: Item, before: Mapping[str, Any], after: Mapping[str, Any], *, only_guests: bool
    ) -> None:
        """An update that has only attendees goes to those that changed (vendor doc: event-update)."""
        old, new = _guests(before), _guests(after)
        self._mail(item, "invitation", [guest for guest in new if guest not in old])
        self._mail(item, "cancellation", [guest for guest in old if guest not in new])
        if not only_guests:
            self._mail(item, "update", [guest for guest in new if guest in old])

    def _mail(self, item: Item, kind: Literal["invitation", "update", "cancellation"], to: list[str]) -> None:
        guests = [guest for guest in to if guest.lower() != item.mailbox.lower()]
        if guests and item.content["isOrganizer"]:
            id_ = identifiers.event_id(
                item.mailbox, Reference(number=item.number), calendar=item.calendar, immutable=True
            )
            self._parts.journal.mail(at=self._parts.clock.now(), account=item.mailbox, event=id_, kind=kind, to=guests)


def _guests(content: Mapping[str, Any]) -> list[str]:
    return [attendee["emailAddress"]["address"] for attendee in content["attendees"]]


def _fingerprint(body: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()


def _touched(item: Item, stamps: Stamps) -> Stamps:
    return replace(stamps, created=item.stamps.created)


def _coherent(content: dict[str, Any], before: Mapping[str, Any]) -> dict[str, Any]:
    """An online meeting stays one and keeps its provider (vendor doc: event)."""
    if before.get("isOnlineMeeting"):
        for key in ("isOnlineMeeting", "onlineMeetingProvider"):
            content[key] = before[key]
    elif content["isOnlineMeeting"] and content["onlineMeetingProvider"] == "unknown":
        content["onlineMeetingProvider"] = "teamsForBusiness"
    return content


def _moved(written: Written, before: Times) -> Times:
    if written.start is None and written.end is None and written.all_day is None:
        return before
    return properties.times(written, before)


def _series(times: Times, recurrence: Recurrence | None) -> tuple[Times, Recurrence | None]:
    """A series' times are those of its first occurrence, in its own zone. Raises Refused."""
    if recurrence is None:
        return times, None
    times = _in_zone(times, recurrence.zone)
    if recurrence.start != times.start.date():
        raise errors.invalid("The recurrence range's startDate must be the date of the event's start.")
    first = recurrence.first()
    if first is None:
        raise errors.refused(400, "ErrorRecurrenceHasNoOccurrence", "The recurrence has no occurrence in its range.")
    length = times.end - times.start
    for day, following in pairwise(islice(recurrence.days(), _SPAN_CHECKED)):
        if length > following - day:
            message = "The time span of an occurrence overlaps the time span of another occurrence."
            raise errors.refused(400, "ErrorOccurrenceTimeSpanTooBig", message)
    start = times.start + (first - times.start.date())
    return replace(times, start=start, end=start + length), replace(recurrence, start=first)


def _in_zone(times: Times, zone: str) -> Times:
    """The same instants as wall times of a zone; whole days stay as they are."""
    if times.all_day or (times.start_zone, times.end_zone) == (zone, zone):
        return times
    start, end = (zones.to_local(instant, zone) for instant in (times.starts, times.ends))
    return Times(start=start, end=end, start_zone=zone, end_zone=zone)


def _stay_between_neighbours(item: Item, day: date, times: Times) -> None:
    """An occurrence may not reach the day of the one before or after, a cancelled one either (vendor doc:
    event-update; OutlookGoogleCalendarSync on cancelled ones), by the days of the series' zone. Raises Refused."""
    if item.recurrence is None:
        return
    moved = _in_zone(times, item.recurrence.zone).start.date()
    before, after = item.recurrence.neighbours(day)
    if (before and moved <= _actual_day(item, before)) or (after and moved >= _actual_day(item, after)):
        raise errors.refused(
            400,
            "ErrorOccurrenceCrossingBoundary",
            "Modified occurrence is crossing or overlapping adjacent occurrence.",
        )


def _actual_day(item: Item, day: date) -> date:
    change = item.exceptions.get(day)
    if item.recurrence is None or change is None or change.times is None:
        return day
    return _in_zone(change.times, item.recurrence.zone).start.date()
