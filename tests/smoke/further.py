"""What the smoke run does with CalDAV, whose calendars are looked at now and then, and across a two-way link."""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from tests.smoke import live, oracle, seeding, shapes, sightings
from tests.smoke.product import ProductError
from tests.smoke.seeding import ZONES, Plan
from tests.smoke.stories import DAY, HOUR, Step, weekday
from tests.smoke.texts import Canaries

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from random import Random

    from tests.smoke.dav import Collection
    from tests.smoke.live import Lane
    from tests.smoke.oracle import Edit, Moment
    from tests.smoke.simulator import Agenda

EVENTS = 40
"""In each of the calendars of this module."""


@dataclass(slots=True, kw_only=True)
class Outcome:
    """Seconds that each change took, by its name; and what is late, in words."""

    latencies: list[tuple[str, float]] = field(default_factory=list)
    late: list[str] = field(default_factory=list)

    def summary(self) -> dict[str, int]:
        """For the line of JSON."""
        seconds = [second for _, second in self.latencies]
        return {
            "changes": len(self.latencies),
            "p50_ms": round(live.percentile(seconds, 0.5) * 1000),
            "max_ms": round(max(seconds, default=0) * 1000),
        }


def watch(
    name: str, steps: Sequence[Step], wrong: Callable[[], set[str]], *, patience: float, say: Callable[[str], None]
) -> Outcome:
    """Do one step after the other, each once nothing is `wrong` any more, or patience has ended."""
    outcome = Outcome()
    for step in steps:
        began = time.monotonic()
        step.do()
        while left := wrong():
            if time.monotonic() - began > patience:
                break
            time.sleep(0.25)
        seconds = time.monotonic() - began
        if left:
            outcome.late.append(f"{name}: '{step.name}' is not right after {patience:.0f} s: {min(left)}")
        else:
            outcome.latencies.append((step.name, seconds))
        say(f"  {name}: {step.name}: {'late' if left else f'{seconds * 1000:.0f} ms'}")
    return outcome


def modest_plans(random: Random, now: datetime) -> list[Plan]:
    """Events of every kind but those with guests and answers."""
    made = seeding.plans(EVENTS, now=now, random=random, canaries=Canaries(random, most=0))
    return [replace(plan, guests=(), answer="") for plan in made]


class CalDavStory:
    """Changes in a CalDAV calendar. After each its owner asks to look now, as `kalends sync now` does: `look`."""

    def __init__(self, agenda: Collection, *, look: Callable[[], None]) -> None:
        self.agenda = agenda
        self._look = look
        self._plans: dict[str, Plan] = {}
        self._ids: dict[str, str] = {}

    def seed(self, random: Random, now: datetime) -> None:
        """What stands there before anybody connects the account."""
        for plan in modest_plans(random, now):
            # HTML is no text at CalDAV, and what is odd about white space is for Google and Microsoft to show.
            self._make("", replace(plan, title=plan.title.strip(), description="", place=plan.place))

    def steps(self, now: datetime) -> list[Step]:
        """The lives of a meeting, a weekly series and a holiday."""
        first = datetime.combine(now.date() + 4 * DAY, datetime.min.time())
        nine = first.replace(hour=9)
        meeting = Plan(title="At the dentist's", start=nine, end=nine + HOUR, zone=ZONES[0], description="Bring it.")
        series = Plan(title="Choir", start=nine, end=nine + HOUR, zone=ZONES[1], rule="FREQ=WEEKLY;COUNT=8")
        away = Plan(title="Away 🏖", start=first.date(), end=first.date() + 3 * DAY)
        return [
            self._step("create", lambda: self._make("meeting", meeting)),
            self._step("create series", lambda: self._make("series", series)),
            self._step("create all-day", lambda: self._make("away", away)),
            self._step("move", lambda: self._change("meeting", start=nine + DAY, end=nine + DAY + 2 * HOUR)),
            self._step("rename", lambda: self._change("meeting", title="At the optician's", place="Café")),
            self._step("move instance", lambda: self._change("series", moved={2: DAY})),
            self._step("cancel instance", lambda: self._change("series", cancelled=(4,))),
            self._step("extend all-day", lambda: self._change("away", end=first.date() + 5 * DAY)),
            self._step("make free", lambda: self._change("away", free=True)),
            self._step("change series time", lambda: self._change("series", start=nine + HOUR, end=nine + 2 * HOUR)),
            self._step("delete", lambda: self._delete("meeting")),
        ]

    def later(self, now: datetime) -> list[Step]:
        """One more event is made and moved, and nobody asks for a look."""
        start = datetime.combine(now.date() + 9 * DAY, datetime.min.time()).replace(hour=20)
        concert = Plan(title="Concert", start=start, end=start + 2 * HOUR, zone=ZONES[2])
        return [
            Step(name="create", do=lambda: self._make("concert", concert)),
            Step(name="move", do=lambda: self._change("concert", start=start + DAY, end=start + DAY + HOUR)),
        ]

    def _step(self, name: str, change: Callable[[], None]) -> Step:
        def do() -> None:
            change()
            self._look()

        return Step(name=name, do=do)

    def _make(self, key: str, plan: Plan) -> None:
        event = self.agenda.add(plan)
        self._plans[key or event] = plan
        self._ids[key or event] = event

    def _change(self, key: str, **changes: Any) -> None:
        self._plans[key] = replace(self._plans[key], **changes)
        self.agenda.put(self._ids[key], self._plans[key])

    def _delete(self, key: str) -> None:
        self.agenda.delete(self._ids[key])


class TwoWayStory:
    """Changes on both sides of a two-way link, most of them of mirrors. `edits` are what must have flowed back."""

    def __init__(self, pair: tuple[Lane, Lane]) -> None:
        self.pair = pair
        self.edits: list[Edit] = []
        self._plans: dict[tuple[str, str], Plan] = {}
        self._ids: dict[tuple[str, str], str] = {}

    def seed(self, random: Random, now: datetime) -> None:
        """What stands on both sides before they are linked: the events to be edited among others."""
        for one in self.pair:
            plans = modest_plans(random, now)
            events = one.source.add_all([self._body(one.source, plan) for plan in plans])
            for event, plan in zip(events, plans, strict=True):
                for edit in shapes.edits(one.source.provider, plan):
                    one.source.edit(event, edit.original_start, edit.body)
            for number, kind in enumerate(("retitle", "move", "series", "later")):
                self._make(one.source, kind, now, hour=9 + 2 * number)

    def wrong(self) -> set[str]:
        """What is wrong on either side now."""
        findings = live.judge(self.pair).findings + self.not_flowed_back()
        return live.texts(findings)

    def not_flowed_back(self) -> list[oracle.Finding]:
        """Edits of mirrors that have not reached their events."""
        calendars = [live.calendar(one.source) for one in self.pair]
        return oracle.flowed_back(calendars, self.edits, now=datetime.now(UTC))

    def steps(self, now: datetime) -> list[Step]:
        """Mirrors are edited on both sides; events come and go on both sides."""
        found = []
        for one in self.pair:
            side = one.target.provider
            found += [
                Step(name=f"rename a mirror at {side}", do=lambda one=one: self._retitle(one)),
                Step(name=f"move a mirror at {side}", do=lambda one=one: self._move(one, "move")),
                Step(name=f"move an occurrence of a mirror at {side}", do=lambda one=one: self._move_occurrence(one)),
                Step(name=f"create at {side}", do=lambda one=one: self._make(one.target, "new", now, hour=16)),
                Step(name=f"delete at {side}", do=lambda one=one: one.target.delete(self._ids[one.target.name, "new"])),
            ]
        return found

    def later(self) -> list[Step]:
        """One more mirror is moved on either side."""
        return [Step(name="move a mirror", do=lambda one=one: self._move(one, "later")) for one in self.pair]

    def _retitle(self, one: Lane) -> None:
        plan, title = self._plans[one.source.name, "retitle"], f"Renamed at {one.target.provider}"
        body = {"google": {"summary": title}, "microsoft": {"subject": title}}[one.target.provider]
        one.target.patch(self._mirror(one, plan), body)
        self._edited(one, "retitle", title, plan.start, plan)

    def _move(self, one: Lane, kind: str) -> None:
        plan = self._plans[one.source.name, kind]
        start = plan.start + DAY + HOUR
        one.target.patch(self._mirror(one, plan), self._span(one.target, start, plan))
        self._edited(one, kind, plan.title, start, plan)

    def _move_occurrence(self, one: Lane) -> None:
        plan = self._plans[one.source.name, "series"]
        original = plan.start + timedelta(weeks=3)
        start = original + DAY + HOUR
        mirror, place = self._mirror(one, plan), shapes.original(original, plan.zone)
        one.target.edit(mirror, place, self._span(one.target, start, plan))
        self._edited(one, "series", plan.title, start, plan)

    def _edited(self, one: Lane, kind: str, title: str, start: Any, plan: Plan) -> None:
        event = self._ids[one.source.name, kind]
        when = _utc(start, plan), _utc(start + (plan.end - plan.start), plan)
        self.edits.append(oracle.Edit(calendar=one.source.name, event=event, title=title, when=when))

    def _mirror(self, one: Lane, plan: Plan) -> str:
        """The id, in the target, of the mirror of a plan: a person knows it by its title."""
        now = datetime.now(UTC)
        for seen in sightings.read(one.target.provider, one.target.items(), now, now + 60 * DAY):
            if seen.event not in one.target.real and seen.title == plan.title:
                return seen.event
        raise ProductError(f"{one.target.name} shows no mirror called {plan.title!r}")

    def _make(self, agenda: Agenda, kind: str, now: datetime, *, hour: int) -> None:
        start = datetime.combine(now.date() + 6 * DAY, datetime.min.time()).replace(hour=hour)
        title = f"{kind.title()} me, {agenda.provider}"
        rule = f"FREQ=WEEKLY;BYDAY={weekday(start)};COUNT=6" if kind == "series" else ""
        plan = Plan(title=title, start=start, end=start + HOUR, zone=ZONES[0], rule=rule)
        self._plans[agenda.name, kind] = plan
        self._ids[agenda.name, kind] = agenda.add(self._body(agenda, plan))

    @staticmethod
    def _body(agenda: Agenda, plan: Plan) -> dict[str, Any]:
        return shapes.event(agenda.provider, plan, owner=agenda.owner)

    @staticmethod
    def _span(agenda: Agenda, start: datetime, plan: Plan) -> dict[str, Any]:
        span = {"google": shapes.google_span, "microsoft": shapes.microsoft_span}[agenda.provider]
        return span(start, start + (plan.end - plan.start), plan.zone)  # type: ignore[operator]


def _utc(wall: datetime, plan: Plan) -> Moment:
    return wall.replace(tzinfo=ZoneInfo(plan.zone)).astimezone(UTC)
