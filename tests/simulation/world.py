"""Everything that runs in one history: the product's own engine, its schedules and workers, and what surrounds them."""

from __future__ import annotations

import contextlib
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING
from uuid import UUID

from shared.connections import discovery, tokens
from shared.control.gates import Operation
from shared.core.errors import ConflictError, KalendsError, NotFoundError, ReauthRequiredError
from shared.core.lanes import Lane
from shared.crypto.keyring import DataKey
from shared.sync import dead_letters, dispatch, pull, push, windows
from shared.sync.context import Engine, Lanes
from shared.sync.listening import channels as sync_channels
from shared.sync.listening import notifications
from tests.simulation.caldav import CalDavLike
from tests.simulation.channels import Channels
from tests.simulation.google import GoogleLike
from tests.simulation.machine import KilledError, Machine
from tests.simulation.microsoft import MicrosoftLike
from tests.simulation.provider import Account, Server, Token
from tests.simulation.queues import Queues
from tests.simulation.store import Surroundings
from tests.simulation.turns import turns_of
from tests.simulation.weather import Weather

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from shared.connections.store import Connection
    from shared.core.messages import SyncMessage
    from shared.providers.port import CalendarProvider
    from shared.sync.listening.notifications import Notification
    from tests.simulation.person import Person
    from tests.simulation.provider import Habits
    from tests.simulation.store import Store, VirtualDatabase

SECRETS = [b"a-secret-for-markers"]
DEADLINES = {"dispatch": 50.0, "renew": 300.0, "discover": 300.0, "windows": 300.0, "hook": 10.0, "person": 29.0}
KINDS = {"google": GoogleLike, "microsoft": MicrosoftLike, "caldav": CalDavLike}
CLOCKS_OFF = (-3600.0, -90.0, -2.0, 2.0, 90.0, 3600.0)
SCHEDULES = {"dispatch": 60.0, "discover": 600.0, "renew": 900.0, "windows": 86_400.0}
"""Seconds between ticks (infra/catalogue.py)."""


class World:
    """Some people's accounts, and Kalends around them. `turns`: whether the product's own quotas say when a provider
    may be called; without them each call is made at once. `at_once`: workers of all lanes together."""

    def __init__(
        self,
        store: Store,
        *,
        machine: Machine,
        habits: Habits,
        rates: Mapping[str, float] | None = None,
        turns: bool = False,
        at_once: int = 3,
    ) -> None:
        self.store = store
        self.machine = machine
        self._chance = machine.chance("schedules")
        self.weather = Weather(machine, rates)
        self.around = Surroundings(
            seed=machine.seed, machine=machine, weather=self.weather, chance=machine.chance("stalls")
        )
        store.begin(self.around)
        self.server = Server(machine, habits)
        self.channels = Channels(machine, self.weather, habits=habits, post=self._post)
        self.server.changed = self.channels.changed
        self.queues = Queues(machine, self.weather, work=self._work, at_once=at_once)
        self.people: list[Person] = []
        self.asleep_until = machine.begin
        self.renewed: list[tuple[str, float]] = []
        """When the person signed in again, by account."""
        self.restores: list[tuple[float, float]] = []
        """Of each restore: when the backup was taken, and when it was put back."""
        self.ended: dict[str, float] = {}
        """When each actor that could note down what befell it came to an end."""
        self.skewed: set[str] = set()
        """Actors whose clocks are wrong."""
        self.names: dict[UUID, str] = {}
        self.ids: dict[str, UUID] = {}
        self._key = DataKey(b"k" * 32)
        self._tokens: dict[UUID, Token] = {}
        self._has_turns = turns
        self.refreshes = 0
        """How often a fresh access token was got."""
        for kind, every in SCHEDULES.items():
            self.machine.after(every * self._chance.random(), self._ticking(kind, every), is_schedule=True)

    def engine(self, database: VirtualDatabase) -> Engine:
        """The product's engine, as the composition root makes it."""
        queues = self.queues
        return Engine(
            database=database,
            lanes=Lanes(pull=queues.pull, push=queues.push, repair=queues.repair, backfill=queues.backfill),
            flags=dict.fromkeys(Operation, True),
            open_provider=partial(self._open_provider, database),
            data_key=lambda conn, connection_id: self._key,
            webhook_secrets=lambda: SECRETS,
            webhook_address=lambda provider: f"https://kalends.example/webhooks/{provider}",
            holder=self.machine.actor.name if self.machine.actor else "world",
            now=self._clock(),
        )

    def _clock(self) -> Callable[[], datetime]:
        """The clock of whoever acts; now and then it is wrong."""
        machine = self.machine
        if machine.actor is None or not self.weather.strikes("clock is wrong"):
            return machine.now
        off = timedelta(seconds=self._chance.choice(CLOCKS_OFF))
        self.skewed.add(machine.actor.name)
        return lambda: machine.now() + off

    def act(
        self,
        kind: str,
        work: Callable[[Engine], object],
        *,
        ended: Callable[[BaseException | None], None] | None = None,
    ) -> None:
        """Let an actor do something with a database of its own. What it may raise: KalendsError, or being killed."""
        self._act(kind, work, limit=DEADLINES.get(kind, 60.0), ended=ended)

    def _act(
        self,
        kind: str,
        work: Callable[[Engine], object],
        *,
        limit: float,
        ended: Callable[[BaseException | None], None] | None,
    ) -> None:
        database = self.store.database()

        def body() -> None:
            work(self.engine(database))

        def over(error: BaseException | None) -> None:
            self.store.give_back(database)
            actor = self.machine.actor
            if actor is not None and not (isinstance(error, KilledError) or _is_forgetful(error)):
                self.ended[actor.name] = self.machine.seconds()
            if isinstance(error, KalendsError):
                self.machine.note(f"failed: {error.error_code}")
                if error.error_code in ("DATABASE.ERROR", "INTERNAL"):
                    raise AssertionError(f"{kind}: {error.message}") from error
            elif error is not None and not isinstance(error, KilledError):
                raise error
            if ended is not None:
                ended(error)

        self.machine.start(kind, body, limit=limit, ended=over)

    # What runs by itself.

    def _work(self, message: SyncMessage, timeout: float, ended: Callable[[BaseException | None], None]) -> None:
        """As functions/workers/work.py does."""
        run = pull.pull if message.task == "pull" else push.push

        def work(engine: Engine) -> None:
            self.machine.note(f"takes {self.calendar_name(message.calendar_id)}")
            with contextlib.suppress(NotFoundError):
                outcome = run(
                    engine, message.calendar_id, user_id=message.user_id, correlation_id=message.correlation_id
                )
                self.machine.note(f"ends: {outcome.value}")

        self._act(message.task, work, limit=timeout, ended=ended)

    def _post(self, notification: Notification, answered: Callable[[int, BaseException | None], None]) -> None:
        """As functions/webhooks do."""
        accepted = 0

        def work(engine: Engine) -> None:
            nonlocal accepted
            accepted = notifications.receive(
                engine.database,
                [notification],
                queues={lane: engine.lanes.of("pull", lane) for lane in Lane},
                flags=engine.flags,
                correlation_id="hook",
                now=engine.now(),
            )

        self.act("hook", work, ended=lambda error: answered(accepted, error))

    def _ticking(self, kind: str, every: float) -> Callable[[], None]:
        def tick() -> None:
            machine = self.machine
            if machine.now() < self.asleep_until:
                wait = (self.asleep_until - machine.now()).total_seconds() + self._chance.uniform(0, 30)
                machine.after(wait, tick, is_schedule=True)
                return
            machine.after(every, tick, is_schedule=True)
            if not self.weather.strikes("tick lost"):
                for _ in range(2 if self.weather.strikes("tick doubled") else 1):
                    self.tick(kind)

        return tick

    def tick(self, kind: str) -> None:
        """What a schedule does when its time has come."""

        def work(engine: Engine) -> None:
            now = engine.now()
            match kind:
                case "dispatch":
                    dispatch.dispatch(engine, correlation_id="dispatch", now=now)
                    dead_letters.clear(engine.database, [self.queues.dead_letters], now=now)
                case "renew":
                    sync_channels.renew(engine, now=now)
                case "windows":
                    windows.advance(engine, correlation_id="windows", now=now)
                case "discover":
                    discovery.discover_due(engine.database, open_provider=engine.open_provider, now=now)

        self.act(kind, work)

    def sleep(self, seconds: float) -> None:
        """No schedule runs for a while: hours or days go by at once."""
        self.asleep_until = self.machine.now() + timedelta(seconds=seconds)

    def forget_tokens(self) -> None:
        """Whoever had an access token is gone."""
        self._tokens.clear()

    # Who is who.

    def calendar_name(self, calendar_id: UUID) -> str:
        """The provider's name of a calendar."""
        return self.names.get(calendar_id, "a calendar that is gone")

    def learn_names(self) -> None:
        """After discovery: which row stands for which calendar."""
        rows = self.store.rows("SELECT id, calendar_id FROM calendars ORDER BY id")
        self.names = dict(rows)
        self.ids = {name: one for one, name in rows}

    def calendar_of(self, calendar_id: str) -> str:
        """The same for an id as JSON has it."""
        return self.calendar_name(UUID(calendar_id))

    def account_of(self, connection: Connection) -> Account:
        """The simulated account behind a connection."""
        return self.server.accounts[connection.provider_user_id]

    def _open_provider(
        self, database: VirtualDatabase, connection: Connection, *, refused: bool = False, lane: Lane = Lane.LIVE
    ) -> CalendarProvider:
        """As wiring.App.provider does: the token given out last, or a fresh one when that was refused."""
        account = self.account_of(connection)
        if connection.status == "disconnected":
            raise ConflictError("disconnected")
        turns = turns_of(database, connection, lane=lane, now=self._clock()) if self._has_turns else None
        known = self._tokens.get(connection.id)
        if refused or known is None or known.ends < self.machine.seconds() + tokens.MARGIN.total_seconds():
            self.machine.pause(0.1)
            self.refreshes += 1
            self.weather.require_working(account.kind)
            if account.is_revoked:
                raise ReauthRequiredError("invalid_grant")
            ends = self.machine.seconds() + self.server.habits.token_lives
            self._tokens[connection.id] = Token(generation=account.generation, ends=ends)
        return KINDS[account.kind](
            account,
            token=self._tokens[connection.id],
            server=self.server,
            weather=self.weather,
            channels=self.channels,
            turns=turns,
        )


def _is_forgetful(error: BaseException | None) -> bool:
    """Whether the database did not take what there was to note."""
    return isinstance(error, KalendsError) and error.error_code.startswith("DATABASE.")
