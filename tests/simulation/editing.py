"""What a person does in the calendars themselves: edits of one's own events, and of mirrors."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from tests.simulation import plain
from tests.simulation.google import instance
from tests.simulation.inventing import is_near
from tests.simulation.microsoft import cancel

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

    from tests.simulation.inventing import Inventor
    from tests.simulation.person import Person
    from tests.simulation.plain import Item
    from tests.simulation.provider import Shelf
    from tests.simulation.world import World


class Editor:
    """A person before the pages of Google and Microsoft."""

    def __init__(self, world: World, person: Person, inventor: Inventor) -> None:
        self._machine = world.machine
        self._server = world.server
        self._person = person
        self._chance = person.chance
        self.inventor = inventor

    # On one's own events.

    def add(self, shelf: Shelf | None = None) -> None:
        """A new event or series."""
        shelf = shelf or self._shelf()
        item = self.inventor.event(self._machine.now(), self._server.new_id(shelf))
        if shelf.kind == "google":
            item["type"] = self._chance.choices(
                ("default", "focus_time", "out_of_office", "working_location"), (20, 1, 1, 1)
            )[0]
        elif self._chance.random() < 0.15:
            item["show"] = self._chance.choice(("tentative", "oof"))
        self.put(shelf, item, "adds")

    def rewrite(self) -> None:
        """Another text."""
        self._change("rewrites", lambda item: self.inventor.text())

    def move(self) -> None:
        """Another time."""
        self._change("moves", lambda item: self.inventor.moved(item, self._machine.now()))

    def answer(self) -> None:
        """Free or busy, accepted or declined."""

        def changed(item: Item) -> dict[str, Any]:
            if self._chance.random() < 0.5:
                return {"show": self._chance.choice(("busy", "free"))}
            return {"response": self._chance.choice(("accepted", "declined", "tentative", "needs_action"))}

        self._change("answers", changed)

    def delete(self) -> None:
        """An event or a whole series goes."""
        found = self._own()
        if found is not None:
            shelf, item = found
            self._machine.note(f"the person deletes {item['id']} of {shelf.name}")
            self._server.erase(shelf, item["id"], by="person")

    def change_occurrence(self) -> None:
        """One occurrence of a series is changed, moved or cancelled, or follows its rule again."""
        found = self._own(only=lambda item: bool(item["recurrence"]))
        if found is not None:
            self.change_one_of(*found)

    def reshape(self) -> None:
        """A single event becomes a series, or the other way round."""

        def changed(item: Item) -> dict[str, Any]:
            if item["recurrence"]:
                return {"recurrence": []}
            times = self.inventor.times(self._machine.now())  # new ones: no place of an earlier rule comes back
            rules = [self.inventor.rule({**item, **times})] if is_near({**item, **times}) else []
            return {**times, "recurrence": rules}

        self._change("reshapes", changed)

    def shorten(self) -> None:
        """This and all that follow are taken away from a series."""

        def changed(item: Item) -> dict[str, Any]:
            rule = item["recurrence"][0]
            starts = plain.starts(item, before=plain.moment(item["start"]) + timedelta(days=400))
            if "COUNT" in rule or "UNTIL" in rule or len(starts) < 3:
                last = starts[max(0, len(starts) // 2 - 1)]
            else:
                last = starts[self._chance.randint(1, min(9, len(starts) - 1))]
            kind = rule.partition(";COUNT")[0].partition(";UNTIL")[0]
            return {"recurrence": [f"{kind};UNTIL={plain.place(last, all_day=item['all_day'])}"]}

        self._change("shortens", changed, only=lambda item: bool(item["recurrence"]))

    def spoil_or_mend(self) -> None:
        """An event becomes one that nobody can read, or readable again."""
        self._change("spoils or mends", lambda item: {"readable": not item["readable"]})

    def mend_all(self) -> None:
        """Nothing is unreadable any more."""
        for shelf in self._person.shelves:
            for item in shelf.living("person"):
                if not item["readable"]:
                    self.put(shelf, {**item, "readable": True}, "mends")

    def touch(self, shelf: Shelf, item: Item) -> None:
        """Change an event a little."""
        self.put(shelf, {**item, **self.inventor.text()}, "rewrites")

    def bring_back(self) -> None:
        """A deleted single event comes out of the bin."""
        shelf = self._shelf()
        gone = [
            one
            for one in shelf.items.values()
            if plain.is_gone(one) and one["by"] == "person" and not one["recurrence"]
        ]
        if gone:
            self.put(shelf, {**self._chance.choice(gone), "status": "confirmed"}, "brings back")

    def add_many(self, number: int | None = None, shelf: Shelf | None = None) -> None:
        """An import."""
        shelf = shelf or self._shelf()
        for _ in range(number or self._chance.randint(8, 16)):
            item = self.inventor.event(self._machine.now(), self._server.new_id(shelf))
            self.put(shelf, item, "imports")

    def delete_many(self) -> None:
        """Somebody, or something, empties a calendar."""
        shelf = self._shelf()
        living = shelf.living("person")
        for item in self._chance.sample(living, round(len(living) * self._chance.uniform(0.5, 1))):
            self._machine.note(f"the person deletes {item['id']} of {shelf.name}")
            self._server.erase(shelf, item["id"], by="person")

    # On mirrors.

    def meddle(self) -> None:
        """Somebody changes or deletes a mirror, or one of its occurrences."""
        mirrors = [(shelf, item) for shelf in self._person.shelves for item in shelf.living("kalends")]
        if not mirrors:
            return
        shelf, item = self._chance.choice(mirrors)
        kind = self._chance.random()
        if kind < 0.35:
            self._machine.note(f"the person deletes the mirror {item['id']} of {shelf.name}")
            self._server.erase(shelf, item["id"], by="person")
        elif kind < 0.6:
            self.put(shelf, {**item, **self.inventor.text()}, "rewrites the mirror")
        elif item["recurrence"]:
            self.change_one_of(shelf, item)
        else:
            self.put(shelf, {**item, **self.inventor.times(self._machine.now())}, "moves the mirror")

    def copy_a_mirror(self) -> None:
        """Somebody copies a mirror into another calendar, marker and all: from now on an event like any other."""
        mirrors = [(shelf, item) for shelf in self._person.shelves for item in shelf.living("kalends")]
        if not mirrors:
            return
        shelf, item = self._chance.choice(mirrors)
        others = [one for one in self._person.shelves if one is not shelf]
        other = self._chance.choice(others)
        copy = {**item, "id": self._server.new_id(other), "by": "person", "visibility": "default"}
        copy.pop("transaction", None)
        if other.kind == "microsoft" and copy["status"] == "tentative":
            copy |= {"status": "confirmed", "show": "tentative"}
        elif other.kind == "google" and copy["show"] not in ("free", "busy"):
            copy["show"] = "busy"
        self.put(other, copy, f"copies {item['id']} of {shelf.name} as")

    # What they have in common.

    def _shelf(self) -> Shelf:
        return self._chance.choice(self._person.shelves)

    def _own(self, only: Callable[[Item], bool] = lambda item: True) -> tuple[Shelf, Item] | None:
        shelf = self._shelf()
        found = [item for item in shelf.living("person") if only(item)]
        return (shelf, self._chance.choice(found)) if found else None

    def _change(
        self,
        what: str,
        changed: Callable[[Item], dict[str, Any]],
        *,
        only: Callable[[Item], bool] = lambda item: True,
    ) -> None:
        found = self._own(only)
        if found is None:
            return
        shelf, item = found
        self.put(shelf, {**item, **changed(item)}, what)

    def change_one_of(self, shelf: Shelf, master: Item) -> None:
        """One occurrence of this series is changed, moved or cancelled."""
        bare, known = self._one_of(shelf, master, self._chance)
        kind = self._chance.random()
        if known is not None and known["status"] == "cancelled" and shelf.kind == "microsoft":
            return  # Graph brings none back
        if kind < 0.35:
            self._cancel(shelf, known or bare)
        elif kind < 0.5 and known is not None:
            self.put(shelf, bare, "makes ordinary again")
        else:
            changes: dict[str, Any] = self.inventor.shifted(bare)
            if self._chance.random() < 0.6:
                changes |= self.inventor.text()
            if self._chance.random() < 0.2:
                changes["show"] = "free"
            if self._chance.random() < 0.1:
                changes["response"] = "declined"
            self.put(shelf, {**bare, **changes}, "changes")

    def cancel_one_of(self, shelf: Shelf, master: Item, chance: Random) -> None:
        """One occurrence of this series is cancelled."""
        bare, known = self._one_of(shelf, master, chance)
        self._cancel(shelf, known or bare)

    def _one_of(self, shelf: Shelf, master: Item, chance: Random) -> tuple[Item, Item | None]:
        """An occurrence as its rule has it, and as it differs, if it does."""
        begin = plain.moment(master["start"])
        places = [
            plain.place(one, all_day=master["all_day"])
            for one in plain.starts(master, before=begin + timedelta(days=300))
        ][:8]
        key = chance.choice(places)
        known = next((one for one in shelf.overrides(master["id"]) if one["original"] == key), None)
        item_id = f"{master['id']}{'.' if shelf.kind == 'microsoft' else '_'}{key}"
        return instance(master, item_id, key), known

    def _cancel(self, shelf: Shelf, item: Item) -> None:
        self._machine.note(f"the person cancels {item['original']} of {item['series']} of {shelf.name}")
        if item["status"] == "cancelled":
            return
        if shelf.kind == "microsoft":
            cancel(self._server, shelf, item, by="person")
        else:
            self._server.put(shelf, {**item, "status": "cancelled"}, by="person")

    def put(self, shelf: Shelf, item: Item, what: str) -> Item:
        """Save an item as a person does."""
        self._machine.note(f"the person {what} {item['id']} of {shelf.name}")
        return self._server.put(shelf, item, by="person")
