"""Occurrences of mirror series in Outlook: found wherever they are, and lost for good once cancelled."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from shared.core.errors import InvalidError, NotFoundError
from shared.providers.port import CancelOccurrence, WriteOccurrence, Written
from tests.providers.replica import happenings
from tests.providers.samples import MONDAYS, accepted, at, event, get, insert, refused, timed, weekly, write

if TYPE_CHECKING:
    from tests.providers.microsoft.conftest import MicrosoftWorld


def test_an_occurrence_moved_far_away_is_found_again(world: MicrosoftWorld) -> None:
    series = insert(world, weekly("Busy", rule="FREQ=MONTHLY;BYMONTHDAY=16;COUNT=3"))
    original = "20260416T070000Z"

    for day in (1, 12):
        one = WriteOccurrence(series_id=series.id, key=original, appearance=event("B", timed(at(day, month=5))))
        accepted(write(world, one)[0])
    found = [start[:10] for start, _ in happenings(get(world, series.id))]
    accepted(write(world, CancelOccurrence(series_id=series.id, key=original))[0])

    assert found == ["2026-03-16", "2026-05-12", "2026-05-16"]
    assert len(happenings(get(world, series.id))) == 2


def test_a_cancelled_occurrence_cannot_be_written(world: MicrosoftWorld) -> None:
    series = insert(world, weekly("Busy"))
    write(world, CancelOccurrence(series_id=series.id, key=MONDAYS[2]))

    one = WriteOccurrence(series_id=series.id, key=MONDAYS[2], appearance=event("B", timed(at(30))))

    error = refused(write(world, one)[0])
    assert isinstance(error, NotFoundError)
    assert "anew" in error.message


def test_an_occurrence_moved_over_its_neighbour_is_refused(world: MicrosoftWorld) -> None:
    series = insert(world, weekly("Busy"))

    one = WriteOccurrence(series_id=series.id, key=MONDAYS[1], appearance=event("B", timed(at(31))))

    error = refused(write(world, one)[0])
    assert isinstance(error, InvalidError)
    assert "ErrorOccurrenceCrossingBoundary" in error.message


def test_occurrences_of_a_series_that_is_gone_are_gone(world: MicrosoftWorld) -> None:
    series = insert(world, weekly("Busy"))
    world.remove(series.id)

    outcomes = write(
        world,
        CancelOccurrence(series_id=series.id, key=MONDAYS[1]),
        WriteOccurrence(series_id=series.id, key=MONDAYS[2], appearance=event("B", timed(at(30)))),
    )

    assert isinstance(outcomes[0], Written)
    assert isinstance(refused(outcomes[1]), NotFoundError)


def test_a_written_occurrence_is_answered_as_it_is_read_later(world: MicrosoftWorld) -> None:
    series = insert(world, weekly("Busy"))

    one = WriteOccurrence(series_id=series.id, key=MONDAYS[1], appearance=event("B", timed(at(24, 14))))
    written = accepted(write(world, one)[0]).event

    assert written is not None
    assert replace(written, etag=None) == replace(get(world, series.id).overrides[0], etag=None)


def test_a_refusal_among_occurrences_of_one_series_holds_nobody_up(world: MicrosoftWorld) -> None:
    series = insert(world, weekly("Busy"))

    outcomes = write(
        world,
        WriteOccurrence(series_id=series.id, key=MONDAYS[0], appearance=event("B", timed(at(31)))),
        WriteOccurrence(series_id=series.id, key=MONDAYS[1], appearance=event("B", timed(at(24, 14)))),
        CancelOccurrence(series_id=series.id, key=MONDAYS[2]),
    )

    assert isinstance(refused(outcomes[0]), InvalidError)
    assert [type(outcome) for outcome in outcomes[1:]] == [Written, Written]
