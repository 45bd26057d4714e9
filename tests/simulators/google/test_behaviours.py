"""The table of behaviours is honest: every row has a source or says that it has none, and a test that exists."""

from __future__ import annotations

import re
from pathlib import Path

import infra.local.simulators.google as simulator

TABLE = Path(simulator.__file__).parent / "behaviours.md"
HERE = Path(__file__).parent
STANDINGS = {"documented", "schema", "reported", "unverified", "own"}


def _rows() -> list[list[str]]:
    rows = [
        [cell.strip() for cell in line.strip("|\n").split("|")]
        for line in TABLE.read_text().splitlines()
        if line[:1] == "|"
    ]
    return [row for row in rows if row[0] != "id" and not row[0].startswith("---")]


def test_every_row_has_an_id_of_its_own_and_a_standing() -> None:
    rows = _rows()

    assert len(rows) > 80
    assert all(len(row) == 5 for row in rows)
    assert len({row[0] for row in rows}) == len(rows)
    assert {row[3] for row in rows} == STANDINGS


def test_a_row_without_a_source_is_marked() -> None:
    for row in _rows():
        assert row[2] != "-" or row[3] in ("unverified", "own"), row[0]


def test_every_source_that_is_named_is_explained() -> None:
    text = TABLE.read_text()
    named = set(re.findall(r"\[[IS]\d+\]", "\n".join(row[2] for row in _rows())))

    assert all(text.count(name) > 1 for name in named)


def test_every_test_that_is_named_exists() -> None:
    tests = {path.name: path.read_text() for path in HERE.glob("test_*.py")}
    for row in _rows():
        for named in row[4].split(", "):
            file, _, function = named.partition("::")
            assert f"def {function}(" in tests[file], f"{row[0]}: {named}"


def test_every_switch_of_googles_own_is_in_the_table() -> None:
    from infra.local.simulators.faults import FaultSettings
    from infra.local.simulators.google.faults import GoogleFaults

    own = GoogleFaults.model_fields.keys() - FaultSettings.model_fields.keys()

    assert all(f"`{switch}`" in TABLE.read_text() for switch in own)
