"""One simulated Microsoft per test process, empty for each test."""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx
import pytest

from tests.providers.microsoft import outlook
from tests.providers.microsoft.outlook import Outlook

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="session")
def running_microsoft() -> Iterator[str]:
    """The simulator's base address."""
    with outlook.simulator() as base:
        yield base


@pytest.fixture
def microsoft(running_microsoft: str) -> str:
    """The simulator as it starts: two accounts, no events, no faults."""
    assert httpx.post(f"{running_microsoft}/_sim/reset", json={}).is_success
    return running_microsoft


@pytest.fixture
def alex(microsoft: str) -> Outlook:
    """Alex's Outlook."""
    return Outlook.open(microsoft)
