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
from tests.smoke.live import Lane
from tests.smoke.oracle import Link, Verdict
from tests.smoke.product import Kalends, ProductError, invitation, unsettled
from tests.smoke.simulator import Agenda, Simulator
from tests.smoke.texts import Canaries

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

CANARIES = 50
ROUNDS = 3
SLOWEST_P50, SLOWEST_P95 = 10.0, 30.0
"""Seconds beyond which latency fails the run: ten times what it aims at."""
_PATIENCE = 300.0


@dataclass(slots=True, kw_only=True)
class Report:
    """What came out. `wrong` are sentences; the run is fine when there are none."""

    initial: dict[str, Any] = field(default_factory=dict)
    live: dict[str, Any] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    writes_after_quiet: int = -1
    wrong: list[str] = field(default_factory=list)
    steps: list[tuple[str, float]] = field(default_factory=list)
    status: Any = None
    simulators: dict[str, Any] = field(default_factory=dict)
    hardship: dict[str, Any] = field(default_factory=dict)

    def line(self) -> str:
        """The last line of the run: one JSON object."""
        summary = {"ok": not self.wrong, "initial": self.initial, "live": self.live, **self.counts}
        return json.dumps({**summary, "writes_after_quiet": self.writes_after_quiet, **self.hardship})

    def leaked(self, places: list[str]) -> None:
        """Private words or secrets were found there."""
        self.counts["leaks"] = self.counts.get("leaks", 0) + len(places)
        self.wrong += [f"private text or a secret: {place}" for place in places]

    def save(self, file: Path) -> None:
        """Keep everything, for whoever looks into a failure."""
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(asdict(self), indent=2, default=str))


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """The accounts and calendars of one run. `more` are lanes besides the three that every run has."""

    google_a: Agenda
    google_b: Agenda
    microsoft_a: Agenda
    microsoft_b: Agenda
    canaries: Canaries
    titles: tuple[str, ...]
    more: tuple[Lane, ...] = ()

    @property
    def agendas(self) -> tuple[Agenda, ...]:
        """All calendars."""
        four = (self.google_a, self.google_b, self.microsoft_a, self.microsoft_b)
        return tuple({agenda.name: agenda for agenda in (*four, *self._others)}.values())

    @property
    def _others(self) -> tuple[Agenda, ...]:
        return tuple(agenda for lane in self.more for agenda in (lane.source, lane.target))

    @property
    def lanes(self) -> tuple[Lane, ...]:
        """All links."""
        return self.masked, self.open, self.back, *self.more

    @property
    def masked(self) -> Lane:
        """Google A, of which Microsoft A sees only that somebody is busy."""
        words = (*self.canaries.planted, *self.titles)
        return lane(self.google_a, self.microsoft_a, "busy", words)

    @property
    def open(self) -> Lane:
        """Microsoft B, of which Google B sees everything that is written."""
        return lane(self.microsoft_b, self.google_b, "full")

    @property
    def back(self) -> Lane:
        """From Microsoft A back to Google A: with `masked` it makes a ring."""
        return lane(self.microsoft_a, self.google_a, "busy")


def lane(source: Agenda, target: Agenda, privacy: oracle.Privacy, words: tuple[str, ...] = ()) -> Lane:
    """A link as the oracle knows it, with its two ends."""
    link = Link(source=source.name, target=target.name, privacy=privacy)
    return Lane(link=link, source=source, target=target, words=words)


class Run:
    """One run; `facts` are what the cloud wrote into its ready file."""

    def __init__(self, facts: Mapping[str, Any], *, events: int, changes: int, seed: int, say: Callable[[str], None]):
        self._facts = facts
        self._events = events
        self._changes = changes
        self._random = Random(seed)
        self.say = say
        self.kalends = Kalends(base=str(facts["base_url"]))
        self.report = Report()
        self.world = self._make_world()
        self._calendars: dict[str, str] = {}

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
        self.channels()
        self.live_changes()
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

    def enter(self) -> None:
        """Come in by the one-time link, sign in, connect both accounts."""
        email, password = f"smoke-{token_hex(4)}@kalends.example", f"{token_hex(12)} correct horse"
        link = invitation(str(self._facts["aws_endpoint"]), email)
        self.kalends.enter(link, email=email, name="Smoke", password=password)
        self.kalends.sign_in(email=email, password=password)
        for provider in ("google", "microsoft"):
            agendas = [agenda for agenda in self.world.agendas if agenda.provider == provider]
            connection = self.kalends.connect(agendas[0].provider, agendas[0].owner)
            known = self.kalends.calendars(connection)
            for agenda in agendas:
                if agenda.name not in known:
                    raise ProductError(f"the calendar {agenda.name!r} was not discovered, only {sorted(known)}")
                self._calendars[agenda.name] = known[agenda.name]
            self.say(f"{agendas[0].provider}: {agendas[0].owner} connected, {len(known)} calendars")

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

    def channels(self) -> None:
        """Every calendar is to have a push channel."""
        self.report.wrong += [
            f"{one['name']} has no push channel and is only polled: look for 'channel not opened' in the workers' logs"
            for one in self.kalends.status()["calendars"]
            if one["id"] in self._calendars.values() and one["pushed_until"] is None
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
        courtesy = [
            finding
            for agenda in (world.google_a, world.microsoft_a)
            for finding in oracle.courtesy(
                agenda.provider,
                [live.calendar(one) for one in world.agendas if one.provider == agenda.provider],
                mail=[mail for mail in agenda.simulator.mail() if mail["account"] == agenda.owner],
                writes=[write for write in agenda.simulator.writes(0)[0] if write["account"] == agenda.owner],
            )
        ]
        whole = Verdict(findings=[*verdict.findings, *courtesy], mirrors=verdict.mirrors)
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

    def _watch_settling(self) -> None:
        """Wait until nothing is left to do, and say how it goes."""
        began, told = time.monotonic(), ""
        while True:
            status = self.kalends.status()
            waiting = unsettled(status)
            mirrors = sum(link["counts"]["mirrors"] for link in status["links"])
            line = f"  {mirrors} mirrors; {'; '.join(waiting) or 'settled'}"
            if line != told:
                self.say(line)
                told = line
            if not waiting:
                return
            if time.monotonic() - began > _PATIENCE:
                raise ProductError(f"not settled after {_PATIENCE:.0f} s: {'; '.join(waiting)}")
            time.sleep(0.5)

    def _make_world(self) -> World:
        google = Simulator(provider="google", base=str(self._facts["google_url"]))
        microsoft = Simulator(provider="microsoft", base=str(self._facts["microsoft_url"]))
        who, canaries = f"smoke-{token_hex(3)}", Canaries(self._random, most=CANARIES)
        at_google, at_microsoft = f"{who}@example.com", f"{who}@contoso.example"
        google.add_account(at_google, name="Smoke")
        microsoft.add_account(at_microsoft, name="Smoke")

        def agenda(simulator: Simulator, owner: str, name: str, calendar: str) -> Agenda:
            return Agenda(simulator=simulator, owner=owner, name=name, calendar=calendar)

        return World(
            google_a=agenda(google, at_google, at_google, google.primary(at_google)),
            google_b=agenda(google, at_google, "Google B", google.add_calendar(at_google, summary="Google B")),
            microsoft_a=agenda(microsoft, at_microsoft, "Calendar", microsoft.primary(at_microsoft)),
            microsoft_b=agenda(
                microsoft, at_microsoft, "Microsoft B", microsoft.add_calendar(at_microsoft, summary="Microsoft B")
            ),
            canaries=canaries,
            titles=("Series ", "Ferien", "Declined", "Zero length", "Family dinner"),
        )
