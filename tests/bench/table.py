"""What was measured, as rows: printed, kept in build/bench.json, shown in docs/performance.md."""

from __future__ import annotations

import json
import os
import platform
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from infra import ROOT

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

FILE = ROOT / "build" / "bench.json"
PAGE = ROOT / "docs" / "performance.md"

type Measured = dict[str, float]
"""Numbers by their unit: `{"s": 0.9, "requests": 4}`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One kind of work: what we need for it, what the peer needs, what the machine's limit is.

    `met` says whether the target is reached; None where there is none.
    """

    work: str
    ours: Measured
    peer: Measured = field(default_factory=dict)
    peer_name: str = ""
    limit: Measured = field(default_factory=dict)
    limit_name: str = ""
    target: str = ""
    met: bool | None = None

    def cells(self) -> tuple[str, str, str, str, str]:
        """The row as text."""
        verdict = {True: "met", False: "missed", None: ""}[self.met]
        target = f"{self.target}: {verdict}" if verdict else self.target
        return (
            self.work,
            text(self.ours),
            _named(self.peer_name, self.peer),
            _named(self.limit_name, self.limit),
            target,
        )


def text(measured: Measured) -> str:
    """Numbers with their units, with as many digits as mean something."""
    return ", ".join(f"{_number(value)} {unit}" for unit, value in measured.items())


def save(found: dict[str, Sequence[Row]], file: Path = FILE) -> None:
    """Keep what these benchmarks found; what others found before stays."""
    kept = load(file) if file.exists() else {"benchmarks": {}}
    now = datetime.now(UTC).isoformat(timespec="seconds")
    kept["machine"] = {
        "cores": os.process_cpu_count(),
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
    }
    for name, rows in found.items():
        kept["benchmarks"][name] = {
            "measured_at": now,
            "load": round(os.getloadavg()[0], 1),
            "rows": [asdict(row) for row in rows],
        }
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(kept, indent=2) + "\n")


def load(file: Path = FILE) -> dict[str, Any]:
    """What was kept. Raises FileNotFoundError before the first run."""
    found: dict[str, Any] = json.loads(file.read_text())
    return found


def shown(rows: Sequence[Row]) -> str:
    """Rows for a terminal: one line of the work, then what was measured, one below the other."""
    lines = []
    for row in rows:
        work, ours, peer, limit, target = row.cells()
        lines.append(work)
        for name, cell in (("ours", ours), ("peer", peer), ("limit", limit), ("target", target)):
            if cell:
                lines.append(f"  {name:<7}{cell}")
    return "\n".join(lines)


def write_docs(order: Sequence[str], *, file: Path = FILE, page: Path = PAGE) -> None:
    """Write the page from what was kept, benchmarks in this order. Raises FileNotFoundError before the first run."""
    kept = load(file)
    machine = kept["machine"]
    lines = [
        *_INTRODUCTION.format(**machine).splitlines(),
        "",
        "| work | ours | peer | limit | target |",
        "|---|---|---|---|---|",
    ]
    for name in order:
        benchmark = kept["benchmarks"].get(name, {"rows": []})
        lines += ["| " + " | ".join(Row(**row).cells()) + " |" for row in benchmark["rows"]]
    measured = sorted({one["measured_at"] for one in kept["benchmarks"].values()})
    loads = [one["load"] for one in kept["benchmarks"].values()]
    lines += [
        "",
        f"Measured between {measured[0]} and {measured[-1]}. The load average was {min(loads)} to {max(loads)} on "
        f"{machine['cores']} cores: above that number others were waiting too, and times are longer than they need be.",
        "",
        *_NOTES.splitlines(),
    ]
    page.write_text("\n".join(lines) + "\n")


def _named(name: str, measured: Measured) -> str:
    return ": ".join(part for part in (name, text(measured)) if part)


def _number(value: float) -> str:
    if value == int(value) or abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}"


_INTRODUCTION = """\
# Performance

`make bench` measures Kalends beside a peer and beside what the machine allows, in turn in the same run, and writes
`build/bench.json` and this page; it takes about five minutes. `.venv/bin/python -m tests.bench read` measures one of
its parts and leaves the page alone. Nothing here is a test: times drift with the machine, so compare within a row.

This run: {cores} cores, {system}, Python {python}, everything over loopback. Real providers add their own latency."""

_NOTES = """\
What the rows mean:

- *Google* is the simulator of `infra/local/simulators` in a process of its own; both readers read the same calendar,
  each in a process of its own, and the simulator's time is in both. *MB* is the highest resident memory of the
  reader's process, imports included.
- *gcal-sync* keeps what it reads in memory; ours is in PostgreSQL when the time ends. That PostgreSQL runs with the
  tests' settings: in memory, without waiting for a disk (`fsync = off`).
- *Cold* is the import of the handler with the layer as it is deployed, without Lambda's own start of the environment:
  milliseconds of processor time, and the peak of resident memory.
- *Copying* is a link's whole work: our engine reads both calendars, stores the events with their texts sealed, plans,
  journals and writes a mirror of each, in a process of its own; vdirsyncer's command keeps names, ETags and hashes in a
  file. What each needs to start is left out (of vdirsyncer, a sync of two empty calendars). The server is a stub that
  answers from memory, because Radicale takes longer with each event; the last row shows both at Radicale. Both write
  each event by itself, so neither can be faster than the bare writes.
- *One change to three mirrors* is from the plan, with the change read and stored, to the moment the last mirror stands
  at the provider, by its own clock; three processes write, as three Lambdas do.
- *The first look after our own writes*: a CalDAV server tells that all have changed. Those whose ETags are still those
  of our writes are not read again, but for series, in which somebody may have changed an occurrence before.
- *Webhook* is the whole handler, from the event of API Gateway to its answer, with a queue that answers at once.
- *Latency* is from the moment the source's provider accepted a person's change to the moment the target's provider
  accepted the mirror, by the simulators' own clocks, on the whole local cloud with its Lambdas, queues and database
  on the same cores.
- *While 10,000 events are copied*: both copies go into one Outlook mailbox, which Graph lets make four calls at a time
  and 10,000 in ten minutes. A copy of 10,000 events alone needs them all, so it lasts for a quarter of an hour, which
  is Graph's doing; what people change meanwhile goes first. *Refused* counts the calls that Graph answered 429.
- *Ten changes* is the median of a warm worker: statements that are repeated are prepared, from the sixth time on."""
