"""A calendar at a CalDAV server: a resource for each series."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import caldav
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
        self._client = caldav.DAVClient(url=address, username=auth[0], password=auth[1])
        self._known: dict[str, str] = {}

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
        self._known = {}
        answer = self._http.get(self.address)
        answer.raise_for_status()
        return series.inside(icalendar_text.occurrences(answer.text, last), first, last)

    def move(self, one: Occurrence, by: timedelta) -> None:
        """Add an override to the resource, or change the event in it."""
        address, text = self._resource(one)
        self._store(address, icalendar_text.moved(text, one, by))

    def cancel(self, one: Occurrence) -> None:
        """Add an EXDATE to the resource, or delete it."""
        address, text = self._resource(one)
        rest = icalendar_text.without(text, one)
        if rest is None:
            self._http.delete(address).raise_for_status()
            del self._known[address]
        else:
            self._store(address, rest)

    def rename(self, title: str, new: str) -> bool:
        """Change the summary of what is no override."""
        found = [(address, text) for address, text in self._resources() if icalendar_text.titled(text, title)]
        if len(found) == 1:
            self._store(found[0][0], icalendar_text.renamed(found[0][1], new))
        return len(found) == 1

    def is_series(self, title: str) -> bool:
        """Whether it has a rule or dates."""
        called = [text for _, text in self._resources() if icalendar_text.titled(text, title)]
        return any("\nRRULE" in text or "\nRDATE" in text for text in called)

    def _resource(self, one: Occurrence) -> tuple[str, str]:
        day = one.start.date() if isinstance(one.start, datetime) else one.start
        (found,) = [
            (address, text)
            for address, text in self._resources()
            if f"SUMMARY:{one.title}" in text and one in icalendar_text.occurrences(text, day + timedelta(days=2))
        ]
        return found

    def _resources(self) -> list[tuple[str, str]]:
        if not self._known:
            listed = self._client.calendar(url=self.address).events()
            self._known = {str(event.url): str(event.data).replace("\r\n ", "").replace("\n ", "") for event in listed}
        return list(self._known.items())

    def _store(self, address: str, text: str) -> None:
        headers = {"content-type": "text/calendar; charset=utf-8"}
        self._http.put(address, content=text.encode(), headers=headers).raise_for_status()
        self._known[address] = text

    def close(self) -> None:
        """Let go of the connection."""
        self._http.close()
