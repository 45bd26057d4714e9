"""A small feed at a secret address, for tests of how feeds are connected."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from tests.net.server import running, say

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.net.server import Server

PATH = "/private-secret/basic.ics"
MOVED = "/private-other/basic.ics"
TEXT = (
    b"BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//Somebody//EN\r\nX-WR-CALNAME:Team\r\nBEGIN:VEVENT\r\nUID:lunch\r\n"
    b"DTSTART:20300302T110000Z\r\nDTEND:20300302T120000Z\r\nSUMMARY:Lunch\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
)


@contextmanager
def published() -> Iterator[Server]:
    """It stands at PATH, and at MOVED; elsewhere nothing does."""
    with running() as server:
        for path in (PATH, MOVED):
            server.answers[path] = say(TEXT, Content_Type="text/calendar")
        yield server
