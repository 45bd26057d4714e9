"""Our engine in a process of its own, copying one CalDAV calendar to another: `python -m tests.bench.copier JOB`.

JOB is JSON of what `copying` made. Prints JSON of what each kind of work took: seconds, processor seconds of this
process and of the database's, and requests and octets where the server counts them.
"""

from __future__ import annotations

import json
import sys
import time
from dataclasses import dataclass
from http.client import HTTPConnection
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import psutil

from shared.store.database import Database
from tests.bench.dav_server import COUNTS
from tests.bench.world import World

if TYPE_CHECKING:
    from collections.abc import Callable

type Job = dict[str, Any]

IDLE_TURNS = 7


@dataclass(slots=True)
class Meter:
    """What work takes."""

    base: str
    is_counted: bool
    database: psutil.Process

    def measure(self, work: Callable[[], None]) -> Job:
        """Do it, and tell what it took."""
        self._counts("POST")
        began, own, database = time.perf_counter(), time.process_time(), self._database_seconds()
        work()
        found = {
            "s": time.perf_counter() - began,
            "processor s": time.process_time() - own,
            "processor s of the database": self._database_seconds() - database,
        }
        return found | self._counts("GET")

    def _database_seconds(self) -> float:
        times = self.database.cpu_times()
        return float(times.user + times.system)

    def _counts(self, method: str) -> Job:
        if not self.is_counted:
            return {}
        http = HTTPConnection(urlsplit(self.base).netloc)
        http.request(method, COUNTS)
        found: Job = json.loads(http.getresponse().read())
        http.close()
        return {"requests": found.get("requests", 0), "octets": found.get("octets", 0)}


def copy(job: Job) -> Job:
    """A link, read and written to the end; the look that follows; looks at which nothing has changed; ten changes."""
    database = Database(job["database"])
    world = World.at_caldav(database, base=job["base"], username=job["username"], password=job["password"])
    source, target = world.calendar(job["source"]), world.calendar(job["target"])
    world.connect(source, target, privacy="full")
    ((backend,),) = world.rows("SELECT pg_backend_pid()")
    meter = Meter(job["base"], job["is_counted"], psutil.Process(backend))

    def whole() -> None:
        for one in (source, target):
            world.read(one)
        world.write(target)

    def look() -> None:
        world.ask(source, target)
        for one in (source, target):
            world.read(one)

    def follow() -> None:
        look()
        world.write(target)

    found = {"copy": meter.measure(whole), "own writes": meter.measure(look)}
    idle = sorted((meter.measure(look) for _ in range(IDLE_TURNS)), key=lambda one: float(one["s"]))
    found["idle"] = idle[IDLE_TURNS // 2]
    _put(job)
    found["changes"] = meter.measure(follow)
    database.close()
    return found


def _put(job: Job) -> None:
    """What the owner changes meanwhile."""
    http = HTTPConnection(urlsplit(job["base"]).netloc)
    for address, text in job["changes"].items():
        http.request("PUT", urlsplit(address).path, body=text.encode(), headers=job["headers"])
        http.getresponse().read()
    http.close()


if __name__ == "__main__":
    print(json.dumps(copy(json.loads(sys.stdin.read()))))
