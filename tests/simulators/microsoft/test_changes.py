"""The change log against the plainest model of it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from infra.local.simulators.microsoft.changes import ChangeLog


@given(st.lists(st.integers(0, 5), max_size=60), st.integers(0, 60), st.integers(0, 60))
def test_each_item_once_at_its_latest_change(numbers: list[int], since: int, upto: int) -> None:
    log = ChangeLog()
    latest: dict[int, int] = {}
    for version, number in enumerate(numbers, 1):
        log.record(version, number)
        latest[number] = version

    found = list(log.since(since, upto))

    assert found == sorted((version, number) for number, version in latest.items() if since < version <= upto)
    assert log.last == len(numbers)


def test_a_log_of_few_items_stays_small_however_often_they_change() -> None:
    log = ChangeLog()
    for version in range(1, 10_001):
        log.record(version, version % 3)

    assert len(log._versions) < 2_000
    assert list(log.since(0)) == [(9_998, 2), (9_999, 0), (10_000, 1)]
