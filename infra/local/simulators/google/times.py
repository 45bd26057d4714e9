"""Times of events. Inside, a timed start or end is `{"dateTime": UTC with Z, "timeZone": IANA}`; answers show it in
the zone that was asked for. All-day ones are `{"date": ...}` everywhere."""

import re
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from infra.local.simulators.google import errors

_RFC3339 = re.compile(r"(\d{4}-\d\d-\d\d)[Tt](\d\d:\d\d:\d\d)(?:\.\d+)?([Zz]|[+-]\d\d:\d\d)?")


@lru_cache
def zone(name: str) -> ZoneInfo:
    """The IANA zone; 400 when there is none of that name."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise errors.invalid(f"Invalid time zone definition: {name}", "timeZone") from error


def parse_local(text: str) -> datetime:
    """An RFC 3339 time, naive when it has no offset; fractions of a second are dropped. Raises ValueError."""
    match = _RFC3339.fullmatch(text)
    if match is None:
        raise ValueError(f"not an RFC 3339 time: {text!r}")
    day, clock, offset = match.groups()
    return datetime.fromisoformat(f"{day}T{clock}{offset or ''}".upper())


def parameter(name: str, text: str) -> datetime:
    """A query parameter that must be RFC 3339 with an offset; 400 otherwise."""
    try:
        moment = parse_local(text)
    except ValueError as error:
        raise errors.bad_request() from error
    if moment.tzinfo is None:
        raise errors.bad_request()
    return moment.astimezone(UTC)


def utc_text(moment: datetime) -> str:
    """`2026-03-01T09:00:00Z`."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def millisecond_text(moment: datetime) -> str:
    """`2026-03-01T09:00:00.000Z`, as in `created` and `updated`."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"


def clean(value: Any, *, which: str, calendar_zone: str) -> dict[str, str]:
    """An EventDateTime from a request, in the inner form. `which` is `start` or `end`, for messages."""
    if not isinstance(value, dict):
        raise errors.required(f"Missing {which} time.")
    day, moment, name = (value.get(key) for key in ("date", "dateTime", "timeZone"))
    if not day and not moment:
        raise errors.required(f"Missing {which} time.")
    if name is not None and not isinstance(name, str):
        raise errors.parse_error()
    if day and moment:
        raise errors.invalid(f"Invalid {which} time.")
    try:
        if day:
            return {"date": date.fromisoformat(day).isoformat()}
        parsed = parse_local(str(moment))
    except (TypeError, ValueError) as error:
        raise errors.invalid(f"Invalid value for: Invalid format: {str(day or moment)!r}") from error
    if parsed.tzinfo is None:
        if not name:
            raise errors.required(f"Missing time zone definition for {which} time.")
        parsed = parsed.replace(tzinfo=zone(name))
    zone(name or calendar_zone)
    return {"dateTime": utc_text(parsed), "timeZone": name or calendar_zone}


def is_all_day(event: dict[str, Any]) -> bool:
    """Whether the event is an all-day one."""
    return "date" in event["start"]


def instant(value: dict[str, str], calendar_zone: str) -> datetime:
    """The instant of a start or end; a date begins at midnight in the calendar's zone."""
    if "dateTime" in value:
        return datetime.fromisoformat(value["dateTime"])
    return datetime.fromisoformat(value["date"]).replace(tzinfo=zone(calendar_zone)).astimezone(UTC)


def duration(event: dict[str, Any]) -> timedelta:
    """End minus start."""
    if is_all_day(event):
        return date.fromisoformat(event["end"]["date"]) - date.fromisoformat(event["start"]["date"])
    return datetime.fromisoformat(event["end"]["dateTime"]) - datetime.fromisoformat(event["start"]["dateTime"])


def shown(value: dict[str, str], zone_name: str) -> dict[str, str]:
    """An EventDateTime as answers show it, with the offset of the zone asked for."""
    if "dateTime" not in value:
        return value
    local = datetime.fromisoformat(value["dateTime"]).astimezone(zone(zone_name))
    text = local.isoformat(timespec="seconds")
    return {**value, "dateTime": text.removesuffix("+00:00") + "Z" if text.endswith("+00:00") else text}
