"""A calendar that somebody publishes as a feed: one text."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.matrix import series
from tests.matrix.places import icalendar_text
from tests.net.server import say

if TYPE_CHECKING:
    from datetime import date

    from tests.matrix.series import Case, Occurrence
    from tests.net.server import Server

PATH = "/private-secret/basic.ics"
_HEAD = "BEGIN:VCALENDAR\r\n"


class FeedPlace:
    """A feed on a server that really listens. What is entered stands in it once it is published."""

    calendar_id = ""

    def __init__(self, server: Server) -> None:
        self.address = server.url(PATH, host="127.0.0.1")
        self._server = server
        self._texts: list[str] = []

    def enter(self, case: Case) -> list[str]:
        """Add the case's components."""
        components = [one for number in range(len(case.series)) for one in icalendar_text.events(case, number)]
        self._texts.append(icalendar_text.calendar(components, windows_zone=case.windows_zone))
        self.publish()
        return icalendar_text.uids(case)

    def publish(self) -> None:
        """Serve one calendar of all components; the same time zone is described once."""
        described: dict[str, str] = {}
        parts: list[str] = []
        for text in self._texts:
            begin, end = text.index("BEGIN:VEVENT"), text.rindex("END:VCALENDAR")
            if "BEGIN:VTIMEZONE" in text:
                at = text.index("BEGIN:VTIMEZONE")
                zones = text[at : text.rindex("END:VTIMEZONE") + len("END:VTIMEZONE\r\n")]
                described[zones.partition("TZID:")[2].partition("\r\n")[0]] = zones
                parts.append(text[begin:end].replace(zones, ""))
            else:
                parts.append(text[begin:end])
        head = f"{_HEAD}VERSION:2.0\r\nPRODID:-//Somebody//EN\r\nX-WR-CALNAME:Feed\r\nX-WR-TIMEZONE:{series.HOME}\r\n"
        self.text = head + "".join(described.values()) + "".join(parts) + "END:VCALENDAR\r\n"
        self._server.answers[PATH] = say(self.text.encode(), Content_Type="text/calendar; charset=utf-8")

    def read(self, first: date, last: date) -> list[Occurrence]:
        """What a subscriber sees."""
        return series.inside(icalendar_text.occurrences(self.text, last), first, last)
