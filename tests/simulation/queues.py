"""The lanes' queues as SQS serves them: at least once, in any order, again after a failure, aside after five times."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from uuid import UUID

from shared.aws.queues import DeadLetter
from shared.core.errors import KalendsError, TransientError
from tests.simulation.machine import KilledError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from shared.core.messages import SyncMessage
    from tests.simulation.machine import Machine
    from tests.simulation.weather import Weather

    type Work = Callable[[SyncMessage, float, Callable[[BaseException | None], None]], None]

MAX_RECEIVES = 5
TIMEOUTS = {"pull": 60.0, "push": 60.0, "repair": 120.0, "backfill": 120.0}
"""Seconds a worker of each lane has (infra/catalogue.py); a message is hidden for six times as long."""
HIDDEN = 60.0
"""Seconds for which whoever reads dead letters has them to itself."""


@dataclass(slots=True, eq=False)
class Letter:
    """A message on its way, None if nobody can read it, with why it failed each time it was received."""

    message: SyncMessage | None
    failures: list[str] = field(default_factory=list)


class Queues:
    """The lanes, and those who work them off: so many `at_once`, of all lanes together."""

    def __init__(self, machine: Machine, weather: Weather, *, work: Work, at_once: int) -> None:
        self.machine = machine
        self._at_once = at_once
        self.weather = weather
        self.chance = machine.chance("queues")
        self._work = work
        self.running = 0
        self.dead: list[Letter] = []
        """All that were ever put aside."""
        self.dead_letters = DeadLetters(self)
        self.bodies: list[str] = []
        self.pull, self.push, self.repair, self.backfill = (Lane(self, name) for name in TIMEOUTS)

    def deliver(self, letter: Letter, timeout: float) -> None:
        """Give a message to a worker, or put it aside for good."""
        if self.running >= self._at_once:
            self.machine.after(1.0, lambda: self.deliver(letter, timeout))
            return
        if len(letter.failures) >= MAX_RECEIVES:
            self.machine.note(
                f"dead letter: {letter.message and letter.message.task} after {', '.join(letter.failures)}"
            )
            self.dead.append(letter)
            self.dead_letters.lying[f"letter-{len(self.dead)}"] = letter
            return
        if letter.message is None:
            letter.failures.append("nonsense")
            self.machine.after(6 * timeout, lambda: self.deliver(letter, timeout))
            return
        self.running += 1

        def ended(error: BaseException | None) -> None:
            self.running -= 1
            match error:
                case None:
                    return
                case KilledError():
                    letter.failures.append("killed")
                case KalendsError():
                    letter.failures.append(error.error_code)
                case _:
                    raise error
            self.machine.after(6 * timeout, lambda: self.deliver(letter, timeout))

        self._work(letter.message, timeout, ended)


class DeadLetters:
    """Where messages lie that were put aside (aws.queues.DeadLetters)."""

    name = "dead-letters"

    def __init__(self, queues: Queues) -> None:
        self._queues = queues
        self._hidden: dict[str, float] = {}
        self.lying: dict[str, Letter] = {}

    def read(self, most: int) -> list[DeadLetter]:
        """What lies there and is in nobody's hands."""
        self._ask()
        now = self._queues.machine.seconds()
        found = [one for one in self.lying if self._hidden.get(one, 0.0) <= now][:most]
        self._hidden |= dict.fromkeys(found, now + HIDDEN)
        return [DeadLetter(id=one, body=_body(self.lying[one]), receipt=one) for one in found]

    def delete(self, letters: Sequence[DeadLetter]) -> None:
        """Take these away."""
        self._ask()
        for one in letters:
            self.lying.pop(one.id, None)

    def put_back(self, letters: Sequence[DeadLetter]) -> None:
        """Let these be read again."""
        self._ask()
        for one in letters:
            self._hidden.pop(one.id, None)

    def _ask(self) -> None:
        if self.lying:
            self._queues.machine.pause(0.005)
            if self._queues.weather.strikes("queue refuses"):
                raise TransientError("The simulated queue does not answer.", code="QUEUE.UNAVAILABLE")


def _body(letter: Letter) -> str:
    return "nonsense" if letter.message is None else letter.message.model_dump_json()


class Lane:
    """One queue (context.Queue)."""

    def __init__(self, queues: Queues, name: str) -> None:
        self._queues = queues
        self.timeout = TIMEOUTS[name]

    def send(self, messages: Sequence[SyncMessage]) -> None:
        """Take messages; a refusal may come after some were taken."""
        machine, weather = self._queues.machine, self._queues.weather
        if not messages:
            return
        machine.pause(0.005)
        # The order in which the database answers is nobody's promise.
        for message in sorted(messages, key=lambda one: (str(one.calendar_id), one.task)):
            if weather.strikes("queue refuses"):
                raise TransientError("The simulated queue takes nothing.", code="QUEUE.UNAVAILABLE")
            self._queues.bodies.append(message.model_dump_json())
            self._take(message)

    def _take(self, message: SyncMessage) -> None:
        machine, weather, chance = self._queues.machine, self._queues.weather, self._queues.chance
        if weather.strikes("message lost"):
            return
        if weather.strikes("poison message"):
            stranger, nobody = UUID(int=1), UUID(int=2)
            poison = chance.choice((None, {"calendar_id": nobody}, {"user_id": stranger}))
            spoiled = Letter(message=poison and message.model_copy(update=poison))
            machine.after(chance.uniform(0.02, 1.0), lambda: self._queues.deliver(spoiled, self.timeout))
        for _ in range(2 if weather.strikes("message doubled") else 1):
            late = weather.strikes("message late")
            delay = chance.uniform(20, 900) if late else chance.uniform(0.02, 1.0)
            letter = Letter(message=message)
            machine.after(delay, lambda letter=letter: self._queues.deliver(letter, self.timeout))
