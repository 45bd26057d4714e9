"""The simulated person: edits on all sides, mirrors meddled with, links made, changed, paused and deleted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.simulation.asking import Asker
from tests.simulation.editing import Editor
from tests.simulation.inventing import Inventor
from tests.simulation.operating import Operator
from tests.simulation.two_way import BothWays

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.simulation.person import Person
    from tests.simulation.world import World


class People:
    """Somebody whose calendars Kalends keeps in step, and what that person may do next."""

    def __init__(
        self,
        world: World,
        person: Person,
        inventor: Inventor | None = None,
        *,
        is_fickle: bool = False,
        goes_both_ways: bool = False,
    ) -> None:
        """`is_fickle`: what shows through links is changed again and again. `goes_both_ways`: some calendars are linked
        with each other, and mirrors are edited as events are."""
        self.person = person
        self.edits = edits = Editor(world, person, inventor or Inventor(person.chance))
        self.asks = asks = Asker(world, person)
        self.both_ways = BothWays(world, person, edits, asks) if goes_both_ways else None
        self._chance = person.chance
        operator = Operator(world)
        self._actions: list[tuple[Callable[[], object], float]] = [
            (edits.add, 10),
            (edits.rewrite, 5),
            (edits.move, 6),
            (edits.answer, 4),
            (edits.delete, 5),
            (edits.change_occurrence, 7),
            (edits.reshape, 2),
            (edits.shorten, 2),
            (edits.spoil_or_mend, 1.5),
            (edits.bring_back, 1),
            (edits.add_many, 1.2),
            (edits.delete_many, 2.5),
            (edits.meddle, 7),
            (edits.copy_a_mirror, 1),
            (asks.add_link, 1.5),
            (asks.change_link, 2),
            (asks.pause_or_resume, 1.5),
            (asks.delete_link, 1),
            (asks.sync_now, 1),
            (asks.decide_held, 2),
            (asks.reconnect, 3),
            (operator.switch_a_gate, 0.8),
            (operator.lose_the_database, 0.5),
            (operator.forget_cursors, 1),
        ]
        if is_fickle:
            self._actions.append((asks.change_privacy, 8))
        if self.both_ways is not None:
            self._actions += self.both_ways.actions

    def settle(self) -> int:
        """Do everything that Kalends waits for; returns how much that was."""
        decided = 0 if self.both_ways is None else self.both_ways.decide_conflicts(everything=True)
        return decided + self.asks.settle()

    def act(self) -> None:
        """Do something."""
        actions, weights = zip(*self._actions, strict=True)
        self._chance.choices(actions, weights)[0]()
