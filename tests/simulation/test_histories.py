"""Whole histories in `make test`: some new ones and every one that once found something. `make simulate` lives more."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.simulation import running, store, storm

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.simulation.store import Store


@pytest.fixture(scope="module")
def served() -> Iterator[Store]:
    with store.serve() as one:
        yield one


@pytest.mark.parametrize(("seed", "has"), running.kept().items())
def test_a_history_that_once_broke_a_promise_keeps_them_all(served, seed, has):
    assert storm.run(served, seed, has=has).findings == []


def test_histories_keep_every_promise_in_bad_weather(served):
    reports = [storm.run(served, seed) for seed in range(1, 21)]

    assert [one.findings for one in reports if one.findings] == []
    assert sum(sum(one.faults.values()) for one in reports) > 100 * len(reports)
    assert all(one.writes for one in reports if one.mirrors)
    assert sum(one.links > 0 for one in reports) > len(reports) / 2


def test_a_seed_is_a_history_step_by_step(served):
    first, second = storm.run(served, 7, keep_trace=True), storm.run(served, 7, keep_trace=True)

    assert first.lines == second.lines
    assert first.digest == second.digest
    assert len(first.lines) > 100
