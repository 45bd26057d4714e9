"""Drives changes at one provider and watches the other: how long until the mirror is right, by their own clocks."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from tests.smoke import oracle

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tests.smoke.dav import Collection
    from tests.smoke.oracle import Calendar, Finding, Link, Verdict
    from tests.smoke.simulator import Agenda, Resource
    from tests.smoke.stories import Step

PATIENCE = 60.0
"""Seconds after which a change counts as not mirrored."""
_GIVE_UP_AFTER = 3
_POLL = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Lane:
    """A link with its two ends, and the words of its own events."""

    link: Link
    source: Agenda | Collection
    target: Agenda | Collection
    words: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """As people call it."""
        return f"{self.source.name} -> {self.target.name}"

    def judge(self, *, lanes: Sequence[Lane] = ()) -> Verdict:
        """What is wrong with what stands in the target now, as far as this link (or all of `lanes`) explains it."""
        return judge(lanes or (self,))


@dataclass(slots=True, kw_only=True)
class Outcome:
    """How the changes of one lane went: seconds by step, and what did not come right."""

    latencies: list[tuple[str, float]] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)


def calendar(agenda: Agenda | Collection) -> Calendar:
    """An agenda as the oracle looks at it."""
    return oracle.Calendar(
        name=agenda.name, provider=agenda.provider, items=agenda.items(), real=frozenset(agenda.real)
    )


def judge(lanes: Sequence[Lane], *, others: Sequence[Agenda | Collection] = ()) -> Verdict:
    """The oracle's judgement of all calendars of these lanes, and of `others`, now."""
    agendas = {agenda.name: agenda for lane in lanes for agenda in (lane.source, lane.target)}
    agendas |= {agenda.name: agenda for agenda in others}
    words = [word for lane in lanes if lane.link.privacy == "busy" for word in lane.words]
    return oracle.judge(
        [calendar(agenda) for agenda in agendas.values()],
        [lane.link for lane in lanes],
        now=datetime.now(UTC),
        private=words,
    )


def drive(lane: Lane, steps: Sequence[Step], *, say: Callable[[str], None]) -> Outcome:
    """Do one step after the other, each when the mirror of the one before is right."""
    outcome = Outcome()
    known = texts(lane.judge().findings)
    in_a_row = 0
    for step in steps:
        if in_a_row == _GIVE_UP_AFTER:
            outcome.failures.append(f"{lane.name}: gave up before '{step.name}', nothing is mirrored any more")
            break
        seconds, wrong = timed(lane, step, known, patience=PATIENCE)
        if wrong:
            in_a_row += 1
            outcome.failures.append(f"{lane.name}: '{step.name}' is not right after {PATIENCE:.0f} s: {wrong[0]}")
            say(f"  {lane.name}: {step.name}: not mirrored in {PATIENCE:.0f} s")
            known |= set(wrong)
        else:
            in_a_row = 0
            outcome.latencies.append((step.name, seconds))
            say(f"  {lane.name}: {step.name}: {seconds * 1000:.0f} ms")
    return outcome


def timed(lane: Lane, step: Step, known: set[str], *, patience: float) -> tuple[float, list[str]]:
    """Seconds from the moment the source accepted the change to the moment the target accepted the write that made
    the mirror right; or what is still wrong when patience ends."""
    before, heard = lane.source.simulator.last(), lane.target.simulator.last()
    step.do()
    changes = [write for write in lane.source.writes(before)[0] if write["origin"] == "person"]
    if not changes:
        return 0.0, [f"the {lane.source.provider} simulator recorded no change"]
    accepted = datetime.fromisoformat(changes[-1]["at"])
    deadline = time.monotonic() + patience
    written: list[datetime] = []
    while True:
        writes, heard = lane.target.writes(heard, wait=min(_POLL, max(0.0, deadline - time.monotonic())))
        written += _times(writes)
        wrong = sorted(texts(lane.judge().findings) - known)
        if not wrong and written:
            written += _times(lane.target.writes(heard)[0])  # what came while the oracle was looking
            return (max(written) - accepted).total_seconds(), []
        if time.monotonic() > deadline:
            return 0.0, wrong or ["nothing was written"]


def _times(writes: Sequence[Resource]) -> list[datetime]:
    """When programs wrote."""
    return [datetime.fromisoformat(write["at"]) for write in writes if write["origin"] == "api"]


def whisper(lane: Lane, steps: Sequence[Step], *, seconds: float) -> list[str]:
    """Do the first step and wait for its mirror; then the rest, which must write nothing for that long."""
    _, wrong = timed(lane, steps[0], texts(lane.judge().findings), patience=PATIENCE)
    if wrong:
        return [f"{lane.name}: '{steps[0].name}' is not mirrored: {wrong[0]}"]
    heard = lane.target.simulator.last()
    for step in steps[1:]:
        step.do()
    time.sleep(seconds)
    writes = [write for write in lane.target.writes(heard)[0] if write["origin"] == "api"]
    return [
        f"{lane.name}: a change that no busy mirror shows wrote {write['operation']} {write['event']}"
        for write in writes
    ]


def quiet(agendas: Sequence[Agenda | Collection], *, seconds: float, patience: float) -> None:
    """Wait until programs have written nothing at any of the providers for `seconds`; raises TimeoutError."""
    simulators = {agenda.provider: agenda.simulator for agenda in agendas}
    deadline = time.monotonic() + patience
    last, since = {name: one.last() for name, one in simulators.items()}, time.monotonic()
    while time.monotonic() - since < seconds:
        if time.monotonic() > deadline:
            raise TimeoutError(f"programs still write after {patience:.0f} s")
        time.sleep(0.25)
        now = {name: one.last() for name, one in simulators.items()}
        if now != last:
            last, since = now, time.monotonic()


def percentile(values: Sequence[float], share: float) -> float:
    """The value that `share` of the values do not exceed (nearest rank); 0 for none."""
    ordered = sorted(values)
    return ordered[max(0, round(share * len(ordered) + 0.5) - 1)] if ordered else 0.0


def texts(findings: Sequence[Finding]) -> set[str]:
    """Findings as sentences."""
    return {str(finding) for finding in findings}
