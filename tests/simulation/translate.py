"""Between a provider's plain items and the product's events, as its adapters translate."""

from __future__ import annotations

from datetime import date, datetime
from typing import TYPE_CHECKING

from shared.calendar import recurrence
from shared.calendar.event import Availability, Event, EventType, Response, Status, Text, Visibility
from shared.calendar.span import AllDaySpan, TimedSpan, parse_occurrence_key
from shared.core.errors import InvalidError
from tests.simulation import plain

if TYPE_CHECKING:
    from shared.calendar.mirror import Appearance
    from shared.calendar.patch import Patch
    from shared.calendar.span import Span
    from tests.simulation.plain import Item
    from tests.simulation.provider import Kind

_SHOWN = {"busy": Availability.BUSY, "free": Availability.FREE, "tentative": Availability.TENTATIVE}


def event(item: Item, kind: Kind) -> Event:
    """An item as the adapter reads it. Raises InvalidError for one that nobody can read."""
    if not item["readable"]:
        raise InvalidError("The times of the event are not understood.", code="EVENT.TIME")
    is_cancelled = item["status"] == "cancelled"
    if item["series"] is not None and is_cancelled:
        return Event(
            id=item["id"],
            span=None,
            status=Status.CANCELLED,
            series_id=item["series"],
            original_start=parse_occurrence_key(item["original"]),
            etag=item["etag"],
            updated_at=item["updated"],
        )
    span = _span(item)
    is_google = kind == "google"
    return Event(
        id=item["id"],
        span=span,
        status=Status.CANCELLED if is_cancelled else _status(item, kind),
        text=Text(title=item["title"], description=item["description"], location=item["location"]),
        availability=_availability(item, kind),
        visibility=Visibility(item["visibility"]),
        event_type=EventType(item["type"]) if is_google else EventType.DEFAULT,
        response=Response(item["response"]),
        recurrence=recurrence.normalise(item["recurrence"], span) if item["recurrence"] else (),
        series_id=item["series"],
        original_start=parse_occurrence_key(item["original"]) if item["original"] else None,
        etag=item["etag"],
        updated_at=item["updated"],
        marker=item["marker"],
    )


def looks(appearance: Appearance, kind: Kind) -> Item:
    """What a write says about an item."""
    span = appearance.span
    is_open = appearance.availability is Availability.TENTATIVE or appearance.status is Status.TENTATIVE
    if appearance.availability is Availability.FREE:
        show = "free"
    elif kind == "google":
        show = "busy"
    elif kind == "caldav" and appearance.availability is Availability.OUT_OF_OFFICE:
        show = "oof"
    else:
        show = "tentative" if is_open else "oof" if appearance.availability is Availability.OUT_OF_OFFICE else "busy"
    return {
        "title": appearance.text.title,
        "description": appearance.text.description,
        "location": appearance.text.location,
        "all_day": span.is_all_day,
        "start": plain.text(span.starts_at(), all_day=span.is_all_day),
        "end": plain.text(span.ends_at(), all_day=span.is_all_day),
        "zone": span.zone if isinstance(span, TimedSpan) else "UTC",
        "show": show,
        "status": "tentative" if is_open and kind != "microsoft" else "confirmed",
        "visibility": appearance.visibility.value,
        "recurrence": list(appearance.recurrence),
    }


def named(change: Patch, kind: Kind) -> Item:
    """What an amendment says about an item: what it names and nothing else."""
    fields: Item = {}
    if change.title is not None:
        fields["title"] = change.title
    if change.description is not None:
        fields["description"] = change.description.text
    if change.location is not None:
        fields["location"] = change.location
    if (span := change.when) is not None:
        fields |= {
            "all_day": span.is_all_day,
            "start": plain.text(span.starts_at(), all_day=span.is_all_day),
            "end": plain.text(span.ends_at(), all_day=span.is_all_day),
            "zone": span.zone if isinstance(span, TimedSpan) else "UTC",
        }
    if change.recurrence is not None:
        fields["recurrence"] = list(change.recurrence)
    if change.availability is not None:
        fields |= _shown_as(change.availability, kind)
    return fields


def _shown_as(availability: Availability, kind: Kind) -> Item:
    if availability is Availability.FREE:
        return {"show": "free"}
    is_open = availability is Availability.TENTATIVE
    if kind == "google":
        return {"show": "busy", "status": "tentative" if is_open else "confirmed"}
    show = "tentative" if is_open else "oof" if availability is Availability.OUT_OF_OFFICE else "busy"
    return {"show": show} if kind == "microsoft" else {"show": show, "status": "tentative" if is_open else "confirmed"}


def _span(item: Item) -> Span:
    if item["all_day"]:
        return AllDaySpan(start=date.fromisoformat(item["start"]), end=date.fromisoformat(item["end"]))
    start, end = datetime.fromisoformat(item["start"]), datetime.fromisoformat(item["end"])
    return TimedSpan(start=start, end=end, zone=item["zone"])


def _status(item: Item, kind: Kind) -> Status:
    return Status.TENTATIVE if kind != "microsoft" and item["status"] == "tentative" else Status.CONFIRMED


def _availability(item: Item, kind: Kind) -> Availability:
    if kind == "caldav" and item["show"] == "busy" and item["status"] == "tentative":
        return Availability.TENTATIVE
    if kind != "google":
        return _SHOWN.get(item["show"], Availability.OUT_OF_OFFICE)
    if item["show"] == "free":
        return Availability.FREE
    if item["type"] == "out_of_office":
        return Availability.OUT_OF_OFFICE
    return Availability.TENTATIVE if item["status"] == "tentative" else Availability.BUSY
