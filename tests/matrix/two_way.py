"""The other half: calendars linked both ways. Mirrors are edited where they stand, series are added there, and both
sides show the same."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from tests.matrix import corpus, series
from tests.matrix.run import (
    PROVIDERS,
    QUIET_ROUNDS,
    Cell,
    Matrix,
    by_case,
    compare,
    enter,
    period,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import date

    from tests.matrix.home import Home
    from tests.matrix.places import Place
    from tests.matrix.run import Pair
    from tests.matrix.series import Case, Occurrence

ROUNDS = 3
"""Looks after the edits: the mirror's calendar, its source, and what follows at the mirror."""


def two_way(home: Home, *, say: Callable[[str], None] = lambda what: None, every: int = 1) -> Matrix:
    """A pair of calendars for each ordered pair; the corpus stands in the first, or every so-manieth case of it."""
    cases, added = corpus.cases(home.now.year + 1)[::every], corpus.additions(home.now.year + 1)
    first, last = period(home)
    pairs = [(source, target) for source in PROVIDERS for target in PROVIDERS]
    matrix = Matrix(cases=[case.name for case in (*cases, *added)], pairs=pairs)
    say(f"{len(cases)} cases on each of {len(pairs)} pairs, both ways")
    for pair in pairs:
        say(f"{pair[0]} and {pair[1]}")
        _pair(home.another("-".join(pair)), matrix, pair, cases, added, first, last)
    return matrix


def _pair(
    home: Home, matrix: Matrix, pair: Pair, cases: Sequence[Case], added: Sequence[Case], first: date, last: date
) -> None:
    one, other = home.place(pair[0], "one"), home.place(pair[1], "other")
    ids = enter(one, cases)
    for name in sorted({*pair}):
        home.connect(name)
    links = home.link_both_ways((pair[0], one), (pair[1], other))
    home.work()
    home.round()
    wanted = _edit(other, [case for case in cases if case.name in ids], first, last)
    entered = enter(other, added)
    wanted |= {case.name: series.expected(case, first, last) for case in added if case.name in entered}
    for _ in range(ROUNDS):
        home.round()
    written = home.writes()
    for _ in range(QUIET_ROUNDS):
        home.round()
    matrix.rewrites += home.writes() - written
    _judge(matrix, pair, wanted, (one, other), _reasons(home, links), first, last)


def _edit(place: Place, cases: Sequence[Case], first: date, last: date) -> dict[str, list[Occurrence]]:
    """In turn a series is renamed, an occurrence moved or deleted; answers what is wanted by then.

    Single events are not deleted: so many at once would be taken for a calendar that was emptied by mistake.
    """
    wanted: dict[str, list[Occurrence]] = {}
    shown = by_case(place.read(first, last))
    for number, case in enumerate(cases):
        found = series.expected(case, first, last)
        wanted[case.name] = found
        title = case.series[0].title
        plain = [one for one in found if one.title == title and one in shown.get(case.name, [])]
        if not plain:
            continue
        one = plain[len(plain) // 2]
        new = f"{title} edited"
        if number % 3 == 0 and place.rename(title, new):
            wanted[case.name] = [one._replace(title=new) if one.title == title else one for one in found]
        elif isinstance(one.start, datetime) and (number % 3 != 1 or not place.is_series(title)):
            place.move(one, timedelta(hours=1))
            moved = one._replace(start=one.start + timedelta(hours=1), end=one.end + timedelta(hours=1))  # type: ignore[operator]
            wanted[case.name] = series.inside([*(two for two in found if two != one), moved], first, last)
        elif len(found) > 1 and place.is_series(title):
            place.cancel(one)
            wanted[case.name] = [two for two in found if two != one]
    return wanted


def _judge(
    matrix: Matrix,
    pair: Pair,
    wanted: dict[str, list[Occurrence]],
    both: tuple[Place, Place],
    reasons: Sequence[str],
    first: date,
    last: date,
) -> None:
    """A cell is right where both sides are; otherwise it shows the side that is not."""
    sides = [by_case(place.read(first, last)) for place in both]
    for case in matrix.cases:
        cells = [compare(wanted[case], found.pop(case, [])) for found in sides] if case in wanted else []
        matrix.cells[case, pair] = next((cell for cell in cells if not cell.is_equal), Cell(entered=bool(cells)))
    for found in sides:
        if found:
            raise AssertionError(f"{pair}: events of no case: {sorted(found)}")
    if reasons:
        raise AssertionError(f"{pair}: the links skip something: {sorted(set(reasons))}")


def _reasons(home: Home, links: Sequence[object]) -> list[str]:
    return [reason for link in links for reason in home.left_out(link).values()]  # type: ignore[arg-type]
