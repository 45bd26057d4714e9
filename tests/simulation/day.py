"""`make day`: a day in the life of many people, judged, with what it asked of the providers; the last line is JSON."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tests.simulation import history, spending, store
from tests.simulation.machine import Machine
from tests.simulation.working import Day, Size, beginning

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.simulation.history import Report
    from tests.simulation.spending import Spending
    from tests.simulation.store import Store

SEED = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How a day went. `told`: what there was and what came of it."""

    report: Report
    spending: Spending
    told: dict[str, Any]

    @property
    def is_good(self) -> bool:
        """Whether every promise and every quota line was kept."""
        return not self.report.findings and all(one.is_kept for one in self.spending.lines)


def run(
    served: Store,
    size: Size,
    *,
    seed: int = SEED,
    keep_trace: bool = False,
    tell: Callable[[str], None] = lambda what: None,
) -> Outcome:
    """Live through a day and judge it; `tell` hears how far it is."""
    started = time.perf_counter()
    day = Day(served, Machine(seed, begin=beginning(), keep_trace=keep_trace), size, tell=tell)
    report = history.through(day)
    accounts = day.world.server.accounts
    spent = spending.count(
        day.world.server.calls,
        owners={account.name: str(one.person.user_id) for one in day.people for account in one.person.accounts},
        kinds={name: account.kind for name, account in accounts.items()},
        begin=day.begins,
        end=day.ends,
    )
    kinds = Counter(one.partition(":")[0] for one in report.findings)
    told = {
        "seed": seed,
        "people": len(day.people),
        "accounts": len(accounts),
        "calendars": len(day.world.server.shelves),
        "links": report.links,
        "mirrors": report.mirrors,
        "hours": size.hours,
        "edits": sum(one["by"] == "person" and day.begins <= one["at"] < day.ends for one in day.world.server.journal),
        "writes": report.writes,
        "faults": sum(report.faults.values()),
        "token_refreshes": day.world.refreshes,
        "provider_away": day.away,
        "duplicates": kinds["duplicate"],
        "lost": kinds["lost"],
        "guest_notifications": kinds["guests"],
        "violations": len(report.findings),
        "seconds": round(time.perf_counter() - started, 1),
    }
    return Outcome(report=report, spending=spent, told=told)


def main() -> int:
    """0 if every promise and every quota line was kept."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation.day", description=__doc__)
    parser.add_argument("--seed", type=int, default=SEED, help="which day")
    parser.add_argument("--people", type=int, default=Size().people)
    parser.add_argument("--hours", type=float, default=Size().hours)
    parser.add_argument("--trace", action="store_true", help="print it: virtual time, who, what")
    given = parser.parse_args()
    if given.people < 1 or given.hours < 1:
        parser.error("--people and --hours are numbers from 1 on")
    started = time.perf_counter()

    def tell(what: str) -> None:
        print(f"{time.perf_counter() - started:4.0f} s  {what}", flush=True)

    with store.serve() as served:
        outcome = run(
            served, Size(people=given.people, hours=given.hours), seed=given.seed, keep_trace=given.trace, tell=tell
        )
    print(*outcome.report.lines, sep="\n", end="\n" if outcome.report.lines else "")
    print(outcome.spending.table())
    print(*outcome.report.findings[:50], sep="\n", end="\n" if outcome.report.findings else "")
    print(json.dumps({"ok": outcome.is_good, **outcome.told, "requests": outcome.spending.summary()}))
    return not outcome.is_good


if __name__ == "__main__":
    sys.exit(main())
