"""Puts a provider, the admin routes and the pages into one application, and runs it."""

import asyncio
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from email.utils import format_datetime

from aiohttp import web

from infra.local.simulators import admin, pages
from infra.local.simulators.port import Provider

_LARGEST_BODY = 32 * 2**20

type _Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def application(provider: Provider) -> web.Application:
    """The simulator as an aiohttp application; it saves its state at cleanup."""

    @web.middleware
    async def dated(request: web.Request, handler: _Handler) -> web.StreamResponse:
        response = await handler(request)
        if not response.prepared:
            response.headers.setdefault("Date", format_datetime(provider.parts.clock.now(), usegmt=True))
        return response

    async def run_parts(_: web.Application) -> AsyncIterator[None]:
        await provider.parts.deliveries.start()
        yield
        await provider.parts.deliveries.close()
        await provider.parts.state.close()

    app = web.Application(middlewares=[dated, admin.guard, pages.friendly], client_max_size=_LARGEST_BODY)
    app.cleanup_ctx.append(run_parts)
    app.add_routes([*admin.routes(provider), *pages.routes(provider), *provider.routes()])
    return app


async def serve(app: web.Application, *, name: str, host: str, port: int) -> None:
    """Serve until SIGINT or SIGTERM, after printing one line with the address. Port 0 takes a free one."""
    stopped = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
    await runner.setup()
    try:
        site = web.TCPSite(runner, host, port)
        await site.start()
        print(f"{name} simulator on http://{host}:{runner.addresses[0][1]}", flush=True)
        await stopped.wait()
    finally:
        await runner.cleanup()
