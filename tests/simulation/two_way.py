"""What a person does with calendars that are linked both ways: groups made and changed, mirrors edited as if they were
events, and deleted, both sides of one event changed, conflicts decided."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from shared.calendar.two_way import Winner
from shared.sync.asking import requests
from shared.sync.two_way import groups
from tests.simulation import plain

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.simulation.asking import Asker
    from tests.simulation.editing import Editor
    from tests.simulation.person import Person
    from tests.simulation.plain import Item
    from tests.simulation.provider import Shelf
    from tests.simulation.world import World

MOST_GROUPS = 2
POLICIES = ("newest", "newest", "source", "target", "ask")


class BothWays:
    """Somebody with calendars linked both ways."""

    def __init__(self, world: World, person: Person, edits: Editor, asks: Asker) -> None:
        self._world = world
        self._person = person
        self._chance = world.machine.chance("two_way")
        self._edits = edits
        self._asks = asks

    @property
    def actions(self) -> list[tuple[Callable[[], object], float]]:
        """What may be done next, and how often that is."""
        return [
            (self.add_group, 1.5),
            (self.edit_a_mirror, 16),
            (self.edit_both_sides, 6),
            (self.decide_conflicts, 4),
            (self.delete_a_mirror, 4),
            (self.empty_of_mirrors, 1),
        ]

    def add_group(self) -> None:
        """Link two calendars with each other."""
        links = self._world.store.rows(
            "SELECT source_calendar_id, target_calendar_id, group_id FROM links WHERE user_id = %s",
            self._person.user_id,
        )
        taken = {frozenset(pair[:2]) for pair in links}
        ids = sorted(self._world.ids[shelf.name] for shelf in self._person.shelves)
        free = [(one, other) for one in ids for other in ids if one < other and frozenset((one, other)) not in taken]
        if not free or len({group for _, _, group in links if group}) >= MOST_GROUPS:
            return
        chance = self._chance
        pair = chance.choice(free)
        options = self._asks.options(chance) | {
            "privacy": chance.choice(("full", "full", "full", "title", "busy")),
            "on_conflict": chance.choice(POLICIES),
            "on_delete": chance.choice(("restore", "withdraw")),
        }
        if chance.random() < 0.25:
            options["show"] = {
                name: chance.choice((None, True, False)) for name in ("title", "description", "location")
            } | {"availability": None}
        names = " and ".join(self._world.names[one] for one in pair)
        self._asks.ask(
            f"links {names} with each other {options}",
            lambda engine, by: groups.create(engine, by, calendar_ids=pair, **options),
        )

    def edit_a_mirror(self) -> None:
        """A mirror is given another title, place, text or time, or one of its occurrences is."""
        mirrors = [(shelf, item) for shelf in self._person.shelves for item in shelf.living("kalends")]
        if mirrors:
            self._edit(*self._chance.choice(mirrors))

    def edit_both_sides(self) -> None:
        """An event and its mirror are both changed, at nearly the same time; often in the same field."""
        pairs = self._world.store.rows(
            """
            SELECT m.source_calendar_id, m.source_event_id, m.target_calendar_id, m.mirror_event_id
              FROM event_mappings m JOIN links l ON l.id = m.link_id
             WHERE l.group_id IS NOT NULL AND m.mirror_event_id IS NOT NULL AND m.user_id = %s ORDER BY m.id
            """,
            self._person.user_id,
        )
        shelves = {self._world.ids[shelf.name]: shelf for shelf in self._person.shelves}
        found = [
            ((shelves[source], shelves[source].items[event]), (shelves[target], shelves[target].items[mirror]))
            for source, event, target, mirror in pairs
            if event in shelves[source].items and mirror in shelves[target].items
        ]
        living = [both for both in found if not any(plain.is_gone(item) or item["series"] for _, item in both)]
        if not living:
            return
        sides = list(self._chance.choice(living))
        self._chance.shuffle(sides)
        part = self._chance.choice(("title", "description", "location", "when", "show"))
        for shelf, item in sides:
            chosen = part if self._chance.random() < 0.7 else None
            self._edit(shelf, item, part=chosen)
            if self._chance.random() < 0.5:
                self._world.machine.run_until(
                    self._world.machine.now() + timedelta(seconds=self._chance.expovariate(1 / 10))
                )

    def delete_a_mirror(self) -> None:
        """A mirror is deleted as if it were the event, or one of its occurrences is."""
        mirrors = [(shelf, item) for shelf in self._person.shelves for item in shelf.living("kalends")]
        if not mirrors:
            return
        shelf, item = self._chance.choice(mirrors)
        if item["recurrence"] and self._chance.random() < 0.5:
            self._edits.cancel_one_of(shelf, item, self._chance)
        else:
            self._delete(shelf, item)

    def empty_of_mirrors(self) -> None:
        """Somebody empties a calendar: all mirrors in it go, or most of them."""
        shelf = self._chance.choice(self._person.shelves)
        living = shelf.living("kalends")
        for item in self._chance.sample(living, round(len(living) * self._chance.uniform(0.6, 1))):
            self._delete(shelf, item)

    def _delete(self, shelf: Shelf, item: Item) -> None:
        self._world.machine.note(f"the person deletes the mirror {item['id']} of {shelf.name}")
        self._world.server.erase(shelf, item["id"], by="person")

    def decide_conflicts(self, *, everything: bool = False) -> int:
        """Say whose value stays where Kalends asks; returns in how many cases it did."""
        waiting = self._world.store.rows(
            "SELECT id FROM conflicts WHERE resolved_at IS NULL AND winner IS NULL AND user_id = %s ORDER BY id",
            self._person.user_id,
        )
        for (conflict_id,) in waiting if everything else waiting[:1]:
            winner = self._chance.choice((Winner.SOURCE, Winner.TARGET))
            self._asks.ask(
                f"decides that the {winner} wins conflict {conflict_id.hex[-6:]}",
                lambda engine, by, conflict_id=conflict_id, winner=winner: requests.resolve_conflict(
                    engine, by, conflict_id, winner=winner
                ),
            )
        return len(waiting)

    def _edit(self, shelf: Shelf, item: Item, *, part: str | None = None) -> None:
        shown = shelf.items.get(item["id"])
        if shown is None or plain.is_gone(shown):
            return
        if part is None and shown["recurrence"] and self._chance.random() < 0.5:
            self._edits.change_one_of(shelf, shown)
            return
        part = part or self._chance.choice(("title", "title", "description", "location", "when", "when", "show"))
        self._edits.put(shelf, {**shown, **self._changed(shown, part)}, f"edits the {part} of")

    def _changed(self, item: Item, part: str) -> dict[str, Any]:
        match part:
            case "when" if item["recurrence"] and self._chance.random() < 0.4:
                return self._edits.inventor.moved(item, self._world.machine.now())
            case "when":
                return dict(self._edits.inventor.shifted(item))
            case "show":
                return {"show": "free" if item["show"] != "free" else "busy"}
            case _:
                return {part: self._edits.inventor.line()}
