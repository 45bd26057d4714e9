"""The matrix as a table: what is equal, what a source cannot hold, what is left out and why, and what is wrong."""

from __future__ import annotations

from collections import Counter
from enum import StrEnum
from string import ascii_lowercase
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.matrix.run import Cell, Matrix, Pair

LETTERS = {"google": "G", "microsoft": "M", "caldav": "C", "ics": "I"}
_SHOWN = 3

OTHERWISE = {
    (case, "microsoft"): "Outlook ends on the wall clock, so that night's occurrence is an hour shorter or longer."
    for case in ("dst-twice", "dst-overnight")
}
"""What a provider understands otherwise than RFC 5545, by case and target; the cell must differ in ends alone."""


class Verdict(StrEnum):
    """What a cell says."""

    EQUAL = "✓"
    NOT_HELD = "-"
    LEFT_OUT = "left out"
    OTHERWISE = "~"
    WRONG = "✗"


def judge(case: str, pair: Pair, cell: Cell) -> Verdict:
    """The verdict on a cell. What is left out shows nothing at all, and its link says why."""
    if not cell.entered:
        return Verdict.NOT_HELD
    if cell.is_equal:
        return Verdict.WRONG if (case, pair[1]) in OTHERWISE else Verdict.EQUAL
    if (case, pair[1]) in OTHERWISE and _starts(cell.missing) == _starts(cell.surplus):
        return Verdict.OTHERWISE
    if cell.reason and not cell.surplus:
        return Verdict.LEFT_OUT
    return Verdict.WRONG


def lines(matrix: Matrix) -> list[str]:
    """The table, its legend, what is wrong in detail, and the totals."""
    verdicts = {place: judge(*place, cell) for place, cell in matrix.cells.items()}
    reasons = sorted({_code(matrix.cells[place]) for place, one in verdicts.items() if one is Verdict.LEFT_OUT})
    marks = dict(zip(reasons, ascii_lowercase, strict=False))
    width = max(map(len, matrix.cases))
    head = " ".join(f"{LETTERS[source]}→{LETTERS[target]}" for source, target in matrix.pairs)
    found = [f"{'':{width}} {head}"]
    for case in matrix.cases:
        cells = []
        for pair in matrix.pairs:
            verdict = verdicts[case, pair]
            cells.append(marks[_code(matrix.cells[case, pair])] if verdict is Verdict.LEFT_OUT else verdict.value)
        found.append(f"{case:{width}} {' '.join(f' {one} ' for one in cells)}".rstrip())
    found += ["", "✓ equal occurrence sets   - cannot be entered at the source"]
    found += [f"{mark} left out, as the link says: {reason}" for reason, mark in marks.items()]
    found += [f"~ {case}: {sentence}" for (case, _), sentence in OTHERWISE.items() if _has(verdicts, case)]
    for (case, pair), verdict in verdicts.items():
        if verdict is Verdict.WRONG:
            found += ["", *_wrong(case, pair, matrix.cells[case, pair])]
    counted = Counter(verdicts.values())
    total = ", ".join(f"{counted[one]} {one.name.lower().replace('_', ' ')}" for one in Verdict)
    found += ["", f"{len(matrix.cases)} cases on {len(matrix.pairs)} pairs: {total}"]
    found.append(f"writes after all was in step: {matrix.rewrites}")
    return found


def is_wrong(matrix: Matrix) -> bool:
    """Whether a cell is wrong, or the engine went on writing."""
    return bool(matrix.rewrites) or Verdict.WRONG in {judge(*place, cell) for place, cell in matrix.cells.items()}


def _wrong(case: str, pair: Pair, cell: Cell) -> list[str]:
    told = f" ({cell.reason})" if cell.reason else ""
    found = [f"✗ {case}, {pair[0]} to {pair[1]}: {len(cell.missing)} missing, {len(cell.surplus)} too many{told}"]
    for what, occurrences in (("missing", cell.missing), ("too many", cell.surplus)):
        found += [f"    {what}: {one.start} to {one.end} {one.title}" for one in occurrences[:_SHOWN]]
    return found


def _starts(occurrences: tuple[object, ...]) -> list[str]:
    return sorted(f"{one.start} {one.title}" for one in occurrences)  # type: ignore[attr-defined]


def _has(verdicts: dict[tuple[str, Pair], Verdict], case: str) -> bool:
    return any(verdict is Verdict.OTHERWISE for (name, _), verdict in verdicts.items() if name == case)


def _code(cell: Cell) -> str:
    return cell.reason
