"""An account that behaves as Microsoft Graph does behind its adapter: ids chosen by the server, creation made safe by a
transaction id that is forgotten after a while, series told whole, occurrences that cannot be brought back."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from shared.calendar.event import Unit
from shared.core.errors import ConflictError, InvalidError, NotFoundError, PreconditionFailedError
from shared.providers.port import Removed, Skipped, Upserted, Written
from tests.simulation import plain, translate
from tests.simulation.account import SimulatedCalendar
from tests.simulation.google import instance
from tests.simulation.provider import EMPTY

if TYPE_CHECKING:
    from collections.abc import Generator
    from datetime import datetime

    from shared.calendar.span import Window
    from shared.providers.port import AsLeft, CancelOccurrence, Delete, Insert, Update, WriteOccurrence
    from tests.simulation.account import Place, Talk
    from tests.simulation.plain import Item
    from tests.simulation.provider import By, Server, Shelf

ATTEMPTS = 3


class MicrosoftLike(SimulatedCalendar):
    """port.CalendarProvider."""

    def get(self, calendar_id: str, event_id: str, *, window: Window) -> Unit | None:
        """One GET, two for a series."""
        shelf = self._shelf(calendar_id)
        item = self._ask(f"gets {event_id}", lambda: _there(shelf, event_id))
        self._note_answer(shelf, event_id, is_gone=item is None)
        if item is None:
            return None
        if item["recurrence"] or item["series"]:
            item = self._ask(f"gets series {event_id}", lambda: _there(shelf, plain.root_of(item)))
        return None if item is None else self._unit(shelf, item)

    def _roots(self, shelf: Shelf, state: dict[str, Item], place: Place) -> list[str]:
        if place.since is not None:
            touched = self._server.touched(shelf, since=place.since, until=place.until)
            return list(dict.fromkeys(plain.root_of(state[one]) for one in touched if one in state))
        return [one["id"] for one in state.values() if one["series"] is None and _is_inside(state, one, place)]

    def _all_roots(self, shelf: Shelf, state: dict[str, Item]) -> list[str]:
        return sorted({plain.root_of(one) for one in state.values()})

    def _read(
        self, shelf: Shelf, state: dict[str, Item], ids: list[str], place: Place, as_left: AsLeft
    ) -> tuple[list[Upserted | Removed], list[Skipped]]:
        """Singles come as the page has them; what is a series, marked, removed or out of the window is looked up."""
        changes: list[Upserted | Removed] = []
        skipped: list[Skipped] = []
        asked: list[str] = []
        known = as_left(_marked(state, ids, place))
        for item_id in ids:
            item = state.get(item_id)
            if item_id in known:
                continue
            if item is None or item["recurrence"] or item["marker"] or not _is_inside(state, item, place):
                asked.append(item_id)
            else:
                self._tell(shelf, item, changes, skipped)
        if asked:
            found = self._ask(
                f"looks up {len(asked)}",
                lambda: {one: _there(shelf, one) for one in asked},
                requests=sum(2 if (state.get(one) or EMPTY)["recurrence"] else 1 for one in asked),
            )
            for item_id, item in found.items():
                if item is None:
                    changes.insert(0, Removed(event_id=item_id))
                else:
                    self._tell(shelf, item, changes, skipped)
        return changes, skipped

    def _tell(self, shelf: Shelf, item: Item, changes: list[Upserted | Removed], skipped: list[Skipped]) -> None:
        try:
            unit = self._unit(shelf, item)
        except InvalidError as error:
            skipped.append(Skipped(event_id=item["id"], reason=error.message))
        else:
            overrides = unit.overrides if item["recurrence"] else None
            changes.append(Upserted(event=unit.root, overrides=overrides))

    def _unit(self, shelf: Shelf, item: Item) -> Unit:
        differing = sorted(shelf.overrides(item["id"]), key=lambda one: str(one["original"]))
        return Unit(
            root=translate.event(item, shelf.kind),
            overrides=tuple(translate.event(one, shelf.kind) for one in differing) if item["recurrence"] else (),
        )

    def _insert(self, shelf: Shelf, write: Insert) -> Talk:
        now = self._machine.now()
        look = write.retried
        for attempt in range(1, ATTEMPTS + 1):
            if look:
                found = yield from self._find(shelf, write.marker, write.key)
                if found is not None:
                    return self._bring(shelf, found["id"], write)
            transaction = f"{write.key}.{attempt}"
            known = shelf.transactions.get(transaction)
            if known is None or known[1] <= now:
                return self._create(shelf, write, transaction)
            if _there(shelf, known[0]) is not None:
                yield
                return self._bring(shelf, known[0], write)
            look = True
        raise ConflictError("The provider keeps remembering earlier transactions.")

    def _create(self, shelf: Shelf, write: Insert, transaction: str) -> Written:
        chance = self._chance
        item_id = self._server.new_id(shelf)
        item = {**EMPTY, "id": item_id, "by": "kalends", "marker": write.marker, "transaction": transaction}
        lifetime = timedelta(minutes=chance.uniform(10, 300))
        if self._weather.strikes("transaction forgotten"):
            lifetime = timedelta(seconds=chance.uniform(0, 60))
        shelf.transactions[transaction] = (item_id, self._machine.now() + lifetime)
        return self._changed(shelf, item, write.appearance)

    def _find(self, shelf: Shelf, marker: str, key: str) -> Generator[None, None, Item | None]:
        listed = [one["id"] for one in shelf.living("kalends") + shelf.living("person") if one["marker"] == marker]
        yield
        ours = [one for one in (_there(shelf, item_id) for item_id in listed) if one and one["marker"] == marker]
        transactions = {f"{key}.{attempt}" for attempt in range(1, ATTEMPTS + 1)}
        created = [one for one in ours if one.get("transaction") in transactions] or ours
        if not listed:
            return None
        yield
        return min(created, key=lambda one: (len(one["id"]), one["id"]), default=None)

    def _bring(self, shelf: Shelf, item_id: str, write: Insert) -> Written:
        item = _there(shelf, item_id)
        if item is None:
            raise NotFoundError(f"There is no event {item_id}.")
        _require_no_guests(item)
        return self._changed(shelf, item, write.appearance, marker=write.marker)

    def _update(self, shelf: Shelf, write: Update) -> Talk:
        if write.etag is None or write.appearance.recurrence:
            seen = self._known(shelf, write.event_id)
            _require_no_guests(seen)
            if write.etag is not None and seen["etag"] != write.etag:
                raise PreconditionFailedError(f"Event {write.event_id} has changed.")
            etag = seen["etag"]
            yield
            if write.rule_anew and seen["recurrence"] and write.appearance.recurrence:
                bare = self._patchable(shelf, write.event_id, etag)
                etag = self._server.put(shelf, {**bare, "recurrence": []}, by="kalends")["etag"]
                self._server.drop_exceptions(shelf, write.event_id)
                yield
        else:
            etag = write.etag
        item = self._patchable(shelf, write.event_id, etag)
        return self._changed(shelf, item, write.appearance, marker=write.marker)

    def _delete(self, shelf: Shelf, write: Delete) -> Talk:
        gone = Written(event_id=write.event_id, event=None)
        if write.unconfirmed:
            item = yield from self._find(shelf, write.marker, write.event_id)
        else:
            item = _there(shelf, write.event_id)
            yield
        if item is None or _there(shelf, item["id"]) is None:
            return gone
        if item["marker"] != write.marker:
            raise ConflictError(f"Event {item['id']} is not ours.")
        _require_no_guests(item)
        self._server.erase(shelf, item["id"], by="kalends")
        return Written(event_id=item["id"], event=None)

    def _write_occurrence(self, shelf: Shelf, write: WriteOccurrence) -> Talk:
        seen = self._located(shelf, write.series_id, write.key)
        yield
        now = self._located(shelf, write.series_id, write.key)
        if seen is None or now is None:
            raise NotFoundError(f"Occurrence {write.key} of {write.series_id} is gone for good.")
        return self._changed(shelf, now, write.appearance, recurrence=[])

    def _cancel_occurrence(self, shelf: Shelf, write: CancelOccurrence) -> Talk:
        yield
        item = self._located(shelf, write.series_id, write.key)
        answer = Written(event_id=f"{write.series_id}_{write.key}", event=None)
        if item is not None:
            cancel(self._server, shelf, item, by="kalends")
        return answer

    def _of_another(self, shelf: Shelf, event_id: str, occurrence: str | None) -> Item | None:
        return _there(shelf, event_id) if occurrence is None else self._located(shelf, event_id, occurrence)

    def _take_out(self, shelf: Shelf, item: Item) -> None:
        cancel(self._server, shelf, item, by="kalends")

    def _located(self, shelf: Shelf, series_id: str, key: str) -> Item | None:
        master = _there(shelf, series_id)
        if master is None or not plain.has_place(master, key):
            return None
        known = next((one for one in shelf.overrides(series_id) if one["original"] == key), None)
        if known is not None:
            return None if known["status"] == "cancelled" else known
        return instance(master, f"{series_id}.{key}", key)

    def _known(self, shelf: Shelf, event_id: str) -> Item:
        item = _there(shelf, event_id)
        if item is None:
            raise NotFoundError(f"There is no event {event_id}.")
        return item

    def _patchable(self, shelf: Shelf, event_id: str, etag: str | None) -> Item:
        item = self._known(shelf, event_id)
        if self._server.habits.honours_if_match and etag is not None and item["etag"] != etag:
            raise PreconditionFailedError(f"Event {event_id} has changed.")
        return item


def cancel(server: Server, shelf: Shelf, item: Item, *, by: By) -> None:
    """Take an occurrence out for good; it has another id afterwards."""
    if item["id"] in shelf.items:
        server.drop(shelf, item)
    gone_id = f"{item['series']}_{item['original']}"
    server.put(shelf, {**item, "id": gone_id, "status": "cancelled"}, by=by)


def _there(shelf: Shelf, event_id: str) -> Item | None:
    item = shelf.items.get(event_id)
    return None if item is None or plain.is_gone(item) else item


def _require_no_guests(item: Item) -> None:
    if item["guests"]:
        raise ConflictError(f"Others are invited to event {item['id']} and would be mailed.")


def _marked(state: dict[str, Item], ids: list[str], place: Place) -> dict[str, str]:
    """The ETags of what is told to carry our category, and is a single event."""
    told = [state[one] for one in ids if one in state]
    return {
        one["id"]: one["etag"]
        for one in told
        if one["marker"] and not one["recurrence"] and _is_inside(state, one, place)
    }


def _is_inside(state: dict[str, Item], item: Item, place: Place) -> bool:
    if plain.is_gone(item):
        return False
    start, end = place.window
    first: datetime = plain.moment(start or "0001-01-02")
    last: datetime = plain.moment(end or "9000-01-01")
    overrides = [one for one in state.values() if one["series"] == item["id"]] if item["recurrence"] else []
    return next(plain.happenings(item, overrides, first=first, last=last), None) is not None
