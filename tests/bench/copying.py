"""Copying a CalDAV calendar to another, and looking when nothing has changed: our whole engine beside vdirsyncer.

Both do the same work at the same server, in turn, each in a process of its own; what each needs to start is left out.
Ours reads both calendars, keeps the source's events with their texts sealed, plans, journals and writes a mirror of
each; vdirsyncer keeps names, ETags and hashes. Times are taken at a server that costs next to nothing (dav_server);
that both copy the same at a real one, Radicale shows, which takes longer with each event and so gets few.
"""

from __future__ import annotations

import base64
import json
import re
import resource
import subprocess
import sys
import time
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.client import HTTPConnection
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit
from uuid import uuid4

from infra import ROOT
from tests import radicale
from tests.bench.dav_server import COUNTS
from tests.bench.table import Row

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.bench.copier import Job
    from tests.bench.table import Measured
    from tests.postgres import Server

CHANGED = 10
COPY_SHARE, IDLE_SHARE = 3, 20
MOST_REQUESTS, MOST_KILOBYTES = 2, 5
_BARE = "the same writes alone, one after the other"
_STOP_SECONDS = 10
_SUMMARY = re.compile(r"^SUMMARY:(.*?)\r?$", re.MULTILINE)
_HREF = re.compile(r"href>([^<]+\.ics)<")
_ZONE = """\
BEGIN:VTIMEZONE
TZID:Europe/Zurich
BEGIN:DAYLIGHT
TZOFFSETFROM:+0100
TZOFFSETTO:+0200
TZNAME:CEST
DTSTART:19700329T020000
RRULE:FREQ=YEARLY;BYMONTH=3;BYDAY=-1SU
END:DAYLIGHT
BEGIN:STANDARD
TZOFFSETFROM:+0200
TZOFFSETTO:+0100
TZNAME:CET
DTSTART:19701025T030000
RRULE:FREQ=YEARLY;BYMONTH=10;BYDAY=-1SU
END:STANDARD
END:VTIMEZONE
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """A CalDAV server that is running."""

    base: str
    name: str
    is_counted: bool
    headers: dict[str, str] = field(default_factory=dict)

    def ask(self, method: str, address: str, body: str = "", **headers: str) -> str:
        """One request, which must succeed."""
        with closing(HTTPConnection(urlsplit(self.base).netloc)) as http:
            return self._ask(http, method, address, body, headers)

    def calendar(self, *, events: int = 0) -> str:
        """A new calendar with so many events of the coming year; answers its address."""
        address = f"{self.base}/{radicale.USER}/{uuid4().hex}/"
        self.ask("MKCALENDAR", address, radicale.MKCALENDAR.format(name="Measured"))
        self.put({resource_of(address, number): text(number) for number in range(events)})
        return address

    def put(self, texts: dict[str, str]) -> None:
        """The owner writes events, by their addresses."""
        with closing(HTTPConnection(urlsplit(self.base).netloc)) as http:
            for address, body in texts.items():
                self._ask(http, "PUT", address, body, {"content-type": "text/calendar"})

    def titles(self, address: str) -> list[str]:
        """The titles of all events in a calendar, sorted."""
        hrefs = _HREF.findall(self.ask("PROPFIND", address, '<propfind xmlns="DAV:"><prop/></propfind>', depth="1"))
        body = (
            '<C:calendar-multiget xmlns:D="DAV:" xmlns:C="urn:ietf:params:xml:ns:caldav"><D:prop><C:calendar-data/>'
            f"</D:prop>{''.join(f'<D:href>{href}</D:href>' for href in hrefs)}</C:calendar-multiget>"
        )
        found = self.ask("REPORT", address, body, depth="1").replace("&#13;", "\r").replace("\r\n ", "")
        return sorted(_SUMMARY.findall(found))

    def _ask(self, http: HTTPConnection, method: str, address: str, body: str, headers: dict[str, str]) -> str:
        path = urlsplit(address).path or address
        http.request(method, path, body=body.encode() if body else None, headers=self.headers | headers)
        answer = http.getresponse()
        text = answer.read().decode()
        if answer.status >= 300:
            raise RuntimeError(f"{self.name} answers {answer.status} to {method} {path}")
        return text


def measure(server: Server, *, sizes: tuple[int, ...] = (1_000, 5_000), runs: int = 2, few: int = 100) -> list[Row]:
    """Both in turn for each size, `runs` times, then once at Radicale; the best of each counts."""
    rows: list[Row] = []
    with stub() as site:
        for size in sizes:
            ours, peer, bare = _in_turn(server, site, size, runs)
            rows.append(_copied(size, ours, peer, bare))
            if size == max(sizes):
                rows += _looked(size, ours, peer)
    with at_radicale() as site:
        ours, peer, bare = _in_turn(server, site, few, 1)
        rows.append(
            Row(
                work=f"copy {few:,} events from calendar to calendar at Radicale",
                ours=_shown(ours["copy"]),
                peer=_shown(peer["copy"]),
                peer_name="vdirsyncer",
                limit=bare,
                limit_name=_BARE,
            )
        )
    return rows


@contextmanager
def stub() -> Iterator[Site]:
    """The server that costs next to nothing, in a process of its own."""
    command = [sys.executable, "-m", "tests.bench.dav_server"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield Site(base=process.stdout.readline().strip(), name="the stub", is_counted=True)
        finally:
            process.terminate()
            process.wait(_STOP_SECONDS)


@contextmanager
def at_radicale() -> Iterator[Site]:
    """A real server."""
    secret = base64.b64encode(f"{radicale.USER}:{radicale.PASSWORD}".encode()).decode()
    with (
        TemporaryDirectory(prefix="kalends bench ") as folder,
        radicale.running(Path(folder), users={radicale.USER: radicale.PASSWORD}) as base,
    ):
        yield Site(base=base, name="Radicale", is_counted=False, headers={"authorization": f"Basic {secret}"})


def text(number: int, title: str = "") -> str:
    """An event such as people have: some all day, some weekly, most of them once; about 1.2 KB, its zone included."""
    start = (datetime.now(UTC) + timedelta(days=1 + number % 340)).replace(hour=7 + number % 11, minute=0, second=0)
    times = f"DTSTART;TZID=Europe/Zurich:{start:%Y%m%dT%H%M%S}\nDURATION:PT45M\n"
    if number % 10 == 0:
        times = f"DTSTART;VALUE=DATE:{start:%Y%m%d}\n"
    if number % 10 == 1:
        times += "RRULE:FREQ=WEEKLY;COUNT=12\n"
    return (
        f"BEGIN:VCALENDAR\nVERSION:2.0\nPRODID:-//Somebody//EN\n{'' if number % 10 == 0 else _ZONE}BEGIN:VEVENT\n"
        f"UID:measured-{number}\nDTSTAMP:20260101T000000Z\n{times}"
        f"SUMMARY:{title or f'Review {number} with the team'}\nLOCATION:Main Street 1\\, 8000 Zürich\n"
        f"DESCRIPTION:Agenda of meeting {number}.{'\n  What was decided, by whom, and until when.' * 8}\n"
        "END:VEVENT\nEND:VCALENDAR\n"
    ).replace("\n", "\r\n")


def resource_of(address: str, number: int) -> str:
    """The address of an event."""
    return f"{address}measured-{number}.ics"


def _in_turn(server: Server, site: Site, size: int, runs: int) -> tuple[Job, Job, Measured]:
    """Ours, vdirsyncer's, and what it takes to write as many events when they are all at hand."""
    ours: list[Job] = []
    peer: list[Job] = []
    bare: list[float] = []
    for _ in range(runs):
        for kept, who in ((ours, _kalends), (peer, lambda *job: _vdirsyncer(*job[1:]))):
            began = time.perf_counter()
            source = site.calendar(events=size)
            bare.append(time.perf_counter() - began)
            target = site.calendar()
            kept.append(who(server, site, source, target))
            if site.titles(source) != site.titles(target):
                raise RuntimeError(f"{size} events were not copied as they are at {site.name}")
    return _best(ours), _best(peer), {"s": min(bare), "requests": size}


def _kalends(server: Server, site: Site, source: str, target: str) -> Job:
    with server.database() as logins:
        job: Job = {
            "base": site.base,
            "is_counted": site.is_counted,
            "headers": site.headers | {"content-type": "text/calendar"},
            "username": radicale.USER,
            "password": radicale.PASSWORD,
            "database": logins.runtime,
            "source": source,
            "target": target,
            "changes": _changes(source, "ours"),
        }
        ran = subprocess.run(
            [sys.executable, "-m", "tests.bench.copier"],
            cwd=ROOT,
            input=json.dumps(job),
            capture_output=True,
            text=True,
            check=False,
        )
    if ran.returncode:
        raise RuntimeError(f"the copy failed:\n{ran.stderr}")
    found: Job = json.loads(ran.stdout)
    return found


def _vdirsyncer(site: Site, source: str, target: str) -> Job:
    """Its own command, as people run it; a sync of two empty calendars tells what its start takes."""
    with TemporaryDirectory(prefix="kalends bench ") as folder:
        empty = _run(site, _configured(Path(folder), "empty", site.calendar(), site.calendar()))
        config = _configured(Path(folder), "full", source, target)
        found = {"copy": _run(site, config), "idle": _run(site, config)}
        site.put(_changes(source, "theirs"))
        found["changes"] = _run(site, config)
    return {
        kind: {name: value - empty[name] if name in ("s", "processor s") else value for name, value in took.items()}
        for kind, took in found.items()
    }


def _changes(source: str, who: str) -> dict[str, str]:
    """What the owner of the source changes."""
    return {resource_of(source, number): text(number, f"Moved {number} by {who}") for number in range(CHANGED)}


def _configured(folder: Path, name: str, source: str, target: str) -> Path:
    storages = "".join(
        f'[storage {side}]\ntype = "caldav"\nurl = "{address}"\n'
        f'username = "{radicale.USER}"\npassword = "{radicale.PASSWORD}"\n'
        for side, address in (("one", source), ("two", target))
    )
    config = folder / name
    config.write_text(
        f'[general]\nstatus_path = "{folder}/{name} status"\n'
        f'[pair both]\na = "one"\nb = "two"\ncollections = null\n{storages}'
    )
    _call(config, "discover")
    return config


def _run(site: Site, config: Path) -> Job:
    if site.is_counted:
        site.ask("POST", COUNTS)
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    _call(config, "sync")
    took, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    processor = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    counts: dict[str, Any] = json.loads(site.ask("GET", COUNTS)) if site.is_counted else {}
    return {"s": took, "processor s": processor} | {
        name: counts[name] for name in ("requests", "octets") if name in counts
    }


def _call(config: Path, command: str) -> None:
    ran = subprocess.run(
        [str(Path(sys.executable).parent / "vdirsyncer"), "--config", str(config), command],
        capture_output=True,
        text=True,
        input="",
        check=False,
    )
    if ran.returncode:
        raise RuntimeError(f"vdirsyncer {command} failed:\n{ran.stderr}")


def _best(runs: list[Job]) -> Job:
    """The fastest run of each kind of work."""
    return {kind: min((run[kind] for run in runs), key=lambda one: float(one["s"])) for kind in runs[0]}


def _copied(size: int, ours: Job, peer: Job, bare: Measured) -> Row:
    return Row(
        work=f"copy {size:,} events from CalDAV calendar to calendar",
        ours=_shown(ours["copy"]),
        peer=_shown(peer["copy"]),
        peer_name="vdirsyncer",
        limit=bare,
        limit_name=_BARE,
        target=f"1/{COPY_SHARE} of vdirsyncer's time",
        met=ours["copy"]["s"] * COPY_SHARE <= peer["copy"]["s"],
    )


def _looked(size: int, ours: Job, peer: Job) -> list[Row]:
    idle, theirs = ours["idle"], peer["idle"]
    is_small = idle["requests"] <= MOST_REQUESTS and idle["octets"] <= 1000 * MOST_KILOBYTES
    return [
        Row(work=f"the first look after {size:,} of our own writes", ours=_shown(ours["own writes"])),
        Row(
            work=f"sync of {size:,} events of which none has changed",
            ours=_shown(idle),
            peer=_shown(theirs),
            peer_name="vdirsyncer",
            limit={"requests": 2},
            limit_name="one question to each calendar",
            target=f"{MOST_REQUESTS} requests, {MOST_KILOBYTES} kB, 1/{IDLE_SHARE} of vdirsyncer's time",
            met=is_small and idle["s"] * IDLE_SHARE <= theirs["s"],
        ),
        Row(
            work=f"{CHANGED} changes of {size:,} carried over",
            ours=_shown(ours["changes"]),
            peer=_shown(peer["changes"]),
            peer_name="vdirsyncer",
        ),
    ]


def _shown(took: Job) -> Measured:
    found: Measured = {name: value for name, value in took.items() if name != "octets"}
    return found | ({"kB": took["octets"] / 1000} if "octets" in took else {})
