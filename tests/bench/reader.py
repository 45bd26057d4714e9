"""A reader in a process of its own, so that its memory is its own: `python -m tests.bench.reader WHO JOB`.

WHO is `kalends` or `gcal-sync`; JOB is JSON of what `reading` made. Prints JSON: seconds and processor seconds of
reading everything, peak MB after it, and the milliseconds of each of some reads after ten changes.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from http.client import HTTPConnection
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

type Job = dict[str, Any]


def kalends(job: Job) -> Job:
    """Pull through the Google adapter into PostgreSQL, as a worker does."""
    from shared.store.database import Database
    from tests.bench.world import World

    database = Database(job["database"])
    world = World.at_google(database, base=job["base"], token=job["token"])
    calendar, other = world.calendar(job["calendar"]), world.calendar("another")
    if job["privacy"]:
        world.connect(calendar, other, privacy=job["privacy"])
    else:  # a target is read and nothing follows
        world.connect(other, calendar, privacy="busy")
    began = time.perf_counter(), time.process_time()
    world.read(calendar)
    found = _cost(job, *began)
    world.ask(calendar)
    world.read(calendar)  # the look that a new channel asks for, which finds what overlaps
    _analyse(job)
    changes, before = [], _requests(job)
    for _ in _changed(job):
        world.ask(calendar)
        started = time.perf_counter()
        world.read(calendar)
        changes.append(1000 * (time.perf_counter() - started))
    ((stored,),) = world.rows("SELECT count(*) FROM external_calendar_events WHERE calendar_id = %s", calendar)
    database.close()
    return {**found, "changes": changes, "requests_of_changes": _requests(job) - before, "events": stored}


def _analyse(job: Job) -> None:
    """What autovacuum does within a minute: the tests' server has none."""
    import psycopg

    with psycopg.connect(job["owner"]) as conn:
        conn.execute("ANALYZE external_calendar_events, event_mappings, event_times, double_bookings")


def gcal_sync(job: Job) -> Job:
    """Read with gcal-sync into its store in memory."""
    return asyncio.run(_gcal_sync(job))


async def _gcal_sync(job: Job) -> Job:
    import aiohttp
    from gcal_sync.api import GoogleCalendarService
    from gcal_sync.auth import AbstractAuth
    from gcal_sync.store import InMemoryCalendarStore
    from gcal_sync.sync import CalendarEventSyncManager

    class Auth(AbstractAuth):
        async def async_get_access_token(self) -> str:
            return str(job["token"])

    async with aiohttp.ClientSession() as session:
        service = GoogleCalendarService(Auth(session, f"{job['base']}/calendar/v3"))
        store = InMemoryCalendarStore()
        manager = CalendarEventSyncManager(service, job["calendar"], store)
        began = time.perf_counter(), time.process_time()
        await manager.run()
        found = _cost(job, *began)
        changes, before = [], _requests(job)
        for _ in _changed(job):
            started = time.perf_counter()
            await manager.run()
            changes.append(1000 * (time.perf_counter() - started))
        (kept,) = ((await store.async_load()) or {})["event_sync"].values()
        return {
            **found,
            "changes": changes,
            "requests_of_changes": _requests(job) - before,
            "events": len(kept["items"]),
        }


def _cost(job: Job, wall: float, cpu: float) -> Job:
    seconds, processor = time.perf_counter() - wall, time.process_time() - cpu
    status = Path("/proc/self/status").read_text()
    kilobytes = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM"))
    return {
        "seconds": seconds,
        "processor_seconds": processor,
        "megabytes": kilobytes / 1024,
        "requests_of_import": _requests(job),
    }


def _changed(job: Job) -> Iterator[int]:
    """Before each turn the owner has changed other events."""
    each = job["changed"]
    for turn in range(len(job["events"]) // each):
        for event in job["events"][turn * each : (turn + 1) * each]:
            path = f"/calendars/{quote(job['calendar'], safe='')}/events/{event}"
            _sim(job, "PATCH", path, {"summary": f"Moved by {job['who']} {time.monotonic_ns()}"})
        yield turn


def _requests(job: Job) -> int:
    """How many calls the provider has had so far."""
    return sum(one["count"] for one in _sim(job, "GET", "/requests")["requests"] if "/_sim" not in one["route"])


def _sim(job: Job, method: str, path: str, body: Job | None = None) -> Any:
    """Call a /_sim route with nothing but the standard library: what a reader has loaded is measured."""
    http = HTTPConnection(urlsplit(job["base"]).netloc)
    http.request(method, f"/_sim{path}", body=json.dumps(body) if body else None)
    answer = http.getresponse()
    text = answer.read()
    http.close()
    if answer.status >= 300:
        raise RuntimeError(f"the simulator answers {answer.status} to {method} {path}")
    return json.loads(text)


WHO: dict[str, Callable[[Job], Job]] = {"kalends": kalends, "gcal-sync": gcal_sync}

if __name__ == "__main__":
    print(json.dumps(WHO[sys.argv[1]](json.loads(sys.argv[2]))))
