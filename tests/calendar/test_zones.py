from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from tzlocal.windows_tz import win_tz

from shared.calendar import zones
from shared.core.errors import InvalidError


@pytest.mark.parametrize("name", ["Europe/Berlin", "UTC", "America/Argentina/Buenos_Aires", "Etc/GMT+12", "GMT"])
def test_names_of_the_iana_database_are_zones(name: str) -> None:
    assert zones.is_iana(name)
    assert zones.resolve(name) == name


@pytest.mark.parametrize(
    "name", ["", "Europe", "localtime", "../etc/passwd", "/etc/localtime", "\0", "Customized Time Zone", "tzone://x"]
)
def test_anything_else_is_refused(name: str) -> None:
    assert not zones.is_iana(name)
    with pytest.raises(InvalidError):
        zones.resolve(name)


@pytest.mark.parametrize("windows", sorted(win_tz))
def test_every_windows_zone_is_an_iana_zone_and_back(windows: str) -> None:
    iana = zones.resolve(windows)

    assert zones.is_iana(iana)
    assert zones.resolve(zones.to_windows(iana)) == iana


@pytest.mark.parametrize(
    ("iana", "windows"),
    [
        ("Europe/Berlin", "W. Europe Standard Time"),
        ("Europe/Kyiv", "FLE Standard Time"),
        ("Asia/Kolkata", "India Standard Time"),
        ("America/New_York", "Eastern Standard Time"),
        ("GMT", "UTC"),
    ],
)
def test_iana_zones_have_windows_names(iana: str, windows: str) -> None:
    assert zones.to_windows(iana) == windows


def test_a_zone_that_windows_does_not_know_is_refused() -> None:
    with pytest.raises(InvalidError):
        zones.to_windows("Antarctica/Troll")


@pytest.mark.parametrize(("name", "hours"), [("GMT+03:00", 3), ("GMT-0500", -5), ("UTC+14", 14), ("GMT+5", 5)])
def test_whole_hours_from_greenwich_are_zones(name: str, hours: int) -> None:
    offset = datetime(2026, 1, 1, tzinfo=UTC).astimezone(ZoneInfo(zones.resolve(name))).utcoffset()

    assert offset is not None
    assert offset.total_seconds() == hours * 3600
