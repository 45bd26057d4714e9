from __future__ import annotations

from datetime import UTC, datetime, timedelta
from io import StringIO
from zoneinfo import ZoneInfo

import pytest
from dateutil import tz

from shared.calendar.ical import lines, vtimezone
from shared.calendar.ical.time_zones import Zones


@pytest.mark.parametrize(
    "zone",
    ["Europe/Berlin", "America/New_York", "Australia/Sydney", "Asia/Kolkata", "America/Nuuk", "Asia/Jerusalem"],
)
def test_a_vtimezone_has_the_offsets_of_its_zone(zone: str) -> None:
    definition = vtimezone.component(zone, first=2027, last=2030)
    definition = lines.Component("VTIMEZONE", [one for one in definition.parts if one.name != "X-LIC-LOCATION"])
    clock = tz.tzical(StringIO(str(definition))).get()

    moments = [datetime(2027, 1, 1, tzinfo=UTC) + timedelta(hours=7 * number) for number in range(1250)]
    differing = [
        moment
        for moment in (one.astimezone(ZoneInfo(zone)) for one in moments)
        if not moment.fold and moment.replace(tzinfo=clock).utcoffset() != moment.utcoffset()
    ]

    assert differing == []


def test_a_definition_made_to_cost_time_is_not_followed() -> None:
    calendar = lines.require(
        "BEGIN:VCALENDAR\nBEGIN:VTIMEZONE\nTZID:X\nBEGIN:STANDARD\nDTSTART:19700101T000000\nTZOFFSETFROM:+0100\n"
        "TZOFFSETTO:+0200\nRRULE:FREQ=SECONDLY\nEND:STANDARD\nEND:VTIMEZONE\nEND:VCALENDAR"
    )

    assert Zones(calendar, default=lambda: "UTC").find("X") is None


def test_nobody_is_asked_for_the_clock_of_floating_times_unless_there_are_some() -> None:
    def asked() -> str:
        raise AssertionError

    zones = Zones(lines.require("BEGIN:VCALENDAR\nEND:VCALENDAR"), default=asked)

    assert zones.zone("Europe/Berlin").name == "Europe/Berlin"
