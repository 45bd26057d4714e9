"""An account that behaves as a CalDAV server does behind its adapter: names chosen by the client and free again after a
deletion, a series with all that differs in it as one resource, written whole and under a precondition, and no push."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shared.core.errors import (
    ConflictError,
    InvalidError,
    KalendsError,
    NotFoundError,
    PreconditionFailedError,
    ReauthRequiredError,
    TransientError,
)
from shared.providers.port import (
    Amend,
    CancelOccurrence,
    Delete,
    Failed,
    Insert,
    Removed,
    Skipped,
    Update,
    Upserted,
    Withdraw,
    WriteOccurrence,
    Written,
)
from tests.simulation import plain, resources, translate
from tests.simulation.account import GAPS, SimulatedCalendar
from tests.simulation.google import instance
from tests.simulation.provider import EMPTY
from tests.simulation.resources import Resource

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from shared.calendar.event import Event, Unit
    from shared.calendar.mirror import Appearance
    from shared.calendar.span import Window
    from shared.providers.port import AsLeft, Write
    from tests.simulation.account import Place
    from tests.simulation.plain import Item
    from tests.simulation.provider import Shelf

    type Outcome = Written | Failed
    type Numbered = tuple[int, Write]

ATTEMPTS = 3
"""So often the adapter reads and writes a resource anew because somebody else wrote in between."""
PATIENCE = 20.0
"""Seconds after which one call of the adapter begins no further resource."""
MULTIGET = 100
SIGN = "kalends-"
"""How the names of mirrors begin."""


class CalDavLike(SimulatedCalendar):
    """port.CalendarProvider."""

    def get(self, calendar_id: str, event_id: str, *, window: Window) -> Unit | None:
        """One GET."""
        shelf = self._shelf(calendar_id)
        found = self._ask(f"gets {event_id}", lambda: resources.find(shelf, event_id))
        self._note_answer(shelf, event_id, is_gone=found is None)
        return None if found is None else resources.unit(found)

    def find_marked(self, calendar_id: str, *, window: Window | None = None) -> list[Event]:
        """Everything is read: few servers can search for a property that they do not know."""
        shelf = self._shelf(calendar_id)
        names = self._ask("lists all names", lambda: sorted(one["id"] for one in _roots(shelf)))
        units, _ = self._multiget(shelf, names)
        return [unit.root for unit in units if unit.root.marker is not None]

    def _roots(self, shelf: Shelf, state: dict[str, Item], place: Place) -> list[str]:
        """The window bounds nothing; what was deleted is told only to those who knew the calendar before."""
        if place.since is None:
            return sorted(one["id"] for one in state.values() if one["series"] is None and not plain.is_gone(one))
        touched = self._server.touched(shelf, since=place.since, until=place.until)
        return sorted({plain.root_of(state[one]) for one in touched if one in state})

    def _all_roots(self, shelf: Shelf, state: dict[str, Item]) -> list[str]:
        return sorted({plain.root_of(one) for one in state.values()})

    def _read(
        self, shelf: Shelf, state: dict[str, Item], ids: list[str], place: Place, as_left: AsLeft
    ) -> tuple[list[Upserted | Removed], list[Skipped]]:
        """The listing knows names alone; what is there is read as it is by then, and left out if it went meanwhile."""
        gone = [one for one in ids if one not in state or plain.is_gone(state[one])]
        there = [one for one in ids if one not in gone]
        known = as_left({one: state[one]["etag"] for one in there if one.startswith(SIGN)})
        units, skipped = self._multiget(shelf, [one for one in there if one not in known])
        changes: list[Upserted | Removed] = [Removed(event_id=one) for one in gone]
        changes += [Upserted(event=one.root, overrides=one.overrides if one.root.is_series else ()) for one in units]
        return changes, skipped

    def _multiget(self, shelf: Shelf, names: Sequence[str]) -> tuple[list[Unit], list[Skipped]]:
        units: list[Unit] = []
        skipped: list[Skipped] = []
        for first in range(0, len(names), MULTIGET):
            some = names[first : first + MULTIGET]
            for found in self._ask(
                f"reads {len(some)}", lambda some=some: [resources.find(shelf, one) for one in some]
            ):
                if found is None:
                    continue
                try:
                    units.append(resources.unit(found))
                except InvalidError as error:
                    skipped.append(Skipped(event_id=found.root["id"], reason=error.message))
        return units, skipped

    # Writes: one resource after the other, each by itself.

    def write(self, calendar_id: str, writes: Sequence[Write]) -> list[Outcome]:
        """All writes to the occurrences of one series are one read and one write."""
        shelf = self._shelf(calendar_id)
        jobs: dict[str, list[Numbered]] = {}
        for number, write in enumerate(writes):
            jobs.setdefault(_place(number, write), []).append((number, write))
        outcomes: dict[int, Outcome] = {}
        until = self._machine.seconds() + PATIENCE
        for job in jobs.values():
            outcomes |= self._job(shelf, job, is_late=self._machine.seconds() > until)
        for outcome in outcomes.values():
            if isinstance(outcome, Failed) and isinstance(outcome.error, ReauthRequiredError):
                raise outcome.error
        return [outcomes[number] for number in range(len(writes))]

    def _job(self, shelf: Shelf, job: list[Numbered], *, is_late: bool) -> dict[int, Outcome]:
        number, write = job[0]
        try:
            if is_late:
                raise TransientError("The server did not answer in time.", code="PROVIDER.TIMEOUT")
            match write:
                case Insert():
                    return {number: self._put_new(shelf, write)}
                case Update():
                    return {number: self._put_update(shelf, write)}
                case Delete():
                    return {number: self._remove(shelf, write)}
                case WriteOccurrence() | CancelOccurrence():
                    return self._occurrences(shelf, write.series_id, job)
                case Withdraw(occurrence=None):
                    return {number: self._take_away(shelf, write)}
                case Amend() | Withdraw():
                    return self._amendments(shelf, write.event_id, job)
        except KalendsError as error:
            return {number: Failed(error=error) for number, _ in job}

    def _put_new(self, shelf: Shelf, write: Insert) -> Written:
        name = name_for(write.key)
        item = {**EMPTY, "id": name, "by": "kalends", "marker": write.marker, **_looks(write.appearance)}
        try:
            return _written(self._put(shelf, Resource(root=item), write, read=None))
        except PreconditionFailedError:
            if self._get(shelf, name) is None:
                raise ConflictError(f"Nothing is there as {name} that we may see.") from None

        def change(found: Resource) -> None:
            if found.root["marker"] not in (write.marker, None):
                raise ConflictError(f"Event {name} is there and not ours.")
            found.root |= {**_looks(write.appearance), "marker": write.marker}
            found.overrides.clear()

        return _written(self._change(shelf, name, write, change, is_stamped=True))

    def _put_update(self, shelf: Shelf, write: Update) -> Written:
        def change(found: Resource) -> None:
            found.root |= {**_looks(write.appearance), "marker": write.marker}
            if write.rule_anew or not write.appearance.recurrence:
                found.overrides.clear()

        return _written(self._change(shelf, write.event_id, write, change, etag=write.etag, is_stamped=True))

    def _remove(self, shelf: Shelf, write: Delete) -> Written:
        name = name_for(write.event_id) if write.unconfirmed else write.event_id
        gone = Written(event_id=write.event_id, event=None)
        etag = write.etag
        for _ in range(ATTEMPTS):
            if etag is None:
                found = self._get(shelf, name)
                if found is None:
                    return gone
                if found.root["marker"] not in (write.marker, None if name.startswith("kalends-") else write.marker):
                    raise ConflictError(f"Event {name} is not ours.")
                _require_no_guests(found)
                etag = found.etag
            try:
                self._send(shelf, name, write, lambda etag=etag: self._erase(shelf, name, read=etag))
            except PreconditionFailedError:
                etag = None
            else:
                return gone
        raise PreconditionFailedError(f"Event {name} keeps changing.")

    def _occurrences(self, shelf: Shelf, series_id: str, job: list[Numbered]) -> dict[int, Outcome]:
        failed: dict[int, Outcome] = {}

        def change(found: Resource) -> None:
            failed.clear()
            for number, write in job:
                assert isinstance(write, WriteOccurrence | CancelOccurrence)
                key = write.key
                if not plain.has_place(found.root, key):
                    failed[number] = Failed(error=NotFoundError(f"Series {series_id} has no occurrence {key}."))
                    continue
                known = found.overrides.get(key) or instance(found.root, f"{series_id}_{key}", key)
                if isinstance(write, WriteOccurrence):
                    known = {**known, **_looks(write.appearance), "recurrence": []}
                else:
                    known = {**known, "status": "cancelled"}
                found.overrides[key] = known

        after = self._change(shelf, series_id, job[0][1], change)
        there = {one.id: one for one in resources.unit(after).overrides if not one.is_cancelled}
        outcomes = dict(failed)
        for number, write in job:
            if number not in failed and isinstance(write, WriteOccurrence | CancelOccurrence):
                event_id = f"{series_id}_{write.key}"
                outcomes[number] = Written(event_id=event_id, event=there.get(event_id))
        return outcomes

    def _amendments(self, shelf: Shelf, name: str, job: list[Numbered]) -> dict[int, Outcome]:
        """Changes of a person's own event: all of them of one reading, whose ETag they share."""
        failed: dict[int, Outcome] = {}

        def change(found: Resource) -> None:
            failed.clear()
            for number, write in job:
                try:
                    if isinstance(write, Amend):
                        resources.amend(found, write)
                    elif isinstance(write, Withdraw):
                        resources.take_out(found, write)
                except KalendsError as error:
                    failed[number] = Failed(error=error)

        try:
            after = self._change(shelf, name, job[0][1], change, guard=resources.require_own)
        except NotFoundError as error:
            return {n: _gone(one) if isinstance(one, Withdraw) else Failed(error=error) for n, one in job}
        outcomes = dict(failed)
        for number, write in job:
            if number not in outcomes and isinstance(write, Withdraw):
                outcomes[number] = _gone(write)
            elif number not in outcomes and isinstance(write, Amend):
                item = resources.seen(after, write.occurrence)
                event = None if item is None else translate.event({**item, "etag": after.etag}, shelf.kind)
                place = name if write.occurrence is None else f"{name}_{write.occurrence}"
                outcomes[number] = Written(event_id=place, event=event)
        return outcomes

    def _take_away(self, shelf: Shelf, write: Withdraw) -> Written:
        """A person's own event goes, as it was last seen."""
        name = write.event_id
        found = self._get(shelf, name)
        if found is not None:
            resources.require_own(found)
            resources.require_unchanged(found, write.etag)
            self._send(shelf, name, write, lambda: self._erase(shelf, name, read=found.etag))
        return _gone(write)

    def _change(
        self,
        shelf: Shelf,
        name: str,
        write: Write,
        change: Callable[[Resource], None],
        *,
        etag: str | None = None,
        guard: Callable[[Resource], None] | None = None,
        is_stamped: bool = False,
    ) -> Resource:
        """Read a resource, change it, and write it if nobody else has meanwhile. With `etag`, only as it was then.
        `guard` refuses what is not to be touched. Without a change nothing is written, unless it `is_stamped`."""
        for _ in range(ATTEMPTS):
            found = self._get(shelf, name)
            if found is None:
                raise NotFoundError(f"There is no event {name}.")
            if etag is not None and found.etag != etag:
                raise PreconditionFailedError(f"Event {name} has changed.")
            (guard or _require_no_guests)(found)
            read, before = found.etag, (dict(found.root), dict(found.overrides))
            change(found)
            if (found.root, found.overrides) == before and not is_stamped:
                return found
            try:
                return self._put(shelf, found, write, read=read)
            except PreconditionFailedError:
                if etag is not None:
                    raise
        raise PreconditionFailedError(f"Event {name} keeps changing.")

    def _get(self, shelf: Shelf, name: str) -> Resource | None:
        return self._ask(f"gets {name}", lambda: resources.find(shelf, name), scope=name)

    def _put(self, shelf: Shelf, resource: Resource, write: Write, *, read: str | None) -> Resource:
        """A PUT, and what the server then keeps. `read`: the ETag of what it replaces, None for a new one."""
        name = resource.root["id"]

        def put() -> Resource:
            self._require_unchanged(shelf, name, read)
            self._server.put_resource(shelf, resource.root, resource.overrides, by="kalends", read=read)
            found = resources.find(shelf, name)
            assert found is not None
            return found

        return self._send(shelf, name, write, put)

    def _erase(self, shelf: Shelf, name: str, *, read: str) -> None:
        if resources.find(shelf, name) is None:
            return  # 404: success
        self._require_unchanged(shelf, name, read)
        self._server.erase(shelf, name, by="kalends", read=read)

    def _require_unchanged(self, shelf: Shelf, name: str, read: str | None) -> None:
        """If-Match, and If-None-Match for what is new (RFC 4791, 5.3.2)."""
        found = resources.find(shelf, name)
        if (found and found.etag) != read:
            raise PreconditionFailedError(f"412 for {name}")

    def _send[Answer](self, shelf: Shelf, name: str, write: Write, effect: Callable[[], Answer]) -> Answer:
        verb = "puts" if not isinstance(write, Delete | Withdraw) else "deletes"
        return self._ask(f"{verb} {name} of {shelf.name}", effect, is_write=True, gap=GAPS[type(write)], scope=name)


def name_for(key: str) -> str:
    """The name of the mirror with that key."""
    return f"{SIGN}{key}.ics"


def _roots(shelf: Shelf) -> list[Item]:
    return [one for one in shelf.items.values() if one["series"] is None and not plain.is_gone(one)]


def _place(number: int, write: Write) -> str:
    """What one reading and one writing are for."""
    match write:
        case WriteOccurrence() | CancelOccurrence():
            return f"series {write.series_id}"
        case Amend() | Withdraw(occurrence=str()):
            return f"event {write.event_id}"
        case _:
            return str(number)


def _gone(write: Withdraw) -> Written:
    return Written(event_id=write.event_id, event=None)


def _written(resource: Resource) -> Written:
    return Written(event_id=resource.root["id"], event=resources.unit(resource).root)


def _looks(appearance: Appearance) -> Item:
    return translate.looks(appearance, "caldav")


def _require_no_guests(resource: Resource) -> None:
    if resource.has_guests:
        raise ConflictError(f"Others are invited to event {resource.root['id']} and would be mailed.")
