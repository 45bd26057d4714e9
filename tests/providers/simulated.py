"""A world inside a provider simulator, which listens in a thread of its own; the person acts by its /_sim routes."""

from __future__ import annotations

import asyncio
import threading
import time
from abc import ABC, abstractmethod
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, quote, urlsplit

import httpx
from aiohttp import web

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from shared.calendar.mirror import Appearance
    from shared.calendar.span import Span
    from shared.providers.port import CalendarProvider

REDIRECT = "http://127.0.0.1:9/oauth/callback"
EMAIL = "pat@example.com"


@contextmanager
def serve(build: Callable[[], web.Application]) -> Iterator[str]:
    """Run an application on a free loopback port in a thread; answers its base address."""
    started: Future[tuple[str, asyncio.AbstractEventLoop, asyncio.Event]] = Future()

    async def run() -> None:
        finish = asyncio.Event()
        runner = web.AppRunner(build(), access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            base = f"http://127.0.0.1:{runner.addresses[0][1]}"
            started.set_result((base, asyncio.get_running_loop(), finish))
            await finish.wait()
        finally:
            await runner.cleanup()

    thread = threading.Thread(target=lambda: asyncio.run(run()))
    thread.start()
    base, loop, finish = started.result(timeout=10)
    try:
        yield base
    finally:
        loop.call_soon_threadsafe(finish.set)
        thread.join()


class Hook:
    """A webhook that counts what arrives, and answers the handshake of those who ask for one."""

    def __init__(self) -> None:
        self.received: list[dict[str, str]] = []
        hook = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                self.rfile.read(int(self.headers.get("content-length") or 0))
                handshake = parse_qs(urlsplit(self.path).query).get("validationToken", [""])[0]
                if not handshake:
                    hook.received.append({name.lower(): value for name, value in self.headers.items()})
                self.send_response(200)
                self.send_header("content-type", "text/plain")
                self.end_headers()
                self.wfile.write(handshake.encode())

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})
        self._thread.start()
        self.address = f"http://127.0.0.1:{self._server.server_port}/hook"

    def close(self) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@dataclass(slots=True, kw_only=True)
class SimulatedWorld(ABC):
    """What both simulators have in common. A provider adds its resource shapes and its way to sign in."""

    base: str
    email: str = EMAIL
    http: httpx.Client = field(default_factory=lambda: httpx.Client(timeout=20))
    hook: Hook = field(default_factory=Hook)
    calendar_id: str = ""
    provider: CalendarProvider = field(init=False)

    def __post_init__(self) -> None:
        self.sim("POST", "/reset", {})
        self.sim("POST", "/accounts", {"email": self.email, "name": "Pat"})
        made = self.sim("POST", f"/accounts/{self.email}/calendars", {"summary": "Work", "timeZone": "Europe/Berlin"})
        self.calendar_id = made["id"]
        self.provider = self.connect_again()
        self.sim("POST", "/requests/reset", {})

    def close(self) -> None:
        """Let go of sockets and threads."""
        self.hook.close()
        self.http.close()

    # What providers differ in

    @abstractmethod
    def connect_again(self) -> CalendarProvider:
        """Another adapter for the same account."""

    @abstractmethod
    def resource(self, appearance: Appearance, guest: str | None) -> dict[str, Any]:
        """The event as the person's own client would send it."""

    @abstractmethod
    def times(self, span: Span) -> dict[str, Any]:
        """The fields that say when."""

    @abstractmethod
    def title(self, item: dict[str, Any]) -> str | None:
        """The title of an event or series that is there; None for occurrences and what is gone."""

    @abstractmethod
    def titled(self, title: str) -> dict[str, Any]:
        """The field of a title."""

    # World

    @property
    def hook_address(self) -> str:
        """Where notifications are counted."""
        return self.hook.address

    def add(self, appearance: Appearance, *, guest: str | None = None) -> str:
        """The person adds an event."""
        return str(self.sim("POST", self.events(), self.resource(appearance, guest))["id"])

    def retitle(self, event_id: str, title: str) -> None:
        """The person renames an event."""
        self.sim("PATCH", self.events(event_id), self.titled(title))

    def remove(self, event_id: str) -> None:
        """The person deletes an event."""
        self.sim("DELETE", self.events(event_id))

    def move(self, series_id: str, key: str, span: Span) -> None:
        """The person moves an occurrence."""
        self.sim("POST", self.events(series_id, "instances", _original(key)), self.times(span))

    def cancel(self, series_id: str, key: str) -> None:
        """The person deletes an occurrence."""
        self.sim("POST", self.events(series_id, "instances", _original(key)), {"cancelled": True})

    def items(self) -> list[dict[str, Any]]:
        """Everything in the calendar, in the provider's shape."""
        return list(self.sim("GET", self.events())["events"])

    def titles(self) -> list[str]:
        """The titles of all events and series."""
        return sorted(title for item in self.items() if (title := self.title(item)) is not None)

    def guests(self, event_id: str) -> list[str]:
        """Whom the event invites."""
        attendees = next(item for item in self.items() if item["id"] == event_id).get("attendees", [])
        return [str(attendee.get("email") or attendee["emailAddress"]["address"]) for attendee in attendees]

    def mails(self) -> int:
        """How many messages guests have been sent."""
        return len(self.sim("GET", "/mail")["mail"])

    def notifications(self, at_least: int) -> int:
        """How many notifications have arrived."""
        patience = time.monotonic() + (5 if at_least else 0.5)
        while time.monotonic() < patience and not 0 < at_least <= len(self.hook.received):
            time.sleep(0.02)
        return len(self.hook.received)

    def forget_cursors(self) -> None:
        """Every cursor handed out is forgotten."""
        self.sim("POST", "/expire-cursors", {})

    def refuse_token(self) -> None:
        """The access token has expired."""
        self.sim("POST", "/tokens/expire", {"email": self.email})

    def faults(self, **switches: Any) -> None:
        """Turn fault switches."""
        self.sim("PUT", "/faults", switches)

    def requests(self) -> int:
        """How many calls were counted since this was last asked."""
        counted = self.sim("GET", "/requests")
        self.sim("POST", "/requests/reset", {})
        return sum(route["count"] for route in counted["requests"])

    # /_sim

    def sim(self, method: str, path: str, body: Any = None) -> Any:
        """Call an admin route, which must succeed."""
        answer = self.http.request(method, f"{self.base}/_sim{path}", json=body)
        assert answer.is_success, f"{method} {path}: {answer.status_code} {answer.text}"
        return answer.json() if answer.content else None

    def events(self, *rest: str) -> str:
        """The admin path of the calendar's events, or of one, or of something of it."""
        parts = ("calendars", self.calendar_id, "events", *rest)
        return "/" + "/".join(quote(part, safe="") for part in parts)


def _original(key: str) -> str:
    """`20260316T080000Z` as RFC 3339, `20260316` as a date."""
    day = f"{key[:4]}-{key[4:6]}-{key[6:8]}"
    return f"{day}T{key[9:11]}:{key[11:13]}:{key[13:15]}Z" if len(key) > len("20260316") else day
