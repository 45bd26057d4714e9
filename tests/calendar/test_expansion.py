"""Occurrences that stand for themselves."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from shared.calendar import expansion
from shared.calendar.event import Event, Status, Unit
from shared.calendar.span import TimedSpan, Window
from shared.core.errors import InvalidError

AT = datetime(2026, 3, 2, 9, tzinfo=UTC)
HOUR = timedelta(hours=1)


def span(at: datetime) -> TimedSpan:
    return TimedSpan(start=at, end=at + HOUR, zone="UTC")


ROOT = Event(id="s", span=span(AT), recurrence=("RRULE:FREQ=DAILY;COUNT=4", "EXDATE:20260303T090000Z"))
MOVED = Event(
    id="s_20260304T090000Z", series_id="s", original_start=AT + 48 * HOUR, span=span(AT + 50 * HOUR), etag="e"
)
GONE = Event(id="x", series_id="s", original_start=AT + 72 * HOUR, span=span(AT + 72 * HOUR), status=Status.CANCELLED)
UNIT = Unit(root=ROOT, overrides=(MOVED, GONE))


def test_an_id_names_its_series_and_its_place() -> None:
    assert expansion.parse(expansion.name("a_b", "20260304T090000Z")) == ("a_b", "20260304T090000Z")
    assert expansion.parse("s_20260304") == ("s", "20260304")
    assert [expansion.parse(one) for one in ("s", "s_x", "_20260304", "20260304", "s_20261399")] == [None] * 5


def test_what_happens_inside_is_named_moved_ones_where_they_are() -> None:
    window = Window(start=AT, end=AT + 96 * HOUR)

    assert expansion.names(UNIT, window) == ["s_20260302T090000Z", "s_20260304T090000Z"]


def test_an_occurrence_is_a_single_event_as_the_rule_or_its_override_has_it() -> None:
    plain, moved = (expansion.single(UNIT, key) for key in ("20260302T090000Z", "20260304T090000Z"))

    assert plain is not None
    assert moved is not None
    assert (plain.root.id, plain.root.span, plain.root.is_series) == ("s_20260302T090000Z", span(AT), False)
    assert (moved.root.id, moved.root.span, moved.root.is_override) == (MOVED.id, MOVED.span, False)


@pytest.mark.parametrize("key", ["20260303T090000Z", "20260305T090000Z", "20260306T090000Z", "20260302"])
def test_what_is_excluded_cancelled_or_no_place_of_the_rule_is_nothing(key: str) -> None:
    assert expansion.single(UNIT, key) is None


def test_a_single_event_has_no_occurrences_and_a_bad_rule_is_refused() -> None:
    assert expansion.single(Unit(root=Event(id="e", span=span(AT))), "20260302T090000Z") is None
    with pytest.raises(InvalidError):
        expansion.single(Unit(root=Event(id="e", span=span(AT), recurrence=("nonsense",))), "20260302T090000Z")
