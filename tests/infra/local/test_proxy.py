"""The front door changes nothing that a browser or a Lambda could notice."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import aiohttp
import pytest
from aiohttp import web

from infra.local import ports, proxy

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

API = "/_aws/execute-api/abc/$default"


@asynccontextmanager
async def serving(app: web.Application) -> AsyncIterator[str]:
    """The address at which `app` is served."""
    (bound, *others) = ports.listen(0)
    for other in others:
        other.close()
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.SockSite(runner, bound).start()
    yield f"http://127.0.0.1:{bound.getsockname()[1]}"
    await runner.cleanup()


@pytest.fixture
def seen() -> list[web.Request]:
    """The requests that reached the API."""
    return []


@pytest.fixture
async def front(seen: list[web.Request]) -> AsyncIterator[str]:
    """The address of the front door to an API that redirects, sets two cookies and answers bytes."""

    async def answer(request: web.Request) -> web.Response:
        await request.read()
        seen.append(request)
        if request.path.endswith("/slow"):
            await asyncio.sleep(5)
        response = web.Response(status=303, body=b"\x00\xffbytes", headers={"Location": "/elsewhere"})
        response.headers.add("Set-Cookie", "a=1; HttpOnly")
        response.headers.add("Set-Cookie", "b=2")
        return response

    api = web.Application(client_max_size=20 * 1024 * 1024)
    api.router.add_route("*", "/{path:.*}", answer)
    async with serving(api) as behind, serving(proxy.build(behind + API, seconds=0.5)) as before:
        yield before


@pytest.fixture
async def browser() -> AsyncIterator[aiohttp.ClientSession]:
    """A client that keeps no cookies."""
    async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as client:
        yield client


async def test_path_query_host_and_cookies_arrive_as_they_were_sent(
    front: str, seen: list[web.Request], browser: aiohttp.ClientSession
) -> None:
    headers = {"Host": "my.laptop:3001", "Cookie": "session=1; theme=dark", "X-Forwarded-For": "203.0.113.7"}

    await browser.post(f"{front}/a%2Fb/c?x=1&x=%20", headers=headers, data=b"body", allow_redirects=False)

    (request,) = seen
    assert request.raw_path == f"{API}/a%2Fb/c?x=1&x=%20"
    assert request.headers["Host"] == "my.laptop:3001"
    assert request.headers["Cookie"] == "session=1; theme=dark"
    assert request.headers["X-Forwarded-For"] == "203.0.113.7, 127.0.0.1"
    assert request.headers["X-Forwarded-Proto"] == "http"
    assert request.headers["X-Forwarded-Port"] == "3001"


async def test_health_is_the_products_and_not_the_emulators(
    front: str, seen: list[web.Request], browser: aiohttp.ClientSession
) -> None:
    await browser.get(f"{front}/health", allow_redirects=False)

    assert [request.path for request in seen] == [f"{API}/health"]


async def test_answer_comes_back_whole(front: str, browser: aiohttp.ClientSession) -> None:
    answer = await browser.get(front, allow_redirects=False)

    assert answer.status == 303
    assert answer.headers["Location"] == "/elsewhere"
    assert answer.headers.getall("Set-Cookie") == ["a=1; HttpOnly", "b=2"]
    assert await answer.read() == b"\x00\xffbytes"


async def test_larger_body_than_api_gateway_takes_is_refused_at_the_door(
    front: str, seen: list[web.Request], browser: aiohttp.ClientSession
) -> None:
    answer = await browser.post(front, data=b"x" * (proxy.MAX_BODY + 1), allow_redirects=False)

    assert answer.status == 413
    assert seen == []


async def test_slow_api_is_given_up_as_api_gateway_does(front: str, browser: aiohttp.ClientSession) -> None:
    answer = await browser.get(f"{front}/slow")

    assert answer.status == 503
    assert await answer.json() == {"message": "Service Unavailable"}


async def test_missing_api_is_said_plainly(browser: aiohttp.ClientSession) -> None:
    async with serving(proxy.build("http://127.0.0.1:9")) as front:
        answer = await browser.get(front)

    assert answer.status == 502
    assert "embedded AWS does not answer" in (await answer.json())["message"]
