"""What a person typed into the form, as Graph would be told it."""

from datetime import date, datetime
from typing import Any

from infra.local.simulators.microsoft.recurrence import DAYS
from infra.local.simulators.port import Draft, Repeat

_REMINDER_MINUTES = 15


def to_graph(draft: Draft, zone: str) -> dict[str, Any]:
    """An event's body; `zone` is the calendar's (IANA)."""
    all_day = not isinstance(draft.start, datetime)
    body: dict[str, Any] = {
        "subject": draft.title,
        "isAllDay": all_day,
        "start": _date_time(draft.start, zone),
        "end": _date_time(draft.end, zone),
        "reminderMinutesBeforeStart": _REMINDER_MINUTES,
    }
    if draft.repeat:
        day = draft.start.date() if isinstance(draft.start, datetime) else draft.start
        body["recurrence"] = {
            "pattern": _pattern(draft.repeat, day),
            "range": {"type": "noEnd", "startDate": day.isoformat(), "recurrenceTimeZone": zone},
        }
    return body


def _date_time(value: datetime | date, zone: str) -> dict[str, str]:
    local = value.replace(tzinfo=None) if isinstance(value, datetime) else datetime.combine(value, datetime.min.time())
    return {"dateTime": local.isoformat(), "timeZone": zone}


def _pattern(repeat: Repeat, day: date) -> dict[str, Any]:
    match repeat:
        case "WEEKLY":
            return {"type": "weekly", "interval": 1, "daysOfWeek": [DAYS[day.weekday()]]}
        case "MONTHLY":
            return {"type": "absoluteMonthly", "interval": 1, "dayOfMonth": day.day}
        case "YEARLY":
            return {"type": "absoluteYearly", "interval": 1, "dayOfMonth": day.day, "month": day.month}
        case _:
            return {"type": "daily", "interval": 1}
