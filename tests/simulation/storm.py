"""One seed, one history: a person's calendars live through bad weather, are healed, fall quiet, and are judged."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from uuid import UUID

from tests.simulation.machine import Machine
from tests.simulation.operating import Operator
from tests.simulation.people import People
from tests.simulation.person import Person, move_in, sign_in
from tests.simulation.provider import Account, Habits, Kind, Shelf
from tests.simulation.restoring import Restores
from tests.simulation.world import World

if TYPE_CHECKING:
    from collections.abc import Collection
    from random import Random

    from tests.simulation.store import Store

from tests.simulation.history import History, Report, through

WITH_CALDAV: tuple[list[Kind], ...] = (
    ["google", "caldav"],
    ["caldav", "google"],
    ["microsoft", "caldav"],
    ["caldav", "microsoft"],
    ["caldav", "caldav"],
    ["google", "microsoft", "caldav"],
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Has:
    """What a history has beyond the plain: drawn from a source of its own, so that plain histories stay as they are."""

    caldav: bool = False
    restores: bool = False
    privacy: bool = False
    two_way: bool = False

    @classmethod
    def of(cls, names: Collection[str]) -> Has:
        """These, of which `plain` is none."""
        return cls(**{name: True for name in names if name != "plain"})

    @classmethod
    def drawn(cls, machine: Machine) -> Has:
        """What this seed has."""
        chance = machine.chance("has")
        return cls(
            caldav=chance.random() < 0.45,
            restores=chance.random() < 0.3,
            privacy=chance.random() < 0.35,
            two_way=chance.random() < 0.4,
        )


def run(store: Store, seed: int, *, has: Has | None = None, keep_trace: bool = False) -> Report:
    """Live through a history and judge it. What it `has` beyond the plain is drawn unless it is given."""
    machine = Machine(seed, begin=_beginning(seed), keep_trace=keep_trace)
    has = has or Has.drawn(machine)
    machine.note(f"has {has}")
    return through(Storm(World(store, machine=machine, habits=_habits(machine.random)), has))


class Storm(History):
    """One person in bad weather."""

    def __init__(self, world: World, has: Has) -> None:
        super().__init__(world)
        self._has = has
        self._chance = self.machine.random
        self._person = Person(user_id=UUID(int=self.machine.seed << 64 | 1), chance=self._chance)
        self._somebody = People(world, self._person, is_fickle=has.privacy, goes_both_ways=has.two_way)
        self.people = [self._somebody]

    def live(self) -> None:
        """From the first sign-in to the verdict."""
        self._move_in()
        acts = self._chance.randint(35, 90)
        restores = Restores(self.world, acts=acts) if self._has.restores else None
        for number in range(acts):
            self._wait()
            if restores is not None:
                restores.before(number)
            self._somebody.act()
        self._heal()
        self.fall_quiet("after the storm")
        self.judge("before any poll", excused=self.excused())
        self.let_polls_find_the_rest()
        self.let_channels_be_found_silent()
        self.judge("in the end", excused=set())
        self.look_again()
        self.judge("after looking again", excused=set())

    def _move_in(self) -> None:
        """Accounts, calendars, a first look at them, events and links; nothing goes wrong yet."""
        chance, world, person = self._chance, self.world, self._person
        world.weather.calm = True
        kinds: list[Kind] = chance.choice(
            (["google", "microsoft"], ["google", "microsoft"], ["google"], ["microsoft", "google"])
        )
        if self._has.caldav:
            kinds = self.machine.chance("caldav").choice(WITH_CALDAV)
        for number, kind in enumerate(kinds):
            account = Account(name=f"{kind[0]}{number}", kind=kind)
            for letter in "abc"[: chance.randint(1 if len(kinds) > 1 else 2, 2)]:
                shelf = Shelf(
                    name=f"{account.name}{letter}",
                    account=account.name,
                    kind=kind,
                    supports_push=chance.random() < 0.85 and kind != "caldav",
                )
                account.shelves.append(shelf)
            person.accounts.append(account)
        move_in(world, person)
        world.act("sign-in", sign_in(world, person, client_of=lambda account: f"client-{account.name}"))
        self.machine.run_until(self.machine.now() + timedelta(seconds=20))
        world.learn_names()
        for _ in range(chance.choice((0, 4, 8, 25))):
            self._somebody.edits.add()
        if self._somebody.both_ways is not None:
            self._somebody.both_ways.add_group()
            self.machine.run_until(self.machine.now() + timedelta(seconds=1))
        for _ in range(chance.randint(1, 4)):
            self._somebody.asks.add_link()
        world.weather.calm = False

    def _wait(self) -> None:
        chance = self._chance
        kind = chance.random()
        if kind < 0.2:
            seconds = 0.0
        elif kind < 0.9:
            seconds = chance.expovariate(1 / 20)
        elif kind < 0.97:
            seconds = chance.uniform(300, 1500)
        else:
            seconds = chance.choice((3, 9, 30, 80, 200)) * 3600 * chance.uniform(0.8, 1.2)
            self.world.sleep(seconds - 120)
        self.machine.run_until(self.machine.now() + timedelta(seconds=seconds))

    def _heal(self) -> None:
        """Whatever was wrong is put right; what was lost on the way stays lost."""
        world = self.world
        self.machine.note("all is healed")
        world.weather.calm = True
        world.around.is_down = False
        world.sleep(0)
        Operator(self.world).open_gates()
        if self._chance.random() < 0.7:
            self._somebody.edits.mend_all()
        for shelf in world.server.shelves.values():
            if shelf.has_misled:
                world.server.forget_cursors(shelf)


def _beginning(seed: int) -> datetime:
    """Some day of three years, so that clock changes and ends of months are met."""
    return datetime(2026, 1, 1, 6, tzinfo=UTC) + timedelta(days=seed * 37 % 1000, minutes=seed * 61 % 700)


def _habits(chance: Random) -> Habits:
    return Habits(
        page_size=chance.choice((2, 3, 5, 8, 50)),
        shows_tombstones=chance.random() < 0.5,
        tells_exceptions_of_deleted_series=chance.random() < 0.5,
        honours_if_match=chance.random() < 0.5,
        trims_text=chance.random() < 0.6,
    )
