"""Simulators and webhooks that really listen on a loopback port, for the length of a test."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import aiohttp
from aiohttp import web

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping


@dataclass(slots=True, kw_only=True)
class Simulator:
    """A running simulator: its base address, and a session that keeps no cookies and follows no redirects by itself."""

    base: str
    session: aiohttp.ClientSession

    async def sim(self, method: str, path: str, body: Any = None, *, expect: int | None = None) -> Any:
        """Call a /_sim route and answer its JSON; `expect` is the status, any 2xx by default."""
        async with self.session.request(method, f"{self.base}/_sim{path}", json=body) as answer:
            text = await answer.text()
            wanted = answer.status == expect if expect else answer.ok
            assert wanted, f"{method} {path}: {answer.status} {text}"
            return await answer.json() if text else None

    async def faults(self, **switches: Any) -> None:
        """Turn switches."""
        await self.sim("PUT", "/faults", switches)


@asynccontextmanager
async def serve(app: web.Application) -> AsyncIterator[str]:
    """Serve an application on a free port; answers its base address."""
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


@asynccontextmanager
async def simulator(app: web.Application) -> AsyncIterator[Simulator]:
    """Run a simulator."""
    async with (
        serve(app) as base,
        aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar(), timeout=aiohttp.ClientTimeout(total=20)) as session,
    ):
        yield Simulator(base=base, session=session)


@dataclass(slots=True, kw_only=True)
class Received:
    """One request that a webhook got."""

    headers: Mapping[str, str]
    body: bytes


@dataclass(slots=True)
class Webhook:
    """A receiver that remembers everything; `statuses` are answered first to last, then 200."""

    address: str = ""
    received: list[Received] = field(default_factory=list)
    statuses: list[int] = field(default_factory=list)
    _more: asyncio.Event = field(default_factory=asyncio.Event)

    async def receive(self, request: web.Request) -> web.Response:
        """The handler."""
        self.received.append(Received(headers=request.headers, body=await request.read()))
        self._more.set()
        return web.Response(status=self.statuses.pop(0) if self.statuses else 200)

    async def wait_for(self, count: int, seconds: float = 5) -> list[Received]:
        """Everything received, once there are at least `count`."""
        async with asyncio.timeout(seconds):
            while len(self.received) < count:
                self._more.clear()
                await self._more.wait()
        return list(self.received)


@asynccontextmanager
async def webhook() -> AsyncIterator[Webhook]:
    """Run a receiver."""
    hook, app = Webhook(), web.Application()
    app.router.add_post("/hook", hook.receive)
    async with serve(app) as base:
        hook.address = f"{base}/hook"
        yield hook
