"""Event bodies that tests begin with."""

from __future__ import annotations

from typing import Any

ZURICH, NEW_YORK = "Europe/Zurich", "America/New_York"


def timed(
    start: str = "2026-03-02T09:00:00", end: str = "2026-03-02T10:00:00", zone: str = ZURICH, **fields: Any
) -> dict[str, Any]:
    """A timed event by wall clock."""
    return {
        "summary": "Dentist",
        "start": {"dateTime": start, "timeZone": zone},
        "end": {"dateTime": end, "timeZone": zone},
        **fields,
    }


def all_day(start: str = "2026-03-02", end: str = "2026-03-03", **fields: Any) -> dict[str, Any]:
    """An all-day event."""
    return {"summary": "Fair", "start": {"date": start}, "end": {"date": end}, **fields}


def series(rule: str = "RRULE:FREQ=WEEKLY;COUNT=4", **fields: Any) -> dict[str, Any]:
    """A series of timed events: Mondays at nine in Zurich, four of them, unless told otherwise."""
    return {**timed(), "recurrence": [rule], "summary": "Stand-up", **fields}
