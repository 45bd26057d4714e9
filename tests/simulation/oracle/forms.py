"""In which form a series can stand at a target: as one, or occurrence by occurrence.

Outlook keeps each moved occurrence between the days of those before and after it (Graph:
ErrorOccurrenceCrossingBoundary); a cancelled one keeps its place. The rules that people make here every target knows.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from tests.simulation import plain

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tests.simulation.plain import Item

UNTIL = re.compile(r"UNTIL=(\d{8}(?:T\d{6}Z)?)")


def holds(kind: str, root: Item, overrides: Iterable[Item]) -> bool:
    """Whether a provider of this kind can hold a series as one."""
    if kind != "microsoft" or not root["recurrence"]:
        return True
    ends = [plain.at_place(end) for line in root["recurrence"] for end in UNTIL.findall(line)]
    if any(end < plain.moment(root["start"]) for end in ends):
        return False
    zone = UTC if root["all_day"] else ZoneInfo(root["zone"])

    def day(at: datetime) -> date:
        return at.astimezone(zone).date()

    there = {
        day(plain.at_place(one["original"])): day(plain.moment(one["start"]))
        for one in overrides
        if one["status"] != "cancelled"
    }
    moved = {place: actual for place, actual in there.items() if place != actual}
    if not moved:
        return True
    until = max(*moved.values(), *moved) + timedelta(days=3)
    before = datetime(until.year, until.month, until.day, tzinfo=UTC)
    days = {day(at): day(at) for at in plain.starts(root, before=before)} | there
    return all(
        actual > other if one < place else actual < other
        for place, actual in moved.items()
        for one, other in days.items()
        if one != place
    )


def of_series(name: str) -> tuple[str, str] | None:
    """Series and place, if a source has the name of an occurrence that stands for itself."""
    series, _, place = name.rpartition("_")
    try:
        plain.at_place(place)
    except ValueError:
        return None
    return (series, place) if series else None
