"""A CalDAV server that costs next to nothing, so that whoever is measured at it is what takes the time.

`python -m tests.bench.dav_server` serves one person's calendars from memory on a free loopback port and prints its
address. It does what both readers need: MKCALENDAR, PROPFIND, sync-collection and calendar-multiget (RFC 4791, RFC
6578), GET, and PUT and DELETE under preconditions. `GET /_counts` tells requests and octets since `POST /_counts`.
"""

from __future__ import annotations

import asyncio
import json
import re
import sys
from collections import Counter
from dataclasses import dataclass, field
from html import escape, unescape
from urllib.parse import quote, unquote

COUNTS = "/_counts"
_TOKEN = "http://stub/sync/"
_HREF = re.compile(rb"<(?:\w+:)?href>([^<]+)</")
_SINCE = re.compile(rb"sync-token>http://stub/sync/(\d+)<")
_HEAD = '<?xml version="1.0" encoding="utf-8"?><D:multistatus xmlns:D="DAV:" xmlns:C="urn:ietf:params:xml:ns:caldav">'
_ABOUT = (
    "<D:response><D:href>{path}</D:href><D:propstat><D:prop><D:resourcetype><D:collection/><C:calendar/>"
    "</D:resourcetype><D:sync-token>{token}</D:sync-token><D:supported-report-set><D:supported-report><D:report>"
    "<D:sync-collection/></D:report></D:supported-report></D:supported-report-set></D:prop>"
    "<D:status>HTTP/1.1 200 OK</D:status></D:propstat></D:response>"
)
_ITEM = (
    "<D:response><D:href>{path}{name}</D:href><D:propstat><D:prop><D:resourcetype/>"
    "<D:getcontenttype>text/calendar; component=vevent</D:getcontenttype><D:getetag>{etag}</D:getetag>{data}</D:prop>"
    "<D:status>HTTP/1.1 200 OK</D:status></D:propstat></D:response>"
)
_MISSING = "<D:response><D:href>{path}{name}</D:href><D:status>HTTP/1.1 404 Not Found</D:status></D:response>"
_PHRASES = {200: "OK", 201: "Created", 204: "No Content", 207: "Multi-Status", 404: "Not Found", 405: "Not Allowed"}

type Answer = tuple[int, dict[str, str], bytes]


@dataclass(slots=True)
class Calendar:
    """Resources by name, each with the revision that wrote it; None for what was deleted."""

    items: dict[str, tuple[int, bytes | None]] = field(default_factory=dict)
    revision: int = 0

    def write(self, name: str, data: bytes | None) -> str:
        """Store or delete; answers the new ETag."""
        self.revision += 1
        self.items.pop(name, None)  # the last written stands last
        self.items[name] = self.revision, data
        return f'"{self.revision}"'

    def find(self, name: str) -> tuple[str, bytes] | None:
        """The ETag and data of what is there."""
        revision, data = self.items.get(name, (0, None))
        return None if data is None else (f'"{revision}"', data)


@dataclass(slots=True)
class Server:
    """Every calendar by its path, and what was asked so far."""

    calendars: dict[str, Calendar] = field(default_factory=dict)
    counts: Counter[str] = field(default_factory=Counter)

    def answer(self, method: str, path: str, headers: dict[str, str], body: bytes) -> Answer:
        """What to answer."""
        if path == COUNTS:
            if method == "POST":
                self.counts.clear()
            return 200, {}, json.dumps(self.counts).encode()
        folder, _, name = unquote(path).rpartition("/")
        folder = f"{folder}/"
        if method == "MKCALENDAR":
            self.calendars[path] = Calendar()
            return 201, {}, b""
        calendar = self.calendars.get(folder)
        if calendar is None:
            return 404, {}, b""
        match method:
            case "PROPFIND":
                return _propfind(calendar, folder, headers)
            case "REPORT":
                is_sync = b"sync-collection" in body
                return _changes(calendar, folder, body) if is_sync else _multiget(calendar, folder, body)
            case "PUT" | "DELETE" | "GET":
                return _resource(calendar, method, name, headers, body)
        return 405, {}, b""


def _resource(calendar: Calendar, method: str, name: str, headers: dict[str, str], body: bytes) -> Answer:
    found = calendar.find(name)
    if method == "GET":
        return (404, {}, b"") if found is None else (200, {"etag": found[0], "content-type": "text/calendar"}, found[1])
    is_refused = headers.get("if-none-match") == "*" and found is not None
    if is_refused or ("if-match" in headers and (found is None or found[0] != headers["if-match"])):
        return 412, {}, b""
    if method == "DELETE":
        if found is None:
            return 404, {}, b""
        calendar.write(name, None)
        return 204, {}, b""
    return (201 if found is None else 204), {"etag": calendar.write(name, body)}, b""


def _propfind(calendar: Calendar, folder: str, headers: dict[str, str]) -> Answer:
    told = [_ABOUT.format(path=folder, token=f"{_TOKEN}{calendar.revision}")]
    if headers.get("depth") == "1":
        there = (name for name, (_, data) in calendar.items.items() if data is not None)
        told += [_item(calendar, folder, name, with_data=False) for name in there]
    return _multistatus(told)


def _changes(calendar: Calendar, folder: str, body: bytes) -> Answer:
    found = _SINCE.search(body)
    since = int(found[1]) if found else 0
    told = []
    for name, (revision, data) in reversed(calendar.items.items()):
        if revision <= since:
            break
        if data is not None or since:
            told.append(_item(calendar, folder, name, with_data=False))
    told.append(f"<D:sync-token>{_TOKEN}{calendar.revision}</D:sync-token>")
    return _multistatus(told)


def _multiget(calendar: Calendar, folder: str, body: bytes) -> Answer:
    names = [unquote(unescape(href.decode())).rpartition("/")[2] for href in _HREF.findall(body)]
    return _multistatus([_item(calendar, folder, name, with_data=True) for name in names])


def _item(calendar: Calendar, folder: str, name: str, *, with_data: bool) -> str:
    found, shown = calendar.find(name), quote(name)
    if found is None:
        return _MISSING.format(path=folder, name=shown)
    text = escape(found[1].decode()).replace("\r", "&#13;") if with_data else ""
    data = f"<C:calendar-data>{text}</C:calendar-data>" if with_data else ""
    return _ITEM.format(path=folder, name=shown, etag=escape(found[0], quote=False), data=data)


def _multistatus(told: list[str]) -> Answer:
    body = f"{_HEAD}{''.join(told)}</D:multistatus>"
    return 207, {"content-type": "application/xml; charset=utf-8"}, body.encode()


async def _serve(server: Server, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """One connection, kept open until the client ends it."""
    try:
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            first, *rest = head.decode("latin-1").split("\r\n")[:-2]
            method, path, _ = first.split(" ")
            headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in rest)}
            body = await reader.readexactly(int(headers.get("content-length", "0")))
            status, extra, content = server.answer(method, path, headers, body)
            told = {**extra, "content-length": str(len(content))}
            lines = "".join(f"{name}: {value}\r\n" for name, value in told.items())
            answer = f"HTTP/1.1 {status} {_PHRASES.get(status, 'Refused')}\r\n{lines}\r\n".encode() + content
            if path != COUNTS:
                server.counts += Counter({"requests": 1, "octets": len(head) + len(body) + len(answer), method: 1})
            writer.write(answer)
            await writer.drain()
    except (asyncio.IncompleteReadError, ConnectionError):
        writer.close()


async def _main() -> None:
    server = Server()
    listening = await asyncio.start_server(lambda reader, writer: _serve(server, reader, writer), "127.0.0.1", 0)
    print(f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}", flush=True)
    async with listening:
        await listening.serve_forever()


if __name__ == "__main__":
    try:
        asyncio.run(_main())
    except KeyboardInterrupt:
        sys.exit(0)
