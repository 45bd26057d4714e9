"""Lists and messages on standard output: tables for people, aligned text for pipes, JSON for programs."""

import json
import sys
import unicodedata
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Annotated, Any

import typer
from rich import box
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

AsJson = Annotated[bool, typer.Option("--json", help="Print the API's items as JSON, for programs.")]

NOTHING = "-"
_SHORTEST = 8
_STYLES = {
    **dict.fromkeys(("active", "current", "ok", "open", "approved"), "green"),
    **dict.fromkeys(("attention", "error", "needs_reauth", "vanished", "wrong", "closed"), "bold red"),
    **dict.fromkeys(("waiting", "reading", "copying", "behind", "paused", "deleting", "pending"), "yellow"),
    **dict.fromkeys(("disconnected", "disabled", "unlinked", "revoked", "expired", "discarded"), "dim"),
}
_TURNS = {"\u061c", "\u200e", "\u200f", *map(chr, range(0x202A, 0x202F)), *map(chr, range(0x2066, 0x206A))}


def plain(text: str) -> str:
    """`text` on one line, without what could steer the terminal or turn its neighbours around: titles are others'."""
    spaced = "".join(" " if one in "\t\r\n" else one for one in text)
    return "".join(one for one in spaced if unicodedata.category(one) != "Cc" and one not in _TURNS)


def say(text: str) -> None:
    """A message, as one line."""
    Console(soft_wrap=True, highlight=False, no_color=not sys.stdout.isatty()).print(Text(plain(text)))


def note(text: str) -> None:
    """A remark beside the result, on standard error."""
    Console(stderr=True, soft_wrap=True, highlight=False, no_color=not sys.stderr.isatty()).print(Text(plain(text)))


def count(number: int, thing: str) -> str:
    """So many things: `1 mirror`, `2 mirrors`."""
    return f"{number} {thing}{'' if number == 1 else 's'}"


def as_json(value: Any) -> None:
    """What the API answered."""
    sys.stdout.write(json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def table(columns: Sequence[str], rows: Iterable[Sequence[str | int]], *, empty: str, title: str = "") -> None:
    """A list. On a terminal a table that fits it, its state coloured; else aligned columns, cut nowhere.

    `empty` is said when there are no rows, on standard error: a pipe then gets nothing.
    """
    lines = [[plain(str(cell)) or NOTHING for cell in row] for row in rows]
    if not lines:
        note(empty)
        return
    if title:
        sys.stdout.write(f"\n{title}\n")
    if not sys.stdout.isatty():
        sys.stdout.write(aligned([[name.upper() for name in columns], *lines]))
        return
    drawn = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, header_style="bold")
    for name in columns:
        drawn.add_column(name, no_wrap=name == "id", overflow="fold")
    for line in lines:
        drawn.add_row(*(Text(cell, style=_style(name, cell)) for name, cell in zip(columns, line, strict=True)))
    Console(highlight=False).print(drawn)


def facts(rows: Iterable[tuple[str, Any]]) -> None:
    """What is known of one thing, a line each."""
    sys.stdout.write(aligned([(f"{name}:", plain(str(value)) or NOTHING) for name, value in rows]))


def ids(items: Sequence[dict[str, Any]]) -> dict[str, str]:
    """The ids of items as a table shows them: on a terminal only so much as tells them apart."""
    whole = sorted({str(item["id"]) for item in items})
    if not sys.stdout.isatty():
        return {one: one for one in whole}
    length = _SHORTEST
    for before, after in pairwise(whole):
        length = max(
            length, 1 + next(place for place, pair in enumerate(zip(before, after, strict=True)) if len({*pair}) > 1)
        )
    return {one: one[:length].rstrip("-") for one in whole}


def aligned(lines: Sequence[Sequence[str]]) -> str:
    """Lines of cells with their columns below each other."""
    widths = [max(map(cell_len, column)) for column in zip(*lines, strict=True)]
    padded = (
        "  ".join(cell + " " * (width - cell_len(cell)) for cell, width in zip(line, widths, strict=True))
        for line in lines
    )
    return "".join(f"{line.rstrip()}\n" for line in padded)


def _style(column: str, cell: str) -> str:
    return _STYLES.get(cell, "") if column == "state" else ""
