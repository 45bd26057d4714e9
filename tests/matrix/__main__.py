"""`python -m tests.matrix`: the recurrence corpus on every ordered pair of providers, printed as a table."""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

from tests import postgres, radicale
from tests.matrix import run, table, two_way


def main() -> int:
    """Sync, compare, print; 1 when a cell is wrong."""
    parser = argparse.ArgumentParser(prog="python -m tests.matrix", description=__doc__)
    parser.add_argument("--one-way", action="store_true", help="without the calendars that are linked both ways")
    options = parser.parse_args()
    began = time.monotonic()

    def say(what: str) -> None:
        print(f"{time.monotonic() - began:5.1f} s  {what}", file=sys.stderr, flush=True)

    with ExitStack() as stack:
        say("starting PostgreSQL, Radicale and the simulators")
        logins = stack.enter_context(stack.enter_context(postgres.serve()).database())
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        base = stack.enter_context(radicale.running(folder, users={radicale.USER: radicale.PASSWORD}))
        home = stack.enter_context(run.home(logins, base))
        found = {"one way": run.one_way(home, say=say)}
        if not options.one_way:
            found["both ways"] = two_way.two_way(home, say=say)
    say("done")
    for name, matrix in found.items():
        print("\n".join([name, *table.lines(matrix), ""]), flush=True)
    return int(any(map(table.is_wrong, found.values())))


if __name__ == "__main__":
    sys.exit(main())
