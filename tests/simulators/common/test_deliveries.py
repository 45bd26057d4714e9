"""Deliveries: faults of notifications."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from infra.local.simulators.clock import Clock
from infra.local.simulators.deliveries import Deliveries, Notification
from infra.local.simulators.faults import FaultSettings, Switchboard
from tests.simulators import running

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.simulators.running import Webhook


@pytest.fixture
async def hook() -> AsyncIterator[Webhook]:
    """A webhook that is listening."""
    async with running.webhook() as listening:
        yield listening


@pytest.fixture
def switchboard() -> Switchboard[FaultSettings]:
    """All switches off."""
    return Switchboard(FaultSettings(), Clock())


@pytest.fixture
async def deliveries(switchboard: Switchboard[FaultSettings]) -> AsyncIterator[Deliveries]:
    """Started deliveries."""
    started = Deliveries(switchboard)
    await started.start()
    yield started
    await started.close()


async def test_reordered_notifications_overtake_each_other_and_none_is_lost(
    deliveries: Deliveries, switchboard: Switchboard[FaultSettings], hook: Webhook
) -> None:
    switchboard.merge({"notifications": {"reorder": 1}})

    for number in range(20):
        deliveries.post(Notification(address=hook.address, body=str(number).encode()))

    received = [int(request.body) for request in await hook.wait_for(20)]
    assert received != sorted(received)
    assert sorted(received) == list(range(20))


async def test_the_sender_hears_of_each_attempt(deliveries: Deliveries, hook: Webhook) -> None:
    heard: list[int] = []
    hook.statuses = [500]

    deliveries.post(Notification(address=hook.address, after=lambda status, seconds: heard.append(status)))

    await hook.wait_for(2)
    await asyncio.sleep(0.05)
    assert heard == [500, 200]


async def test_a_receiver_that_is_not_there_is_tried_again(deliveries: Deliveries) -> None:
    heard: list[int] = []

    deliveries.post(Notification(address="http://127.0.0.1:1/", after=lambda status, seconds: heard.append(status)))
    await asyncio.sleep(0.3)

    assert heard == [0]
    assert deliveries.counts.retries == 1


async def test_posting_before_the_start_is_a_mistake_of_ours(switchboard: Switchboard[FaultSettings]) -> None:
    with pytest.raises(RuntimeError, match="not started"):
        await Deliveries(switchboard).ask("http://127.0.0.1:1/", headers={}, seconds=1)


async def test_a_reset_forgets_what_waits_to_be_tried_again(deliveries: Deliveries, hook: Webhook) -> None:
    hook.statuses = [500]
    deliveries.post(Notification(address=hook.address))
    await hook.wait_for(1)
    await asyncio.sleep(0.05)

    deliveries.reset()
    await asyncio.sleep(1.2)

    assert len(hook.received) == 1
    assert deliveries.counts.retries == 0
