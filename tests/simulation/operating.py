"""The simulated operator, who closes gates, and fate, which takes the database away and lets a provider forget."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shared.control.gates import Operation
from shared.operations import switches

if TYPE_CHECKING:
    from shared.sync.context import Engine
    from tests.simulation.world import World


class Operator:
    """Whoever runs the installation, and what befalls it."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._machine = world.machine
        self._chance = world.machine.random

    def switch_a_gate(self) -> None:
        """A gate is closed for a while."""
        operation = self._chance.choice((Operation.SYNC, Operation.JOBS, Operation.WEBHOOK))
        self._world.weather.happened(f"gate closed: {operation.value}")
        self._set_gate(operation, opened=False)
        self._machine.after(self._chance.uniform(30, 1500), lambda: self._set_gate(operation, opened=True))

    def open_gates(self) -> None:
        """All of them, for good."""
        closed = self._world.store.rows("SELECT name FROM gates WHERE NOT open ORDER BY name")
        for (name,) in closed:
            self._set_gate(Operation(name), opened=True)

    def lose_the_database(self) -> None:
        """Nobody reaches it for a while."""
        self._world.weather.happened("database down")
        self._world.around.is_down = True
        is_long = self._chance.random() < 0.2  # longer than a message is received again
        seconds = self._chance.uniform(2400, 7200) if is_long else self._chance.uniform(5, 900)
        self._machine.after(seconds, self.find_the_database)

    def find_the_database(self) -> None:
        """It is back."""
        self._world.around.is_down = False

    def forget_cursors(self) -> None:
        """A provider forgets every cursor of a calendar."""
        shelf = self._chance.choice(list(self._world.server.shelves.values()))
        self._world.weather.happened("cursors forgotten")
        self._world.server.forget_cursors(shelf)

    def _set_gate(self, operation: Operation, *, opened: bool) -> None:
        def work(engine: Engine) -> None:
            switches.set_gate(
                engine.database, operation, opened=opened, actor="operator", reason="", now=self._machine.now()
            )

        def ended(error: BaseException | None) -> None:
            if opened and error is not None:
                self._machine.after(20, lambda: self._set_gate(operation, opened=True))

        self._machine.note(f"the operator {'opens' if opened else 'closes'} {operation.value}")
        self._world.act("operator", work, ended=ended)
