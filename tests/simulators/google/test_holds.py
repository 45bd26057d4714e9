"""Held answers at Google: the write is done, its client is named and hears nothing until the hold ends."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from tests.simulators.google.samples import series, timed

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from tests.simulators.google.api import Api
    from tests.simulators.running import Simulator

INSTANCE = "standup_20260309T080000Z"


async def held(simulator: Simulator, number: int) -> dict[str, Any]:
    """The hold, once it holds something."""
    async with asyncio.timeout(5):
        while True:
            found = next(hold for hold in (await simulator.sim("GET", "/holds"))["holds"] if hold["id"] == number)
            if found["state"] == "held":
                return dict(found)
            await asyncio.sleep(0.01)


@pytest.mark.parametrize(
    ("operation", "occurrence", "act", "event"),
    [
        ("insert", False, lambda a: a.insert(timed(id="event1")), "event1"),
        ("update", False, lambda a: a.patch("standup", {"summary": "x"}), "standup"),
        ("delete", False, lambda a: a.delete("standup"), "standup"),
        ("update", True, lambda a: a.patch(INSTANCE, {"summary": "x"}), INSTANCE),
        ("delete", True, lambda a: a.delete(INSTANCE), INSTANCE),
    ],
)
async def test_the_next_write_of_a_kind_is_done_and_its_answer_waits(
    alex: Api,
    simulator: Simulator,
    operation: str,
    occurrence: bool,
    act: Callable[[Api], Coroutine[Any, Any, Any]],
    event: str,
) -> None:
    await alex.insert(series(id="standup"))
    hold = await simulator.sim("POST", "/holds", {"operation": operation, "occurrence": occurrence})

    write = asyncio.create_task(act(alex))
    found = await held(simulator, hold["id"])
    last = (await simulator.sim("GET", "/writes"))["writes"][-1]
    waited = not write.done()
    await simulator.sim("DELETE", f"/holds/{hold['id']}")
    await write

    assert waited
    assert (found["event"], last["event"], last["operation"]) == (event, event, operation)
    assert found["port"] > 1023
    assert (await simulator.sim("GET", "/injected"))["injected"]["held"] == 1


async def test_people_and_other_writes_are_not_held(alex: Api, simulator: Simulator) -> None:
    hold = await simulator.sim("POST", "/holds", {"operation": "insert", "calendar": "other@example.com"})

    await alex.insert(timed(id="event1"))
    await simulator.sim("POST", "/calendars/alex@example.com/events", timed(id="event2"))

    assert (await simulator.sim("GET", "/holds"))["holds"] == [hold]
    assert hold["state"] == "waiting"


async def test_a_hold_ends_by_itself(alex: Api, simulator: Simulator) -> None:
    await simulator.sim("POST", "/holds", {"operation": "insert", "seconds": 0.05})

    await alex.insert(timed(id="event1"))

    assert [hold["state"] for hold in (await simulator.sim("GET", "/holds"))["holds"]] == ["released"]


async def test_one_hold_holds_one_write(alex: Api, simulator: Simulator) -> None:
    await simulator.sim("POST", "/holds", {"operation": "insert", "seconds": 0.05})

    for number in range(3):
        await alex.insert(timed(id=f"event{number}"))

    assert (await simulator.sim("GET", "/injected"))["injected"]["held"] == 1


@pytest.mark.parametrize("body", [{}, {"operation": "move"}, {"operation": "insert", "seconds": 0}, {"sort": "insert"}])
async def test_a_hold_that_makes_no_sense_is_refused(simulator: Simulator, body: dict[str, Any]) -> None:
    answer = await simulator.sim("POST", "/holds", body, expect=400)

    assert answer["error"]


async def test_an_unknown_hold_is_not_found(simulator: Simulator) -> None:
    await simulator.sim("DELETE", "/holds/7", expect=404)


async def test_faults_that_were_shown_are_counted_by_kind(alex: Api, simulator: Simulator) -> None:
    _, cursor = await alex.list()
    await simulator.faults(rate_429=1)
    await alex.call("GET", "/colors")
    await simulator.faults(rate_429=0, rate_5xx=1)
    await alex.call("GET", "/colors")
    await simulator.faults(rate_5xx=0, commit_then_504=1)
    await alex.call("POST", alex.events(), timed(id="event1"))
    await simulator.faults(commit_then_504=0, expire_cursors=True)
    await alex.call("GET", alex.events(), syncToken=cursor)

    counts = (await simulator.sim("GET", "/injected"))["injected"]
    await simulator.sim("POST", "/reset")

    assert {kind: count for kind, count in counts.items() if count} == {
        "rate_429": 1,
        "server_error": 1,
        "commit_then_504": 1,
        "cursor_expired": 1,
    }
    assert not any((await simulator.sim("GET", "/injected"))["injected"].values())
