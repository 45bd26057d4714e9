from __future__ import annotations

from datetime import UTC, datetime, timedelta
from io import StringIO
from zoneinfo import ZoneInfo

import pytest
from dateutil import tz

from shared.providers.caldav import lines, timezones


@pytest.mark.parametrize(
    "zone",
    ["Europe/Berlin", "America/New_York", "Australia/Sydney", "Asia/Kolkata", "America/Nuuk", "Asia/Jerusalem"],
)
def test_a_vtimezone_has_the_offsets_of_its_zone(zone: str) -> None:
    definition = timezones.vtimezone(zone)
    clock = tz.tzical(StringIO(str(definition))).get()

    moments = [datetime(2027, 1, 1, tzinfo=UTC) + timedelta(hours=7 * number) for number in range(1250)]
    differing = [
        moment
        for moment in (one.astimezone(ZoneInfo(zone)) for one in moments)
        if not moment.fold and moment.replace(tzinfo=clock).utcoffset() != moment.utcoffset()
    ]

    assert differing == []


def test_utc_needs_no_definition() -> None:
    assert timezones.vtimezone("UTC") is None


def test_a_definition_made_to_cost_time_is_not_followed() -> None:
    calendar = lines.parse(
        "BEGIN:VCALENDAR\nBEGIN:VTIMEZONE\nTZID:X\nBEGIN:STANDARD\nDTSTART:19700101T000000\nTZOFFSETFROM:+0100\n"
        "TZOFFSETTO:+0200\nRRULE:FREQ=SECONDLY\nEND:STANDARD\nEND:VTIMEZONE\nEND:VCALENDAR"
    )

    assert timezones.of("X", calendar, year=2026) is None
