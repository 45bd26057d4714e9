"""RFC 5545 rules as somebody clicks them together in Outlook (Graph: recurrencePattern, recurrenceRange)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from tests.matrix import series
from tests.matrix.places import CannotHoldError
from tests.outlook import INDEXES, WEEKDAYS

if TYPE_CHECKING:
    from tests.matrix.series import Local

_SAFE = 28
"""The last day that every month has."""


def pattern(rule: str, start: Local) -> dict[str, Any]:
    """The pattern of a rule. Raises CannotHoldError for what no dialog of Outlook's offers."""
    parts = _parts(rule)
    interval = {"interval": int(parts.get("INTERVAL", 1))}
    asked = {name for name in parts if name.startswith("BY")}
    match parts["FREQ"]:
        case "DAILY" if not asked:
            return {"type": "daily", **interval}
        case "DAILY" if asked == {"BYDAY"} and interval["interval"] == 1:
            return {"type": "weekly", **interval, "daysOfWeek": _weekdays(parts["BYDAY"]), "firstDayOfWeek": "monday"}
        case "WEEKLY" if asked <= {"BYDAY"}:
            days = _weekdays(parts["BYDAY"]) if asked else [_weekday(start)]
            begins = WEEKDAYS[parts.get("WKST", "MO")]
            return {"type": "weekly", **interval, "daysOfWeek": days, "firstDayOfWeek": begins}
        case "MONTHLY" if "BYMONTH" not in asked:
            return _of_month(parts, start, prefix="Monthly", longest=31) | interval
        case "YEARLY" if len(parts.get("BYMONTH", "1").split(",")) == 1 and (
            asked <= {"BYMONTH"} or "BYMONTH" in asked
        ):
            month = int(parts.get("BYMONTH", start.month))
            longest = 29 if month == 2 else 0
            return _of_month(parts, start, prefix="Yearly", longest=longest) | interval | {"month": month}
    raise CannotHoldError("such a rule")


def bounds(rule: str, start: Local, zone: str | None) -> dict[str, Any]:
    """The range of a rule."""
    parts = _parts(rule)
    first = {"startDate": f"{series.midnight(start):%Y-%m-%d}"}
    if "COUNT" in parts:
        return {"type": "numbered", "numberOfOccurrences": int(parts["COUNT"]), **first}
    if "UNTIL" not in parts:
        return {"type": "noEnd", **first}
    until = parts["UNTIL"]
    if "T" not in until:
        return {"type": "endDate", "endDate": f"{until[:4]}-{until[4:6]}-{until[6:8]}", **first}
    ends = datetime.strptime(until, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    local = ends.astimezone(series.ZoneInfo(zone or series.HOME))
    day = local.date() if local.time() >= series.midnight(start).time() else local.date() - timedelta(days=1)
    return {"type": "endDate", "endDate": f"{day}", **first}


def _of_month(parts: dict[str, str], start: Local, *, prefix: str, longest: int) -> dict[str, Any]:
    days, positions = parts.get("BYDAY"), parts.get("BYSETPOS")
    if set(parts) & {"BYWEEKNO", "BYYEARDAY", "BYHOUR"}:
        raise CannotHoldError("such a rule")
    if days is None:
        return {"type": f"absolute{prefix}", "dayOfMonth": _day_of_month(parts, start, longest)}
    if "BYMONTHDAY" in parts:
        raise CannotHoldError("a weekday that is a certain day of the month")
    named = days.split(",")
    index = positions
    if positions is None:
        if len(named) != 1:
            raise CannotHoldError("several weekdays of one month")
        index, named = named[0][:-2], [named[0][-2:]]
    if index not in INDEXES:
        raise CannotHoldError("a position other than first to fourth, and last")
    return {"type": f"relative{prefix}", "daysOfWeek": [WEEKDAYS[day] for day in named], "index": INDEXES[index]}


def _day_of_month(parts: dict[str, str], start: Local, longest: int) -> int:
    """Outlook takes a day that a month lacks for its last: what no month lacks, or that with BYSETPOS, is the same."""
    days = [int(day) for day in parts.get("BYMONTHDAY", str(start.day)).split(",")]
    if days == [-1]:
        return 31
    if parts.get("BYSETPOS") == "-1" and days[0] == _SAFE and days == list(range(_SAFE, days[-1] + 1)):
        return days[-1]
    if "BYSETPOS" in parts or len(days) != 1 or days[0] < 1 or (longest and days[0] > _SAFE):
        raise CannotHoldError("such days of a month")
    return days[0]


def _weekdays(listed: str) -> list[str]:
    return [WEEKDAYS[day] for day in listed.split(",")]


def _weekday(start: Local) -> str:
    return list(WEEKDAYS.values())[start.weekday()]


def _parts(rule: str) -> dict[str, str]:
    return dict(part.split("=", 1) for part in rule.split(";"))
