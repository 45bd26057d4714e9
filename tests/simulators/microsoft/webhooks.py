"""A receiver of change notifications that shakes hands as Graph demands."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from aiohttp import web

from tests.simulators import running

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


@dataclass(slots=True)
class Webhook:
    """`statuses` are answered first to last, then 202, after `seconds`; `token` replaces the handshake's text."""

    address: str = ""
    lifecycle_address: str = ""
    batches: list[list[dict[str, Any]]] = field(default_factory=list)
    lifecycle: list[dict[str, Any]] = field(default_factory=list)
    statuses: list[int] = field(default_factory=list)
    seconds: float = 0
    token: str | None = None
    content_type: str = "text/plain"
    handshakes: int = 0

    @property
    def notifications(self) -> list[dict[str, Any]]:
        """Every change notification, whatever batch it came in."""
        return [entry for batch in self.batches for entry in batch]

    async def receive(self, request: web.Request) -> web.Response:
        """The handler of both addresses."""
        if "validationToken" in request.query:
            self.handshakes += 1
            text = request.query["validationToken"] if self.token is None else self.token
            return web.Response(text=text, content_type=self.content_type)
        await asyncio.sleep(self.seconds)
        status = self.statuses.pop(0) if self.statuses else 202
        if status == 202:
            entries = (await request.json())["value"]
            self.lifecycle += [entry for entry in entries if "lifecycleEvent" in entry]
            if changes := [entry for entry in entries if "lifecycleEvent" not in entry]:
                self.batches.append(changes)
        return web.Response(status=status)

    async def wait_for(self, count: int, seconds: float = 5) -> list[dict[str, Any]]:
        """Every change notification, once there are at least `count`."""
        async with asyncio.timeout(seconds):
            while len(self.notifications) < count:
                await asyncio.sleep(0.005)
        return self.notifications

    async def wait_for_lifecycle(self, count: int, seconds: float = 5) -> list[dict[str, Any]]:
        """Every lifecycle notification, once there are at least `count`."""
        async with asyncio.timeout(seconds):
            while len(self.lifecycle) < count:
                await asyncio.sleep(0.005)
        return self.lifecycle


@asynccontextmanager
async def listening() -> AsyncIterator[Webhook]:
    """Run a receiver."""
    hook, app = Webhook(), web.Application()
    app.router.add_post("/{any:.*}", hook.receive)
    async with running.serve(app) as base:
        hook.address, hook.lifecycle_address = f"{base}/hook?key=1", f"{base}/lifecycle"
        yield hook
