"""Calendars linked both ways show the same after mirrors were edited where they stand, on every pair of providers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.matrix import run, table, two_way
from tests.matrix.table import Verdict

if TYPE_CHECKING:
    from tests.postgres import Server

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("matrix")]

EVERY = 16
"""All cases are in `make matrix`."""


@pytest.mark.pain(4)
def test_both_sides_are_equal_and_then_nothing_more_is_written(server: Server, radicale_base: str) -> None:
    with server.database() as logins, run.home(logins, radicale_base) as home:
        matrix = two_way.two_way(home, every=EVERY)

    judged = {place: table.judge(*place, cell) for place, cell in matrix.cells.items()}

    assert {place: matrix.cells[place] for place, one in judged.items() if one is Verdict.WRONG} == {}
    assert sum(one is Verdict.EQUAL for one in judged.values()) >= 60
    assert matrix.rewrites == 0
