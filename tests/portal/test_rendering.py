"""How pages say times, spans and numbers."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest

from functions.portal import rendering
from shared.calendar.span import AllDaySpan, TimedSpan

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "just now"),
        (4, "just now"),
        (59, "59 seconds ago"),
        (60, "1 minute ago"),
        (7199, "1 hour ago"),
        (86_400 * 3, "3 days ago"),
        (-90, "in 1 minute"),
        (-4, "just now"),
    ],
)
def test_how_long_ago(seconds: int, words: str) -> None:
    assert rendering.ago(NOW - timedelta(seconds=seconds), NOW) == words


def test_what_never_happened_was_never() -> None:
    assert (rendering.ago(None, NOW), rendering.moment(None)) == ("never", "")


def test_numbers_agree_with_their_words() -> None:
    assert [rendering.counted(number, "mirror") for number in (0, 1, 1200)] == [
        "0 mirrors",
        "1 mirror",
        "1,200 mirrors",
    ]
    assert rendering.counted(2, "person", "people") == "2 people"


def test_spans_are_told_on_the_wall_clock_they_keep() -> None:
    start = datetime(2026, 3, 1, 23, tzinfo=UTC)
    day = date(2026, 3, 1)

    timed = TimedSpan(start=start, end=start + timedelta(minutes=30), zone="Europe/Berlin")
    over_night = TimedSpan(start=start, end=start + timedelta(hours=2), zone="UTC")

    assert rendering.span_in_words(timed) == "Mon 2 Mar 2026, 00:00–00:30 (Europe/Berlin)"
    assert rendering.span_in_words(over_night) == "Sun 1 Mar 2026, 23:00–Mon 2 Mar 2026, 01:00 (UTC)"
    assert rendering.span_in_words(AllDaySpan(start=day, end=day + timedelta(days=1))) == "Sun 1 Mar 2026"
    assert (
        rendering.span_in_words(AllDaySpan(start=day, end=day + timedelta(days=2))) == "Sun 1 Mar 2026 – Mon 2 Mar 2026"
    )
    assert rendering.span_in_words(None) == ""
