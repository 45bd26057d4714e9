"""What a day's requests come to, beside the lines that the providers draw."""

from __future__ import annotations

import statistics
from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from tests.simulation.provider import Kind

type Spent = list[tuple[float, float, int]]
"""When requests were sent, when they were answered, and what they counted."""

AT_ONCE = 4
"""Requests of a batch that Graph carries out side by side."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """What was counted at most, and the provider's line."""

    provider: Kind
    what: str
    most: int
    line: int

    @property
    def is_kept(self) -> bool:
        """Whether nobody would have been refused."""
        return self.most <= self.line


@dataclass(frozen=True, slots=True, kw_only=True)
class Spending:
    """Requests of each person who has an account at a provider, and the lines."""

    per_person: Mapping[Kind, Sequence[int]]
    lines: Sequence[Line]

    def table(self) -> str:
        """For people to read."""
        rows = [f"{'requests per person and day':<44}{'people':>9}{'mean':>9}{'median':>9}{'95 %':>9}{'most':>9}"]
        for kind, counts in self.per_person.items():
            middle, high = quantile(counts, 0.5), quantile(counts, 0.95)
            mean = statistics.fmean(counts)
            rows.append(f"{kind:<44}{len(counts):>9,}{mean:>9,.0f}{middle:>9,}{high:>9,}{max(counts):>9,}")
        rows.append(f"\n{'quota lines':<44}{'counted':>9}{'line':>12}{'share':>8}")
        rows += [
            f"{f'{one.provider}: {one.what}':<44}{one.most:>9,}{one.line:>12,}{one.most / one.line:>8.1%}"
            f"{'' if one.is_kept else '  OVER'}"
            for one in self.lines
        ]
        return "\n".join(rows)

    def summary(self) -> dict[str, Any]:
        """The same for programs."""
        found: dict[str, Any] = {}
        for kind, counts in self.per_person.items():
            found[f"{kind}_per_person"] = round(statistics.fmean(counts), 1)
            found[f"{kind}_per_person_most"] = max(counts)
        return found | {f"{one.provider}: {one.what}": [one.most, one.line] for one in self.lines}


def count(
    calls: Iterable[Mapping[str, Any]],
    *,
    owners: Mapping[str, str],
    kinds: Mapping[str, Kind],
    begin: float,
    end: float,
) -> Spending:
    """Count what was sent between two moments. `owners` and `kinds` are by account. Google counts a patch three times,
    and a batch as what is in it; Graph likewise each request of a batch."""
    spent: dict[str, Spent] = {account: [] for account in owners}
    for call in calls:
        spent[call["account"]] += [
            (one["at"], one["until"], one["requests"]) for one in call["exchanges"] if begin <= one["at"] < end
        ]
    per_person: dict[Kind, Counter[str]] = defaultdict(Counter)
    for account, times in spent.items():
        per_person[kinds[account]][owners[account]] += sum(number for _, _, number in times)
    google = [times for account, times in spent.items() if kinds[account] == "google"]
    microsoft = [times for account, times in spent.items() if kinds[account] == "microsoft"]
    project = [one for times in google for one in times]
    return Spending(
        per_person={kind: sorted(per_person[kind].values()) for kind in sorted(per_person)},
        lines=[
            _line("google", "project, day", sum(number for _, _, number in project), 1_000_000),
            _line("google", "project, busiest minute", _busiest(project, 60), 10_000),
            _line("google", "user, busiest minute", max((_busiest(one, 60) for one in google), default=0), 600),
            _line(
                "microsoft",
                "mailbox, busiest 10 minutes",
                max((_busiest(one, 600) for one in microsoft), default=0),
                10_000,
            ),
            _line("microsoft", "mailbox, at once", max((_at_once(one) for one in microsoft), default=0), AT_ONCE),
        ],
    )


def quantile(counts: Sequence[int], share: float) -> int:
    """Of sorted counts, the one that so large a share does not pass."""
    return counts[min(len(counts) - 1, int(share * len(counts)))]


def _line(provider: Kind, what: str, most: int, line: int) -> Line:
    return Line(provider=provider, what=what, most=most, line=line)


def _busiest(times: Spent, seconds: float) -> int:
    """The most that was sent within so many seconds, wherever they begin."""
    ordered = sorted(times)
    most = running = first = 0
    for at, _, number in ordered:
        running += number
        while ordered[first][0] <= at - seconds:
            running -= ordered[first][2]
            first += 1
        most = max(most, running)
    return most


def _at_once(times: Spent) -> int:
    """The most that was on its way at one moment; what ends as something begins is over."""
    turns = sorted(
        turn for at, until, number in times for turn in ((at, min(number, AT_ONCE)), (until, -min(number, AT_ONCE)))
    )
    most = running = 0
    for _, change in turns:
        running += change
        most = max(most, running)
    return most
