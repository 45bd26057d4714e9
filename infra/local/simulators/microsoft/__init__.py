"""A simulator of Microsoft Graph v1.0 (calendars) and of the identity platform.

What it does, from where that is known, and which test shows it stands in behaviours.md.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterable
from pathlib import Path

from aiohttp import web

from infra.local.simulators import port, server
from infra.local.simulators.microsoft.faults import MicrosoftFaults
from infra.local.simulators.microsoft.provider import Microsoft

CLIENT_ID = "kalends-microsoft-local"
CLIENT_SECRET = "kalends-microsoft-local-secret"  # noqa: S105  # of a client that exists in this simulator only

_TICK_SECONDS = 0.5


def build(
    *, state: Path | None = None, redirect_uris: Iterable[str] = (), require_https: bool = False
) -> web.Application:
    """The simulator as an application; `state` keeps its data between runs, `redirect_uris` are the client's.

    With `require_https` a webhook address must be https, as at the real one; otherwise loopback may be http.
    """
    parts = port.parts(MicrosoftFaults(), state=state, access_prefix="EwBIA8l6BAAU", refresh_prefix="1.AX0A")
    provider = Microsoft(parts, require_https=require_https)
    parts.authorization.add_client(CLIENT_ID, CLIENT_SECRET, redirect_uris)

    async def let_time_pass(_: web.Application) -> AsyncIterator[None]:
        task = asyncio.create_task(_tick(provider))
        yield
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task

    app = server.application(provider)
    app.cleanup_ctx.append(let_time_pass)
    return app


async def _tick(provider: Microsoft) -> None:
    while True:
        await asyncio.sleep(_TICK_SECONDS)
        provider.tick()
