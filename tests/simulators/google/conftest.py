"""A running Google with its demo accounts, and clients that have signed in."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from infra.local.simulators import google
from tests.simulators import running
from tests.simulators.google import api as google_api

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.simulators.google.api import Api
    from tests.simulators.running import Simulator, Webhook


@pytest.fixture
async def simulator() -> AsyncIterator[Simulator]:
    """A Google of the test's own."""
    async with running.simulator(google.build(redirect_uris=[google_api.REDIRECT])) as started:
        yield started


@pytest.fixture
async def alex(simulator: Simulator) -> Api:
    """A client with Alex's consent to everything about calendars."""
    return await google_api.sign_in(simulator)


@pytest.fixture
async def sam(simulator: Simulator) -> Api:
    """A client with Sam's consent."""
    return await google_api.sign_in(simulator, google_api.SAM)


@pytest.fixture
async def hook() -> AsyncIterator[Webhook]:
    """A webhook that is listening."""
    async with running.webhook() as listening:
        yield listening
