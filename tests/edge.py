"""The front door of a test: a real HTTP server that hands requests to the handlers, routed by the catalogue.

It builds events the way API Gateway's HTTP API does (payload 2.0): cookies in a list of their own, bodies that are
not JSON in base64.
"""

from __future__ import annotations

import base64
import importlib
import json
import re
import threading
import uuid
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import httpx

from infra.catalogue import CATALOGUE, Http

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    import pytest

    from shared.core.messages import SyncMessage
    from shared.wiring import App

    type Event = dict[str, Any]


@dataclass(slots=True)
class Lane:
    """A queue whose messages a test looks at or carries out."""

    messages: list[SyncMessage] = field(default_factory=list)

    def send(self, messages: Sequence[SyncMessage]) -> None:
        """Take messages."""
        self.messages.extend(messages)


@dataclass(frozen=True, slots=True)
class Context:
    """What Lambda hands to a handler beside the event, as far as anybody looks."""

    aws_request_id: str = "test-invocation"


@dataclass(frozen=True, slots=True, kw_only=True)
class Edge:
    """A running server."""

    base: str
    app: App

    @contextmanager
    def client(self, **options: Any) -> Iterator[httpx.Client]:
        """A browser or program in front of it."""
        with httpx.Client(base_url=self.base, timeout=20, **options) as client:
            yield client


@contextmanager
def serve(app: App, monkeypatch: pytest.MonkeyPatch) -> Iterator[Edge]:
    """Serve `app` on a free port, one request at a time, as one warm Lambda would."""
    routes = [
        (re.compile(_pattern(route)), line.handler)
        for line in CATALOGUE
        if isinstance(line.trigger, Http)
        for route in line.trigger.routes
    ]
    routes.sort(key=lambda route: route[0].pattern == ".*")  # $default comes last
    for handler in {name for _, name in routes}:
        module = importlib.import_module(handler.removesuffix(".handler"))
        if hasattr(module, "app"):
            monkeypatch.setattr(module, "app", lambda: app)

    def choose(method: str, path: str) -> Callable[[Event, Any], Event]:
        name = next(name for pattern, name in routes if pattern.fullmatch(f"{method} {path}"))
        module, _, function = name.rpartition(".")
        return getattr(importlib.import_module(module), function)  # type: ignore[no-any-return]

    server = HTTPServer(("127.0.0.1", 0), _handler(choose))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield Edge(base=f"http://127.0.0.1:{server.server_port}", app=app)
    finally:
        server.shutdown()
        server.server_close()
        thread.join(10)


def event(
    method: str, target: str, *, headers: dict[str, str] | None = None, body: bytes = b"", address: str = "192.0.2.1"
) -> Event:
    """The event of one request."""
    path, _, query = target.partition("?")
    given = {name.lower(): value for name, value in (headers or {}).items()}
    cookies = [part.strip() for part in given.pop("cookie", "").split(";") if part.strip()]
    is_text = given.get("content-type", "").startswith("application/json") and _is_utf8(body)
    made: Event = {
        "version": "2.0",
        "rawPath": unquote(path),
        "rawQueryString": query,
        "headers": given,
        "requestContext": {
            "http": {"method": method, "path": unquote(path), "protocol": "HTTP/1.1", "sourceIp": address},
            "requestId": uuid.uuid4().hex,
            "stage": "$default",
        },
        "isBase64Encoded": bool(body) and not is_text,
    }
    if query:
        given = httpx.QueryParams(query)
        # As API Gateway does: what is named twice stands there once, with commas.
        made["queryStringParameters"] = {name: ",".join(given.get_list(name)) for name in given}
    if cookies:
        made["cookies"] = cookies
    if body:
        made["body"] = body.decode() if is_text else base64.b64encode(body).decode()
    return made


def _is_utf8(body: bytes) -> bool:
    try:
        body.decode()
    except UnicodeDecodeError:
        return False
    return True


def _pattern(route: str) -> str:
    if route == "$default":
        return ".*"
    method, path = route.split(" ", 1)
    path = re.sub(r"\{\w+\+\}", "<rest>", path)
    path = re.sub(r"\{\w+\}", "<part>", path)
    escaped = re.escape(path).replace("<rest>", ".+").replace("<part>", "[^/]+")
    return f"{'[A-Z]+' if method == 'ANY' else method} {escaped}"


def _handler(choose: Callable[[str, str], Callable[[Event, Any], Event]]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            length = int(self.headers.get("content-length") or 0)
            made = event(
                self.command,
                self.path,
                headers=dict(self.headers.items()),
                body=self.rfile.read(length),
                address=self.client_address[0],
            )
            answer = choose(self.command, made["rawPath"])(made, Context())
            json.dumps(answer)  # Lambda answers JSON or fails
            body = answer["body"].encode()
            if answer["isBase64Encoded"]:
                body = base64.b64decode(body)
            self.send_response(answer["statusCode"])
            for name, value in answer["headers"].items():
                self.send_header(name, value)
            for cookie in answer.get("cookies", ()):
                self.send_header("set-cookie", cookie)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = do_OPTIONS = answer  # noqa: N815

        def log_message(self, *arguments: object) -> None:
            """Say nothing."""

    return Handler
