"""The table of behaviours tells the truth about its tests and its switches."""

from __future__ import annotations

import re
from pathlib import Path

from infra.local.simulators.faults import FaultSettings
from infra.local.simulators.microsoft import faults

HERE = Path(__file__).parent
TABLE = (Path(faults.__file__).parent / "behaviours.md").read_text()
ROWS = [
    [cell.strip() for cell in line.split("|")[1:-1]] for line in TABLE.splitlines() if re.match(r"\| [A-Z]\d", line)
]


def test_every_test_that_the_table_names_exists() -> None:
    named = {match for row in ROWS for match in re.findall(r"test_\w+(?:::test_\w+)?", row[4])}

    missing = []
    for name in named:
        module, _, function = name.partition("::")
        path = HERE / f"{module}.py"
        if not path.exists() or (function and f"def {function}(" not in path.read_text()):
            missing.append(name)

    assert named
    assert missing == []


def test_rows_are_whole_and_numbered_once() -> None:
    assert all(len(row) == 5 and all(row) for row in ROWS)
    assert len({row[0] for row in ROWS}) == len(ROWS)


def test_every_switch_of_microsofts_own_is_in_the_table() -> None:
    own = set(faults.MicrosoftFaults.model_fields) - set(FaultSettings.model_fields)

    assert {name for name in own if f"`{name}`" not in TABLE} == set()


def test_what_goes_both_ways_names_its_switch() -> None:
    both = [row for row in ROWS if "both ways" in row[3]]

    assert both
    assert [row[0] for row in both if "`" not in row[1]] == []
