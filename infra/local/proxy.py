"""The front door: what CloudFront, a domain name and API Gateway's edge are on AWS, on one port of this machine.

Passes every request with its path, query, Host and cookies to the embedded HTTP API, adds X-Forwarded-* as API Gateway
does, and keeps API Gateway's limits: 10 MB, 30 seconds.
"""

from __future__ import annotations

import asyncio
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

import aiohttp
from aiohttp import web
from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

if TYPE_CHECKING:
    import socket
    from collections.abc import AsyncIterator, Iterator, Sequence

MAX_BODY = 10 * 1024 * 1024
TIMEOUT_SECONDS = 30
_HOP_BY_HOP = frozenset(
    {
        "connection",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)
_API: web.AppKey[str] = web.AppKey("api", str)
_CLIENT: web.AppKey[aiohttp.ClientSession] = web.AppKey("client", aiohttp.ClientSession)


def build(api: str, *, seconds: float = TIMEOUT_SECONDS) -> web.Application:
    """The proxy to the HTTP API at `api`, such as http://127.0.0.1:4566/_aws/execute-api/ID/$default."""

    async def session(app: web.Application) -> AsyncIterator[None]:
        async with aiohttp.ClientSession(
            auto_decompress=False,
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=seconds),
            # A burst of notifications waits here: each request that finds no idle Lambda starts a process.
            connector=aiohttp.TCPConnector(limit=6),
        ) as client:
            app[_CLIENT] = client
            yield

    app = web.Application(client_max_size=MAX_BODY)
    app[_API] = api
    app.cleanup_ctx.append(session)
    app.router.add_route("*", "/{path:.*}", _forward)
    return app


async def _forward(request: web.Request) -> web.Response:
    headers = _end_to_end(request.headers)
    peer = request.remote or ""
    headers["X-Forwarded-For"] = ", ".join(filter(None, (request.headers.get("X-Forwarded-For"), peer)))
    headers["X-Forwarded-Proto"] = request.scheme
    headers["X-Forwarded-Port"] = str(request.url.port)
    try:
        async with request.app[_CLIENT].request(
            request.method,
            URL(request.app[_API] + request.raw_path, encoded=True),
            headers=headers,
            data=await request.read(),
            allow_redirects=False,
        ) as answer:
            return web.Response(status=answer.status, headers=_end_to_end(answer.headers), body=await answer.read())
    except TimeoutError:
        return web.json_response({"message": "Service Unavailable"}, status=503)
    except aiohttp.ClientError as error:
        return web.json_response({"message": f"The embedded AWS does not answer: {error}"}, status=502)


def _end_to_end(headers: CIMultiDictProxy[str]) -> CIMultiDict[str]:
    named = {name.strip().lower() for value in headers.getall("Connection", ()) for name in value.split(",")}
    kept = CIMultiDict(headers)
    for name in {*_HOP_BY_HOP, *named, "content-length"}:
        kept.popall(name, None)
    return kept


@contextmanager
def serving(sockets: Sequence[socket.socket], api: str) -> Iterator[None]:
    """Serve on `sockets`, in a thread with an event loop of its own, for the length of the block."""
    loop = asyncio.new_event_loop()
    runner = web.AppRunner(build(api), access_log=None, shutdown_timeout=1)

    async def start() -> None:
        await runner.setup()
        for bound in sockets:
            await web.SockSite(runner, bound).start()

    thread = threading.Thread(target=loop.run_forever, name="front proxy", daemon=True)
    thread.start()
    try:
        asyncio.run_coroutine_threadsafe(start(), loop).result(10)
        yield
    finally:
        asyncio.run_coroutine_threadsafe(runner.cleanup(), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
