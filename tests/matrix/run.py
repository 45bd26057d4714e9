"""Every ordered pair, the whole corpus in one sync: what the target shows beside what it should."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import TYPE_CHECKING

from tests import installation
from tests.matrix import corpus, series
from tests.matrix.home import DAYS_AHEAD, Home
from tests.matrix.places import CannotHoldError
from tests.net import server

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from tests.matrix.places import Place
    from tests.matrix.series import Case, Occurrence
    from tests.postgres import Logins

PROVIDERS = ("google", "microsoft", "caldav")
SOURCES = (*PROVIDERS, "ics")
QUIET_ROUNDS = 2

type Pair = tuple[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One case on one pair: what is missing at the target, what should not be there, and what the link says of it."""

    entered: bool = True
    missing: tuple[Occurrence, ...] = ()
    surplus: tuple[Occurrence, ...] = ()
    reason: str = ""

    @property
    def is_equal(self) -> bool:
        """Both sides show the same."""
        return self.entered and not self.missing and not self.surplus


@dataclass(slots=True, kw_only=True)
class Matrix:
    """Cells by case and pair, in the order of the corpus and of the table's columns.

    `rewrites`: how many writes the engine made after all was in step, which should be none.
    """

    cases: list[str]
    pairs: list[Pair]
    cells: dict[tuple[str, Pair], Cell] = field(default_factory=dict)
    rewrites: int = 0


@contextmanager
def home(logins: Logins, radicale_base: str) -> Iterator[Home]:
    """An installation, empty."""
    with ExitStack() as stack:
        installed = stack.enter_context(installation.install(logins))
        yield Home(installed, radicale_base, stack.enter_context(server.running()))


def one_way(home: Home, *, say: Callable[[str], None] = lambda what: None) -> Matrix:
    """Each source calendar is linked to a calendar of its own at each provider; all of it is synced at once."""
    cases = corpus.cases(home.now.year + 1)
    first, last = period(home)
    pairs = [(source, target) for source in SOURCES for target in PROVIDERS]
    matrix = Matrix(cases=[case.name for case in cases], pairs=pairs)
    say(f"entering {len(cases)} cases at {', '.join(SOURCES)}")
    sources = {name: home.place(name, "source") for name in SOURCES}
    targets = {pair: home.place(pair[1], f"from-{pair[0]}") for pair in pairs}
    ids = {name: enter(place, cases) for name, place in sources.items()}
    for name, place in sources.items():
        home.connect(name, feed=getattr(place, "address", ""))
        check_entered(name, place, [case for case in cases if case.name in ids[name]], first, last)
    say(f"syncing {len(pairs)} pairs")
    links = {pair: home.link((pair[0], sources[pair[0]]), (pair[1], target)) for pair, target in targets.items()}
    home.work()
    home.round()
    written = home.writes()
    for _ in range(QUIET_ROUNDS):
        home.round()
    matrix.rewrites = home.writes() - written
    say("reading what the targets show")
    for pair, target in targets.items():
        found = by_case(target.read(first, last))
        left_out = home.left_out(links[pair])
        for case in cases:
            events = ids[pair[0]].get(case.name)
            matrix.cells[case.name, pair] = (
                Cell(entered=False)
                if events is None
                else compare(
                    series.expected(case, first, last),
                    found.pop(case.name, []),
                    reason=next((left_out[event] for event in events if event in left_out), ""),
                )
            )
        if found:
            raise AssertionError(f"{pair}: events of no case: {sorted(found)}")
    return matrix


def enter(place: Place, cases: Iterable[Case]) -> dict[str, Sequence[str]]:
    """Enter what a person can; answers the ids of its events by case."""
    entered: dict[str, Sequence[str]] = {}
    for case in cases:
        try:
            entered[case.name] = place.enter(case)
        except CannotHoldError:
            continue
    return entered


def check_entered(name: str, place: Place, cases: Sequence[Case], first: date, last: date) -> None:
    """What was entered must mean to the provider itself what the corpus says, or the comparison is worth nothing."""
    found = by_case(place.read(first, last))
    for case in cases:
        cell = compare(series.expected(case, first, last), found.get(case.name, []))
        if not cell.is_equal:
            raise AssertionError(f"{name} itself understands {case.name} otherwise: {cell}")


def compare(wanted: list[Occurrence], there: list[Occurrence], *, reason: str = "") -> Cell:
    """The cell of one case."""
    missing, surplus = list(wanted), []
    for one in there:
        if one in missing:
            missing.remove(one)
        else:
            surplus.append(one)
    return Cell(missing=tuple(missing), surplus=tuple(surplus), reason=reason)


def by_case(found: Iterable[Occurrence]) -> dict[str, list[Occurrence]]:
    """By the first word of the title."""
    grouped: dict[str, list[Occurrence]] = {}
    for one in found:
        grouped.setdefault(one.title.partition(" ")[0], []).append(one)
    return grouped


def period(home: Home) -> tuple[date, date]:
    """From the beginning of the corpus's year to the end of the links' window."""
    today = home.now.date()
    return date(today.year + 1, 1, 1), today + timedelta(days=DAYS_AHEAD - 1)
