"""An HTTP server that gives prepared answers, for what no simulator would say."""

from __future__ import annotations

import json
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One request that arrived."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Say:
    """One answer; a body that is not bytes is sent as JSON. `cut` closes the connection before the promised length;
    `seconds` is how long it takes."""

    status: int = 200
    body: Any = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    cut: bool = False
    seconds: float = 0.0


@dataclass(slots=True)
class Script:
    """A running server: what it is asked is kept, its answers are given in order, the last one for ever."""

    base: str
    answers: list[Say]
    asked: list[Asked] = field(default_factory=list)

    def next(self) -> Say:
        """The next answer."""
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


@contextmanager
def scripted(*answers: Say) -> Iterator[Script]:
    """Listen on a loopback port."""
    script = Script("", list(answers))

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            headers = {name.lower(): value for name, value in self.headers.items()}
            script.asked.append(Asked(method=self.command, target=self.path, headers=headers, body=body))
            said = script.next()
            time.sleep(said.seconds)
            content = said.body if isinstance(said.body, bytes) else json.dumps(said.body).encode()
            self.send_response(said.status)
            for name, value in said.headers.items():
                self.send_header(name, value)
            self.send_header("content-length", str(len(content) + (100 if said.cut else 0)))
            self.end_headers()
            self.wfile.write(content)
            self.close_connection = said.cut

        do_GET = do_POST = do_PATCH = do_DELETE = answer  # noqa: N815 - the names http.server looks for
        do_PUT = do_PROPFIND = do_REPORT = answer  # noqa: N815

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    script.base = f"http://127.0.0.1:{server.server_port}"
    try:
        yield script
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
