"""Bad weather at the providers: refusals, answers that get lost, notifications that go astray, tokens that lapse."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.smoke.simulator import Simulator

TOKEN_SECONDS = 20
BAD: dict[str, Any] = {
    # One call in ten is refused before anything happens, one write in fifty is done and the answer is lost.
    "rate_429": 0.04,
    "retry_after": 1,
    "rate_403": 0.02,
    "rate_5xx": 0.04,
    "commit_then_504": 0.02,
    # One notification in five never comes, comes twice, or is overtaken.
    "notifications": {"drop": 0.08, "duplicate": 0.06, "reorder": 0.06},
}
FAIR: dict[str, Any] = {
    "rate_429": 0,
    "rate_403": 0,
    "rate_5xx": 0,
    "commit_then_504": 0,
    "notifications": {"drop": 0, "duplicate": 0, "reorder": 0},
    "token_lifetime": 3600,
    "rotate_refresh_tokens": False,
}
REQUIRED = (
    "rate_429",
    "rate_403",
    "server_error",
    "commit_then_504",
    "notification_dropped",
    "notification_duplicated",
    "notification_reordered",
    "cursor_expired",
    "token_refreshed",
)
"""Kinds that must have happened, or the run proves nothing about them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Weather:
    """The weather at all simulators of a run."""

    simulators: Sequence[Simulator]
    seed: int

    def shorten_tokens(self) -> None:
        """Access tokens given out from now on live for seconds; each refresh ends the refresh token it used."""
        for one in self.simulators:
            one.call("PUT", "/faults", {"token_lifetime": TOKEN_SECONDS, "rotate_refresh_tokens": True})

    def worsen(self) -> None:
        """Bad weather from now on."""
        for one in self.simulators:
            one.call("PUT", "/faults", {**BAD, "seed": self.seed})

    def expire_cursors(self) -> None:
        """Every cursor given out so far is refused with 410, once."""
        for one in self.simulators:
            one.call("POST", "/expire-cursors")

    def clear(self) -> None:
        """Fair weather from now on; what was injected stays counted."""
        for one in self.simulators:
            one.call("PUT", "/faults", FAIR)

    def injected(self) -> dict[str, int]:
        """What the providers did to their clients, by kind, all providers together."""
        counts: Counter[str] = Counter()
        for one in self.simulators:
            counts.update(one.call("GET", "/injected")["injected"])
        return dict(sorted(counts.items()))

    def missing(self) -> list[str]:
        """Sentences about faults that were wanted and never happened."""
        injected = self.injected()
        return [
            f"no {kind} ever happened: the run proves nothing about it" for kind in REQUIRED if not injected.get(kind)
        ]
