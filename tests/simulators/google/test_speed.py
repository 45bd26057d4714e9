"""It must not be the simulator that is slow. Limits are several times what is usual, so that a busy machine passes."""

from __future__ import annotations

import statistics
import time
from typing import TYPE_CHECKING

import pytest

from tests.simulators.google.samples import timed

if TYPE_CHECKING:
    from tests.simulators.google.api import Api
    from tests.simulators.running import Simulator

EVENTS = 10_000


@pytest.fixture
async def full(alex: Api, simulator: Simulator) -> Api:
    """A calendar with ten thousand events."""
    path = "/calendars/alex@example.com/events:bulk"
    for first in range(0, EVENTS, 2500):
        events = [timed(id=f"event{number:05d}", description="d" * 200) for number in range(first, first + 2500)]
        await simulator.sim("POST", path, {"events": events})
    return alex


@pytest.mark.slow
async def test_ten_thousand_events_are_listed_in_pages_of_2500(full: Api) -> None:
    await full.call("GET", full.events(), maxResults=2500, check=False)

    started = time.perf_counter()
    reply = await full.call("GET", full.events(), maxResults=2500, check=False)
    elapsed = time.perf_counter() - started

    assert reply.body.count(b'"calendar#event"') == 2500
    assert elapsed < 0.25


@pytest.mark.slow
async def test_an_incremental_listing_costs_what_changed(full: Api) -> None:
    _, token = await full.list(maxResults=2500)
    times = []

    for number in range(20):
        await full.call("PATCH", full.events(f"event{number:05d}"), {"summary": "x"}, check=False)
        started = time.perf_counter()
        reply = await full.call("GET", full.events(), syncToken=token, fields="nextSyncToken,items/id", check=False)
        times.append(time.perf_counter() - started)
        assert reply.body.count(b'"id"') == number + 1

    assert statistics.median(times) < 0.03


async def test_a_call_takes_a_few_milliseconds(alex: Api) -> None:
    await alex.insert(timed(id="event1"))
    times = []

    for number in range(50):
        started = time.perf_counter()
        await alex.call("PATCH", alex.events("event1"), {"summary": str(number)}, check=False)
        times.append(time.perf_counter() - started)

    assert statistics.median(times) < 0.03
