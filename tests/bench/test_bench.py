"""Every benchmark in its smallest size, so that none rots; what they measure is nothing to assert."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.bench import copying, google, handlers, mirroring, reading, storing, table
from tests.bench.table import Row

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.bench.google import Google
    from tests.postgres import Server


@pytest.fixture(scope="module")
def provider() -> Iterator[Google]:
    """A Google in a process of its own."""
    with google.running() as running:
        yield running


@pytest.mark.slow
def test_both_readers_read_everything_and_then_only_what_changed(server: Server, provider: Google) -> None:
    imported, planned, in_large, in_small = reading.measure(server, provider, events=40, few=20, runs=1, turns=2)

    assert imported.ours["requests"] == planned.ours["requests"] == 1
    assert imported.peer["requests"] == in_large.peer["requests"] == 1
    assert in_large.ours["requests"] == in_small.ours["requests"] == 1


def test_storing_counts_the_same_rows_for_both(server: Server, provider: Google) -> None:
    (row,) = storing.measure(server, provider, events=30, runs_each=1)

    assert row.ours["rows/s"] > 0
    assert row.limit["rows/s"] > 0


def test_one_change_writes_each_mirror_once_whether_workers_take_turns_or_not(server: Server, provider: Google) -> None:
    (row,) = mirroring.three(server, provider, turns=1)

    assert row.ours["writes"] == 3
    assert row.ours["ms"] >= row.limit["ms"]


def test_a_weekly_series_is_one_write(server: Server, provider: Google) -> None:
    (row,) = mirroring.series(server, provider, weeks=10)

    assert row.ours == {"writes": 1}
    assert row.met


@pytest.mark.slow
def test_both_copy_the_same_and_then_ask_each_calendar_once(server: Server) -> None:
    copied, own_writes, idle, changed, at_radicale = copying.measure(server, sizes=(12,), runs=1, few=2)

    assert copied.ours["requests"] >= 12
    assert idle.ours["requests"] == idle.peer["requests"] == 2
    assert own_writes.ours["requests"] == 3
    assert changed.ours["requests"] < 2 * changed.peer["requests"]
    assert at_radicale.ours.keys() == at_radicale.peer.keys() | {"processor s of the database"}


def test_a_warm_webhook_accepts_every_knock(server: Server) -> None:
    enqueued, waiting = handlers.warm(server, turns=3)

    assert enqueued.ours.keys() == enqueued.limit.keys() == waiting.ours.keys()


def test_a_cold_import_is_measured_by_name() -> None:
    (row,) = handlers.cold(["webhooks-google"])

    assert row.work == "cold import of webhooks-google"
    assert row.ours["MB"] > 0


def test_what_was_measured_is_kept_beside_what_was_measured_before_and_shown(tmp_path: Path) -> None:
    file, page = tmp_path / "build" / "bench.json", tmp_path / "performance.md"
    fast = Row(work="fast", ours={"s": 0.25, "requests": 4}, peer={"s": 1.5}, peer_name="them", target="1 s", met=True)
    slow = Row(work="slow", ours={"ms": 1234.5}, limit={"ms": 2}, limit_name="the wire", target="3 ms", met=False)
    table.save({"one": [Row(work="old", ours={"s": 1})]}, file)
    table.save({"two": [slow]}, file)

    table.save({"one": [fast]}, file)
    table.write_docs(["one", "two", "never measured"], file=file, page=page)

    lines = [line for line in page.read_text().splitlines() if line.startswith("| ")]
    assert lines[1:] == [
        "| fast | 0.25 s, 4 requests | them: 1.5 s |  | 1 s: met |",
        "| slow | 1,234 ms |  | the wire: 2 ms | 3 ms: missed |",
    ]
    assert table.shown([fast]).splitlines() == [
        "fast",
        "  ours   0.25 s, 4 requests",
        "  peer   them: 1.5 s",
        "  target 1 s: met",
    ]
