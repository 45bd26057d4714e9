"""The simulated providers' data: calendars of plain items with every version they had, and a journal of all changes.

People change it directly; Kalends reaches it through `account.py`. Three kinds of provider differ as Google Calendar,
Microsoft Graph (infra/local/simulators/*/behaviours.md names the sources) and CalDAV servers do.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from tests.simulation import plain

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from tests.simulation.machine import Machine
    from tests.simulation.plain import Item

type Kind = Literal["google", "microsoft", "caldav"]
type By = Literal["person", "kalends"]

EMPTY: Item = {
    "by": "person",
    "status": "confirmed",
    "title": "",
    "description": "",
    "location": "",
    "all_day": False,
    "zone": "UTC",
    "show": "busy",
    "visibility": "default",
    "type": "default",
    "response": "none",
    "guests": [],
    "recurrence": [],
    "series": None,
    "original": None,
    "marker": None,
    "readable": True,
    "updated": None,
}


@dataclass(slots=True, eq=False)
class Shelf:
    """A calendar. Cursors before version `oldest` are forgotten; `has_misled`: a listing left things out."""

    name: str
    account: str
    kind: Kind
    supports_push: bool = True
    is_listed: bool = True
    items: dict[str, Item] = field(default_factory=dict)
    history: list[tuple[int, str, Item | None]] = field(default_factory=list)
    oldest: int = 0
    has_misled: bool = False
    transactions: dict[str, tuple[str, datetime]] = field(default_factory=dict)

    def overrides(self, series_id: str) -> list[Item]:
        """The occurrences of a series that differ, cancelled ones included."""
        return [one for one in self.items.values() if one["series"] == series_id]

    def living(self, by: By) -> list[Item]:
        """What somebody made and what is still there: single events and masters."""
        return [
            one for one in self.items.values() if one["by"] == by and one["series"] is None and not plain.is_gone(one)
        ]


@dataclass(slots=True, eq=False)
class Account:
    """Somebody's account at a provider. A token of an older generation is refused."""

    name: str
    kind: Kind
    shelves: list[Shelf] = field(default_factory=list)
    generation: int = 0
    is_revoked: bool = False
    spent_until: float = 0.0
    """Seconds since the beginning: until then its quota is used up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """An access token: the generation that it was given out in, and the second at which it ends."""

    generation: int
    ends: float


@dataclass(slots=True)
class Habits:
    """What providers do one way or the other, drawn for each history. `token_lives`: seconds; `channel_lives`: the
    fewest and most seconds that a channel is granted, whatever was asked for."""

    page_size: int
    shows_tombstones: bool
    tells_exceptions_of_deleted_series: bool
    honours_if_match: bool
    trims_text: bool
    notifies_own_writes: bool = True
    token_lives: float = float("inf")
    channel_lives: tuple[float, float] | None = None


class Server:
    """All accounts and calendars. `changed` is called with each calendar that changes."""

    def __init__(self, machine: Machine, habits: Habits) -> None:
        self.machine = machine
        self.chance = machine.chance("provider")
        self.habits = habits
        self.accounts: dict[str, Account] = {}
        self.shelves: dict[str, Shelf] = {}
        self.version = 0
        self.journal: list[dict[str, Any]] = []
        self.calls: list[dict[str, Any]] = []
        self.changed: Callable[[Shelf], None] = lambda shelf: None
        self._number = 0

    def new_id(self, shelf: Shelf) -> str:
        """An id that the provider chooses."""
        self._number += 1
        if shelf.kind == "caldav":  # the client does, but people's own programs are not our business
            return f"p{self._number}.ics"
        return f"{'p' if shelf.kind == 'google' else 'AAMk'}{self._number}"

    def put(self, shelf: Shelf, item: Item, *, by: By) -> Item:
        """Store an item as whole. Of a series whose times change, the exceptions that lose their place end."""
        before = shelf.items.get(item["id"])
        stored = self._store(shelf, item, by=by)
        if before is not None and before["recurrence"] and _shape(before) != _shape(stored):
            for one in shelf.overrides(stored["id"]):
                if shelf.kind == "google":
                    if one["status"] != "cancelled" and not plain.has_place(stored, one["original"]):
                        self._store(shelf, {**one, "status": "cancelled"}, by=by)
                elif shelf.kind == "caldav":
                    if not plain.has_place(stored, one["original"]):
                        self.drop(shelf, one)
                else:
                    self.drop(shelf, one)
        self.changed(shelf)
        return stored

    def put_resource(
        self, shelf: Shelf, root: Item, overrides: Mapping[str, Item], *, by: By, read: str | None
    ) -> None:
        """Store a CalDAV resource as a whole: what is not in `overrides` is gone. `read` is the ETag of the version
        that the writer knew, None if it knew of none."""
        self._store(shelf, root, by=by, read=read)
        known = {one["original"]: one for one in shelf.overrides(root["id"])}
        for key, one in known.items():
            if key not in overrides:
                self.drop(shelf, one)
        for key, one in overrides.items():
            if known.get(key) != one:
                self._store(shelf, one, by=by)
        self.changed(shelf)

    def erase(self, shelf: Shelf, item_id: str, *, by: By, **told: str | None) -> None:
        """Delete a single event or a series: a tombstone stays, occurrences that differ go with it. `told` is noted in
        the journal."""
        item = shelf.items[item_id]
        self._store(shelf, {**item, "status": "cancelled"}, by=by, **told)
        for one in shelf.overrides(item_id):
            if shelf.kind == "google" and self.habits.tells_exceptions_of_deleted_series:
                self._store(shelf, {**one, "status": "cancelled"}, by=by)
            else:
                self.drop(shelf, one)
        for key in [key for key, (made, _) in shelf.transactions.items() if made == item_id]:
            del shelf.transactions[key]
        self.changed(shelf)

    def drop_exceptions(self, shelf: Shelf, series_id: str) -> None:
        """What Graph does with a rule that is written anew."""
        for one in shelf.overrides(series_id):
            self.drop(shelf, one)

    def drop(self, shelf: Shelf, item: Item) -> None:
        """Forget an occurrence that differs: it follows its rule again, and nobody is told of that alone."""
        self.version += 1
        del shelf.items[item["id"]]
        shelf.history.append((self.version, item["id"], None))
        self._mark_resource(shelf, item)

    def forget_cursors(self, shelf: Shelf) -> None:
        """Every cursor given out so far is too old from now on."""
        self.version += 1
        shelf.oldest = self.version

    def state(self, shelf: Shelf, version: int) -> dict[str, Item]:
        """The calendar as it stood at an earlier version."""
        if version >= self.version:
            return dict(shelf.items)
        found: dict[str, Item] = {}
        for at, item_id, item in shelf.history:
            if at > version:
                break
            if item is None:
                found.pop(item_id, None)
            else:
                found[item_id] = item
        return found

    def touched(self, shelf: Shelf, *, since: int, until: int) -> list[str]:
        """Ids that changed after `since` and up to `until`, oldest change first."""
        found: dict[str, None] = {}
        for at, item_id, _ in reversed(shelf.history):
            if since < at <= until:
                found.setdefault(item_id)
        return list(reversed(found))

    def _mark_resource(self, shelf: Shelf, item: Item) -> None:
        """At a CalDAV server what differs in a series is part of its resource: that has changed, too."""
        master = shelf.items.get(item["series"])
        if shelf.kind == "caldav" and master is not None and not plain.is_gone(master):
            shelf.items[master["id"]] = {**master, "etag": f'"{self.version}"'}
            shelf.history.append((self.version, master["id"], shelf.items[master["id"]]))

    def _store(self, shelf: Shelf, item: Item, *, by: By, **told: str | None) -> Item:
        self.version += 1
        before = shelf.items.get(item["id"])
        stored = {**item, "etag": f'"{self.version}"', "updated": self.machine.now()}
        if self.habits.trims_text:
            for name in ("title", "location"):
                stored[name] = stored[name].strip()
            stored["description"] = stored["description"].replace("\r\n", "\n").rstrip()
        shelf.items[item["id"]] = stored
        shelf.history.append((self.version, item["id"], stored))
        self._mark_resource(shelf, stored)
        root = shelf.items.get(plain.root_of(stored), stored)
        self.journal.append(
            {
                "at": self.machine.seconds(),
                "actor": self.machine.actor.name if self.machine.actor else "person",
                "by": by,
                "calendar": shelf.name,
                "id": item["id"],
                "root": root["id"],
                "root_by": root["by"],
                "tag": tag(root),
                "before": before,
                "after": stored,
                **told,
            }
        )
        return stored


def tag(item: Item) -> str | None:
    """What a marker names, unverified: the text before the signature."""
    return item["marker"].partition(".")[0] if item["marker"] else None


def _shape(item: Item) -> tuple[Any, ...]:
    return item["start"], item["end"], item["all_day"], item["zone"], tuple(item["recurrence"])
