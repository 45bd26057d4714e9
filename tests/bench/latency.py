"""From a person's change to its mirror, on the whole local cloud: notification, Lambdas, queues, database, write."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from math import inf
from secrets import token_hex
from typing import TYPE_CHECKING

from tests.bench import google
from tests.bench.table import Row
from tests.smoke.live import percentile
from tests.smoke.product import Kalends, invitation
from tests.smoke.simulator import Agenda, Simulator

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.bench.table import Measured

PROVIDER_SECONDS = 0.1
TARGET, TARGET_BUSY = (1.0, 3.0), (3.0, 10.0)
"""Seconds, p50 and p95: with nothing else to do; with slow providers while a calendar is copied for the first time."""
_PATIENCE = 120.0
_PAGE = 2_500


class Lane:
    """One person's Google calendar, linked to one at Microsoft; `facts` are what the cloud wrote when it was ready."""

    def __init__(self, facts: Mapping[str, str]) -> None:
        self.google = Simulator(provider="google", base=facts["google_url"])
        self.microsoft = Simulator(provider="microsoft", base=facts["microsoft_url"])
        # How long a Lambda takes to start on a busy machine is not for Graph to punish here.
        self.microsoft.call("PUT", "/faults", {"slow_answer_seconds": 120})
        who = f"bench-{token_hex(3)}"
        at_google, at_microsoft = f"{who}@example.com", f"{who}@contoso.example"
        self.google.add_account(at_google, name="Bench")
        self.microsoft.add_account(at_microsoft, name="Bench")
        self.source = _agenda(self.google, at_google, "source")
        self.target = _agenda(self.microsoft, at_microsoft, "target")
        self.large = _agenda(self.google, at_google, "large")
        self.copy = _agenda(self.microsoft, at_microsoft, "copy")
        self.kalends = Kalends(base=facts["base_url"])
        email, password = f"{who}@kalends.example", f"{token_hex(12)} correct horse"
        self.kalends.enter(invitation(facts["aws_endpoint"], email), email=email, name="Bench", password=password)
        self.kalends.sign_in(email=email, password=password)
        self.calendars: dict[str, str] = {}
        for agenda in (self.source, self.target):
            self.calendars |= self.kalends.calendars(self.kalends.connect(agenda.provider, agenda.owner))

    def link(self, source: Agenda, target: Agenda) -> None:
        """Link two calendars; the texts go along, so that each mirror can be told."""
        self.kalends.link(self.calendars[source.name], self.calendars[target.name], privacy="full")

    def fill(self, events: int) -> None:
        """Give the large calendar its events."""
        bodies = [google.body(number) for number in range(events)]
        for first in range(0, events, _PAGE):
            self.large.add_all(bodies[first : first + _PAGE])

    def slow(self, seconds: float) -> None:
        """From now on both providers answer so much later."""
        for simulator in (self.google, self.microsoft):
            simulator.call("PUT", "/faults", {"slow": {"rate": 1 if seconds else 0, "seconds": seconds}})

    def refused(self) -> int:
        """How many calls Microsoft has answered 429."""
        routes = self.microsoft.call("GET", "/requests")["requests"]
        return sum(route["count"] for route in routes if route["status"] == 429)

    def drive(self, *, rate: float, seconds: float) -> list[float]:
        """Add events at a steady rate; answers the seconds until each one's mirror, endless if it does not come."""
        heard, name = self.target.simulator.last(), token_hex(4)
        before = self.source.simulator.last()
        began, number = time.monotonic(), 0
        while (due := number / rate) < seconds:
            time.sleep(max(0.0, began + due - time.monotonic()))
            self.source.add({**google.body(2 + number % 8), "summary": f"{name} {number}"})
            number += 1
        return self._wait(name, before=before, heard=heard)

    def _wait(self, name: str, *, before: int, heard: int) -> list[float]:
        changed = {write["event"]: _at(write["at"]) for write in self.source.writes(before)[0]}
        titles = {item["id"]: str(item.get("summary", "")) for item in self.source.items()}
        accepted = {titles[event]: at for event, at in changed.items() if titles[event].startswith(name)}
        deadline = time.monotonic() + _PATIENCE
        while True:
            writes = [write for write in self.target.writes(heard)[0] if write["origin"] == "api"]
            subjects = {item["id"]: str(item.get("subject", "")) for item in self.target.items()}
            mirrored: dict[str, datetime] = {}
            for write in writes:
                mirrored.setdefault(subjects.get(write["event"], ""), _at(write["at"]))
            if accepted.keys() <= mirrored.keys() or time.monotonic() > deadline:
                return [
                    (mirrored[title] - at) / timedelta(seconds=1) if title in mirrored else inf
                    for title, at in accepted.items()
                ]
            time.sleep(0.5)


def quiet(lane: Lane, *, rate: float = 10, seconds: float = 30) -> list[Row]:
    """A steady rate of changes, and nothing else to do."""
    lane.link(lane.source, lane.target)
    lane.kalends.settle(seconds=_PATIENCE)
    lane.drive(rate=2, seconds=3)  # the Lambdas are warm now
    found = lane.drive(rate=rate, seconds=seconds)
    return [_row(f"change to mirror at {rate:g} changes/s", found, TARGET)]


def busy(lane: Lane, *, rate: float = 10, seconds: float = 60, events: int = 10_000) -> list[Row]:
    """The same, while a large calendar is copied for the first time and every provider takes 100 ms for a call.

    After `quiet`: the calendars are linked. A copy that ended before the changes did proves nothing: not met then.
    """
    lane.fill(events)
    lane.slow(PROVIDER_SECONDS)
    lane.microsoft.call("POST", "/requests/reset", {})
    try:
        lane.link(lane.large, lane.copy)
        found = lane.drive(rate=rate, seconds=seconds)
        copied, refused = len(lane.copy.items()), lane.refused()
    finally:
        lane.slow(0)
    work = f"the same, with {1000 * PROVIDER_SECONDS:.0f} ms providers while {events:,} events are copied"
    row = _row(work, found, TARGET_BUSY)
    ours = {**row.ours, "copied meanwhile": copied, "calls refused": refused}
    return [replace(row, ours=ours, met=row.met and copied < events)]


def _row(work: str, seconds: list[float], target: tuple[float, float]) -> Row:
    came = [one for one in seconds if one < inf]
    p50, p95 = percentile(came, 0.5), percentile(came, 0.95)
    ours: Measured = {"s (p50)": p50, "s (p95)": p95, "changes": len(seconds)}
    if missing := len(seconds) - len(came):
        ours[f"of them without a mirror {_PATIENCE:.0f} s after the last"] = missing
    return Row(
        work=work,
        ours=ours,
        peer={"min": 1},
        peer_name="other services, by their own words, at least",
        target=f"p50 {target[0]:g} s, p95 {target[1]:g} s",
        met=p50 <= target[0] and p95 <= target[1] and not missing,
    )


def _agenda(simulator: Simulator, owner: str, name: str) -> Agenda:
    calendar = simulator.add_calendar(owner, summary=name)
    return Agenda(simulator=simulator, owner=owner, calendar=calendar, name=name)


def _at(moment: str) -> datetime:
    return datetime.fromisoformat(moment).astimezone(UTC)
