"""`make simulate SEEDS=n`: n histories of random edits, faults and crashes, judged; the last line is JSON."""

from __future__ import annotations

import argparse
import signal
import sys

from tests.simulation import running


def main() -> int:
    """0 if every promise held."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--seeds", type=int, default=200, help="how many histories")
    parser.add_argument("--first", type=int, default=1, help="the first seed")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--seed", type=int, help="this history alone")
    parser.add_argument("--has", help="what that history has, as seeds.txt names it: plain, or caldav,restores,privacy")
    parser.add_argument("--trace", action="store_true", help="print it: virtual time, who, what")
    given = parser.parse_args()
    if given.seeds < 1 or given.processes < 1:
        parser.error("--seeds and --processes are numbers from 1 on")
    if given.seed is not None:
        return running.replay(given.seed, has=given.has and given.has.split(","), trace=given.trace)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # as after Ctrl-C, the other processes end, too
    return running.several(range(given.first, given.first + given.seeds), processes=given.processes)


if __name__ == "__main__":
    sys.exit(main())
