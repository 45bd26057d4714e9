"""Two-way links: how a series and its occurrences merge, and what is a conflict."""

from __future__ import annotations

import pytest

from shared.calendar import patch
from shared.calendar.event import Availability, Text
from shared.calendar.patch import OF_OCCURRENCES, Field, Patch
from shared.calendar.two_way import ROOT, Policy, Winner
from tests.calendar.merging.cases import WEEKS, after, days, hours, merged, series, week


def test_occurrences_merge_one_by_one() -> None:
    source = series({WEEKS[1]: week(1, later=3)})
    target = series({WEEKS[1]: week(1, title="Special"), WEEKS[2]: None})

    outcome = merged(series(), source, target)

    assert outcome.source == {WEEKS[1]: Patch(title="Special"), WEEKS[2]: None}
    assert outcome.target == {WEEKS[1]: Patch(when=week(1, later=3).span)}
    assert outcome.mirror.overrides == {WEEKS[1]: week(1, later=3, title="Special"), WEEKS[2]: None}


def test_an_occurrence_moved_here_and_cancelled_there_is_a_conflict() -> None:
    source, target = series({WEEKS[1]: week(1, later=3)}), series({WEEKS[1]: None})

    asked = merged(series(), source, target, policy=Policy.ASK)
    cancelled = merged(series(), source, target, policy=Policy.TARGET)
    kept = merged(series(), source, target, policy=Policy.SOURCE)

    assert [(one.place, one.field, one.target) for one in asked.conflicts] == [(WEEKS[1], Field.OCCURRENCE, None)]
    assert not asked
    assert (cancelled.source, cancelled.target) == ({WEEKS[1]: None}, {})
    assert kept.source == {}
    assert kept.target == {WEEKS[1]: patch.of(week(1, later=3), OF_OCCURRENCES)}


def test_a_new_name_of_the_series_yields_to_that_of_an_occurrence() -> None:
    source = series(text=Text(title="Renamed"))
    target = series({WEEKS[1]: week(1, title="Special")})

    outcome = merged(series(), source, target, policy=Policy.ASK)

    assert outcome.conflicts == ()
    assert outcome.source[WEEKS[1]] == Patch(title="Special")
    assert outcome.target[ROOT].fields == {Field.TITLE, Field.DESCRIPTION, Field.LOCATION}


@pytest.mark.parametrize("policy", [Policy.SOURCE, Policy.TARGET])
def test_an_occurrence_that_stays_as_it_was_does_so_on_both_sides(policy: Policy) -> None:
    stays = series({WEEKS[1]: week(1)}, availability=Availability.FREE)
    moves = series(availability=Availability.TENTATIVE)
    source, target = (stays, moves) if policy is Policy.SOURCE else (moves, stays)

    outcome = merged(series(), source, target, policy=policy)

    writes = outcome.target if policy is Policy.SOURCE else outcome.source
    assert writes == {
        ROOT: Patch(availability=Availability.FREE),
        WEEKS[1]: Patch(availability=Availability.BUSY),
    }


def test_a_longer_series_keeps_what_differs_on_the_side_that_takes_the_rule() -> None:
    base = series({WEEKS[1]: week(1, later=3)})
    source = series({WEEKS[1]: week(1, later=3), "20260330T110000Z": None}, count=6)

    outcome = merged(base, source, base)

    assert outcome.source == {}
    assert outcome.target == {
        ROOT: Patch(recurrence=source.root.recurrence, when=hours()),
        WEEKS[1]: Patch(when=week(1, later=3).span),
        "20260330T110000Z": None,
    }


@pytest.mark.parametrize("policy", Policy)
def test_an_occurrence_whose_series_moved_away_is_a_conflict(policy: Policy) -> None:
    source = series(span=hours(2))
    target = series({WEEKS[1]: week(1, title="Special")})

    outcome = merged(series(), source, target, policy=policy)

    assert [(one.place, one.field) for one in outcome.conflicts] == [(WEEKS[1], Field.OCCURRENCE)]
    match policy:
        case Policy.ASK:
            assert not outcome
        case Policy.TARGET:
            assert outcome.source == {ROOT: Patch(when=hours()), WEEKS[1]: Patch(title="Special")}
            assert outcome.target == {}
        case _:
            assert outcome.source == {}
            assert outcome.target == {ROOT: Patch(when=hours(2))}


@pytest.mark.parametrize(
    ("answers", "winner"),
    [
        ({1: Winner.SOURCE}, Winner.SOURCE),
        ({2: Winner.TARGET}, Winner.TARGET),
        ({1: Winner.SOURCE, 2: Winner.TARGET}, Winner.SOURCE),
    ],
    ids=["one for the source", "one for the target", "two that contradict each other"],
)
def test_a_series_that_moved_away_is_one_question_of_however_many_occurrences(
    answers: dict[int, Winner], winner: Winner
) -> None:
    source = series(span=hours(2))
    target = series({WEEKS[number]: week(number, title="Special") for number in (1, 2)})
    decided = {(WEEKS[number], Field.OCCURRENCE): answer for number, answer in answers.items()}

    outcome = merged(series(), source, target, policy=Policy.ASK, decided=decided)

    assert [(one.place, one.winner) for one in outcome.conflicts] == [(WEEKS[1], winner), (WEEKS[2], winner)]
    assert outcome.held == {}
    assert after(source, target, outcome) == ((source, source) if winner is Winner.SOURCE else (target, target))


@pytest.mark.parametrize("policy", [Policy.SOURCE, Policy.TARGET])
def test_a_series_moved_in_vain_takes_out_none_of_its_earlier_occurrences(policy: Policy) -> None:
    base = series({WEEKS[1]: week(1, title="First")})
    stays = series({WEEKS[1]: week(1, title="First"), WEEKS[2]: week(2, title="Second")})
    moves = series(span=hours(24))
    source, target = (stays, moves) if policy is Policy.SOURCE else (moves, stays)

    outcome = merged(base, source, target, policy=policy)

    assert after(source, target, outcome) == (stays, stays)
    assert (outcome.source, outcome.target)[policy is Policy.TARGET] == {}
    assert outcome.mirror == stays


def test_whole_days_here_and_a_rule_with_a_time_there_do_not_mix() -> None:
    until = ("RRULE:FREQ=WEEKLY;UNTIL=20260323T120000Z",)
    source, target = series(span=days()), series(recurrence=until)

    outcome = merged(series(), source, target, policy=Policy.TARGET)

    assert [one.field for one in outcome.conflicts] == [Field.WHEN]
    assert outcome.source == {ROOT: Patch(when=hours(), recurrence=until)}
