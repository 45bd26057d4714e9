"""A cell that is wrong is told from one that is right: the table can fail."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest

from tests.matrix import run, table
from tests.matrix.run import Cell, Matrix
from tests.matrix.series import Occurrence
from tests.matrix.table import Verdict

AT = datetime(2027, 1, 5, 8, tzinfo=UTC)
HOUR = timedelta(hours=1)
ONE = Occurrence(AT, AT + HOUR, "daily")
PAIR = ("google", "microsoft")


@pytest.mark.parametrize(
    "other",
    [
        Occurrence(AT + HOUR, AT + 2 * HOUR, "daily"),
        Occurrence(AT, AT + 2 * HOUR, "daily"),
        Occurrence(AT, AT + HOUR, "daily renamed"),
        Occurrence(date(2027, 1, 5), date(2027, 1, 6), "daily"),
    ],
    ids=["start", "end", "title", "all-day"],
)
def test_another_start_end_title_or_kind_is_wrong(other: Occurrence) -> None:
    cell = run.compare([ONE], [other])

    assert table.judge("daily", PAIR, cell) is Verdict.WRONG


def test_what_is_missing_or_there_twice_is_wrong() -> None:
    assert table.judge("daily", PAIR, run.compare([ONE], [])) is Verdict.WRONG
    assert table.judge("daily", PAIR, run.compare([ONE], [ONE, ONE])) is Verdict.WRONG


def test_what_is_left_out_with_a_reason_is_told_but_not_if_something_else_shows() -> None:
    other = Occurrence(AT + HOUR, AT + 2 * HOUR, "daily")

    assert table.judge("daily", PAIR, run.compare([ONE], [], reason="CODE: why")) is Verdict.LEFT_OUT
    assert table.judge("daily", PAIR, run.compare([ONE], [other], reason="CODE: why")) is Verdict.WRONG


def test_what_a_provider_understands_otherwise_may_differ_in_ends_alone() -> None:
    longer = Occurrence(AT, AT + 2 * HOUR, "daily")
    later = Occurrence(AT + HOUR, AT + 2 * HOUR, "daily")

    assert table.judge("dst-overnight", PAIR, run.compare([ONE], [longer])) is Verdict.OTHERWISE
    assert table.judge("dst-overnight", PAIR, run.compare([ONE], [later])) is Verdict.WRONG
    assert table.judge("dst-overnight", PAIR, run.compare([ONE], [ONE])) is Verdict.WRONG


def test_the_table_says_what_is_wrong_and_counts() -> None:
    cells = {("daily", PAIR): run.compare([ONE], []), ("weekly", PAIR): Cell(), ("monthly", PAIR): Cell(entered=False)}
    matrix = Matrix(cases=["daily", "weekly", "monthly"], pairs=[PAIR], cells=cells)

    told = table.lines(matrix)

    assert [line.split() for line in told[:4]] == [["G→M"], ["daily", "✗"], ["weekly", "✓"], ["monthly", "-"]]
    assert "✗ daily, google to microsoft: 1 missing, 0 too many" in told
    assert "3 cases on 1 pairs: 1 equal, 1 not held, 0 left out, 0 otherwise, 1 wrong" in told
    assert table.is_wrong(matrix)
    assert not table.is_wrong(Matrix(cases=["weekly"], pairs=[PAIR], cells={("weekly", PAIR): Cell()}))
