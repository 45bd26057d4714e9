"""What others will see through a link, shown before there is one: an example, rendered as every mirror is."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from shared.calendar import mask
from shared.calendar.event import Availability, Event, Response, Text
from shared.calendar.span import TimedSpan
from shared.connections import calendars, store

if TYPE_CHECKING:
    from uuid import UUID

    from shared.calendar.mask import Mask
    from shared.calendar.mirror import Appearance
    from shared.store.database import Connection

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


def named(conn: Connection, how: Mask, source_calendar_id: UUID | None) -> Mask:
    """The mask with the names that its title may hold: of this calendar and its account, or made up where none is
    chosen yet. Raises NotFoundError."""
    if source_calendar_id is None:
        return replace(how, calendar="Personal", account="you@example.com")
    source = calendars.get(conn, source_calendar_id)
    return replace(how, calendar=source.name, account=store.get(conn, source.connection_id).email)


def render(event: Event, how: Mask) -> Appearance:
    """The event as readers of the target calendar will see it: by the same function that makes the mirrors."""
    return mask.appearance(event, how)
