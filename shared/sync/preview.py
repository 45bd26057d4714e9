"""What others will see through a link, shown before there is one: an example, rendered as every mirror is. Pure."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from shared.calendar import mask
from shared.calendar.event import Availability, Event, Response, Text
from shared.calendar.span import TimedSpan

if TYPE_CHECKING:
    from shared.calendar.mask import Mask
    from shared.calendar.mirror import Appearance

NEVER_SHOWN = ("guests", "reminders", "video links", "attachments")
"""What people also keep in their events; no mirror carries it (promise 9)."""


def example(*, zone: str, now: datetime) -> Event:
    """An appointment that nobody would like to show to everyone: next Thursday at 14:00 in `zone`."""
    local = now.astimezone(ZoneInfo(zone))
    thursday = local.date() + timedelta(days=(3 - local.weekday()) % 7 or 7)
    start = datetime(thursday.year, thursday.month, thursday.day, 14, tzinfo=ZoneInfo(zone))
    return Event(
        id="example",
        span=TimedSpan(start=start.astimezone(UTC), end=(start + timedelta(hours=1)).astimezone(UTC), zone=zone),
        text=Text(
            title="Second opinion with Prof. Lindqvist",
            description="Bring the results of the last blood test. Ask about the side effects.",
            location="St. Mary's Hospital, Room 4.12",
        ),
        availability=Availability.BUSY,
        response=Response.ACCEPTED,
    )


def render(event: Event, how: Mask) -> Appearance:
    """The event as readers of the target calendar will see it: by the same function that makes the mirrors."""
    return mask.appearance(event, how)
