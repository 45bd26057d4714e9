"""Time zones as Exchange names them.

Graph answers Windows names ("W. Europe Standard Time") and accepts IANA names too (vendor doc:
dateTimeTimeZone). The mapping is CLDR's windowsZones, as packaged by tzlocal.
"""

from datetime import UTC, datetime
from functools import lru_cache
from zoneinfo import ZoneInfo

from tzlocal import windows_tz

_UTC_NAMES = {"utc", "etc/utc", "tzone://microsoft/utc"}
_IANA_BY_WINDOWS = {name.lower(): iana for name, iana in windows_tz.win_tz.items()}
_WINDOWS_BY_LOWER = {name.lower(): name for name in windows_tz.win_tz}
_WINDOWS_BY_IANA = {name.lower(): windows for name, windows in windows_tz.tz_win.items()}


def windows_name(name: str) -> str | None:
    """The Windows name of a zone given by its Windows or IANA name (any case); None when there is none."""
    lower = name.strip().lower()
    if lower in _UTC_NAMES:
        return "UTC"
    return _WINDOWS_BY_LOWER.get(lower) or _WINDOWS_BY_IANA.get(lower)


@lru_cache(maxsize=1024)
def zone(name: str) -> ZoneInfo:
    """The rules of a zone that `windows_name` knows, by either name."""
    lower = name.strip().lower()
    if lower in _UTC_NAMES:
        return ZoneInfo("UTC")
    if lower in _IANA_BY_WINDOWS:
        return ZoneInfo(_IANA_BY_WINDOWS[lower])
    return ZoneInfo(name.strip())


def names() -> list[str]:
    """Every Windows name, sorted."""
    return sorted(windows_tz.win_tz)


def iana_names() -> list[str]:
    """Every IANA name that has a Windows name, sorted."""
    return sorted(windows_tz.tz_win)


def to_utc(local: datetime, name: str) -> datetime:
    """The instant of a wall time. A time that the zone skips is moved ahead by the gap, as Outlook does."""
    return local.replace(tzinfo=zone(name)).astimezone(UTC)


def to_local(instant: datetime, name: str) -> datetime:
    """The wall time of an instant, naive."""
    return instant.astimezone(zone(name)).replace(tzinfo=None)
