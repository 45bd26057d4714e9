"""Reading a whole calendar, and ten changes of it: ours into PostgreSQL, gcal-sync into memory, from one Google."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
from typing import TYPE_CHECKING

from infra import ROOT
from tests.bench.table import Row

if TYPE_CHECKING:
    from tests.bench.google import Google
    from tests.bench.reader import Job
    from tests.bench.table import Measured
    from tests.postgres import Server
    from tests.smoke.simulator import Agenda

CHANGED = 10
MOST_MEGABYTES = 90
MOST_MILLISECONDS = 8


def measure(
    server: Server, google: Google, *, events: int = 10_000, few: int = 1_000, runs: int = 2, turns: int = 15
) -> list[Row]:
    """Three readers in turn, `runs` times; the best run of each counts. The smaller calendar shows what size costs."""
    large, small = google.calendar("large", events=events), google.calendar("small", events=few)
    ours, planned, peer = [], [], []
    for _ in range(runs):
        ours.append(_read(server, google, large, "kalends", turns=turns))
        peer.append(_read(server, google, large, "gcal-sync", turns=turns))
        planned.append(_read(server, google, large, "kalends", privacy="full", turns=turns))
    in_small = _read(server, google, small, "kalends", privacy="full", turns=turns)
    in_large = _best(planned)
    read, mirrored, theirs = _import(ours), _import(planned), _import(peer)
    pages = -(-events // 2_500)
    return [
        Row(
            work=f"import {events:,} Google events into PostgreSQL",
            ours=read,
            peer=theirs,
            peer_name="gcal-sync, in memory",
            target=f"time of gcal-sync, {pages} requests, {MOST_MEGABYTES} MB",
            met=read["s"] <= theirs["s"] and read["requests"] <= pages and read["MB"] <= MOST_MEGABYTES,
        ),
        Row(
            work="the same, texts sealed and a mirror planned for each",
            ours=mirrored,
            peer=theirs,
            peer_name="gcal-sync, in memory",
        ),
        _row(f"{CHANGED} changes on {events:,}, mirrors planned", in_large, _best(peer)),
        _row(f"{CHANGED} changes on {few:,}, mirrors planned", in_small, {}),
    ]


def _row(work: str, ours: Job, peer: Job) -> Row:
    found = _changes(ours)
    return Row(
        work=work,
        ours=found,
        peer=_changes(peer) if peer else {},
        peer_name="gcal-sync, in memory" if peer else "",
        target=f"{MOST_MILLISECONDS} ms, 1 request",
        met=found["ms"] <= MOST_MILLISECONDS and found["requests"] <= 1,
    )


def _import(runs: list[Job]) -> Measured:
    best = _best(runs)
    return {
        "s": best["seconds"],
        "processor s": best["processor_seconds"],
        "requests": best["requests_of_import"],
        "MB": round(best["megabytes"]),
    }


def _changes(run: Job) -> Measured:
    turns = len(run["changes"])
    requests = run["requests_of_changes"] / turns
    return {"ms": statistics.median(run["changes"]), "requests": requests}


def _best(runs: list[Job]) -> Job:
    return min(runs, key=lambda run: float(run["seconds"]))


def _read(server: Server, google: Google, agenda: Agenda, who: str, *, turns: int, privacy: str = "") -> Job:
    """One reader from nothing, in a process and a database of its own."""
    google.simulator.call("POST", "/requests/reset", {})
    with server.database() as logins:
        job: Job = {
            "who": who,
            "base": google.base,
            "token": google.token,
            "calendar": agenda.calendar,
            "database": logins.runtime,
            "owner": logins.owner,
            "privacy": privacy,
            "events": sorted(agenda.real)[: turns * CHANGED],
            "changed": CHANGED,
        }
        ran = subprocess.run(
            [sys.executable, "-m", "tests.bench.reader", who, json.dumps(job)],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
    if ran.returncode:
        raise RuntimeError(f"the reader {who} failed:\n{ran.stderr}")
    found: Job = json.loads(ran.stdout)
    if found["events"] != len(agenda.real):
        raise RuntimeError(f"the reader {who} has {found['events']} events of {len(agenda.real)}")
    return found
