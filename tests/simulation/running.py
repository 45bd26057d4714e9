"""Histories in a row: one after the other, in as many processes as asked for."""

from __future__ import annotations

import json
import multiprocessing
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from tests.simulation import store, storm

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from multiprocessing.queues import SimpleQueue

    from tests.simulation.history import Report
    from tests.simulation.storm import Has

KEPT = Path(__file__).parent / "seeds.txt"


def replay(seed: int, *, has: Sequence[str] | None = None, trace: bool) -> int:
    """One history, printed; with what it `has`, if that is not what is drawn."""
    with store.serve() as served:
        started = time.perf_counter()
        report = storm.run(served, seed, has=storm.Has.of(has) if has else None, keep_trace=trace)
        seconds = time.perf_counter() - started
    print(*report.lines, sep="\n", end="\n" if report.lines else "")
    print(json.dumps({"seed": seed, "digest": report.digest, "seconds": round(seconds, 2), "faults": report.faults}))
    print(*report.findings, sep="\n", end="\n" if report.findings else "")
    return bool(report.findings)


def several(seeds: Sequence[int], *, processes: int) -> int:
    """Many histories: progress, then the sums as one line of JSON."""
    started = time.perf_counter()
    faults: Counter[str] = Counter()
    writes = mirrors = done = 0
    failed: list[int] = []
    for report in _reports(seeds, processes=processes):
        done += 1
        faults.update(report.faults)
        writes += report.writes
        mirrors += report.mirrors
        if report.findings:
            failed.append(report.seed)
            print(f"seed {report.seed}: {'; '.join(report.findings[:4])}", flush=True)
            print(f"  replay it: python -m tests.simulation --seed {report.seed} --trace", flush=True)
        if done % 50 == 0:
            per = (time.perf_counter() - started) / done
            print(f"{done} of {len(seeds)} histories, {per:.2f} s each, {faults.total()} faults", flush=True)
    if failed:
        _keep(failed)
    result = {
        "ok": not failed,
        "seeds": done,
        "faults": faults.total(),
        "writes": writes,
        "violations": len(failed),
        "mirrors": mirrors,
        "kinds_of_faults": len(faults),
        "seconds": round(time.perf_counter() - started, 1),
    }
    if failed:
        result["failed"] = sorted(failed)
    print(json.dumps(result))
    return bool(failed)


def kept() -> dict[int, Has | None]:
    """Seeds that once found something, and what their histories had; None: what is drawn."""
    lines = KEPT.read_text("utf-8").splitlines() if KEPT.exists() else []
    found = [line.split() for line in lines if line.strip() and not line.startswith("#")]
    return {int(seed): storm.Has.of(how) if how else None for seed, *how in found}


def _keep(seeds: Sequence[int]) -> None:
    known = set(kept())
    with KEPT.open("a", encoding="utf-8") as file:
        for seed in seeds:
            if seed not in known:
                file.write(f"{seed}\n")


def _reports(seeds: Sequence[int], *, processes: int) -> Iterator[Report]:
    if processes == 1:
        with store.serve() as served:
            for seed in seeds:
                yield storm.run(served, seed)
        return
    context = multiprocessing.get_context("spawn")
    answers: SimpleQueue[Report | None] = context.SimpleQueue()
    workers = [
        context.Process(target=_work, args=(seeds[number::processes], answers), daemon=True)
        for number in range(processes)
    ]
    for worker in workers:
        worker.start()
    working = len(workers)
    while working:
        report = answers.get()
        if report is None:
            working -= 1
        else:
            yield report
    for worker in workers:
        worker.join()


def _work(seeds: Sequence[int], answers: SimpleQueue[Report | None]) -> None:
    try:
        for report in _reports(seeds, processes=1):
            answers.put(report)
    finally:
        answers.put(None)
