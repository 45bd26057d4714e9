"""A real CalDAV server: Radicale, as a process of its own with a folder that goes with it."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import httpx

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

USER = "pat@example.com"
PASSWORD = "app-password"
_CONFIG = """
[server]
hosts = 127.0.0.1:{port}
max_connections = 50
[auth]
type = htpasswd
htpasswd_filename = {folder}/users
htpasswd_encryption = plain
delay = 0
[storage]
filesystem_folder = {folder}/collections
[logging]
level = {level}
"""
MKCALENDAR = """<?xml version="1.0" encoding="utf-8"?>
<C:mkcalendar xmlns:D="DAV:" xmlns:C="urn:ietf:params:xml:ns:caldav"><D:set><D:prop>
<D:displayname>{name}</D:displayname>
<C:supported-calendar-component-set><C:comp name="VEVENT"/></C:supported-calendar-component-set>
<C:calendar-timezone>BEGIN:VCALENDAR&#13;
VERSION:2.0&#13;
BEGIN:VTIMEZONE&#13;
TZID:Europe/Berlin&#13;
END:VTIMEZONE&#13;
END:VCALENDAR&#13;
</C:calendar-timezone></D:prop></D:set></C:mkcalendar>"""


@contextmanager
def running(folder: Path, *, users: dict[str, str], level: str = "warning") -> Iterator[str]:
    """Serve these users (name -> password) on a free loopback port; answers the base address. At the level `info` its
    log tells every request."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    (folder / "users").write_text("".join(f"{name}:{password}\n" for name, password in users.items()))
    config = folder / "config"
    config.write_text(_CONFIG.format(port=port, folder=folder, level=level))
    with (folder / "log").open("w") as log:
        server = subprocess.Popen([sys.executable, "-m", "radicale", "--config", str(config)], stdout=log, stderr=log)
    base = f"http://127.0.0.1:{port}"
    try:
        _wait(base, server, folder)
        yield base
    finally:
        server.terminate()
        server.wait(timeout=10)


def make_calendar(base: str, user: str, name: str, *, password: str = PASSWORD, title: str = "") -> str:
    """A new empty calendar, called `title` or by its name; answers its address."""
    address = f"{base}/{user}/{name}/"
    body = MKCALENDAR.format(name=title or name.title())
    answer = httpx.request("MKCALENDAR", address, content=body, auth=(user, password))
    assert answer.status_code == httpx.codes.CREATED, answer.text
    return address


def _wait(base: str, server: subprocess.Popen[bytes], folder: Path) -> None:
    patience = time.monotonic() + 20
    while time.monotonic() < patience and server.poll() is None:
        try:
            httpx.get(f"{base}/.web/")
        except httpx.TransportError:
            time.sleep(0.05)
        else:
            return
    raise AssertionError(f"Radicale did not start: {(folder / 'log').read_text()}")
