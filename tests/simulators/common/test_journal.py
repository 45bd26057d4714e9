"""The journal: numbered writes that can be waited for."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

from infra.local.simulators.journal import Journal

NOW = datetime(2026, 3, 2, tzinfo=UTC)


def _write(journal: Journal, event: str = "e", calendar: str = "c") -> int:
    return journal.write(at=NOW, account="a", calendar=calendar, event=event, operation="insert", origin="person")


async def test_writes_after_a_number_are_answered_oldest_first() -> None:
    journal = Journal()
    numbers = [_write(journal, event) for event in "abc"]

    found = journal.writes_after(numbers[0])

    assert numbers == [1, 2, 3]
    assert [write.event for write in found] == ["b", "c"]
    assert journal.writes_after(3) == []
    assert journal.writes_after(99) == []


async def test_waiting_ends_at_the_first_write_of_the_calendar() -> None:
    journal = Journal()
    waiting = asyncio.create_task(journal.wait_for_writes(0, 5, "mine"))
    await asyncio.sleep(0.01)

    _write(journal, calendar="other")
    await asyncio.sleep(0.01)
    assert not waiting.done()
    _write(journal, calendar="mine")

    assert [write.calendar for write in await waiting] == ["mine"]


async def test_waiting_ends_with_time() -> None:
    assert await Journal().wait_for_writes(0, 0.02) == []


async def test_numbers_go_on_after_a_reset() -> None:
    journal = Journal()
    _write(journal)

    journal.reset()
    _write(journal, "later")

    assert [(write.seq, write.event) for write in journal.writes_after(0)] == [(2, "later")]


def test_requests_are_counted_by_route_and_status() -> None:
    journal = Journal()
    for status in (200, 200, 404):
        journal.request("GET /x", status)

    assert journal.requests() == [
        {"route": "GET /x", "status": 200, "count": 2},
        {"route": "GET /x", "status": 404, "count": 1},
    ]
    journal.forget_requests()
    assert journal.requests() == []
