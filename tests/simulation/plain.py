"""What a calendar item is at a simulated provider: a plain dict, as JSON would have it, and when it happens.

Nothing of the product is used here: the oracle judges by this. Keys of an item: `id`, `by` (person or kalends),
`status` (confirmed, tentative, cancelled), `title`, `description`, `location`, `all_day`, `start`, `end` (dates, or
times in UTC), `zone`, `show` (busy, free, tentative, oof), `visibility`, `type`, `response`, `guests`, `recurrence`,
`series` and `original` (of an occurrence that differs: its master and its place), `marker`, `readable`, `etag`,
`updated` (when it was last written).
"""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from dateutil.rrule import rrulestr

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

type Item = dict[str, Any]

_FAR = 10_000


def moment(text: str) -> datetime:
    """A date (its midnight in UTC) or a time of an item."""
    return _moment(text)


@lru_cache(maxsize=4096)
def _moment(text: str) -> datetime:
    if len(text) == len("2026-03-01"):
        return datetime.combine(date.fromisoformat(text), time(), UTC)
    return datetime.fromisoformat(text)


def text(at: datetime, *, all_day: bool) -> str:
    """The inverse of `moment`."""
    return at.date().isoformat() if all_day else at.astimezone(UTC).isoformat()


def place(at: datetime, *, all_day: bool) -> str:
    """The name of an occurrence's place in its series, as Google's instance ids have it."""
    return at.strftime("%Y%m%d") if all_day else at.astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")


def is_gone(item: Item) -> bool:
    """Whether it is a tombstone; a cancelled occurrence is none."""
    return item["status"] == "cancelled" and item["series"] is None


def root_of(item: Item) -> str:
    """The id of its series' master, or its own."""
    return str(item["series"] or item["id"])


def starts(item: Item, *, before: datetime) -> list[datetime]:
    """When the occurrences of an item start as its rule has them, up to `before`, EXDATE left out (RFC 5545)."""
    return list(_starts(item["start"], item["all_day"], item["zone"], tuple(item["recurrence"]), before))


def at_place(key: str) -> datetime:
    """The inverse of `place`; all-day places are midnights in UTC."""
    return datetime.strptime(key, "%Y%m%d" if len(key) == len("20260301") else "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)


def has_place(item: Item, key: str) -> bool:
    """Whether a series has an occurrence at a place, exceptions aside."""
    if not item["recurrence"] or is_gone(item) or (len(key) == len("20260301")) != item["all_day"]:
        return False
    at = at_place(key)
    return at in _starts(
        item["start"], item["all_day"], item["zone"], tuple(item["recurrence"]), at + timedelta(days=1)
    )


def happenings(
    root: Item, overrides: Iterable[Item], *, first: datetime, last: datetime
) -> Iterator[tuple[datetime, datetime, Item]]:
    """Every occurrence that lies at least partly in [first, last): start, end, and the item that says how it looks."""
    length = moment(root["end"]) - moment(root["start"])
    # What was a series may have left exceptions behind; a single event has none that count.
    differing = {one["original"]: one for one in overrides} if root["recurrence"] else {}
    for at in starts(root, before=last) if root["recurrence"] else [moment(root["start"])]:
        if place(at, all_day=root["all_day"]) not in differing and touches(at, at + length, first, last):
            yield at, at + length, root
    for one in differing.values():
        if one["status"] == "cancelled":
            continue
        begin, end = moment(one["start"]), moment(one["end"])
        if touches(begin, end, first, last):
            yield begin, end, one


def touches(begin: datetime, end: datetime, first: datetime, last: datetime) -> bool:
    """Whether [begin, end) lies at least partly in [first, last); a zero length counts as a moment."""
    return begin < last and max(end, begin + timedelta(microseconds=1)) > first


@lru_cache(maxsize=2048)
def _starts(
    start: str, all_day: bool, zone_name: str, lines: tuple[str, ...], before: datetime
) -> tuple[datetime, ...]:
    zone = UTC if all_day else ZoneInfo(zone_name)
    first = moment(start).astimezone(zone).replace(tzinfo=None)
    limit = before.astimezone(zone).replace(tzinfo=None) + timedelta(days=1)
    excluded: set[datetime] = set()
    found = {moment(start)}
    for line in lines:
        name, _, value = line.partition(":")
        if name.startswith("EXDATE"):
            excluded |= {_excluded(one, name, zone) for one in value.split(",")}
        else:
            for number, one in enumerate(rrulestr(_local_until(value, zone), dtstart=first)):
                if one >= limit or number > _FAR:
                    break
                found.add(one.replace(tzinfo=zone).astimezone(UTC))
    return tuple(sorted(one for one in found - excluded if one < before))


def _excluded(value: str, name: str, zone: Any) -> datetime:
    if len(value) == len("20260301"):
        return datetime.strptime(value, "%Y%m%d").replace(tzinfo=UTC)
    if value.endswith("Z"):
        return datetime.strptime(value, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    named = ZoneInfo(name.partition("TZID=")[2]) if "TZID=" in name else zone
    return datetime.strptime(value, "%Y%m%dT%H%M%S").replace(tzinfo=named).astimezone(UTC)


def _local_until(rule: str, zone: Any) -> str:
    """The rule with UNTIL on the series' wall clock, as a naive dtstart needs it."""
    parts = []
    for part in rule.split(";"):
        name, _, value = part.partition("=")
        if name == "UNTIL" and value.endswith("Z"):
            at = datetime.strptime(value, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
            part = f"UNTIL={at.astimezone(zone).strftime('%Y%m%dT%H%M%S')}"
        elif name == "UNTIL":
            part = f"UNTIL={value}T235959"
        parts.append(part)
    return ";".join(parts)
