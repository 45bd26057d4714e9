"""Time zone names: IANA inside, Windows names at the Microsoft edge.

The Windows tables are CLDR's `windowsZones.xml`, as tzlocal ships them.
"""

from __future__ import annotations

import re
from functools import lru_cache
from zoneinfo import ZoneInfo

from tzlocal.windows_tz import tz_win, win_tz

from shared.core.errors import InvalidError

_IANA = win_tz | {"UTC": "UTC"}  # which is a name in both worlds
# Aliases that CLDR's table leaves out.
_WINDOWS_TOO = {
    "GMT": "UTC",
    "EST5EDT": "Eastern Standard Time",
    "CST6CDT": "Central Standard Time",
    "MST7MDT": "Mountain Standard Time",
    "PST8PDT": "Pacific Standard Time",
    "US/East-Indiana": "US Eastern Standard Time",
    "Europe/Uzhgorod": "FLE Standard Time",
    "Europe/Zaporozhye": "FLE Standard Time",
}
_OF_THIS_MACHINE = "localtime"
_WHOLE_HOURS = re.compile(r"(?:GMT|UTC)([+-])(\d{1,2})(?::?00)?")


def zone(name: str) -> ZoneInfo:
    """The zone of an IANA name. Raises InvalidError if there is none of that name."""
    try:
        if name != _OF_THIS_MACHINE:
            return ZoneInfo(name)
    except (OSError, ValueError, KeyError):  # zoneinfo lets the file system's own errors through ("Europe", "\0")
        pass
    raise InvalidError("The time zone is not in the IANA database. Choose one that is.", code="ZONE.UNKNOWN")


def is_iana(name: str) -> bool:
    """Whether the IANA database has a zone of this name."""
    try:
        zone(name)
    except InvalidError:
        return False
    return True


@lru_cache(maxsize=1024)
def resolve(name: str) -> str:
    """The IANA name of what a provider calls a zone: IANA, Windows (`W. Europe Standard Time`) or `GMT+03:00`.

    Raises InvalidError if it is none of these, e.g. for Outlook's `Customized Time Zone`.
    """
    if name in _IANA:
        return _IANA[name]
    if match := _WHOLE_HOURS.fullmatch(name):
        # Etc/GMT-3 lies east of Greenwich: POSIX counts the other way round.
        sign, hours = match.groups()
        name = f"Etc/GMT{'-' if sign == '+' else '+'}{int(hours)}"
    zone(name)
    return name


def to_windows(name: str) -> str:
    """The Windows name of an IANA zone. Raises InvalidError for zones that Windows does not know."""
    windows = tz_win.get(name) or _WINDOWS_TOO.get(name)
    if windows is None:
        raise InvalidError("The time zone has no Windows name. Send the times in UTC.", code="ZONE.NOT_WINDOWS")
    return windows


@lru_cache(maxsize=1)
def common() -> tuple[str, ...]:
    """An IANA zone for each clock that Windows knows: about 140, which between them keep every civil time in use."""
    return tuple(sorted({name for name in win_tz.values() if is_iana(name)}))
