"""The corpus says what it is meant to say, whatever the year."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

import pytest

from tests.matrix import corpus, series

if TYPE_CHECKING:
    from tests.matrix.series import Case

YEARS = range(2026, 2040)


@pytest.mark.parametrize("year", YEARS)
def test_each_case_has_a_name_of_its_own_and_happens(year: int) -> None:
    cases = corpus.cases(year)

    seen = {case.name: series.expected(case, date(year - 40, 1, 1), date(year + 5, 1, 1)) for case in cases}

    assert len(seen) == len(cases) >= 60
    assert [name for name, found in seen.items() if not found] == []
    assert all(one.title.split()[0] == name for name, found in seen.items() for one in found)


@pytest.mark.parametrize("year", YEARS)
def test_what_is_changed_or_excluded_is_there_to_be_changed(year: int) -> None:
    wrong = []
    for case in corpus.cases(year):
        for one in case.series:
            places = series.starts(one, date(year + 3, 1, 1))
            wrong += [case.name for change in one.changes if change.at not in places]
            wrong += [case.name for excluded in one.excluded if excluded in places]
            wrong += [case.name for added in one.added if added not in places and added not in one.excluded]

    assert wrong == []


def test_local_time_holds_over_both_changes_of_the_clocks() -> None:
    (case,) = [one for one in corpus.cases(2027) if one.name == "dst-weekly"]

    found = series.expected(case, date(2027, 1, 1), date(2028, 1, 1))

    assert {f"{one.start:%m %H:%M}" for one in found if f"{one.start:%m}" in ("01", "07", "12")} == {
        "01 08:00",
        "07 07:00",
        "12 08:00",
    }


def test_a_day_that_a_month_lacks_is_left_out() -> None:
    (case,) = [one for one in corpus.cases(2027) if one.name == "monthly-31st"]

    found = series.expected(case, date(2027, 1, 1), date(2028, 1, 1))

    assert [f"{one.start:%m%d}" for one in found] == ["0131", "0331", "0531", "0731", "0831", "1031", "1231"]


def test_the_corpus_holds_what_the_issue_asks_for() -> None:
    cases = corpus.cases(2027)

    def some(what: str) -> list[Case]:
        return [case for case in cases if any(what in rule for one in case.series for rule in one.rules)]

    for part in ("DAILY", "WEEKLY", "MONTHLY", "YEARLY", "BYSETPOS", "UNTIL", "COUNT"):
        assert some(part), part
