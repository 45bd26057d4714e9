"""A day in the life: many people at work in their own time zones, ordinary mishaps, and a provider that is away for an
hour. Nobody is killed and no clock is wrong: that is what histories of one person are for."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, get_args
from uuid import UUID
from zoneinfo import ZoneInfo

from tests.simulation import plain
from tests.simulation.history import History
from tests.simulation.inventing import Inventor
from tests.simulation.people import People
from tests.simulation.person import Person, move_in, sign_in
from tests.simulation.provider import Account, Habits, Kind, Shelf
from tests.simulation.world import World

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

    from tests.simulation.machine import Machine
    from tests.simulation.store import Store

RATES = {
    "notification dropped": 0.01,
    "notification doubled": 0.02,
    "notification late": 0.01,
    "channel falls silent": 0.002,
    "channel ends early": 0.01,
    "message doubled": 0.002,
    "message late": 0.002,
    "429": 0.0005,
    "403 rate": 0.0005,
    "5xx": 0.001,
    "slow answer": 0.002,
    "commit, then 504": 0.0005,
    "item refused": 0.0005,
    "item written, answer lost": 0.0005,
    "token lapses": 0.0002,
    "cursor expired": 0.0005,
    "transaction forgotten": 0.05,
    "page shuffled": 0.05,
    "change repeated": 0.02,
    "change replayed": 0.01,
    "empty page": 0.01,
    "database contention": 0.00002,
    "tick doubled": 0.001,
}
"""What goes wrong on an ordinary day, and how often (weather.RATES says of what)."""
TOKENS_LIVE = 3600.0
CHANNELS_LEFT = (86_400.0 * 1.01, 86_400.0 * 3)
"""Seconds that channels still have when the day begins, as if each had been opened on one of the days before: half of
them come due for renewal, which is a day before their end."""
WORKERS = 24
"""Of all lanes together (infra/stages.py)."""
ZONES = (
    "Europe/Berlin",
    "Europe/Berlin",
    "Europe/London",
    "America/New_York",
    "America/New_York",
    "America/Los_Angeles",
    "Asia/Kolkata",
    "Asia/Tokyo",
    "Australia/Sydney",
)
BUSINESS = (0.02,) * 6 + (0.1, 0.4, 1, 1, 1, 1, 0.6, 0.8, 1, 1, 1, 0.8, 0.4, 0.2, 0.2, 0.2, 0.1, 0.05)
"""How likely somebody is to do something in each hour of their own clock."""
AWAY = timedelta(hours=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """How much there is of everything. `edits`: the fewest and most of a person in 24 hours."""

    people: int = 200
    hours: float = 24.0
    events: tuple[int, int] = (4, 8)
    edits: tuple[int, int] = (4, 14)
    imported: int = 200
    meddlers: int = 10


class WorkInventor(Inventor):
    """Meetings in somebody's working hours, most of them soon."""

    series = 0.15

    def __init__(self, chance: Random, zone: str, *, first_word: int) -> None:
        super().__init__(chance, first_word=first_word)
        self._zone = zone
        self._slots = 0

    def times(self, now: datetime) -> dict[str, Any]:
        """A time of day that no other event of this person has, on one of the next or last days."""
        chance = self._chance
        days = chance.choice((0, 1, 1, 2, 3, 4, 5, 7, 9, 14, 21, 40, 90, -1, -3))
        start = (now + timedelta(days=days)).astimezone(ZoneInfo(self._zone))
        if chance.random() < 0.08:
            day = start.date()
            last = day + timedelta(days=chance.choice((1, 1, 5)))
            return {"all_day": True, "zone": "UTC", "start": day.isoformat(), "end": last.isoformat()}
        self._slots += 37
        start = start.replace(hour=8 + self._slots // 60 % 10, minute=self._slots % 60, second=0, microsecond=0)
        end = start + timedelta(minutes=chance.choice((15, 30, 30, 60, 60, 90)))
        return {
            "all_day": False,
            "zone": self._zone,
            "start": plain.text(start, all_day=False),
            "end": plain.text(end, all_day=False),
        }


class Day(History):
    """Many people, and one day."""

    def __init__(
        self, store: Store, machine: Machine, size: Size, *, tell: Callable[[str], None] = lambda what: None
    ) -> None:
        chance = machine.random
        self._habits = Habits(
            page_size=250,
            shows_tombstones=True,
            tells_exceptions_of_deleted_series=True,
            honours_if_match=True,
            trims_text=True,
            token_lives=TOKENS_LIVE,
            channel_lives=CHANNELS_LEFT,
        )
        super().__init__(World(store, machine=machine, habits=self._habits, rates=RATES, turns=True, at_once=WORKERS))
        self.size = size
        self._tell = tell
        self._chance = chance
        self.begins = self.ends = 0.0
        """Seconds: between them lies the day whose requests are counted."""
        self.away: Kind = chance.choice(get_args(Kind.__value__))
        """The provider that nobody reaches for an hour."""
        self._zones: dict[UUID, ZoneInfo] = {}

    def live(self) -> None:
        """From the first sign-in to the verdict."""
        self._move_in()
        self._tell(f"{len(self.people)} people have moved in")
        self._live_the_day()
        self._tell("the day is over")
        self.world.weather.calm = True
        self.fall_quiet("after the day")
        self.judge("before any poll", excused=self.excused())
        self.let_polls_find_the_rest()
        self.let_channels_be_found_silent()
        self.judge("in the end", excused=set())
        self._tell("judged; everything is looked at again")
        self.look_again()
        self.judge("after looking again", excused=set())

    def _move_in(self) -> None:
        """Everybody connects their accounts, has some events already, and links calendars; nothing goes wrong yet."""
        world, machine = self.world, self.machine
        world.weather.calm = True
        for number in range(self.size.people):
            chance = machine.chance(f"person {number}")
            zone = chance.choice(ZONES)
            person = Person(user_id=UUID(int=machine.seed << 64 | number + 1), chance=chance)
            person.accounts = _accounts(number, chance)
            self._zones[person.user_id] = ZoneInfo(zone)
            self.people.append(People(world, person, WorkInventor(chance, zone, first_word=(number + 1) * 1_000_000)))
            move_in(world, person)
            work = sign_in(world, person, client_of=lambda account: f"kalends-{account.kind}")
            machine.after(number * 1.0, lambda work=work: world.act("sign-in", work))
        machine.run_until(machine.now() + timedelta(seconds=self.size.people + 60))
        world.learn_names()
        for one in self.people:
            for shelf in one.person.shelves:
                for _ in range(one.person.chance.randint(*self.size.events)):
                    one.edits.add(shelf)
        for number, one in enumerate(self.people):
            machine.after(number * 2.0, lambda one=one: self._link(one))
        world.store.tidy()
        machine.run_until(machine.now() + timedelta(seconds=2 * self.size.people + 60))
        self.fall_quiet("after moving in")
        world.store.tidy()
        world.channels.untold.clear()
        world.weather.calm = False
        self._habits.channel_lives = None

    def _link(self, one: People) -> None:
        """The first calendar shows in the last, mostly the other way round, too; the middle one sometimes in both."""
        chance, ids = one.person.chance, [self.world.ids[shelf.name] for shelf in one.person.shelves]
        first, middle, last = ids
        pairs = [(first, last)]
        if chance.random() < 0.6:
            pairs.append((last, first))
        if chance.random() < 0.4:
            pairs.append((middle, last))
        if chance.random() < 0.2:
            pairs.append((middle, first))
        for source, target in pairs:
            privacy = chance.choice(("busy", "busy", "title", "full"))
            one.asks.link(source, target, {"privacy": privacy, "skip_free": chance.random() < 0.8})

    def _live_the_day(self) -> None:
        world, machine, size = self.world, self.machine, self.size
        self.begins, begin = machine.seconds(), machine.now()
        for number, one in enumerate(self.people):
            actions = self._actions(one, meddles=number % max(1, size.people // size.meddlers) == 0)
            few, most = size.edits
            for _ in range(round(one.person.chance.randint(few, most) * size.hours / 24) or 1):
                self._plan(one, lambda one=one, actions=actions: _act(one, actions))
        importer = self._chance.choice(self.people)
        self._plan(importer, lambda: importer.edits.add_many(size.imported, importer.person.shelves[0]))
        away = world.weather.away
        for hour in range(int(size.hours)):
            machine.after(hour * 3600, world.store.tidy, is_schedule=True)
        machine.after(size.hours * 0.4 * 3600, lambda: away.add(self.away))
        machine.after(size.hours * 0.4 * 3600 + AWAY.total_seconds(), lambda: away.discard(self.away))
        machine.run_until(begin + timedelta(hours=size.hours))
        self.ends = machine.seconds()

    def _plan(self, one: People, action: Callable[[], None]) -> None:
        """Let somebody do something at an hour at which they are likely to."""
        now, chance = self.machine.now(), one.person.chance
        hours = [number / 4 for number in range(int(self.size.hours * 4))]
        zone = self._zones[one.person.user_id]
        weights = [BUSINESS[(now + timedelta(hours=after)).astimezone(zone).hour] for after in hours]
        after = chance.choices(hours, weights)[0] + chance.random() / 4
        self.machine.after(after * 3600, action)

    def _actions(self, one: People, *, meddles: bool) -> list[tuple[Callable[[], object], float]]:
        edits, asks = one.edits, one.asks
        return [
            (edits.add, 5),
            (edits.move, 4),
            (edits.answer, 4),
            (edits.rewrite, 2),
            (edits.delete, 2),
            (edits.change_occurrence, 3),
            (edits.shorten, 0.4),
            (edits.bring_back, 0.2),
            (asks.sync_now, 0.3),
            (edits.meddle, 6 if meddles else 0),
        ]


def beginning() -> datetime:
    """A Monday, in the week in which clocks change in the United States at its end."""
    return datetime(2026, 3, 2, tzinfo=UTC)


def _act(one: People, actions: list[tuple[Callable[[], object], float]]) -> None:
    choices, weights = zip(*actions, strict=True)
    one.person.chance.choices(choices, weights)[0]()


def _accounts(number: int, chance: Random) -> list[Account]:
    """Three calendars: of ten people, three have them in one account, the others in two, mostly of both kinds."""
    kinds: list[Kind] = ["google", "microsoft"]
    chance.shuffle(kinds)
    if number % 10 < 3:
        sizes = [(kinds[0], "abc")]
    elif number % 10 < 5:
        sizes = [(kinds[0], "ab"), (kinds[0], "c")]
    else:
        sizes = [(kinds[0], "ab"), (kinds[1], "c")]
    accounts = []
    for order, (kind, letters) in enumerate(sizes):
        name = f"p{number:03}{kind[0]}{order}"
        account = Account(name=name, kind=kind)
        account.shelves = [Shelf(name=f"{name}{letter}", account=name, kind=kind) for letter in letters]
        accounts.append(account)
    return accounts
