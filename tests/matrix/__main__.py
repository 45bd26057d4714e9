"""`python -m tests.matrix`: the recurrence corpus on every ordered pair of providers, printed as a table."""

from __future__ import annotations

import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

from tests import postgres, radicale
from tests.matrix import run, table


def main() -> int:
    """Sync, compare, print; 1 when a cell is wrong."""
    began = time.monotonic()

    def say(what: str) -> None:
        print(f"{time.monotonic() - began:5.1f} s  {what}", file=sys.stderr, flush=True)

    with ExitStack() as stack:
        say("starting PostgreSQL, Radicale and the simulators")
        logins = stack.enter_context(stack.enter_context(postgres.serve()).database())
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        base = stack.enter_context(radicale.running(folder, users={radicale.USER: radicale.PASSWORD}))
        matrix = run.one_way(stack.enter_context(run.home(logins, base)), say=say)
    say("done")
    print("\n".join(table.lines(matrix)), flush=True)
    return int(table.is_wrong(matrix))


if __name__ == "__main__":
    sys.exit(main())
