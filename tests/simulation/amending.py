"""What is done to a person's own event: read, then changed if it is still what was read (port.Amend, port.Withdraw)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shared.calendar import patch
from shared.core.errors import ConflictError, NotFoundError, PreconditionFailedError
from shared.providers.port import HAS_GUESTS, NOT_ORGANIZER, Written
from tests.simulation import plain, translate

if TYPE_CHECKING:
    from shared.providers.port import Amend, Withdraw
    from tests.simulation.account import Talk
    from tests.simulation.plain import Item
    from tests.simulation.provider import Server, Shelf


class Amending:
    """What all kinds of account do alike."""

    _server: Server

    def _of_another(self, shelf: Shelf, event_id: str, occurrence: str | None) -> Item | None:
        """An event that is not ours, or an occurrence of it; None if it is gone."""
        raise NotImplementedError

    def _take_out(self, shelf: Shelf, item: Item) -> None:
        """One occurrence ends."""
        raise NotImplementedError

    def _amend(self, shelf: Shelf, write: Amend) -> Talk:
        """Read, then change it if it is still what was read."""
        seen = self._of_another(shelf, write.event_id, write.occurrence)
        if seen is None:
            raise NotFoundError(f"There is no event {write.event_id}, or no occurrence {write.occurrence} of it.")
        if patch.is_shown(write.patch, translate.event(seen, shelf.kind)):
            return _written(shelf, seen)
        _require_amendable(shelf, seen, write.etag, with_guests=shelf.kind == "google")
        yield
        now = self._unchanged(shelf, seen, write.event_id, write.occurrence)
        wanted = {**now, **translate.named(write.patch, shelf.kind)}
        return _written(shelf, self._server.put(shelf, wanted, by="kalends"))

    def _withdraw(self, shelf: Shelf, write: Withdraw) -> Talk:
        gone = Written(event_id=write.event_id, event=None)
        seen = self._of_another(shelf, write.event_id, write.occurrence)
        if seen is None:
            return gone
        _require_amendable(shelf, seen, write.etag, with_guests=False)
        yield
        if self._of_another(shelf, write.event_id, write.occurrence) is None:
            return gone
        now = self._unchanged(shelf, seen, write.event_id, write.occurrence)
        if write.occurrence is None:
            self._server.erase(shelf, now["id"], by="kalends")
        else:
            self._take_out(shelf, now)
        return gone

    def _unchanged(self, shelf: Shelf, seen: Item, event_id: str, occurrence: str | None) -> Item:
        now = self._of_another(shelf, event_id, occurrence)
        if now is None:
            raise NotFoundError(f"There is no event {event_id}.")
        if now["etag"] != seen["etag"] and (shelf.kind != "microsoft" or self._server.habits.honours_if_match):
            raise PreconditionFailedError(f"Event {event_id} has changed.")
        return now


def _require_amendable(shelf: Shelf, item: Item, etag: str | None, *, with_guests: bool) -> None:
    root = shelf.items.get(plain.root_of(item), item)
    if root["response"] != "none":
        raise ConflictError(f"Somebody else organises event {item['id']}.", code=NOT_ORGANIZER)
    if (item["guests"] or root["guests"]) and not with_guests:
        raise ConflictError(f"Others are invited to event {item['id']}.", code=HAS_GUESTS)
    if etag is not None and item["etag"] != etag:
        raise PreconditionFailedError(f"Event {item['id']} has changed.")


def _written(shelf: Shelf, item: Item) -> Written:
    return Written(event_id=item["id"], event=translate.event(item, shelf.kind))
