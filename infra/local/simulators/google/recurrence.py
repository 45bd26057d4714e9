"""Occurrences of a series. The rules are expanded in local time of the series' zone by python-dateutil, so that
nine o'clock stays nine o'clock across a change of the clocks."""

import re
from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from itertools import islice
from typing import Any
from zoneinfo import ZoneInfo

from dateutil.rrule import rruleset, rrulestr

from infra.local.simulators.google import errors, times

_LINE = re.compile(r"(RRULE|EXRULE|RDATE|EXDATE)((?:;[^:]*)?):(.+)", re.IGNORECASE)
_INSTANCE = re.compile(r"(?P<master>.+)_(?P<stamp>\d{8}(?:T\d{6}Z)?)")
_LOWER_FREQUENCIES = ("SECONDLY", "MINUTELY", "HOURLY")
_WITHOUT_END = 730


def clean(lines: Any, *, start: dict[str, str]) -> list[str]:
    """The recurrence of a request, checked; 400 when a line is none of RRULE, EXRULE, RDATE, EXDATE or is wrong."""
    if not isinstance(lines, list) or not all(isinstance(line, str) for line in lines):
        raise errors.parse_error()
    cleaned = [line.strip() for line in lines if line.strip()]
    for line in cleaned:
        match = _LINE.fullmatch(line)
        if match is None or any(f"FREQ={low}" in line.upper() for low in _LOWER_FREQUENCIES):
            raise errors.invalid("Invalid recurrence rule.")
    try:
        _rules(tuple(cleaned), _local_start(start), start.get("timeZone", "UTC"))
    except (ValueError, TypeError, KeyError, IndexError) as error:
        raise errors.invalid("Invalid recurrence rule.") from error
    return cleaned


def starts(
    event: dict[str, Any], calendar_zone: str, after: datetime | None = None, before: datetime | None = None
) -> Iterator[datetime]:
    """Starts of a series' occurrences by time: aware in the series' zone, or midnight UTC of an all-day one's date.

    Only those that end after `after` and start before `before` (instants; days begin at midnight in the calendar's
    zone). A series without an end stops after 730 occurrences when `before` is None.
    """
    all_day, length = times.is_all_day(event), times.duration(event)
    zone = times.zone(calendar_zone) if all_day else _zone(event)
    rules = _rules_of(event)
    found: Iterable[datetime] = rules
    if after is not None:
        found = rules.xafter(after.astimezone(zone).replace(tzinfo=None) - length - timedelta(days=1), inc=True)
    for local in found if before else islice(found, _WITHOUT_END):
        start = local.replace(tzinfo=zone)
        if before is not None and start >= before:
            return
        end = (local + length).replace(tzinfo=zone) if all_day else start.astimezone(UTC) + length
        if after is None or end > after:
            yield local.replace(tzinfo=UTC) if all_day else start


def stamp(start: datetime, *, all_day: bool) -> str:
    """The last part of an instance's id: `20260301T090000Z`, or `20260301` for an all-day series."""
    return start.strftime("%Y%m%d") if all_day else start.astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")


def split_id(event_id: str) -> tuple[str, datetime, bool] | None:
    """Master id, original start (UTC; midnight for a date) and whether it is a date; None when it is no instance id."""
    match = _INSTANCE.fullmatch(event_id)
    if match is None:
        return None
    text = match["stamp"]
    try:
        if "T" in text:
            return match["master"], datetime.strptime(text, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC), False
        return match["master"], datetime.strptime(text, "%Y%m%d").replace(tzinfo=UTC), True
    except ValueError:
        return None


def has_start(event: dict[str, Any], original: datetime) -> bool:
    """Whether the series has an occurrence that starts exactly then (all-day: midnight UTC of the date)."""
    second = timedelta(seconds=1)
    near = starts(event, "UTC", after=original - second, before=original + second)
    return any(start.astimezone(UTC) == original for start in near)


def instance(master: dict[str, Any], start: datetime) -> dict[str, Any]:
    """One occurrence of a series as an event of its own, unchanged."""
    all_day, length = times.is_all_day(master), times.duration(master)
    if all_day:
        first, last = {"date": start.date().isoformat()}, {"date": (start.date() + length).isoformat()}
    else:
        name = master["start"]["timeZone"]
        first = {"dateTime": times.utc_text(start), "timeZone": name}
        last = {"dateTime": times.utc_text(start.astimezone(UTC) + length), "timeZone": master["end"]["timeZone"]}
    event = {key: value for key, value in master.items() if key != "recurrence"}
    return event | {
        "id": f"{master['id']}_{stamp(start, all_day=all_day)}",
        "start": first,
        "end": last,
        "recurringEventId": master["id"],
        "originalStartTime": first,
    }


def _rules_of(event: dict[str, Any]) -> rruleset:
    start = event["start"]
    return _rules(tuple(event["recurrence"]), _local_start(start), start.get("timeZone", "UTC"))


def _zone(event: dict[str, Any]) -> ZoneInfo:
    return times.zone(event["start"].get("timeZone", "UTC"))


def _local_start(start: dict[str, str]) -> datetime:
    if "date" in start:
        return datetime.fromisoformat(start["date"])
    return datetime.fromisoformat(start["dateTime"]).astimezone(times.zone(start["timeZone"])).replace(tzinfo=None)


@lru_cache(maxsize=8192)
def _rules(lines: tuple[str, ...], start: datetime, zone_name: str) -> rruleset:
    rules, zone = rruleset(cache=True), times.zone(zone_name)
    for line in lines:
        match = _LINE.fullmatch(line)
        if match is None:
            raise ValueError(line)
        kind, parameters, value = match[1].upper(), match[2], match[3]
        if kind in ("RRULE", "EXRULE"):
            rule = rrulestr(f"RRULE:{_with_local_until(value, zone)}", dtstart=start)
            rules.rrule(rule) if kind == "RRULE" else rules.exrule(rule)  # type: ignore[arg-type]
            continue
        for text in value.split(","):
            moment = _local(text.partition("/")[0], parameters, zone, start)
            rules.rdate(moment) if kind == "RDATE" else rules.exdate(moment)
    if not any(line.upper().startswith("RRULE") for line in lines):
        rules.rdate(start)
    return rules


def _with_local_until(rule: str, zone: ZoneInfo) -> str:
    parts = dict(part.split("=", 1) for part in rule.upper().split(";") if part)
    until = parts.get("UNTIL")
    if until and "COUNT" in parts:
        raise ValueError("UNTIL and COUNT exclude each other")
    if until and until.endswith("Z"):
        moment = datetime.strptime(until, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
        parts["UNTIL"] = moment.astimezone(zone).strftime("%Y%m%dT%H%M%S")
    elif until and "T" not in until:
        parts["UNTIL"] = until + "T235959"
    return ";".join(f"{key}={value}" for key, value in parts.items())


def _local(text: str, parameters: str, zone: ZoneInfo, start: datetime) -> datetime:
    named = re.search(r"TZID=([^;:]+)", parameters, re.IGNORECASE)
    if text.endswith("Z"):
        moment = datetime.strptime(text, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    elif "T" in text:
        moment = datetime.strptime(text, "%Y%m%dT%H%M%S").replace(tzinfo=times.zone(named[1]) if named else zone)
    else:
        day = date(int(text[:4]), int(text[4:6]), int(text[6:8]))
        moment = datetime.combine(day, start.time()).replace(tzinfo=zone)
    return moment.astimezone(zone).replace(tzinfo=None)
