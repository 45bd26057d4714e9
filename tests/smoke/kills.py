"""Kills in the commit gap: a provider has accepted a write, and the worker that sent it dies before it hears so.

The simulator holds the answer and names the client's port; the process of the run's own cloud that has this port is
ended with SIGKILL. Each kind of write has a calendar of its own at each provider, so that all die side by side.
"""

from __future__ import annotations

import signal
import time
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import count
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import psutil

from tests.smoke.seeding import ZONES, Plan
from tests.smoke.stories import Event

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tests.smoke.live import Lane
    from tests.smoke.simulator import Agenda, Simulator

KINDS = {
    "insert": ("insert", False),
    "update": ("update", False),
    "delete": ("delete", False),
    "occurrence_write": ("update", True),
    "occurrence_cancel": ("delete", True),
}
"""Each kind as the simulators see it: the operation, and whether it is on one occurrence."""
PATIENCE = 240.0
_NUDGE_SECONDS = 10.0
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


class KillError(RuntimeError):
    """A kill could not be carried out; the message says which and why."""


@dataclass(slots=True, kw_only=True)
class Attempt:
    """One kill: the hold at the simulator, and what became of it."""

    kind: str
    simulator: Simulator
    hold: int
    victim: str = ""


@dataclass(slots=True)
class Source:
    """A calendar with one event for each kind of write, and changes that lead to them."""

    agenda: Agenda
    now: datetime
    events: dict[str, Event] = field(default_factory=dict)
    _nudges: count[int] = field(default_factory=count)

    def prepare(self) -> None:
        """The events as they are before anything dies."""
        for kind, hour in (("update", 8), ("delete", 10), ("nudge", 12)):
            self._make(kind, hour)
        for kind, hour in (("occurrence_write", 14), ("occurrence_cancel", 16)):
            self._make(kind, hour, rule="FREQ=DAILY;COUNT=8")

    def act(self) -> None:
        """One change of each kind."""
        self._make("insert", 18)
        update, series = self.events["update"], self.events["occurrence_write"]
        update.span(start=update.start + HOUR, end=update.end + HOUR)
        self.events["delete"].delete()
        series.edit(3, series.start + 3 * DAY + HOUR)
        self.events["occurrence_cancel"].cancel(4)

    def nudge(self) -> None:
        """Another change, in case the notification about the last one was lost."""
        event = self.events["nudge"]
        event.span(end=event.start + HOUR + timedelta(minutes=5 * (1 + next(self._nudges) % 2)))

    def _make(self, kind: str, hour: int, *, rule: str = "") -> None:
        start = datetime.combine(self.now.date() + 5 * DAY, datetime.min.time()).replace(hour=hour)
        self.events[kind] = Event(
            self.agenda, Plan(title=f"For {kind}", start=start, end=start + HOUR, zone=ZONES[0], rule=rule)
        )
        self.events[kind].make()


def kill_all(lanes: Sequence[Lane], sources: Sequence[Source], *, cloud: int, say: Callable[[str], None]) -> list[str]:
    """Let the worker of each lane's target die in its kind's commit gap; answers what went wrong.

    The target's calendar is named after its kind. `cloud` is the process that has started everything.
    """
    waiting = [_arm(lane) for lane in lanes]
    for source in sources:
        source.act()
    deadline, nudged = time.monotonic() + PATIENCE, time.monotonic()
    while waiting and time.monotonic() < deadline:
        for attempt in list(waiting):
            if _carry_out(attempt, cloud):
                waiting.remove(attempt)
                say(f"  killed {attempt.victim} after {attempt.simulator.provider} had done its {attempt.kind}")
        if time.monotonic() - nudged > _NUDGE_SECONDS:
            for source in sources:
                source.nudge()
            nudged = time.monotonic()
        time.sleep(0.05)
    return [
        f"no worker could be killed in the commit gap of an {attempt.kind} at {attempt.simulator.provider}"
        for attempt in waiting
    ]


def name(provider: str, kind: str) -> str:
    """What the calendar is called in which this kind of write is waited for."""
    return f"{provider} {kind}"


def _arm(lane: Lane) -> Attempt:
    kind = lane.target.name.partition(" ")[2]
    operation, occurrence = KINDS[kind]
    simulator = lane.target.simulator
    wanted = {"operation": operation, "occurrence": occurrence, "calendar": lane.target.calendar, "seconds": 30}
    return Attempt(kind=kind, simulator=simulator, hold=simulator.call("POST", "/holds", wanted)["id"])


def _carry_out(attempt: Attempt, cloud: int) -> bool:
    """Kill, if the moment has come; returns whether it had. Raises KillError when nobody is found to kill."""
    holds = attempt.simulator.call("GET", "/holds")["holds"]
    hold = next(one for one in holds if one["id"] == attempt.hold)
    if hold["state"] == "released":
        raise KillError(f"the hold of an {attempt.kind} at {attempt.simulator.provider} ended before the kill")
    if hold["state"] != "held":
        return False
    victim = owner(cloud, port=hold["port"], server=int(urlsplit(attempt.simulator.base).port or 0))
    attempt.victim = f"process {victim.pid}"
    victim.send_signal(signal.SIGKILL)
    victim.wait(5)
    attempt.simulator.call("DELETE", f"/holds/{attempt.hold}")
    return True


def owner(cloud: int, *, port: int, server: int) -> psutil.Process:
    """The process below `cloud` whose end of a connection to `server` has this port. Raises KillError."""
    for process in psutil.Process(cloud).children(recursive=True):
        try:
            connections = process.net_connections(kind="tcp")
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
        for one in connections:
            if one.laddr and one.laddr.port == port and one.raddr and one.raddr.port == server:
                return process
    raise KillError(f"no process of this run's cloud has port {port}")
