"""A CalDAV server, Radicale, as its person and its auditors reach it: by plain WebDAV, and by the server's own log."""

from __future__ import annotations

import re
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import islice
from secrets import token_hex
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote
from xml.etree import ElementTree
from zoneinfo import ZoneInfo

import httpx
import icalendar

from tests import radicale
from tests.smoke import seeding

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.smoke.seeding import Plan

type Resource = dict[str, Any]

PERSON = "a-person/1"
"""The User-Agent of the person's own program: every other one is a program that syncs."""
_DAV, _CALDAV = "{DAV:}", "{urn:ietf:params:xml:ns:caldav}"
_ALL = """<?xml version="1.0" encoding="utf-8"?>
<C:calendar-query xmlns:D="DAV:" xmlns:C="urn:ietf:params:xml:ns:caldav"><D:prop><C:calendar-data/></D:prop>
<C:filter><C:comp-filter name="VCALENDAR"/></C:filter></C:calendar-query>"""
_ASKED = re.compile(r"\[([^\]]+)\] \[\w+\] (PUT|DELETE) request for '([^']+)'.* using '([^']*)'")
_ANSWERED = re.compile(r"\[([^\]]+)\] \[\w+\] (PUT|DELETE) response status for '([^']+)'.*: (\d{3}) ")


@dataclass(slots=True, kw_only=True)
class Server:
    """One server with one person, who has an app password. What programs write is read from the server's log."""

    base: str
    user: str
    password: str
    log: Path
    provider: str = "caldav"
    http: httpx.Client = field(init=False)
    _read: int = 0
    _askers: dict[str, str] = field(default_factory=dict)
    _known: list[Resource] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.http = httpx.Client(auth=(self.user, self.password), headers={"User-Agent": PERSON}, timeout=30)

    def call(self, method: str, path: str, content: str = "", **headers: str) -> httpx.Response:
        """Send a request as the person does. Raises httpx.HTTPError when it is refused."""
        answer = self.http.request(method, self.base + path, content=content.encode(), headers=headers)
        return answer.raise_for_status()

    def writes(self, after: int, *, wait: float = 0, calendar: str = "") -> tuple[list[Resource], int]:
        """The writes numbered above `after` in a calendar or everywhere, waiting up to `wait` seconds for the first;
        and the newest number. Their times are those at which the log was read."""
        deadline = time.monotonic() + wait
        while True:
            self._read_on()
            found = [one for one in self._known[after:] if calendar in ("", one["calendar"])]
            if found or time.monotonic() >= deadline:
                return found, len(self._known)
            time.sleep(0.05)

    def last(self) -> int:
        """The number of the newest write."""
        self._read_on()
        return len(self._known)

    def writes_of(self, user: str) -> list[Resource]:
        """All writes to the person's calendars."""
        return [one for one in self.writes(0)[0] if one["calendar"].startswith(f"/{user}/")]

    def mail(self, user: str) -> list[Resource]:
        """What guests would have got: it sends none."""
        del user
        return []

    def delivered(self) -> int:
        """How many notifications were accepted: it sends none."""
        return 0

    def _read_on(self) -> None:
        with self.log.open("rb") as file:
            file.seek(self._read)
            whole, end, _ = file.read().rpartition(b"\n")
        self._read += len(whole) + len(end)
        for line in whole.decode(errors="replace").splitlines():
            if asked := _ASKED.search(line):
                self._askers[asked[1]] = asked[4]
            elif answered := _ANSWERED.search(line):
                agent = self._askers.pop(answered[1], "")
                if answered[4].startswith("2"):
                    self._known.append(_write(answered[2], answered[3], agent))


def _write(method: str, path: str, agent: str) -> Resource:
    folder, _, name = unquote(path).rpartition("/")
    return {
        "operation": {"PUT": "update", "DELETE": "delete"}[method],
        "calendar": f"{folder}/",
        "event": name.removesuffix(".ics"),
        "origin": "person" if agent == PERSON else "api",
        "client_id": agent,
        "at": datetime.now(UTC).isoformat(),
    }


@contextmanager
def serving(folder: Path) -> Iterator[Server]:
    """A server of the run's own on a free port of this machine, with a new person."""
    user, password = f"smoke-{token_hex(3)}@dav.example", f"app-{token_hex(12)}"
    with radicale.running(folder, users={user: password}, level="info") as base:
        yield Server(base=base, user=user, password=password, log=folder / "log")


@dataclass(frozen=True, slots=True, kw_only=True)
class Collection:
    """A calendar there, changed by the hand of its owner. An event's id is the name of its resource; `real` grows with
    what the owner adds."""

    simulator: Server
    calendar: str
    name: str
    real: set[str] = field(default_factory=set)

    @property
    def provider(self) -> str:
        """Whose calendar it is."""
        return self.simulator.provider

    @property
    def owner(self) -> str:
        """Who has it."""
        return self.simulator.user

    def items(self) -> list[Resource]:
        """Everything in it: ids and iCalendar texts."""
        answer = self.simulator.call("REPORT", self.calendar, _ALL, Depth="1")
        found = []
        for one in ElementTree.fromstring(answer.content).iter(f"{_DAV}response"):  # noqa: S314 - ours
            href, data = one.findtext(f"{_DAV}href"), one.findtext(f".//{_CALDAV}calendar-data")
            if href and data:
                found.append({"id": unquote(href).rpartition("/")[2].removesuffix(".ics"), "data": data})
        return found

    def add(self, plan: Plan) -> str:
        """Add an event; answers its id."""
        made = token_hex(10)
        self.real.add(made)
        self.put(made, plan)
        return made

    def put(self, event: str, plan: Plan) -> None:
        """Store the event as the plan has it."""
        self.simulator.call(
            "PUT", f"{self.calendar}{event}.ics", text(event, plan), **{"Content-Type": "text/calendar"}
        )

    def delete(self, event: str) -> None:
        """Delete an event or a whole series."""
        self.simulator.call("DELETE", f"{self.calendar}{event}.ics")

    def writes(self, after: int, *, wait: float = 0) -> tuple[list[Resource], int]:
        """The writes to this calendar numbered above `after`."""
        return self.simulator.writes(after, wait=wait, calendar=self.calendar)


def collection(server: Server, name: str) -> Collection:
    """A new calendar of the person."""
    folder = name.lower().replace(" ", "-")
    radicale.make_calendar(server.base, server.user, folder, password=server.password, title=name)
    return Collection(simulator=server, calendar=f"/{server.user}/{folder}/", name=name)


def text(uid: str, plan: Plan) -> str:
    """The plan as an iCalendar resource: occurrences that moved are in it, cancelled ones are left out by EXDATE."""
    calendar = icalendar.Calendar()
    calendar.add("version", "2.0")
    calendar.add("prodid", "-//A person//EN")
    master = _event(uid, plan, plan.start)
    calendar.add_component(master)
    if plan.rule:
        master["RRULE"] = icalendar.vRecur.from_ical(plan.rule)
        starts = list(islice(seeding.starts(plan), 1 + max((*plan.moved, *plan.cancelled), default=-1)))
        for number in plan.cancelled:
            master.add("exdate", _zoned(starts[number], plan.zone))
        for number, shift in plan.moved.items():
            override = _event(uid, plan, starts[number] + shift)
            override.add("recurrence-id", _zoned(starts[number], plan.zone))
            calendar.add_component(override)
    calendar.add_missing_timezones()
    return calendar.to_ical().decode()


def _event(uid: str, plan: Plan, start: Any) -> icalendar.Event:
    event = icalendar.Event()
    event.add("uid", uid)
    event.add("dtstamp", datetime.now(UTC))
    event.add("dtstart", _zoned(start, plan.zone))
    if plan.end != plan.start:  # what has no end ends when it starts (RFC 5545, 3.6.1)
        event.add("dtend", _zoned(start + (plan.end - plan.start), plan.zone))  # type: ignore[operator]
    event.add("summary", plan.title)
    if plan.description:
        event.add("description", plan.description)
    if plan.place:
        event.add("location", plan.place)
    event.add("status", "TENTATIVE" if plan.tentative else "CONFIRMED")
    event.add("transp", "TRANSPARENT" if plan.free else "OPAQUE")
    return event


def _zoned(moment: Any, zone: str) -> Any:
    return moment.replace(tzinfo=ZoneInfo(zone)) if isinstance(moment, datetime) else moment
