from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import pytest

from shared.calendar.event import Availability, Status
from shared.calendar.span import AllDaySpan, TimedSpan
from shared.core.errors import InvalidError
from shared.providers.microsoft import series
from tests.providers.microsoft import answers


def read(name: str = "series", **changes: Any) -> series.Series:
    return series.read(answers.event(name, **changes))


def test_a_master_repeats_on_the_wall_clock_of_its_recurrence() -> None:
    root = read().root

    assert root.recurrence == ("RRULE:FREQ=WEEKLY;UNTIL=20260501T000000Z;BYDAY=MO,TH",)
    assert isinstance(root.span, TimedSpan)
    assert root.span.zone == "America/Los_Angeles"


def test_exceptions_and_cancelled_occurrences_come_in_order_of_their_place() -> None:
    unit = read().unit()

    assert [(one.original_start, one.status) for one in unit.overrides] == [
        (datetime(2026, 3, 6, 1, tzinfo=UTC), Status.CONFIRMED),
        (datetime(2026, 3, 17, 0, tzinfo=UTC), Status.CANCELLED),  # 17:00 on the 16th, after the clocks went forward
    ]


def test_an_exception_is_an_override_of_its_series() -> None:
    moved = read().unit().overrides[0]

    assert moved.id == "AAMkADM0ZGRhMjdjLTA=="
    assert moved.series_id == "AAMkADAGAADDdm4NAAA="
    assert moved.availability is Availability.TENTATIVE
    assert moved.span is not None
    assert moved.span.starts_at() == datetime(2026, 3, 6, 3, tzinfo=UTC)


def test_a_cancelled_occurrence_is_named_by_series_and_place() -> None:
    gone = read().unit().overrides[1]

    assert gone.id == "AAMkADAGAADDdm4NAAA=_20260317T000000Z"
    assert gone.span is None


def test_an_all_day_series_keeps_its_days_although_its_zone_is_not_told() -> None:
    unit = read("all_day_series").unit()

    assert unit.root.span == AllDaySpan(start=date(2026, 6, 2), end=date(2026, 6, 3))
    assert [one.original_start for one in unit.overrides] == [date(2026, 6, 5), date(2026, 6, 8)]


def test_a_day_that_can_mean_only_one_occurrence_leaves_no_doubt() -> None:
    assert read().doubt is None


@pytest.mark.parametrize("day_in", ["local", "utc"])
def test_a_day_that_can_mean_two_occurrences_is_settled_by_what_is_still_listed(day_in: str) -> None:
    # 17:00 in Los Angeles is the next day in UTC, and the rule has an occurrence on either.
    daily = answers.load("series")["recurrence"] | {"pattern": {"type": "daily", "interval": 1}}
    cancelled = datetime(2026, 3, 5, 1, tzinfo=UTC)  # on the 4th there
    named = "2026-03-04" if day_in == "local" else "2026-03-05"
    found = read(recurrence=daily, exceptionOccurrences=[], cancelledOccurrences=[f"OID.AAMk.{named}"])
    neighbours = {datetime(2026, 3, day, 1, tzinfo=UTC) for day in (3, 4, 6, 7)}

    unit = found.unit(neighbours)

    assert found.doubt is not None
    assert found.doubt.touches(cancelled, cancelled)
    assert [one.original_start for one in unit.overrides] == [cancelled]


def test_a_cancelled_day_that_the_rule_no_longer_has_says_nothing() -> None:
    found = read(cancelledOccurrences=["OID.AAMk.2026-03-04", "OID.AAMk.2027-01-01"], exceptionOccurrences=[])

    assert found.unit().overrides == ()


def test_a_repeated_day_cancels_once() -> None:
    found = read(cancelledOccurrences=["OID.AAMk.2026-03-16"] * 2, exceptionOccurrences=[])

    assert len(found.unit().overrides) == 1


@pytest.mark.parametrize(
    "changes",
    [
        {"cancelledOccurrences": ...},
        {"exceptionOccurrences": ...},
        {"recurrence": None},
        {
            "originalStartTimeZone": "tzone://Microsoft/Custom",
            "recurrence": {
                "pattern": {"type": "daily"},
                "range": {"type": "noEnd", "recurrenceTimeZone": "tzone://Microsoft/Custom"},
            },
        },
        {"cancelledOccurrences": ["AAMk"]},
        {"exceptionOccurrences": [{"id": "x", "type": "exception"}]},
        {"exceptionOccurrences": [{}]},
    ],
)
def test_a_series_that_cannot_be_known_in_full_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(InvalidError):
        read(**changes)
