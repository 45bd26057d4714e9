"""What stands between the adapter and Radicale: it counts, and answers as servers do on a bad day."""

from __future__ import annotations

import random
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import httpx

if TYPE_CHECKING:
    from collections.abc import Iterator

HTML = b"<!DOCTYPE html><html><body>Sign in to continue</body></html>"
_WRITES = ("PUT", "DELETE")
_FORGOTTEN = b'<?xml version="1.0"?><error xmlns="DAV:"><valid-sync-token/></error>'


@dataclass(slots=True)
class Front:
    """A running front: its address, its switches, how many requests it has seen."""

    base: str
    upstream: str
    switches: dict[str, Any] = field(default_factory=dict)
    count: int = 0
    writes: int = 0
    refuses: bool = False
    forgets_all: bool = False

    def bad_day(self, method: str) -> tuple[int, dict[str, str], bytes] | None:
        """The answer that is given instead, if any."""
        if self.refuses:
            return 401, {"www-authenticate": 'Basic realm="x"'}, b""
        if random.random() < self.switches.get("rate_429", 0):
            return 429, {"retry-after": str(self.switches.get("retry_after", 1))}, b""
        if random.random() < self.switches.get("rate_5xx", 0):
            return 503, {}, HTML
        return None

    def spoiled(self, status: int, body: bytes) -> tuple[int, bytes]:
        """What is made of a good answer."""
        match self.switches.get("answer"):
            case "html":
                return 200, HTML
            case "truncated":
                return status, body[: len(body) // 2]
            case "wrong_type":
                return status, b'<?xml version="1.0"?><D:prop xmlns:D="DAV:"><D:a/></D:prop>'
            case "null":
                return status, b"null"
        return status, body


def _cut(front: Front, body: bytes) -> bytes:
    """A sync report that says there is more, for ever."""
    token = f"http://radicale.org/ns/sync/{front.count:064x}" if front.switches.get("endless_pages") else "same"
    head, _, rest = body.partition(b"<sync-token>")
    more = b"<response><href>/x/</href><status>HTTP/1.1 507 Insufficient Storage</status></response>"
    return head + more + b"<sync-token>" + token.encode() + rest[rest.index(b"</sync-token>") :]


@contextmanager
def before(upstream: str) -> Iterator[Front]:
    """Listen on a loopback port and pass on to `upstream`."""
    front = Front("", upstream)
    client = httpx.Client(timeout=20)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self) -> None:
            sent = self.rfile.read(int(self.headers.get("content-length") or 0))
            front.count += 1
            front.writes += self.command in _WRITES
            status, headers, body = front.bad_day(self.command) or self.passed_on(sent)
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def passed_on(self, sent: bytes) -> tuple[int, dict[str, str], bytes]:
            is_sync = b"sync-collection" in sent and self.command == "REPORT"
            fakes = front.switches.get("endless_pages") or front.switches.get("repeat_page_token")
            if is_sync and front.forgets_all and b"<D:sync-token></D:sync-token>" not in sent:
                return 403, {"content-type": "application/xml"}, _FORGOTTEN
            if is_sync and fakes:
                begin, _, rest = sent.partition(b"<D:sync-token>")
                sent = begin + b"<D:sync-token>" + rest[rest.index(b"</D:sync-token>") :]
            skipped = ("host", "connection", "content-length", "accept-encoding")
            headers = {name: value for name, value in self.headers.items() if name.lower() not in skipped}
            found = client.request(self.command, f"{front.upstream}{self.path}", headers=headers, content=sent)
            if self.command in _WRITES and random.random() < front.switches.get("commit_then_504", 0):
                return 504, {}, b""
            body = _cut(front, found.content) if is_sync and fakes and found.status_code == 207 else found.content
            status, body = front.spoiled(found.status_code, body)
            kept = {n: v for n, v in found.headers.items() if n.lower() in ("etag", "content-type", "location", "dav")}
            return status, kept, body

        do_GET = do_PUT = do_DELETE = do_OPTIONS = answer  # noqa: N815 - the names http.server looks for
        do_PROPFIND = do_REPORT = do_MKCALENDAR = answer  # noqa: N815

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    front.base = f"http://127.0.0.1:{server.server_port}"
    try:
        yield front
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
        client.close()
