"""What goes wrong is told in two lines with a code, and a host that is out of reach by its own exit code."""

from __future__ import annotations

import json
import re
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import TYPE_CHECKING

import psycopg
import pytest

from shared import cli
from shared.control import gates
from shared.control.gates import Operation
from shared.core import clock

if TYPE_CHECKING:
    from collections.abc import Iterator

    from shared.store.database import Database
    from shared.sync.links import Link
    from tests.api.conftest import Caller
    from tests.cli.conftest import Kalends
    from tests.edge import Edge
    from tests.postgres import Logins
    from tests.sync.world import World

COMMANDS = (
    ("status",),
    ("doctor",),
    ("changes",),
    ("events", "--calendar", "x"),
    ("calendars", "list"),
    ("connections", "list"),
    ("connections", "disconnect", "x", "--yes"),
    ("connect", "google"),
    ("links", "list"),
    ("links", "show", "x"),
    ("links", "create", "--source", "x", "--target", "y"),
    ("links", "pause", "x"),
    ("links", "resume", "x"),
    ("links", "delete", "x", "--keep-mirrors"),
    ("sync", "now"),
    ("held", "list"),
    ("held", "approve", "x"),
    ("held", "discard", "x"),
    ("tokens", "list"),
    ("tokens", "create", "x"),
    ("tokens", "revoke", "x"),
)


def told(text: str) -> list[str]:
    """The two lines, by what they begin with."""
    lines = text.splitlines()
    assert [line[:7] for line in lines] == ["error: ", "next:  "], text
    return lines


@contextmanager
def something_else(status: int, body: str, **headers: str) -> Iterator[str]:
    """A web server that is not Kalends."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            for name, value in {**headers, "content-length": str(len(body))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, *arguments: object) -> None:
            """Say nothing."""

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join(10)


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_nobody_gets_far_without_a_login(kalends: Kalends, command: tuple[str, ...]) -> None:
    lines = told(kalends(*command, code=1).err)

    assert lines == ["error: You are not logged in. (LOGIN.NONE)", "next:  Log in: kalends login --host URL"]


def test_a_host_that_is_out_of_reach_is_told_by_name(adas: Kalends) -> None:
    adas.config.write_text(json.dumps({**adas.login, "host": "http://127.0.0.1:9"}))

    lines = told(adas("status", code=3).err)

    assert lines[0].startswith("error: http://127.0.0.1:9 is out of reach: ")
    assert lines[0].endswith("(HOST.UNREACHABLE)")
    assert "http://127.0.0.1:9/healthz" in lines[1]


def test_a_revoked_token_asks_to_log_in_again(adas: Kalends, ada: Caller, served: Edge) -> None:
    (token,) = [one for one in ada.json("/api/tokens")["items"] if one["name"] == "tests"]
    ada.http.delete(f"/api/tokens/{token['id']}")

    assert told(adas("status", code=1).err) == [
        f"error: Your login at {served.base} is not valid any more. (AUTH.TOKEN_REFUSED)",
        f"next:  Log in again: kalends login --host {served.base}",
    ]


def test_a_closed_gate_is_told_while_status_still_answers(adas: Kalends, database: Database, link: Link) -> None:
    with database.everyone() as conn:
        gates.set_gate(conn, Operation.SYNC, opened=False, actor="test", reason="test", now=clock.now())

    lines = told(adas("links", "list", code=1).err)

    assert "CALENDAR_SYNC_ENABLED is off" in lines[0]
    assert lines[0].endswith("(GATE.CLOSED)")
    assert "kalends status" in lines[1]
    assert "! CALENDAR_SYNC_ENABLED is off" in adas("status").out


def test_what_only_administrators_may_is_told(adas: Kalends) -> None:
    lines = told(adas("doctor", code=1).err)

    assert lines[0].endswith("(AUTH.ROLE)")


def test_the_doctor_answers_an_administrator(kalends: Kalends, served: Edge, ada: Caller, world: World) -> None:
    world.rows("UPDATE profiles SET role = 'admin' RETURNING 1")
    kalends("login", "--host", served.base, "--token", ada.token)

    sick = kalends("doctor", code=1)

    assert "OAUTH_APP.MISSING" in sick.out
    assert kalends("doctor", "--json", code=1).json == ada.json("/api/doctor")


def test_a_failure_of_the_server_names_its_request(adas: Kalends, logins: Logins) -> None:
    with psycopg.connect(logins.owner) as conn:
        conn.execute("ALTER TABLE links RENAME TO somewhere_else")

    lines = told(adas("links", "list", code=1).err)

    assert re.search(r"tell the operator: request [\w-]+$", lines[1])


@pytest.mark.parametrize(
    ("status", "body"),
    [(200, "<html>"), (404, "not here"), (502, ""), (500, '{"error": 1}'), (301, ""), (200, "")],
)
def test_a_host_that_is_not_kalends_is_found_out_before_a_password_is_sent(
    kalends: Kalends, status: int, body: str
) -> None:
    with something_else(status, body, location="https://elsewhere.example") as host:
        ran = kalends("login", "--host", host, input="ada@example.com\nplanted password\n", code=1)

    assert told(ran.err)[0] == f"error: {host} answered {status}, and not as Kalends does. (HOST.NOT_KALENDS)"


def test_a_defect_of_the_command_line_shows_no_stack(
    kalends: Kalends, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken() -> object:
        raise LookupError("with Bearer abcdef123456\nand more")

    monkeypatch.setattr(cli, "application", broken)
    with pytest.raises(SystemExit) as ended:
        cli.main()

    lines = told(capsys.readouterr().err)
    assert ended.value.code == 1
    assert lines[0] == "error: kalends itself failed: LookupError: with Bearer [REDACTED] (CLI.INTERNAL)"
    monkeypatch.setenv("KALENDS_TRACEBACK", "1")
    with pytest.raises(LookupError):
        cli.main()
