"""The smoke run in bad weather: the same calendars and changes; providers fail, workers die, the database stops.

Nobody helps: when the weather has cleared, everything must come right by itself, and the same oracle judges.
"""

from __future__ import annotations

import json
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from itertools import chain
from typing import TYPE_CHECKING

import psutil

from tests.smoke import kills, live, outage, stories
from tests.smoke.product import ProductError, unsettled
from tests.smoke.run import Run
from tests.smoke.simulator import Agenda
from tests.smoke.weather import Weather
from tests.smoke.world import World, lane

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.e2e.cloud import Cloud
    from tests.smoke.dav import Server
    from tests.smoke.live import Lane, Outcome
    from tests.smoke.stories import Step

IMPATIENCE = 6.0
"""Seconds after which a change is not waited for any longer: its notification may be lost, or the account backs off."""
RECOVERY = 420.0
"""Seconds from fair weather until nothing is left to do."""


class HardRun(Run):
    """One run on a cloud of its own."""

    def __init__(
        self, cloud: Cloud, *, server: Server, events: int, changes: int, seed: int, say: Callable[[str], None]
    ) -> None:
        facts = json.loads((cloud.directory / "ready.json").read_text())
        super().__init__(facts, server=server, events=events, changes=changes, seed=seed, say=say)
        self._cloud = cloud
        self._outage = outage.Outage(cloud=cloud, say=say)
        self._weather = Weather(simulators=(self.world.google_a.simulator, self.world.microsoft_a.simulator), seed=seed)
        sources = {one.source.name: one.source for one in self.world.more}
        self._sources = [kills.Source(agenda, datetime.now(UTC)) for agenda in sources.values()]
        self._killed = 0
        self._recovered = -1.0

    def happen(self) -> None:
        """In the plain run's order, each step harder."""
        self._weather.shorten_tokens()
        self.seed()
        for source in self._sources:
            source.prepare()
        self.enter()
        self._weather.worsen()
        self.first_copy()
        with ThreadPoolExecutor(max_workers=1) as pool:
            dying = pool.submit(self._kill)
            self.live_changes()
            dying.result()
        late = self.further_changes(patience=IMPATIENCE)
        self.say(f"{len(late)} further changes are late")
        self.ring()
        self._outage.happen(self._changes_in_the_dark())
        self._weather.clear()
        self._recover()
        self.quiet_rounds()

    def first_copy(self) -> None:
        """The mirrors must stand in the end, but nobody judges the way there."""
        for one in self.world.more:
            self._link(one)
        self._link_further()
        super().first_copy()

    def live_changes(self) -> None:
        """Change after change; whatever is not mirrored at once has time until the end."""
        lanes = (self.world.masked, self.world.open)
        with ThreadPoolExecutor(max_workers=2) as pool:
            outcomes = list(pool.map(self._drive, lanes))
        seconds = [second for outcome in outcomes for _, second in outcome.latencies]
        self.report.live = {
            "changes": self._changes,
            "late": sum(len(outcome.failures) for outcome in outcomes),
            "p50_ms": round(live.percentile(seconds, 0.5) * 1000),
            "p95_ms": round(live.percentile(seconds, 0.95) * 1000),
        }
        self.report.steps = [latency for outcome in outcomes for latency in outcome.latencies]

    def ring(self) -> None:
        """Link back, whatever is still under way."""
        self._link(self.world.back)

    def verdict(self) -> None:
        """Let the oracle judge, then say what was injected, and whether all of it was."""
        super().verdict()
        injected = self._weather.injected()
        self.report.hardship = {
            "injected": {**injected, "kills": self._killed, "dead_letters": self._outage.dead_letters},
            "outage_seconds": self._outage.seconds,
            "changes_during_outage": self._outage.changes,
            "recovered_seconds": self._recovered,
        }
        self.report.wrong += self._weather.missing()
        if self._killed < len(self.world.more):
            self.report.wrong.append(f"only {self._killed} of {len(self.world.more)} workers were killed")
        if self._outage.seconds < outage.SECONDS:
            self.report.wrong.append("the database was not away for long enough")
        if self._outage.dead_letters < 2:
            self.report.wrong.append("the outage made no dead letters: the run proves nothing about them")

    def _drive(self, one: Lane) -> Outcome:
        """Do one step after the other; a mirror that is late is left behind."""
        outcome = live.Outcome()
        is_first = one.link == self.world.masked.link
        count = self._changes // 2 + (self._changes % 2 if is_first else 0)
        steps = stories.seen(one.source, now=datetime.now(UTC), full=one.link.privacy == "full", count=count)
        for number, step in enumerate(steps):
            if is_first and number == count // 2:
                self._weather.expire_cursors()
                self.say("  all cursors are expired")
            known = live.texts(one.judge().findings)
            seconds, wrong = live.timed(one, step, known, patience=IMPATIENCE)
            if wrong:
                outcome.failures.append(step.name)
            else:
                outcome.latencies.append((step.name, seconds))
            self.say(f"  {one.name}: {step.name}: {'late' if wrong else f'{seconds * 1000:.0f} ms'}")
        return outcome

    def _kill(self) -> None:
        try:
            wrong = kills.kill_all(self.world.more, self._sources, cloud=self._cloud.process.pid, say=self.say)
        except (kills.KillError, psutil.Error) as error:
            raise ProductError(f"the kills ended early: {error}") from error
        self._killed = len(self.world.more) - len(wrong)
        self.report.wrong += wrong

    def _changes_in_the_dark(self) -> Iterator[Step]:
        now = datetime.now(UTC)
        told = [
            stories.seen(one.source, now=now, full=one.link.privacy == "full", count=20)
            for one in (self.world.masked, self.world.open)
        ]
        further = zip(self._caldav.later(now), self._two_way.later(), strict=True)
        return chain(chain.from_iterable(further), chain.from_iterable(zip(*told, strict=True)))

    def _recover(self) -> None:
        """Wait until nothing is left to do, helping nobody."""
        self._outage.let_hours_pass()
        began, told = time.monotonic(), ""
        while True:
            status = self.kalends.status()
            waiting = [
                f"{one['provider']} is {one['status']}, until {one['backoff_until']}"
                for one in status["connections"]
                if one["status"] != "active"
            ] + unsettled(status)
            seen = self._outage.looked_at()
            line = f"  {'' if seen else 'not everything looked at; '}{'; '.join(waiting) or 'settled'}"
            if line != told:
                self.say(line)
                told = line
            if seen and not waiting:
                break
            if time.monotonic() - began > RECOVERY:
                raise ProductError(f"not recovered after {RECOVERY:.0f} s: {'; '.join(waiting)}")
            time.sleep(1)
        self._recovered = round(time.monotonic() - began, 1)
        self.say(f"recovered after {self._recovered:.0f} s")
        while (left := self._outage.bodies()) != [outage.NONSENSE]:
            if time.monotonic() - began > RECOVERY:
                self.report.wrong.append(f"{len(left)} dead letters are left, not the one that nobody can read")
                return
            time.sleep(2)
        self.say("of the dead letters only the one that nobody can read is left")

    def _make_world(self) -> World:
        """Besides the usual calendars one for each kind of write at each provider, in which workers die."""
        world = super()._make_world()
        ends = (world.google_a, world.microsoft_a)

        def agenda(beside: Agenda, name: str) -> Agenda:
            made = beside.simulator.add_calendar(beside.owner, summary=name)
            return Agenda(simulator=beside.simulator, owner=beside.owner, name=name, calendar=made)

        sources = [agenda(one, f"{one.provider} changes") for one in ends]
        words = tuple(f"For {kind}" for kind in kills.KINDS)
        more = [
            lane(source, agenda(end, kills.name(end.provider, kind)), "busy", words)
            for source, end in zip(sources, reversed(ends), strict=True)
            for kind in kills.KINDS
        ]
        return replace(world, more=tuple(more))
