"""`python -m tests.bench` measures everything and writes docs/performance.md; with names only these, and no page."""

from __future__ import annotations

import argparse
import json
import signal
import sys
from contextlib import ExitStack
from functools import cached_property
from typing import TYPE_CHECKING

from tests import postgres
from tests.bench import copying, google, handlers, latency, mirroring, reading, storing, table
from tests.e2e import cloud

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tests.bench.google import Google
    from tests.bench.table import Row
    from tests.postgres import Server


class Surroundings:
    """What benchmarks run on, started when first needed and stopped at the end."""

    def __init__(self, stack: ExitStack) -> None:
        self._stack = stack

    @cached_property
    def server(self) -> Server:
        """PostgreSQL."""
        return self._stack.enter_context(postgres.serve())

    @cached_property
    def google(self) -> Google:
        """A simulated Google."""
        return self._stack.enter_context(google.running())

    @cached_property
    def lane(self) -> latency.Lane:
        """Two linked calendars on a local cloud."""
        directory = self._stack.enter_context(cloud.folder())
        self._stack.enter_context(cloud.started(directory))
        return latency.Lane(json.loads((directory / "ready.json").read_text()))


BENCHMARKS: dict[str, Callable[[Surroundings], Sequence[Row]]] = {
    "read": lambda on: reading.measure(on.server, on.google),
    "store": lambda on: storing.measure(on.server, on.google),
    "mirrors": lambda on: mirroring.three(on.server, on.google),
    "series": lambda on: mirroring.series(on.server, on.google),
    "copy": lambda on: copying.measure(on.server),
    "webhook": lambda on: handlers.warm(on.server),
    "cold": lambda _: handlers.cold(),
    "latency": lambda on: latency.quiet(on.lane),
    "backfill": lambda on: latency.busy(on.lane),
}


def main() -> None:
    """Run what is asked for, one after the other; each is kept as soon as it is measured."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"some of: {', '.join(BENCHMARKS)}")
    names = parser.parse_args().names
    if unknown := set(names) - set(BENCHMARKS):
        parser.error(f"no such benchmark: {', '.join(sorted(unknown))}; there are {', '.join(BENCHMARKS)}")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # stop what was started, as after Ctrl-C
    for group in _groups(names or [*BENCHMARKS]):
        with ExitStack() as stack:
            on = Surroundings(stack)
            for name in group:
                rows = BENCHMARKS[name](on)
                print(table.shown(rows), flush=True)
                table.save({name: rows})
    if not names:
        table.write_docs([*BENCHMARKS])


def _groups(names: Sequence[str]) -> list[list[str]]:
    """What needs the local cloud comes last and by itself: nothing else may be running beside it."""
    on_cloud = [name for name in ("latency", "backfill") if name in names]
    if "backfill" in on_cloud and "latency" not in on_cloud:
        on_cloud = ["latency", *on_cloud]  # which links the calendars
    return [group for group in ([name for name in names if name not in on_cloud], on_cloud) if group]


if __name__ == "__main__":
    main()
