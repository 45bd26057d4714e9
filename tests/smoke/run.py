"""The smoke run itself: what happens in which order, on a cloud that is running."""

from __future__ import annotations

import json
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from random import Random
from secrets import token_hex
from typing import TYPE_CHECKING, Any

import httpx

from tests.smoke import live, oracle, seeding, shapes, stories
from tests.smoke import world as worlds
from tests.smoke.further import CalDavStory, TwoWayStory, watch
from tests.smoke.oracle import Verdict
from tests.smoke.product import Kalends, ProductError, invitation, unsettled
from tests.smoke.texts import Canaries

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from tests.smoke.dav import Server
    from tests.smoke.live import Lane
    from tests.smoke.world import World

ROUNDS = 3
SLOWEST_P50, SLOWEST_P95 = 10.0, 30.0
"""Seconds beyond which latency fails the run: ten times what it aims at."""
_PATIENCE = 300.0
_TOLD = 3
"""So many of those that are not settled are named while they are waited for."""


@dataclass(slots=True, kw_only=True)
class Report:
    """What came out. `wrong` are sentences; the run is fine when there are none."""

    initial: dict[str, Any] = field(default_factory=dict)
    live: dict[str, Any] = field(default_factory=dict)
    caldav: dict[str, int] = field(default_factory=dict)
    two_way: dict[str, int] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    writes_after_quiet: int = -1
    wrong: list[str] = field(default_factory=list)
    steps: list[tuple[str, float]] = field(default_factory=list)
    status: Any = None
    simulators: dict[str, Any] = field(default_factory=dict)
    hardship: dict[str, Any] = field(default_factory=dict)

    def line(self) -> str:
        """The last line of the run: one JSON object."""
        summary = {"ok": not self.wrong, "initial": self.initial, "live": self.live}
        further = {"caldav": self.caldav, "two_way": self.two_way}
        return json.dumps(
            {**summary, **further, **self.counts, "writes_after_quiet": self.writes_after_quiet, **self.hardship}
        )

    def leaked(self, places: list[str]) -> None:
        """Private words or secrets were found there."""
        self.counts["leaks"] = self.counts.get("leaks", 0) + len(places)
        self.wrong += [f"private text or a secret: {place}" for place in places]

    def save(self, file: Path) -> None:
        """Keep everything, for whoever looks into a failure."""
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(asdict(self), indent=2, default=str))


class Run:
    """One run; `facts` are what the cloud wrote into its ready file, `server` is for the person's CalDAV calendars."""

    def __init__(
        self,
        facts: Mapping[str, Any],
        *,
        server: Server,
        events: int,
        changes: int,
        seed: int,
        say: Callable[[str], None],
    ) -> None:
        self._facts = facts
        self._server = server
        self._events = events
        self._changes = changes
        self._random = Random(seed)
        self.say = say
        self.kalends = Kalends(base=str(facts["base_url"]))
        self.report = Report()
        self.world = self._make_world()
        self._calendars: dict[str, str] = {}
        self._caldav = CalDavStory(self.world.caldav_b, look=self._look_at_caldav)
        self._two_way = TwoWayStory(self.world.pair)

    def everything(self) -> Report:
        """From the empty system to the last round. Whatever goes wrong is in the report, as far as one can go on."""
        microsoft = self.world.microsoft_a.simulator
        # Whether Lambdas start fast on a busy laptop is not Graph's to judge here: a slow webhook shows as latency.
        microsoft.call("PUT", "/faults", {"slow_answer_seconds": 120})
        try:
            self.happen()
        except (ProductError, TimeoutError, httpx.HTTPError) as error:
            self.report.wrong.append(f"the run ended early: {error}")
        finally:
            microsoft.call("PUT", "/faults", {"slow_answer_seconds": 10})
        try:
            self.verdict()
        except (ProductError, httpx.HTTPError) as error:
            self.report.wrong.append(f"no verdict: {error}")
        return self.report

    def happen(self) -> None:
        """Everything, in order."""
        self.seed()
        self.enter()
        self.first_copy()
        self.further_links()
        self.channels()
        self.live_changes()
        self.report.wrong += self.further_changes(patience=live.PATIENCE)
        self.ring()
        self.quiet_rounds()

    def seed(self) -> None:
        """Fill the calendars before anybody connects them."""
        world, now = self.world, datetime.now(UTC)
        for agenda, number in ((world.google_a, self._events), (world.microsoft_b, max(10, self._events // 5))):
            plans = seeding.plans(number, now=now, random=self._random, canaries=world.canaries)
            bodies = [shapes.event(agenda.provider, plan, owner=agenda.owner) for plan in plans]
            edits = 0
            for event, plan in zip(agenda.add_all(bodies), plans, strict=True):
                for edit in shapes.edits(agenda.provider, plan):
                    agenda.edit(event, edit.original_start, edit.body)
                    edits += 1
            self.say(f"{agenda.name}: {number} events, {edits} occurrences moved or cancelled")
        for agenda in (world.microsoft_a, world.google_b):
            plans = seeding.plans(10, now=now, random=self._random, canaries=Canaries(self._random, most=0))[-5:]
            # Whoever invites themselves from another calendar finds a copy in their primary one.
            own = [replace(plan, guests=(), answer="") for plan in plans]
            agenda.add_all([shapes.event(agenda.provider, plan, owner=agenda.owner) for plan in own])
        self._caldav.seed(self._random, now)
        self._two_way.seed(self._random, now)

    def enter(self) -> None:
        """Come in by the one-time link, sign in, connect all accounts."""
        email, password = f"smoke-{token_hex(4)}@kalends.example", f"{token_hex(12)} correct horse"
        link = invitation(str(self._facts["aws_endpoint"]), email)
        self.kalends.enter(link, email=email, name="Smoke", password=password)
        self.kalends.sign_in(email=email, password=password)
        for provider in ("google", "microsoft", "caldav"):
            agendas = [agenda for agenda in self.world.agendas if agenda.provider == provider]
            if provider == "caldav":
                server = self._server
                connection = self.kalends.connect_caldav(server.base, server.user, server.password)
            else:
                connection = self.kalends.connect(provider, agendas[0].owner)
            known = self.kalends.calendars(connection)
            for agenda in agendas:
                if agenda.name not in known:
                    raise ProductError(f"the calendar {agenda.name!r} was not discovered, only {sorted(known)}")
                self._calendars[agenda.name] = known[agenda.name]
            self.say(f"{provider}: {agendas[0].owner} connected, {len(known)} calendars")

    def first_copy(self) -> None:
        """Link the calendars and wait until all mirrors stand."""
        heard = {agenda.provider: agenda.simulator.last() for agenda in self.world.agendas}
        linked_at = datetime.now(UTC)
        for lane in (self.world.masked, self.world.open):
            self._link(lane)
        try:
            self._watch_settling()
        finally:
            times = [
                datetime.fromisoformat(write["at"])
                for agenda in (self.world.microsoft_a, self.world.google_b)
                for write in agenda.writes(heard[agenda.provider])[0]
                if write["origin"] == "api"
            ]
            verdict = live.judge((self.world.masked, self.world.open))
            seconds = (max(times, default=linked_at) - linked_at).total_seconds()
            self.report.initial = {
                "events": len(self.world.google_a.real),
                "microsoft_events": len(self.world.microsoft_b.real),
                "mirrors": verdict.mirrors,
                "seconds": round(seconds, 2),
            }
            self.say(f"first copy: {verdict.mirrors} mirrors in {seconds:.1f} s, {len(verdict.findings)} wrong")
            self._findings(verdict, "after the first copy")

    def further_links(self) -> None:
        """Into CalDAV, from CalDAV, and both ways between Google and Microsoft."""
        lanes = self._link_further()
        self._watch_settling()
        verdict = live.judge(lanes)
        self.say(f"further links: {verdict.mirrors} mirrors, {len(verdict.findings)} wrong")
        self._findings(verdict, "after the first copy of the further links")

    def further_changes(self, *, patience: float) -> list[str]:
        """In CalDAV, looking at once as its owner can; and of mirrors across the two-way link. Answers what is late."""
        world, now = self.world, datetime.now(UTC)
        lane = world.from_caldav
        known = live.texts(lane.judge().findings)
        outcome = watch(
            lane.name,
            self._caldav.steps(now),
            lambda: live.texts(lane.judge().findings) - known,
            patience=patience,
            say=self.say,
        )
        self.report.caldav = {"events": len(world.caldav_b.real), **outcome.summary()}
        known = self._two_way.wrong()
        both = watch(
            "both ways",
            self._two_way.steps(now),
            lambda: self._two_way.wrong() - known,
            patience=patience,
            say=self.say,
        )
        self.report.two_way = {
            "events": sum(len(one.source.real) for one in world.pair),
            **both.summary(),
        }
        return [*outcome.late, *both.late]

    def channels(self) -> None:
        """Every calendar is to have a push channel, but those of CalDAV, which are looked at every five minutes."""
        looked_at = {self._calendars[agenda.name] for agenda in self.world.agendas if agenda.provider == "caldav"}
        self.report.wrong += [
            f"{one['name']} has no push channel and is only polled: look for 'channel not opened' in the workers' logs"
            for one in self.kalends.status()["calendars"]
            if one["id"] in set(self._calendars.values()) - looked_at and one["pushed_until"] is None
        ]

    def live_changes(self) -> None:
        """Both people change their calendars at the same time, and watch."""
        lanes = (self.world.masked, self.world.open)
        before = {agenda.provider: agenda.simulator.delivered() for agenda in self.world.agendas}
        now = datetime.now(UTC)
        shares = (self._changes - self._changes // 2, self._changes // 2)
        with ThreadPoolExecutor(max_workers=2) as pool:
            outcomes = list(
                pool.map(
                    lambda lane, share: live.drive(
                        lane,
                        stories.seen(lane.source, now=now, full=lane.link.privacy == "full", count=share),
                        say=self.say,
                    ),
                    lanes,
                    shares,
                )
            )
        seconds = [second for outcome in outcomes for _, second in outcome.latencies]
        after = {agenda.provider: agenda.simulator.delivered() for agenda in self.world.agendas}
        p50, p95 = live.percentile(seconds, 0.5), live.percentile(seconds, 0.95)
        self.report.live = {
            "changes": len(seconds),
            "p50_ms": round(p50 * 1000),
            "p95_ms": round(p95 * 1000),
            "max_ms": round(max(seconds, default=0) * 1000),
            "notifications": sum(after.values()) - sum(before.values()),
        }
        self.report.steps = [latency for outcome in outcomes for latency in outcome.latencies]
        self.report.wrong += [failure for outcome in outcomes for failure in outcome.failures]
        if not self.report.live["notifications"]:
            self.report.wrong.append("no webhook was called: changes came some other way")
        if p50 > SLOWEST_P50 or p95 > SLOWEST_P95:
            self.report.wrong.append(f"too slow: p50 {p50:.1f} s, p95 {p95:.1f} s")
        whispered = tuple(f"whisper{token_hex(8)}" for _ in range(3))
        self.world.canaries.planted.extend(whispered)
        steps = stories.unseen(self.world.google_a, now=now, words=whispered)
        self.report.wrong += live.whisper(self.world.masked, steps, seconds=4)

    def ring(self) -> None:
        """Link back: mirrors of mirrors must not be."""
        self.kalends.settle(seconds=120)
        self._link(self.world.back)
        self._watch_settling()

    def quiet_rounds(self) -> None:
        """When all is done, doing it again must write nothing."""
        self.kalends.settle(seconds=120)
        live.quiet(self.world.agendas, seconds=3, patience=120)
        heard = {agenda.name: agenda.simulator.last() for agenda in self.world.agendas}
        for _ in range(ROUNDS):
            self.kalends.sync()
        live.quiet(self.world.agendas, seconds=3, patience=120)
        written = [
            f"{write['operation']} {write['event']} in {agenda.name}"
            for agenda in self.world.agendas
            for write in agenda.writes(heard[agenda.name])[0]
            if write["origin"] == "api"
        ]
        self.report.writes_after_quiet = len(written)
        self.report.wrong += [f"a sync without any change wrote again: {write}" for write in written[:20]]
        self.say(f"{ROUNDS} rounds without a change wrote {len(written)} times")

    def verdict(self) -> None:
        """Let the oracle judge everything, and count."""
        world = self.world
        verdict = live.judge(world.lanes)
        back = self._two_way.not_flowed_back()
        courtesy = [
            finding
            for agenda in (world.google_a, world.microsoft_a, world.caldav_a)
            for finding in oracle.courtesy(
                agenda.provider,
                [live.calendar(one) for one in world.agendas if one.provider == agenda.provider],
                mail=agenda.simulator.mail(agenda.owner),
                writes=agenda.simulator.writes_of(agenda.owner),
                edits=self._two_way.edits,
            )
        ]
        whole = Verdict(findings=[*verdict.findings, *back, *courtesy], mirrors=verdict.mirrors)
        self.report.caldav["mirrors"] = live.judge((world.into_caldav, world.from_caldav)).mirrors
        self.report.caldav["writes"] = sum(one["origin"] == "api" for one in self._server.writes(0)[0])
        self.report.two_way["mirrors"] = live.judge(world.pair).mirrors
        self.report.two_way["flowed_back"] = len(self._two_way.edits) - len(back)
        self.report.counts = {
            "duplicates": whole.count("duplicate"),
            "lost": whole.count("lost"),
            "strays": whole.count("stray"),
            "altered": whole.count("altered"),
            "guest_mails": whole.count("mail", "guests"),
            "touched": whole.count("touched"),
            "leaks": whole.count("leak"),
        }
        self._findings(whole, "at the end")
        self.report.simulators = {
            agenda.provider: {
                path: agenda.simulator.call("GET", f"/{path}") for path in ("channels", "deliveries", "requests")
            }
            for agenda in (world.google_a, world.microsoft_a)
        }
        if self._calendars:
            self.report.status = self.kalends.status()

    def _findings(self, verdict: Verdict, when: str) -> None:
        self.report.wrong += [f"{when}: {finding}" for finding in verdict.findings]

    def _link(self, lane: Lane) -> None:
        source, target = self._calendars[lane.source.name], self._calendars[lane.target.name]
        self.kalends.link(source, target, privacy=lane.link.privacy)
        self.say(f"{lane.name}: linked, {lane.link.privacy}")

    def _link_further(self) -> tuple[Lane, ...]:
        world = self.world
        for lane in (world.into_caldav, world.from_caldav):
            self._link(lane)
        source, target = (self._calendars[lane.source.name] for lane in world.pair)
        self.kalends.link(source, target, privacy=world.pair[0].link.privacy, two_way=True)
        self.say(f"{world.pair[0].name}: linked both ways, {world.pair[0].link.privacy}")
        return world.into_caldav, world.from_caldav, *world.pair

    def _look_at_caldav(self) -> None:
        self.kalends.look(self._calendars[self.world.caldav_b.name])

    def _watch_settling(self) -> None:
        """Wait until nothing is left to do, and say how it goes."""
        began, told = time.monotonic(), ""
        while True:
            status = self.kalends.status()
            waiting = unsettled(status)
            mirrors = sum(link["counts"]["mirrors"] for link in status["links"])
            more = f"; {len(waiting) - _TOLD} more" if len(waiting) > _TOLD else ""
            line = f"  {mirrors} mirrors; {'; '.join(waiting[:_TOLD]) or 'settled'}{more}"
            if line != told:
                self.say(line)
                told = line
            if not waiting:
                return
            if time.monotonic() - began > _PATIENCE:
                raise ProductError(f"not settled after {_PATIENCE:.0f} s: {'; '.join(waiting)}")
            time.sleep(0.5)

    def _make_world(self) -> World:
        addresses = {name: str(self._facts[f"{name}_url"]) for name in ("google", "microsoft")}
        return worlds.make(addresses, self._server, self._random)
