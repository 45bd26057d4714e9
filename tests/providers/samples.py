"""Words that tests of providers are written in: spans, appearances, and the port's calls as one does them."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from shared.calendar.event import Availability, Event, Text, Unit
from shared.calendar.mirror import Appearance
from shared.calendar.span import AllDaySpan, Span, TimedSpan
from shared.providers.port import Failed, Insert, Write, Written
from tests.providers.replica import WINDOW, Replica

if TYPE_CHECKING:
    from tests.providers.world import World

BERLIN = "Europe/Berlin"
MARKER = "v1.target-calendar.c2lnbmF0dXJl"


def key(number: int) -> str:
    """A deterministic key, as the engine makes them."""
    return f"{number:032d}"


def at(day: int, hour: int = 9, minute: int = 0, *, month: int = 3, zone: str = BERLIN) -> datetime:
    """A moment of 2026 on a zone's wall clock."""
    return datetime(2026, month, day, hour, minute, tzinfo=ZoneInfo(zone))


def timed(start: datetime, minutes: int = 60) -> TimedSpan:
    """A span in the start's zone."""
    return TimedSpan(start=start, end=start + timedelta(minutes=minutes), zone=str(start.tzinfo))


def days(first: int, count: int = 1, *, month: int = 3) -> AllDaySpan:
    """Whole days of 2026."""
    start = date(2026, month, first)
    return AllDaySpan(start=start, end=start + timedelta(days=count))


def event(title: str = "Dentist", span: Span | None = None, **fields: Any) -> Appearance:
    """An appearance; one hour on the 2nd of March unless told otherwise."""
    text = fields.pop("text", Text(title=title))
    availability = fields.pop("availability", Availability.BUSY)
    return Appearance(span=span or timed(at(2)), text=text, availability=availability, **fields)


def weekly(title: str = "Stand-up", span: Span | None = None, rule: str = "FREQ=WEEKLY;COUNT=4") -> Appearance:
    """A series of four Mondays, the change to summer time among them."""
    return event(title, span or timed(at(16)), recurrence=(f"RRULE:{rule}",))


MONDAYS = ["20260316T080000Z", "20260323T080000Z", "20260330T070000Z", "20260406T070000Z"]


def accepted(outcome: Written | Failed) -> Written:
    """The outcome, which must be a success."""
    assert isinstance(outcome, Written), outcome
    return outcome


def refused(outcome: Written | Failed) -> BaseException:
    """The outcome's error, which there must be."""
    assert isinstance(outcome, Failed), outcome
    return outcome.error


def replica(world: World, **settings: Any) -> Replica:
    """A reader that knows nothing yet."""
    return Replica(provider=world.provider, calendar_id=world.calendar_id, **settings)


def write(world: World, *writes: Write) -> list[Written | Failed]:
    """Carry out writes."""
    return world.provider.write(world.calendar_id, writes)


def insert(world: World, appearance: Appearance, number: int = 1, **settings: Any) -> Event:
    """Insert a mirror that must be accepted; answers it as read back."""
    written = accepted(write(world, Insert(key=key(number), marker=MARKER, appearance=appearance, **settings))[0])
    assert written.event is not None
    assert written.event.id == written.event_id
    return written.event


def get(world: World, event_id: str) -> Unit:
    """An event that must be there."""
    unit = world.provider.get(world.calendar_id, event_id, window=WINDOW)
    assert unit is not None
    return unit
