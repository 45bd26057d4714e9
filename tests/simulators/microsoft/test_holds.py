"""Held answers at Microsoft, alone and in a batch; the switch itself is proved at Google."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from tests.simulators.microsoft.api import event_path, timed, weekly

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from tests.simulators.microsoft.api import Api
    from tests.simulators.running import Simulator

MARCH = ("2026-03-01T00:00:00Z", "2026-04-01T00:00:00Z")


async def held(simulator: Simulator) -> dict[str, Any]:
    """The only hold, once it holds something."""
    async with asyncio.timeout(5):
        while (found := (await simulator.sim("GET", "/holds"))["holds"][0])["state"] != "held":
            await asyncio.sleep(0.01)
    return dict(found)


@pytest.mark.parametrize(
    ("operation", "occurrence", "act"),
    [
        ("insert", False, lambda alex, _: alex.create(timed("Lunch"))),
        ("update", False, lambda alex, ids: alex.patch(ids[0], {"subject": "x"})),
        ("delete", False, lambda alex, ids: alex.delete(ids[0])),
        ("update", True, lambda alex, ids: alex.patch(ids[1], {"subject": "x"})),
        ("delete", True, lambda alex, ids: alex.delete(ids[1])),
    ],
)
async def test_the_next_write_of_a_kind_is_done_and_its_answer_waits(
    alex: Api,
    simulator: Simulator,
    operation: str,
    occurrence: bool,
    act: Callable[[Api, list[str]], Coroutine[Any, Any, Any]],
) -> None:
    master = await alex.create(timed("Stand-up", recurrence=weekly("monday")))
    ids = [master["id"], (await alex.instances(master["id"], *MARCH))[1]["id"]]
    hold = await simulator.sim("POST", "/holds", {"operation": operation, "occurrence": occurrence})

    write = asyncio.create_task(act(alex, ids))
    found = await held(simulator)
    last = (await simulator.sim("GET", "/writes"))["writes"][-1]
    waited = not write.done()
    await simulator.sim("DELETE", f"/holds/{hold['id']}")
    await write

    assert waited
    assert found["event"] == last["event"]
    assert (last["operation"], last["occurrence"]) == (operation, occurrence)


async def test_a_held_call_holds_its_batch(alex: Api, simulator: Simulator) -> None:
    made = await alex.create(timed("Lunch"))
    hold = await simulator.sim("POST", "/holds", {"operation": "update"})
    calls = [
        {"id": "1", "method": "GET", "url": event_path(made["id"])},
        {
            "id": "2",
            "method": "PATCH",
            "url": event_path(made["id"]),
            "headers": {"Content-Type": "application/json"},
            "body": {"subject": "x"},
        },
    ]

    batch = asyncio.create_task(alex.call("POST", "/$batch", {"requests": calls}, check=False))
    found = await held(simulator)
    waited = not batch.done()
    await simulator.sim("DELETE", f"/holds/{hold['id']}")
    await batch

    assert waited
    assert found["port"] > 1023
