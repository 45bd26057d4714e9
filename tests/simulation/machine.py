"""One clock and everybody who acts by it.

Actors are greenlets: each runs until it pauses, and while it pauses others run. What happens next is decided by the
queue of happenings and by one source of chance, so that a seed is a history: the same seed gives the same one again.
"""

from __future__ import annotations

import hashlib
import heapq
from dataclasses import dataclass
from datetime import timedelta
from itertools import count
from random import Random
from typing import TYPE_CHECKING

from greenlet import getcurrent, greenlet

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime


class KilledError(BaseException):
    """The actor's process is gone, in the middle of a line."""


@dataclass(slots=True, eq=False)
class Actor:
    """Somebody who works for a while. It `began` so many seconds after the history; at `deadline` its process is
    killed, as a Lambda is at its time-out."""

    name: str
    began: float
    deadline: datetime
    greenlet: greenlet
    is_dead: bool = False


class Machine:
    """The clock, the happenings to come, and the trace of those that were."""

    def __init__(self, seed: int, *, begin: datetime, keep_trace: bool = False) -> None:
        self.seed = seed
        self.random = Random(seed)
        """What people do; everything else has a source of its own, so that one statement more shifts little."""
        self.begin = begin
        self.time = begin
        self.actor: Actor | None = None
        self.lines: list[str] | None = [] if keep_trace else None
        self.steps = 0
        self._digest = hashlib.blake2b(digest_size=16)
        self._number = count()
        self._happenings: list[tuple[datetime, int, bool, Callable[[], None]]] = []
        self._main = getcurrent()
        self._busy = 0
        self._names: dict[str, int] = {}

    @property
    def digest(self) -> str:
        """Stands for everything that was noted: equal digests are equal histories."""
        return self._digest.hexdigest()

    @property
    def is_idle(self) -> bool:
        """Whether only schedules are still to come."""
        return self._busy == 0

    def now(self) -> datetime:
        """The virtual time."""
        return self.time

    def seconds(self) -> float:
        """The virtual time as time.monotonic has it."""
        return (self.time - self.begin).total_seconds()

    def chance(self, name: str) -> Random:
        """A source of chance for one purpose."""
        return Random(f"{self.seed} {name}")

    def note(self, what: str) -> None:
        """Add a line to the trace: who did what, and when. Ids and codes only."""
        who = self.actor.name if self.actor else "world"
        line = f"{self.time:%m-%d %H:%M:%S}.{self.time.microsecond // 1000:03} {who}: {what}"
        self._digest.update(line.encode())
        if self.lines is not None:
            self.lines.append(line)

    def after(self, seconds: float, happening: Callable[[], None], *, is_schedule: bool = False) -> None:
        """Let something happen later. Schedules go on for ever and keep nobody busy."""
        entry = (self.time + timedelta(seconds=seconds), next(self._number), is_schedule, happening)
        heapq.heappush(self._happenings, entry)
        self._busy += not is_schedule

    def step(self) -> None:
        """Let the next thing happen."""
        at, _, is_schedule, happening = heapq.heappop(self._happenings)
        self.time = max(self.time, at)
        self._busy -= not is_schedule
        self.steps += 1
        happening()

    def run_until(self, moment: datetime) -> None:
        """Let everything happen that happens before `moment`."""
        while self._happenings and self._happenings[0][0] <= moment:
            self.step()
        self.time = max(self.time, moment)

    def start(
        self, kind: str, work: Callable[[], None], *, limit: float, ended: Callable[[BaseException | None], None]
    ) -> None:
        """Let a new actor begin now. `limit`: seconds until it is killed. `ended` is told what it raised, if anything;
        an Exception is an answer like any other, but a BaseException that is not a KilledError ends the history."""
        self._names[kind] = number = self._names.get(kind, 0) + 1

        def body() -> None:
            try:
                work()
            except KilledError as killed:
                actor.is_dead = True
                outcome: BaseException | None = killed
            except Exception as error:
                outcome = error
            else:
                outcome = None
            ended(outcome)

        actor = Actor(
            name=f"{kind}#{number}",
            began=self.seconds(),
            deadline=self.time + timedelta(seconds=limit),
            greenlet=greenlet(body, self._main),
        )
        self._resume(actor)

    def pause(self, seconds: float) -> None:
        """Stand still; others act meanwhile. Raises KilledError when the actor's time is over. The world itself never
        pauses."""
        actor = self.actor
        if actor is None:
            return
        if actor.is_dead:
            raise KilledError
        self.after(seconds, lambda: self._resume(actor))
        self._main.switch()
        if self.time > actor.deadline:
            self.note("killed at its time-out")
            actor.is_dead = True
            raise KilledError

    def kill(self, where: str) -> None:
        """The process of whoever acts is gone."""
        if self.actor is not None:
            self.note(f"killed {where}")
            self.actor.is_dead = True
            raise KilledError

    def _resume(self, actor: Actor) -> None:
        previous, self.actor = self.actor, actor
        self._main = getcurrent()
        try:
            actor.greenlet.switch()
        finally:
            self.actor = previous
