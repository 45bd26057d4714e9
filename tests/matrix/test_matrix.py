"""The recurrence corpus gives equal occurrence sets on every ordered pair of providers, and from a feed to each."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.matrix import run, table
from tests.matrix.table import Verdict

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.matrix.run import Matrix, Pair
    from tests.postgres import Server

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("matrix")]

PAIRS = [(source, target) for source in run.SOURCES for target in run.PROVIDERS]


@pytest.fixture(scope="module")
def matrix(server: Server, radicale_base: str) -> Iterator[Matrix]:
    """All pairs in one installation, synced once."""
    with server.database() as logins, run.home(logins, radicale_base) as home:
        yield run.one_way(home)


@pytest.mark.pain(4, 5)
@pytest.mark.parametrize("pair", PAIRS, ids="-to-".join)
def test_occurrence_sets_are_equal(matrix: Matrix, pair: Pair) -> None:
    judged = {case: table.judge(case, pair, matrix.cells[case, pair]) for case in matrix.cases}

    wrong = {case: matrix.cells[case, pair] for case, one in judged.items() if one is Verdict.WRONG}

    assert wrong == {}
    assert sum(one is Verdict.EQUAL for one in judged.values()) >= 60


@pytest.mark.promise(3)
def test_and_then_nothing_more_is_written(matrix: Matrix) -> None:
    assert matrix.rewrites == 0
