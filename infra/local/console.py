"""What the local cloud says while it works: one line per step, with its time."""

from __future__ import annotations

import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


class StartError(Exception):
    """The local cloud cannot start or go on; the message says what to do about it."""


class Step:
    """A step under way; what it finds out is printed behind its name."""

    def __init__(self) -> None:
        self.found = ""


@contextmanager
def step(name: str) -> Iterator[Step]:
    """Name a step when it begins, and its time and finding when it ends."""
    started, current = time.monotonic(), Step()
    if sys.stdout.isatty():
        print(f"  {name:<42}", end="", flush=True)
    try:
        yield current
    except BaseException:
        if sys.stdout.isatty():
            print()
        raise
    begun = "" if sys.stdout.isatty() else f"  {name:<42}"
    print(f"{begun}{time.monotonic() - started:5.1f} s  {current.found}".rstrip(), flush=True)


def say(line: str = "") -> None:
    """Print a line now."""
    print(line, flush=True)
