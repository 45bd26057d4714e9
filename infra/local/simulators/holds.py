"""Answers that are held back: a write is done, and its client waits until the test lets it go on.

That is the moment in which a program may die and never learn what it did. A hold names the client's port, so that a
test can find the process at the other end and end it.
"""

import asyncio
from dataclasses import dataclass, field
from itertools import count
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from infra.local.simulators.journal import Operation, Write

type State = Literal["waiting", "held", "released"]


class Wanted(BaseModel):
    """Which write is to be held: the next one by a program that does this, to an occurrence of a series or not."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    operation: Operation
    occurrence: bool = False
    calendar: str | None = None
    seconds: float = Field(default=60, gt=0, le=600)
    """After which the answer goes out anyway."""

    def matches(self, write: Write) -> bool:
        """Whether this write is the one."""
        return (
            write.origin == "api"
            and (write.operation, write.occurrence) == (self.operation, self.occurrence)
            and self.calendar in (None, write.calendar)
        )


@dataclass(slots=True, kw_only=True)
class Hold:
    """One hold; `port` and `event` are known once it is held."""

    id: int
    wanted: Wanted
    state: State = "waiting"
    port: int = 0
    event: str = ""
    end: asyncio.Event = field(default_factory=asyncio.Event)

    def told(self) -> dict[str, Any]:
        """As /_sim speaks of it."""
        return {
            "id": self.id,
            **self.wanted.model_dump(),
            "state": self.state,
            "port": self.port,
            "event": self.event,
        }


class Holds:
    """The holds of one simulator, each for one write."""

    def __init__(self) -> None:
        self._numbers = count(1)
        self._holds: dict[int, Hold] = {}

    def arm(self, wanted: Wanted) -> Hold:
        """Hold the next write of this kind."""
        hold = Hold(id=next(self._numbers), wanted=wanted)
        self._holds[hold.id] = hold
        return hold

    async def keep(self, writes: list[Write], *, port: int) -> bool:
        """Wait as long as one of these writes is to be held; returns whether one was. `port` is the client's."""
        found = ((hold, write) for hold in self._holds.values() for write in writes if hold.wanted.matches(write))
        hold, write = next(((hold, write) for hold, write in found if hold.state == "waiting"), (None, None))
        if hold is None or write is None:
            return False
        hold.state, hold.port, hold.event = "held", port, write.event
        try:
            await asyncio.wait_for(hold.end.wait(), hold.wanted.seconds)
        except TimeoutError:
            pass
        finally:
            hold.state = "released"
        return True

    def release(self, number: int) -> bool:
        """Let the answer go out, or forget a hold that waits; returns whether there was such a hold."""
        hold = self._holds.get(number)
        if hold is None:
            return False
        hold.state = "released"
        hold.end.set()
        return True

    def listed(self) -> list[dict[str, Any]]:
        """Every hold since the last reset."""
        return [hold.told() for hold in self._holds.values()]

    def reset(self) -> None:
        """Let everything go and forget it."""
        for hold in self._holds.values():
            hold.end.set()
        self._holds.clear()
