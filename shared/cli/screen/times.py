"""Times as people read them: in the zone of their machine."""

from datetime import date, datetime, timedelta
from typing import Any

import typer

from shared.cli.screen.output import NOTHING

_UNITS = ((86_400, "day", "days"), (3_600, "h", "h"), (60, "min", "min"), (1, "s", "s"))


def moment(text: str | None) -> str:
    """An RFC 3339 time as `2026-08-04 10:00`, here."""
    return f"{datetime.fromisoformat(text).astimezone():%Y-%m-%d %H:%M}" if text else NOTHING


def ago(text: str | None, now: datetime) -> str:
    """An RFC 3339 time from `now`: `3 min ago`, `in 2 days`."""
    if text is None:
        return NOTHING
    seconds = int((now - datetime.fromisoformat(text)).total_seconds())
    if abs(seconds) < 1:
        return "now"
    size, one, many = next(unit for unit in _UNITS if abs(seconds) >= unit[0])
    count = abs(seconds) // size
    words = f"{count} {one if count == 1 else many}"
    return f"{words} ago" if seconds > 0 else f"in {words}"


def is_past(text: str, now: datetime) -> bool:
    """Whether an RFC 3339 time is over."""
    return datetime.fromisoformat(text) <= now


def when(span: dict[str, Any]) -> str:
    """When an event happens: `Tue 2026-08-04 10:00-11:00`; all-day events as their days, the last one included."""
    if span["all_day"]:
        first, last = date.fromisoformat(span["start"]), date.fromisoformat(span["end"]) - timedelta(days=1)
        return f"{first:%a %Y-%m-%d}" if last <= first else f"{first:%a %Y-%m-%d} to {last:%a %Y-%m-%d}"
    start, end = datetime.fromisoformat(span["start"]).astimezone(), datetime.fromisoformat(span["end"]).astimezone()
    until = f"{end:%H:%M}" if end.date() == start.date() else f"{end:%a %Y-%m-%d %H:%M}"
    return f"{start:%a %Y-%m-%d %H:%M}-{until}"


def start_of(text: str | None) -> str | None:
    """What a person types as a date or time, as RFC 3339; without a zone it is meant here. Refuses other texts."""
    if text is None:
        return None
    try:
        typed = datetime.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter(f"{text!r} is no date or time such as 2026-08-04 or 2026-08-04T10:00.") from None
    return typed.astimezone().isoformat()


def range_of(text: str | None, *, days: int) -> tuple[str, str]:
    """So many days from what a person types as a date or time, or from now, as RFC 3339."""
    begin = datetime.fromisoformat(start_of(text) or datetime.now().astimezone().isoformat(timespec="seconds"))
    return begin.isoformat(), (begin + timedelta(days=days)).isoformat()
