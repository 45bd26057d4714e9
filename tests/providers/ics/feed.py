"""A feed on a real HTTP server, as a person's calendar program publishes it: the contract's world, read-only."""

from __future__ import annotations

import hashlib
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from shared.calendar.event import Text
from shared.calendar.ical import writing
from shared.calendar.mirror import Mirror
from shared.net.egress import Egress
from shared.providers.ics.client import CALENDAR_ID, IcsFeed
from tests.net.server import running

if TYPE_CHECKING:
    from collections.abc import Iterator
    from http.server import BaseHTTPRequestHandler

    from shared.calendar.mirror import Appearance
    from shared.calendar.span import Span
    from shared.providers.port import CalendarProvider
    from tests.net.server import Server

NOW = datetime(2026, 3, 1, tzinfo=UTC)
PATH = "/private-secret/basic.ics"


@dataclass(slots=True)
class FeedWorld:
    """`body` overrides what the events make; `conditional` False: the server knows no validators."""

    server: Server
    provider: CalendarProvider
    email: str = "localhost"
    calendar_id: str = CALENDAR_ID
    mirrors: dict[str, Mirror] = field(default_factory=dict)
    added: int = 0
    body: bytes | None = None
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    conditional: bool = True
    answered: list[int] = field(default_factory=list)

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        body = self.content()
        etag = f'"{hashlib.sha256(body).hexdigest()}"'
        is_known = self.conditional and request.headers.get("If-None-Match") == etag
        status = 304 if is_known and self.status == 200 else self.status
        self.answered.append(status)
        request.send_response(status)
        if self.conditional:
            request.send_header("ETag", etag)
        for name, value in self.headers.items():
            request.send_header(name, value)
        if status != 304:
            request.send_header("Content-Length", str(len(body)))
        request.end_headers()
        if status != 304:
            request.wfile.write(body)

    def content(self) -> bytes:
        if self.body is not None:
            return self.body
        entries = [writing.Entry(uid=uid, mirror=mirror, stamped_at=NOW) for uid, mirror in self.mirrors.items()]
        return writing.calendar(entries, name="Team", refresh=timedelta(minutes=15), year=2026)

    def connect_again(self) -> IcsFeed:
        return connect(self.server)

    def add(self, appearance: Appearance, *, guest: str | None = None) -> str:
        self.added += 1
        uid = f"event-{self.added}@feed.example"
        self.mirrors[uid] = Mirror(root=appearance, overrides={})
        return uid

    def retitle(self, event_id: str, title: str) -> None:
        known = self.mirrors[event_id]
        overrides = {key: one and replace(one, text=Text(title=title)) for key, one in known.overrides.items()}
        self.mirrors[event_id] = Mirror(root=replace(known.root, text=Text(title=title)), overrides=overrides)

    def remove(self, event_id: str) -> None:
        del self.mirrors[event_id]

    def move(self, series_id: str, key: str, span: Span) -> None:
        root = self.mirrors[series_id].root
        self.mirrors[series_id].overrides[key] = replace(root, span=span, recurrence=())

    def cancel(self, series_id: str, key: str) -> None:
        self.mirrors[series_id].overrides[key] = None


def connect(server: Server) -> IcsFeed:
    return IcsFeed(address=server.url(PATH), egress=Egress(allowed_hosts=["localhost"]), now=lambda: NOW)


@contextmanager
def published() -> Iterator[FeedWorld]:
    with running() as server:
        world = FeedWorld(server, connect(server))
        server.answers[PATH] = world.answer
        yield world
