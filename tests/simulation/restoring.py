"""The database is put back to an earlier moment: by whom, when, and what the world makes of it."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.simulation.store import Backup
    from tests.simulation.world import World

TAKES = (330.0, 1500.0)
"""Seconds for which a restore takes the database away: longer than any process lives."""
LONGEST = 30
"""Acts of the person between a backup and its restore, at most."""
ROTATED = 0.3
"""So many accounts have a refresh token by the time of a restore that the backup does not know."""


class Restores:
    """What befalls the database of one history in the course of so many acts."""

    def __init__(self, world: World, *, acts: int) -> None:
        self._world = world
        self._machine = world.machine
        self._chance = chance = world.machine.chance("restores")
        self._plans: list[tuple[int, int]] = []
        for _ in range(chance.choice((1, 1, 2))):
            taken = chance.randint(0, acts - 2)
            self._plans.append((taken, min(acts - 1, taken + chance.randint(1, LONGEST))))
        self._backups: dict[int, tuple[float, Backup]] = {}

    def before(self, act: int) -> None:
        """What happens before the person's act of this number."""
        for number, (taken, put_back) in enumerate(self._plans):
            if act >= taken and number not in self._backups and self._world.store.knows_itself():
                self._machine.note("the database is backed up")
                self._backups[number] = self._machine.seconds(), self._world.store.back_up()
            if act == put_back and number in self._backups:
                self._put_back(*self._backups[number])

    def _put_back(self, taken: float, backup: Backup) -> None:
        """Nobody reaches the database for a while; then it is as it was, and whoever was at work is gone."""
        world, machine = self._world, self._machine
        world.weather.happened("database restored")
        world.around.is_being_restored = True
        machine.run_until(machine.now() + timedelta(seconds=self._chance.uniform(*TAKES)))
        world.around.is_being_restored = False
        world.store.put_back(backup, at=machine.now())
        machine.note("the database is as it was")
        world.restores.append((taken, machine.seconds()))
        world.forget_tokens()
        for account in world.server.accounts.values():
            was_renewed = any(name == account.name and when > taken for name, when in world.renewed)
            if was_renewed or self._chance.random() < ROTATED:
                account.is_revoked = True  # until the person signs in again
                account.generation += 1
