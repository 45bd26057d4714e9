"""The simulator as a process of its own, as the local cloud runs it."""

from __future__ import annotations

import asyncio
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import aiohttp
import pytest

from tests.simulators.microsoft import api as graph_api
from tests.simulators.microsoft.api import timed
from tests.simulators.running import Simulator

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

ROOT = Path(__file__).parents[3]


async def start(*options: str) -> tuple[asyncio.subprocess.Process, str]:
    """A process that serves, and its base address."""
    command = [sys.executable, "-m", "infra.local.simulators", "microsoft", "--port", "0", *options]
    process = await asyncio.create_subprocess_exec(*command, cwd=ROOT, stdout=asyncio.subprocess.PIPE)
    assert process.stdout
    line = (await asyncio.wait_for(process.stdout.readline(), 20)).decode()
    prefix, _, address = line.strip().partition(" on ")
    assert prefix == "microsoft simulator"
    return process, address


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    """A session for the test."""
    async with aiohttp.ClientSession() as opened:
        yield opened


async def test_it_prints_its_address_serves_and_keeps_its_data_through_sigterm(
    tmp_path: Path, session: aiohttp.ClientSession
) -> None:
    options = ["--state", str(tmp_path / "state.sqlite"), "--redirect-uri", graph_api.REDIRECT]
    process, address = await start(*options)
    client = await graph_api.sign_in(Simulator(base=address, session=session))
    made = await client.create(timed())
    process.send_signal(signal.SIGTERM)
    first = await asyncio.wait_for(process.wait(), 10)

    process, address = await start(*options)
    client.simulator.base = address
    kept = await client.get(made["id"])
    process.send_signal(signal.SIGTERM)
    second = await asyncio.wait_for(process.wait(), 10)

    assert (first, second) == (0, 0)
    assert kept == {**made, "@odata.context": kept["@odata.context"]}
