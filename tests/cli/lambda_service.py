"""AWS Lambda's Invoke, really listening, with the ops function behind it (API reference, "Invoke")."""

from __future__ import annotations

import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import TYPE_CHECKING
from urllib.parse import unquote

from functions.ops import run
from tests.edge import Context

if TYPE_CHECKING:
    from collections.abc import Iterator

PATH = "/2015-03-31/functions/{}/invocations"
NOBODY = "AKIANOBODY"
"""An access key without any right."""


@contextmanager
def serve(function: str) -> Iterator[str]:
    """Serve the ops function under this name; answers the endpoint."""
    server = HTTPServer(("127.0.0.1", 0), _handler(PATH.format(function)))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join(10)


def _handler(path: str) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            payload = self.rfile.read(int(self.headers["content-length"]))
            if f"Credential={NOBODY}/" in self.headers["authorization"]:
                said = {"Message": "User: nobody is not authorized to perform: lambda:InvokeFunction"}
                self.answer(403, said, {"x-amzn-ErrorType": "AccessDeniedException"})
            elif unquote(self.path) != path:
                said = {"Message": f"Function not found: {self.path}"}
                self.answer(404, said, {"x-amzn-ErrorType": "ResourceNotFoundException"})
            else:
                try:
                    self.answer(200, run.handler(json.loads(payload), Context()), {})  # type: ignore[arg-type]
                except Exception as error:
                    failed = {"errorMessage": str(error), "errorType": type(error).__name__, "stackTrace": ["a line"]}
                    self.answer(200, failed, {"X-Amz-Function-Error": "Unhandled"})

        def answer(self, status: int, said: object, headers: dict[str, str]) -> None:
            body = json.dumps(said).encode()
            self.send_response(status)
            for name, value in {**headers, "content-length": str(len(body))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *arguments: object) -> None:
            """Say nothing."""

    return Handler
