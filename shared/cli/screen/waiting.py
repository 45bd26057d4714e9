"""Long work: a moving line on a terminal, a line for each change without one. Always on standard error, and bounded."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from shared.cli.screen.output import note, plain

type Tell = Callable[[str, int, int], None]
"""How far it is: in words, how much is done, of how much (0: nobody knows)."""

INTERVAL = 1.0


@contextmanager
def progress() -> Iterator[Tell]:
    """Show how far something is."""
    if not sys.stderr.isatty():
        last = ""

        def line(words: str, done: int, total: int) -> None:
            nonlocal last
            shown = f"{words} ({done}/{total})" if total else words
            if shown != last:
                note(shown)
            last = shown

        yield line
        return
    columns = (SpinnerColumn(), TextColumn("{task.description}", markup=False), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=None)

        def move(words: str, done: int, total: int) -> None:
            bar.update(task, description=plain(words), completed=done, total=total or None)

        yield move


def until[T](look: Callable[[], T | None], *, seconds: float) -> T | None:
    """What `look` finds, asked once a second; None when `seconds` have passed without."""
    deadline = time.monotonic() + seconds
    while (found := look()) is None:
        if time.monotonic() >= deadline:
            return None
        time.sleep(INTERVAL)
    return found
