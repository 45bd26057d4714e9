"""What goes wrong, how often, and how often it did.

Each history draws its own weather: some faults never strike in it and others often, so that rare combinations come up
(Groce et al., "Swarm Testing", ISSTA 2012).
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from shared.core.errors import TransientError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from random import Random

    from tests.simulation.machine import Machine
    from tests.simulation.provider import Kind

RATES = {
    # queues: per message or delivery
    "message lost": 0.06,
    "message doubled": 0.12,
    "message late": 0.15,
    "queue refuses": 0.02,
    "poison message": 0.02,
    # notifications: each
    "notification dropped": 0.15,
    "notification doubled": 0.15,
    "notification late": 0.2,
    "channel falls silent": 0.01,
    "channel ends early": 0.01,
    # provider: per request
    "429": 0.03,
    "403 rate": 0.02,
    "5xx": 0.04,
    "slow answer": 0.05,
    "commit, then 504": 0.06,
    "token lapses": 0.015,
    "grant is revoked": 0.002,
    "quota spent": 0.002,
    "nonsense answered": 0.01,
    # provider: per item of a batch
    "item refused": 0.03,
    "item written, answer lost": 0.03,
    "transaction forgotten": 0.2,
    # provider: per listing or page
    "cursor expired": 0.02,
    "old state listed": 0.06,
    "page shuffled": 0.2,
    "change repeated": 0.2,
    "change replayed": 0.15,
    "empty page": 0.1,
    "listing truncated": 0.1,
    "listing empty": 0.05,
    "calendar not listed": 0.05,
    # processes: per pause, statement or commit
    "killed at a pause": 0.008,
    "killed in a transaction": 0.0012,
    "killed before a commit": 0.006,
    "killed after a commit": 0.006,
    "stalled": 0.01,
    "clock is wrong": 0.02,
    # processes: in the gap between the provider's commit and its answer
    "killed after an insert": 0.02,
    "killed after an update": 0.02,
    "killed after a delete": 0.03,
    "killed after an occurrence written": 0.03,
    "killed after an occurrence cancelled": 0.03,
    "killed after a channel opened": 0.03,
    "killed after a channel prolonged": 0.03,
    "killed after a channel stopped": 0.03,
    # the database
    "database contention": 0.0008,
    "commit unanswered": 0.004,
    # schedules: each tick
    "tick lost": 0.08,
    "tick doubled": 0.05,
}
"""How often each fault strikes, on the average of all histories; outages and closed gates are acts of the operator."""

NEVER = 0.35
"""So many of the faults do not happen at all in a history."""
DEAF = 0.04
"""So many histories hear of no change at all: every notification is dropped."""


class Weather:
    """One history's faults, at drawn rates or at these. `calm` ends them all."""

    def __init__(self, machine: Machine, rates: Mapping[str, float] | None = None) -> None:
        self._machine = machine
        self._rates = dict.fromkeys(RATES, 0.0) | dict(rates) if rates is not None else _drawn(machine.random)
        self._chance = {kind: machine.chance(kind) for kind in RATES}
        self.counts: Counter[str] = Counter()
        self.away: set[Kind] = set()
        """Providers that answer 5xx to everything."""
        self.calm = False

    @property
    def faults(self) -> int:
        """How many struck so far."""
        return self.counts.total()

    def strikes(self, kind: str) -> bool:
        """Whether this fault happens here and now; then it is counted and noted."""
        rate = self._rates[kind]
        if self.calm or rate == 0.0 or self._chance[kind].random() >= rate:
            return False
        self.happened(kind)
        return True

    def require_working(self, kind: Kind) -> None:
        """Raises TransientError while a provider is away."""
        if kind in self.away and not self.calm:
            self.happened("provider is away")
            raise TransientError("503", code="PROVIDER.UNAVAILABLE")

    def happened(self, kind: str) -> None:
        """Count a fault that somebody else has decided on."""
        self.counts[kind] += 1
        self._machine.note(f"FAULT {kind}")


def _drawn(chance: Random) -> dict[str, float]:
    rates = {
        kind: 0.0 if chance.random() < NEVER else min(0.9, rate * chance.uniform(0.4, 2.6))
        for kind, rate in RATES.items()
    }
    if chance.random() < DEAF:
        rates["notification dropped"] = 1.0
    return rates
