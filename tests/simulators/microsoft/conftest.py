"""A running Microsoft with its demo accounts, clients that have signed in, and webhooks that shake hands."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from infra.local.simulators import microsoft
from tests.simulators import running
from tests.simulators.microsoft import api as graph_api
from tests.simulators.microsoft import webhooks

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.simulators.microsoft.api import Api
    from tests.simulators.microsoft.webhooks import Webhook
    from tests.simulators.running import Simulator


@pytest.fixture
async def simulator() -> AsyncIterator[Simulator]:
    """A Microsoft of the test's own."""
    async with running.simulator(microsoft.build(redirect_uris=[graph_api.REDIRECT])) as started:
        yield started


@pytest.fixture
async def alex(simulator: Simulator) -> Api:
    """A client with Alex's consent to everything about calendars."""
    return await graph_api.sign_in(simulator)


@pytest.fixture
async def sam(simulator: Simulator) -> Api:
    """A client with Sam's consent."""
    return await graph_api.sign_in(simulator, graph_api.SAM)


@pytest.fixture
async def hook() -> AsyncIterator[Webhook]:
    """A webhook that answers the handshake and remembers notifications."""
    async with webhooks.listening() as started:
        yield started
