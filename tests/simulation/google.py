"""An account that behaves as Google Calendar does: ids chosen by the client and taken for ever, occurrences that differ
as items of their own, preconditions that hold."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shared.calendar.event import Unit
from shared.core.errors import ConflictError, InvalidError, NotFoundError, PreconditionFailedError
from shared.providers.port import Delete, Insert, Removed, Skipped, Upserted, Withdraw, Written
from tests.simulation import plain, translate
from tests.simulation.account import SimulatedCalendar
from tests.simulation.provider import EMPTY

if TYPE_CHECKING:
    from shared.calendar.span import Window
    from shared.providers.port import AsLeft, CancelOccurrence, Update, Write, WriteOccurrence
    from tests.simulation.account import Place, Talk
    from tests.simulation.plain import Item
    from tests.simulation.provider import Shelf


class GoogleLike(SimulatedCalendar):
    """port.CalendarProvider."""

    def get(self, calendar_id: str, event_id: str, *, window: Window) -> Unit | None:
        """One GET, and for a series a second one."""
        shelf = self._shelf(calendar_id)
        item = self._ask(f"gets {event_id}", lambda: shelf.items.get(event_id))
        self._note_answer(shelf, event_id, is_gone=item is None or plain.is_gone(item))
        if item is None or plain.is_gone(item):
            return None
        root = translate.event(item, shelf.kind)
        if not item["recurrence"]:
            return Unit(root=root)
        found = self._ask(f"gets what differs in {event_id}", lambda: shelf.overrides(event_id))
        return Unit(root=root, overrides=tuple(translate.event(one, shelf.kind) for one in found))

    def _roots(self, shelf: Shelf, state: dict[str, Item], place: Place) -> list[str]:
        if place.since is not None:
            return [one for one in self._server.touched(shelf, since=place.since, until=place.until) if one in state]
        start = place.window[0]
        shown = []
        for one in sorted(state.values(), key=lambda one: one["id"]):
            if plain.is_gone(state.get(plain.root_of(one), one)):
                if self._server.habits.shows_tombstones:
                    shown.append(one["id"])
            elif start is None or one["recurrence"] or one["series"] or plain.moment(one["end"]) > plain.moment(start):
                shown.append(one["id"])
        return shown

    def _all_roots(self, shelf: Shelf, state: dict[str, Item]) -> list[str]:
        return sorted(state)

    def _read(
        self, shelf: Shelf, state: dict[str, Item], ids: list[str], place: Place, as_left: AsLeft
    ) -> tuple[list[Upserted | Removed], list[Skipped]]:
        changes: list[Upserted | Removed] = []
        skipped: list[Skipped] = []
        for item_id in ids:
            item = state[item_id]
            if plain.is_gone(item):
                changes.append(Removed(event_id=item_id))
                continue
            try:
                changes.append(Upserted(event=translate.event(item, shelf.kind)))
            except InvalidError as error:
                skipped.append(Skipped(event_id=item_id, reason=error.message))
        return changes, skipped

    def _counts_as(self, write: Write) -> int:
        return 1 if isinstance(write, Insert | Delete | Withdraw) else 3  # a patch (Events: patch, "three quota units")

    def _insert(self, shelf: Shelf, write: Insert) -> Talk:
        if write.key not in shelf.items:
            item = {**EMPTY, "id": write.key, "by": "kalends", "marker": write.marker}
            return self._changed(shelf, item, write.appearance)
        yield  # 409: look whose it is
        seen = shelf.items[write.key]
        if (not plain.is_gone(seen) or seen["marker"] is not None) and seen["marker"] != write.marker:
            raise ConflictError(f"Event {write.key} is there and not ours.")
        yield
        return self._changed(shelf, shelf.items[write.key], write.appearance, marker=write.marker)

    def _update(self, shelf: Shelf, write: Update) -> Talk:
        item = self._there(shelf, write.event_id)
        if write.etag is not None and item["etag"] != write.etag:
            raise PreconditionFailedError(f"Event {write.event_id} has changed.")
        return self._changed(shelf, item, write.appearance, marker=write.marker)
        yield

    def _delete(self, shelf: Shelf, write: Delete) -> Talk:
        gone = Written(event_id=write.event_id, event=None)
        item = shelf.items.get(write.event_id)
        if item is None or plain.is_gone(item):
            return gone
        if write.etag is not None:
            if item["etag"] == write.etag:
                self._server.erase(shelf, write.event_id, by="kalends")
                return gone
            yield
            item = shelf.items[write.event_id]
            if plain.is_gone(item):
                return gone
        if item["marker"] != write.marker:
            raise ConflictError(f"Event {write.event_id} is not ours.")
        yield
        now = shelf.items[write.event_id]
        if plain.is_gone(now):
            return gone
        if now["etag"] != item["etag"]:
            raise PreconditionFailedError(f"Event {write.event_id} has changed.")
        self._server.erase(shelf, write.event_id, by="kalends")
        return gone

    def _write_occurrence(self, shelf: Shelf, write: WriteOccurrence) -> Talk:
        item = self._instance(shelf, write.series_id, write.key)
        return self._changed(shelf, item, write.appearance, recurrence=[])
        yield

    def _cancel_occurrence(self, shelf: Shelf, write: CancelOccurrence) -> Talk:
        answer = Written(event_id=f"{write.series_id}_{write.key}", event=None)
        try:
            item = self._instance(shelf, write.series_id, write.key)
        except NotFoundError:
            return answer
        if item["status"] != "cancelled":
            self._server.put(shelf, {**item, "status": "cancelled"}, by="kalends")
        return answer
        yield

    def _of_another(self, shelf: Shelf, event_id: str, occurrence: str | None) -> Item | None:
        root = shelf.items.get(event_id)
        if root is None or plain.is_gone(root) or occurrence is None:
            return None if root is None or plain.is_gone(root) else root
        if not plain.has_place(root, occurrence):
            return None
        item = self._instance(shelf, event_id, occurrence)
        return None if item["status"] == "cancelled" else item

    def _take_out(self, shelf: Shelf, item: Item) -> None:
        self._server.put(shelf, {**item, "status": "cancelled"}, by="kalends")

    def _there(self, shelf: Shelf, event_id: str) -> Item:
        """A patch with a status brings a deleted event back (behaviours.md, E6)."""
        if event_id not in shelf.items:
            raise NotFoundError(f"There is no event {event_id}.")
        return shelf.items[event_id]

    def _instance(self, shelf: Shelf, series_id: str, key: str) -> Item:
        known = shelf.items.get(f"{series_id}_{key}")
        master = self._there(shelf, series_id)
        if not plain.has_place(master, key):
            raise NotFoundError(f"Series {series_id} has no occurrence {key}.")
        return known or instance(master, f"{series_id}_{key}", key)


def instance(master: Item, item_id: str, key: str) -> Item:
    """An occurrence as its rule has it, ready to differ."""
    start = plain.at_place(key)
    length = plain.moment(master["end"]) - plain.moment(master["start"])
    return {
        **master,
        "id": item_id,
        "start": plain.text(start, all_day=master["all_day"]),
        "end": plain.text(start + length, all_day=master["all_day"]),
        "recurrence": [],
        "series": master["id"],
        "original": key,
        "marker": None,
        "guests": [],
        "readable": True,
    }
