"""Calendars as other programs export them (tests/payloads/ics), read to the minute."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from shared.calendar import recurrence
from shared.calendar.event import Availability, Visibility
from shared.calendar.ical import reading
from shared.calendar.span import Window

HERE = Path(__file__).parents[2] / "payloads" / "ics"
YEAR = Window(start=datetime(2026, 1, 1, tzinfo=UTC), end=datetime(2027, 1, 1, tzinfo=UTC))

EXPECTED = {
    "google": [
        "2026-03-02T08:00 Stand-up",
        "2026-03-10T13:00 Stand-up (moved)",
        "2026-03-16T08:00 Stand-up",
        "2026-03-20T00:00 Skiing",
        "2026-03-23T08:00 Stand-up",
        "2026-03-30T07:00 Stand-up",
        "2026-04-13T07:00 Stand-up",
        "2026-04-20T07:00 Stand-up",
        "2026-04-27T07:00 Stand-up",
    ],
    "outlook": [
        "2026-02-03T18:00 Review",
        "2026-03-04T18:00 Review",
        "2026-04-01T00:00 Away",
        "2026-04-07T17:00 Review",
    ],
    "exchange": ["2026-03-23T03:30 Call", "2026-03-23T08:00 Plan", "2026-03-30T07:00 Plan"],
    "apple": ["2026-03-29T04:30 Laufen", "2026-04-05T05:00 Laufen", "2026-04-12T04:30 Laufen"],
}


@pytest.mark.parametrize("name", EXPECTED)
def test_every_occurrence_stands_where_its_writer_meant_it(name: str) -> None:
    found = reading.read((HERE / f"{name}.ics").read_bytes(), default_zone="Europe/Vienna")

    happens = [
        f"{one.span.starts_at():%Y-%m-%dT%H:%M} {((one.override or unit.root).text or reading.Text()).title}"
        for unit in found.units
        for one in recurrence.occurrences(unit, YEAR)
    ]
    assert sorted(happens) == EXPECTED[name]
    assert found.is_whole
    assert found.unreadable == ()


def test_what_outlook_and_exchange_say_of_time_and_privacy_is_understood() -> None:
    outlook = {one.root.id[-2:]: one for one in reading.read((HERE / "outlook.ics").read_bytes()).units}
    exchange = {one.root.id[-2:]: one for one in reading.read((HERE / "exchange.ics").read_bytes()).units}

    assert outlook["B1"].root.availability is Availability.OUT_OF_OFFICE
    assert [one.availability for one in outlook["B0"].overrides] == [Availability.TENTATIVE]
    assert exchange["C0"].root.visibility is Visibility.PRIVATE
