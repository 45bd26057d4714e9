"""A history: some people's calendars in a world, which is healed, falls quiet, and is judged."""

from __future__ import annotations

import contextlib
import logging
import random
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING
from unittest import mock
from uuid import UUID

from infra import ROOT
from tests.simulation.facts import Facts
from tests.simulation.inventing import WORD
from tests.simulation.oracle import conduct, keeping, mirrors

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.simulation.editing import Editor
    from tests.simulation.machine import Machine
    from tests.simulation.oracle.judging import Finding
    from tests.simulation.people import People
    from tests.simulation.provider import Shelf
    from tests.simulation.world import World

SURELY_POLLED = timedelta(hours=7.2)
"""Every calendar is polled every six hours; whoever noted the last look may have had a clock that is an hour ahead."""
FOUND_SILENT = timedelta(minutes=60)
"""So soon after a change that was not announced the calendar has a channel that speaks (its rules: silence.py)."""
PATIENCE = timedelta(hours=8)
"""Virtual time after which a healed world has to be quiet."""


@dataclass(slots=True, kw_only=True)
class Report:
    """How a history went."""

    seed: int
    findings: list[str] = field(default_factory=list)
    faults: dict[str, int] = field(default_factory=dict)
    writes: int = 0
    links: int = 0
    mirrors: int = 0
    steps: int = 0
    digest: str = ""
    lines: list[str] = field(default_factory=list)


def through(history: History) -> Report:
    """Live through this one; an exception breaks it off and is a finding like any other."""
    machine, report = history.machine, history.report
    with _determined(machine), _listening(report):
        try:
            history.live()
        except Exception as error:
            logging.getLogger(__name__).debug("history broken off", exc_info=True)
            report.findings.append(f"crash: {error!r} {_where(error)}")
    report.faults = dict(history.world.weather.counts)
    report.writes = sum(entry["by"] == "kalends" for entry in history.world.server.journal)
    report.digest, report.steps, report.lines = machine.digest, machine.steps, machine.lines or []
    return report


class History:
    """Some people in a world: how it is healed, falls quiet and is judged, whatever was lived through before."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.machine = world.machine
        self.report = Report(seed=world.machine.seed)
        self.people: list[People] = []
        self._facts = Facts(world)

    def live(self) -> None:
        """From the first sign-in to the verdict."""
        raise NotImplementedError

    def fall_quiet(self, when: str) -> None:
        """Let time go by until nothing is due any more."""
        world, machine = self.world, self.machine
        limit = machine.now() + PATIENCE
        calm = 0
        while calm < 2:
            machine.run_until(machine.now() + timedelta(seconds=61))
            world.around.is_down = False
            if sum(one.settle() for one in self.people):
                calm = 0
            calm = calm + 1 if machine.is_idle and not world.queues.running and not self._due() else 0
            if machine.now() > limit:
                due = self._due()
                self._found(f"restless {when}: idle={machine.is_idle} due={due}")
                return
        machine.note(f"quiet {when}")

    def _due(self) -> list[tuple[str, str]]:
        """What the engine still means to do, by its own account."""
        return self.world.store.rows(
            """
            SELECT 'look', c.calendar_id::text FROM calendar_sync_state s JOIN calendars c ON c.id = s.calendar_id
             WHERE (s.requested > s.done OR s.needs_full_sync)
               AND EXISTS (SELECT FROM links l WHERE s.calendar_id IN (l.source_calendar_id, l.target_calendar_id))
            UNION ALL
            SELECT 'write', m.source_event_id FROM event_mappings m JOIN links l ON l.id = m.link_id
             WHERE m.waits AND l.state <> 'paused'
            UNION ALL
            SELECT 'reconcile', c.calendar_id::text
              FROM calendar_sync_state s JOIN calendars c ON c.id = s.calendar_id WHERE s.reconcile_since IS NOT NULL
            """
        )

    def excused(self) -> set[str]:
        """Calendars whose changes only a poll can find: a notification was not told, a listing left things out, or an
        old state was listed."""
        shelves = self.world.server.shelves
        if self.world.weather.counts["old state listed"] + self.world.weather.counts["calendar not listed"]:
            return set(shelves)
        return self.world.channels.untold | {name for name, shelf in shelves.items() if shelf.has_misled}

    def let_polls_find_the_rest(self) -> None:
        """Hours later every calendar is looked at; what others froze is thawed by a change of its source."""
        world = self.world
        for _ in range(4):
            world.sleep(SURELY_POLLED.total_seconds())
            self.machine.run_until(world.asleep_until + timedelta(seconds=60))
            world.tick("windows")
            self.fall_quiet("after the polls")
            frozen = self._facts.frozen_sources()
            for calendar, event_id in frozen:
                shelf = world.server.shelves[calendar]
                if event_id in shelf.items:
                    self._edits(shelf).touch(shelf, shelf.items[event_id])
            if not frozen:
                return

    def let_channels_be_found_silent(self) -> None:
        """Something happens in every calendar, and an hour later somebody listens to each again."""
        world = self.world
        linked = {name for link in self._facts.gather(excused=set()).links for name in (link["source"], link["target"])}
        watched = [shelf for shelf in world.server.shelves.values() if shelf.supports_push and shelf.name in linked]
        for shelf in watched:
            self._edits(shelf).add(shelf)
        self.machine.run_until(self.machine.now() + FOUND_SILENT)
        for shelf in watched:
            if not world.channels.is_heard(shelf):
                self._found(f"silent channel: for an hour nobody has listened to {shelf.name}")
        self.fall_quiet("after an hour")

    def look_again(self) -> None:
        """When all is quiet, further looks write nothing, whether at what changed or at everything."""
        world = self.world
        length = len(world.server.journal)
        self._sync_now()
        self.fall_quiet("after a look")
        for shelf in world.server.shelves.values():
            world.server.forget_cursors(shelf)
        self._sync_now()
        self.fall_quiet("after a full look")
        for entry in world.server.journal[length:]:
            if entry["by"] == "kalends" and not self._enters_a_window(entry):
                self._found(f"write after quiet: {entry['actor']} wrote {entry['id']} in {entry['calendar']}")

    def _sync_now(self) -> None:
        for one in self.people:
            one.asks.sync_now()

    def _edits(self, shelf: Shelf) -> Editor:
        """By whose hand something happens in a calendar."""
        return next(one.edits for one in self.people if shelf in one.person.shelves)

    def _enters_a_window(self, entry: dict) -> bool:  # type: ignore[type-arg]
        """Whether it is about something that came into a link's window just now, as time went on."""
        start = entry["after"]["start"]
        ahead = datetime.fromisoformat(start).replace(tzinfo=UTC) - self.machine.now()
        return any(abs(ahead - timedelta(days=days)) < timedelta(days=2) for days in (60, 365, 730))

    def judge(self, when: str, *, excused: set[str]) -> None:
        """Let the oracle see what each person sees, and nobody else's."""
        known = self._facts.gather(excused=excused)
        found: list[Finding] = []
        for facts in self._facts.by_person(known):
            found += mirrors.judge(facts)
            if when == "before any poll":
                found += conduct.notifications_lost(facts)
            if when == "in the end":
                found += [*conduct.judge(facts), *keeping.judge(facts)]
        if when == "in the end":
            self.report.links = len(known.links)
            self.report.mirrors = sum(len(shelf.living("kalends")) for shelf in self.world.server.shelves.values())
            for table in self._facts.words_in_store():
                self._found(f"leak: {table} holds a word that a person wrote")
            for body in self.world.queues.bodies:
                if WORD in body:
                    self._found("leak: a message holds a word that a person wrote")
        for one in found:
            self._found(f"{one} ({when})")

    def _found(self, what: str) -> None:
        self.machine.note(f"FINDING {what}")
        self.report.findings.append(what)


@contextlib.contextmanager
def _determined(machine: Machine) -> Iterator[None]:
    """Chance and clocks that the product reads itself are the history's, too."""
    chance = random.Random(machine.seed)
    state = random.getstate()
    random.seed(machine.seed)
    virtual = SimpleNamespace(monotonic=machine.seconds, sleep=machine.pause)
    with (
        mock.patch("shared.sync.listening.channels.uuid4", lambda: UUID(int=chance.getrandbits(128), version=4)),
        mock.patch("shared.sync.push.monotonic", machine.seconds),
        mock.patch("shared.connections.discovery.monotonic", machine.seconds),
        mock.patch("shared.control.budgets.time", virtual),
        mock.patch("shared.control.quotas.time", virtual),
        mock.patch("shared.sync.echoes.time", virtual),
    ):
        yield
    random.setstate(state)


@contextlib.contextmanager
def _listening(report: Report) -> Iterator[None]:
    """Hear what is logged: no word that a person wrote may be in it."""

    class Listener(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if WORD in f"{record.getMessage()} {record.__dict__}":
                report.findings.append(f"leak: the log line {record.msg!r} holds a word that a person wrote")

    product = logging.getLogger("shared")
    listener, level, propagate = Listener(), product.level, product.propagate
    product.addHandler(listener)
    product.setLevel(logging.INFO)
    product.propagate = False
    try:
        yield
    finally:
        product.removeHandler(listener)
        product.setLevel(level)
        product.propagate = propagate


def _where(error: BaseException) -> str:
    """The innermost line of ours."""
    trace, place = error.__traceback__, ""
    while trace is not None:
        name = trace.tb_frame.f_code.co_filename
        if "/shared/" in name or "/simulation/" in name:
            place = f"{Path(name).relative_to(ROOT)}:{trace.tb_lineno}"
        trace = trace.tb_next
    return place
