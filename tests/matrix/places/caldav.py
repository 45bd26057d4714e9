"""A calendar at a CalDAV server: a resource for each series."""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx

from tests.matrix import series
from tests.matrix.places import icalendar_text

if TYPE_CHECKING:
    from datetime import date

    from tests.matrix.series import Case, Occurrence


class CalDavPlace:
    """`address` is that of the collection."""

    def __init__(self, address: str, *, calendar_id: str, auth: tuple[str, str]) -> None:
        self.address, self.calendar_id = address, calendar_id
        self._http = httpx.Client(auth=auth, timeout=30)

    def enter(self, case: Case) -> list[str]:
        """Store the resources."""
        names = [f"{uid}.ics" for uid in icalendar_text.uids(case)]
        for number, name in enumerate(names):
            text = icalendar_text.calendar(icalendar_text.events(case, number), windows_zone=case.windows_zone)
            self.put(name, text)
        return names

    def put(self, name: str, text: str) -> None:
        """Store a resource as it is written."""
        headers = {"content-type": "text/calendar; charset=utf-8"}
        self._http.put(f"{self.address}{name}", content=text.encode(), headers=headers).raise_for_status()

    def read(self, first: date, last: date) -> list[Occurrence]:
        """The whole collection as one calendar, expanded by a client that knows RFC 5545."""
        answer = self._http.get(self.address)
        answer.raise_for_status()
        return series.inside(icalendar_text.occurrences(answer.text, last), first, last)

    def close(self) -> None:
        """Let go of the connection."""
        self._http.close()
