"""One simulated account behind the product's port: what its kinds have in common."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from zlib import crc32

from shared.core.errors import (
    CursorExpiredError,
    InvalidError,
    KalendsError,
    NotFoundError,
    TransientError,
)
from shared.providers import port
from shared.providers.port import (
    Amend,
    CancelOccurrence,
    Delete,
    Failed,
    Insert,
    Page,
    RemoteCalendar,
    Update,
    Withdraw,
    WriteOccurrence,
    Written,
    none_as_left,
)
from tests.simulation import plain, translate
from tests.simulation.amending import Amending
from tests.simulation.wire import Wire

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence
    from datetime import datetime

    from shared.calendar.event import Event
    from shared.calendar.mirror import Appearance
    from shared.calendar.span import Window
    from shared.providers.port import AsLeft, Channel, Skipped, Turns, Write
    from tests.simulation.channels import Channels
    from tests.simulation.plain import Item
    from tests.simulation.provider import Account, Server, Shelf, Token
    from tests.simulation.weather import Weather

    type Talk = Generator[None, None, Written]

GAPS = {
    Insert: "an insert",
    Update: "an update",
    Delete: "a delete",
    WriteOccurrence: "an occurrence written",
    CancelOccurrence: "an occurrence cancelled",
    Amend: "an update",
    Withdraw: "a delete",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a listing stands: a round that shows the versions after `since` (None: everything) up to `until`, from the
    `offset`th entry on. `left_out`: so many in a hundred are not shown. `began`: when its first page was asked for."""

    since: int | None
    until: int
    offset: int = 0
    left_out: int = 0
    window: tuple[str | None, str | None] = (None, None)
    began: float = 0.0

    def text(self) -> str:
        """A page token or cursor."""
        return json.dumps([self.since, self.until, self.offset, self.left_out, *self.window, self.began])

    @classmethod
    def of(cls, token: str) -> Place:
        """The inverse of `text`."""
        since, until, offset, left_out, start, end, began = json.loads(token)
        return cls(since=since, until=until, offset=offset, left_out=left_out, window=(start, end), began=began)


class SimulatedCalendar(Amending, Wire):
    """An account with a token that may have lapsed meanwhile (port.CalendarProvider)."""

    def __init__(
        self,
        account: Account,
        *,
        token: Token,
        server: Server,
        weather: Weather,
        channels: Channels,
        turns: Turns | None = None,
    ) -> None:
        super().__init__(account, token=token, server=server, weather=weather, turns=turns)
        self._channels = channels

    def account(self) -> port.Account:
        """Who this is."""
        return port.Account(id=self._account.name, email=f"{self._account.name}@people.example")

    def list_calendars(self) -> list[RemoteCalendar]:
        """The account's calendars; one may be left out for a while."""

        def answer() -> list[RemoteCalendar]:
            return [
                RemoteCalendar(
                    id=shelf.name,
                    name=shelf.name,
                    time_zone="UTC",
                    can_write=True,
                    is_primary=number == 0,
                    supports_push=shelf.supports_push,
                )
                for number, shelf in enumerate(self._account.shelves)
                if shelf.is_listed and not (number and self._weather.strikes("calendar not listed"))
            ]

        if self._weather.strikes("nonsense answered"):
            raise InvalidError("The answer is not what it should be.", code="PROVIDER.PAYLOAD")
        return self._ask("lists its calendars", answer)

    def changes(
        self,
        calendar_id: str,
        *,
        cursor: str | None,
        page: str | None,
        window: Window,
        page_size: int = 2500,
        as_left: AsLeft = none_as_left,
    ) -> Page:
        """A page of what changed, or of everything."""
        shelf = self._shelf(calendar_id)
        place = self._ask(f"lists {calendar_id}", lambda: self._place(shelf, cursor, page, window))
        if self._weather.strikes("nonsense answered"):
            raise InvalidError("The answer is not what it should be.", code="PROVIDER.PAYLOAD")
        chance, habits = self._chance, self._server.habits
        state = self._server.state(shelf, place.until)
        roots = self._roots(shelf, state, place)
        if place.offset == 0 and place.since is None:
            place = self._leave_out(shelf, place)
        shown = [one for one in roots if crc32(one.encode()) % 100 >= place.left_out]
        taken = shown[place.offset : place.offset + habits.page_size]
        if len(shown) > place.offset and self._weather.strikes("empty page"):
            taken = []
        following = place.offset + len(taken)
        has_more = following < len(shown)
        if taken and self._weather.strikes("change repeated"):
            taken = taken + [chance.choice(taken) for _ in range(3)]
        if place.since is not None and self._weather.strikes("change replayed"):
            taken += [one for one in self._all_roots(shelf, state) if chance.random() < 0.2][:5]
        if len(taken) > 1 and self._weather.strikes("page shuffled"):
            chance.shuffle(taken)
        changes, skipped = self._read(shelf, state, taken, place, as_left)
        self._call.update(
            lists=calendar_id,
            round=place.began,
            removed=[one.event_id for one in changes if isinstance(one, port.Removed)],
            there=[one.event.root_id for one in changes if isinstance(one, port.Upserted)],
        )
        self._machine.note(f"{calendar_id} shows {len(changes)} changes from {place.since} to {place.until}")
        if has_more:
            moved = Place(**{**_fields(place), "offset": following})
            return Page(changes=tuple(changes), skipped=tuple(skipped), next_page=moved.text())
        end = Place(since=place.until, until=place.until, window=place.window)
        return Page(changes=tuple(changes), skipped=tuple(skipped), cursor=end.text())

    def find_marked(self, calendar_id: str, *, window: Window | None = None) -> list[Event]:
        """Everything with a marker."""
        shelf = self._shelf(calendar_id)
        roots = [one for one in shelf.items.values() if not one["series"] and not plain.is_gone(one)]
        marked = [one for one in roots if one["marker"] and one["readable"]]
        return self._ask("looks for markers", lambda: [translate.event(one, shelf.kind) for one in marked])

    def write(self, calendar_id: str, writes: Sequence[Write]) -> list[Written | Failed]:
        """Hold all conversations together; each may fail alone, and all may fail together half-way."""
        shelf = self._shelf(calendar_id)
        talks = {number: self._talk(shelf, one) for number, one in enumerate(writes)}
        results: dict[int, Written | Failed] = {}
        while talks:
            size = sum(self._counts_as(writes[number]) for number in talks)
            what = f"writes {len(talks)} to {calendar_id}"
            for number in list(self._ask(what, lambda: list(talks), requests=size)):
                result = self._say(talks[number], writes[number])
                if result is not None:
                    results[number] = result
                    del talks[number]
                if self._weather.strikes("killed at a pause"):
                    self._machine.kill("in the middle of a batch")
            if self._weather.strikes("commit, then 504"):
                raise TransientError("504 after the commit", code="PROVIDER.UNAVAILABLE")
            self._travel()
        return [results[number] for number in range(len(writes))]

    def watch(self, calendar_id: str, *, channel_id: str, address: str, token: str, expires_at: datetime) -> Channel:
        """Open a channel."""
        shelf = self._shelf(calendar_id)
        if not shelf.supports_push:
            raise InvalidError("This calendar cannot be watched.", code="PROVIDER.PUSH")
        return self._ask(
            f"watches {calendar_id}",
            lambda: self._channels.open(shelf, channel_id=channel_id, token=token, expires_at=expires_at),
            is_write=True,
            gap="a channel opened",
        )

    def prolong(self, channel: Channel, *, expires_at: datetime) -> Channel | None:
        """Graph lets a channel live longer, Google does not."""
        return self._ask(
            "prolongs a channel",
            lambda: self._channels.prolong(channel, expires_at=expires_at),
            is_write=True,
            gap="a channel prolonged",
        )

    def stop(self, channel: Channel) -> None:
        """End a channel."""
        self._ask("stops a channel", lambda: self._channels.close(channel.id), is_write=True, gap="a channel stopped")

    # What the kinds do in their own way.

    def _roots(self, shelf: Shelf, state: dict[str, Item], place: Place) -> list[str]:
        """Ids to show in this round, in order."""
        raise NotImplementedError

    def _all_roots(self, shelf: Shelf, state: dict[str, Item]) -> list[str]:
        """Ids that a replay may repeat."""
        raise NotImplementedError

    def _read(
        self, shelf: Shelf, state: dict[str, Item], ids: list[str], place: Place, as_left: AsLeft
    ) -> tuple[list[port.Upserted | port.Removed], list[Skipped]]:
        """What a page says about these ids, but for those `as_left` where it would have to ask for each."""
        raise NotImplementedError

    def _talk(self, shelf: Shelf, write: Write) -> Talk:
        """A write as a conversation: each `yield` ends a request."""
        match write:
            case Insert():
                return self._insert(shelf, write)
            case Update():
                return self._update(shelf, write)
            case Delete():
                return self._delete(shelf, write)
            case WriteOccurrence():
                return self._write_occurrence(shelf, write)
            case CancelOccurrence():
                return self._cancel_occurrence(shelf, write)
            case Amend():
                return self._amend(shelf, write)
            case Withdraw():
                return self._withdraw(shelf, write)

    def _counts_as(self, write: Write) -> int:
        """How many requests the provider counts for a step of this."""
        return 1

    def _insert(self, shelf: Shelf, write: Insert) -> Talk:
        raise NotImplementedError

    def _update(self, shelf: Shelf, write: Update) -> Talk:
        raise NotImplementedError

    def _delete(self, shelf: Shelf, write: Delete) -> Talk:
        raise NotImplementedError

    def _write_occurrence(self, shelf: Shelf, write: WriteOccurrence) -> Talk:
        raise NotImplementedError

    def _cancel_occurrence(self, shelf: Shelf, write: CancelOccurrence) -> Talk:
        raise NotImplementedError

    # What they share.

    def _note_answer(self, shelf: Shelf, event_id: str, *, is_gone: bool) -> None:
        """Whoever asks for an event by name learns whether it is there."""
        self._call["named"] = (shelf.name, event_id, is_gone)

    def _say(self, talk: Talk, write: Write) -> Written | Failed | None:
        """Go on with a conversation; None if it is not over."""
        weather, journal = self._weather, self._server.journal
        named = getattr(write, "marker", None)
        scope = named.partition(".")[0] if named else "an occurrence"
        self._call.setdefault("tags", []).append((self._machine.seconds(), scope))
        if weather.strikes("item refused"):
            if self._chance.random() < 0.5:
                return Failed(error=self._limited(scope=scope))
            return Failed(error=TransientError("503 for one item", code="PROVIDER.UNAVAILABLE"))
        length = len(journal)
        try:
            next(talk)
        except StopIteration as end:
            result: Written | Failed = end.value
        except KalendsError as error:
            result = Failed(error=error)
        else:
            return None
        gap = GAPS[type(write)]
        if len(journal) > length and weather.strikes(f"killed after {gap}"):
            self._machine.kill(f"after {gap}")
        if len(journal) > length and weather.strikes("item written, answer lost"):
            return Failed(error=TransientError("no answer for one item", code="PROVIDER.TIMEOUT"))
        return result

    def _place(self, shelf: Shelf, cursor: str | None, page: str | None, window: Window) -> Place:
        """Where this call stands. A round shows the calendar as it was when the round began, or a little earlier."""
        token = page or cursor
        if token is not None and self._weather.strikes("cursor expired"):
            raise self._forgotten(shelf)
        if page is not None:
            place = Place.of(page)
            if place.until < shelf.oldest:
                raise self._forgotten(shelf)
            return place
        until, began = self._server.version, self._machine.seconds()
        if cursor is None:
            bounds = tuple(one and one.isoformat() for one in (window.start, window.end))
            return Place(since=None, until=until, window=bounds, began=began)
        known = Place.of(cursor)
        if known.until < shelf.oldest:
            raise self._forgotten(shelf)
        if self._weather.strikes("old state listed"):
            until = self._chance.randint(known.until, until)
        return Place(since=known.until, until=until, window=known.window, began=began)

    def _forgotten(self, shelf: Shelf) -> CursorExpiredError:
        self._call["forgot"] = shelf.name
        return CursorExpiredError("410")

    def _leave_out(self, shelf: Shelf, place: Place) -> Place:
        left_out = 0
        if self._weather.strikes("listing empty"):
            left_out = 100
        elif self._weather.strikes("listing truncated"):
            left_out = self._chance.choice((20, 50, 80))
        if left_out:
            shelf.has_misled = True
        return Place(**{**_fields(place), "left_out": left_out})

    def _shelf(self, calendar_id: str) -> Shelf:
        for shelf in self._account.shelves:
            if shelf.name == calendar_id:
                return shelf
        raise NotFoundError(f"There is no calendar {calendar_id}.")

    def _written(self, shelf: Shelf, item: Item) -> Written:
        return Written(event_id=item["id"], event=translate.event(item, shelf.kind))

    def _changed(self, shelf: Shelf, item: Item, appearance: Appearance, **fields: Any) -> Written:
        """Bring an item to an appearance."""
        wanted = {**item, **translate.looks(appearance, shelf.kind), **fields}
        return self._written(shelf, self._server.put(shelf, wanted, by="kalends"))


def _fields(place: Place) -> dict[str, Any]:
    return {name: getattr(place, name) for name in ("since", "until", "offset", "left_out", "window", "began")}
