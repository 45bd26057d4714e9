"""From Google's event resource to an event. Pure.

Source: Calendar API v3, Events; "Synchronize resources efficiently". Google promises only `id` for what is deleted,
and only `id`, `recurringEventId` and `originalStartTime` for a cancelled occurrence.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

from shared.calendar import recurrence, zones
from shared.calendar.event import Availability, Event, EventType, Response, Status, Text, Visibility
from shared.calendar.span import AllDaySpan, TimedSpan, parse_occurrence_key
from shared.core.errors import InvalidError
from shared.providers.google.writing import MARKER, SIGN
from shared.providers.port import Removed, Skipped, Upserted

if TYPE_CHECKING:
    from collections.abc import Mapping

    from shared.calendar.span import Span, Start

FIELDS = (
    "id,status,etag,updated,iCalUID,eventType,summary,description,location,start,end,recurrence,recurringEventId,"
    "originalStartTime,transparency,visibility,colorId,extendedProperties/private,attendees(self,organizer,responseStatus)"
)
"""The part of an event that is read, as a `fields` mask."""

_EVENT_TYPES = {
    "focusTime": EventType.FOCUS_TIME,
    "outOfOffice": EventType.OUT_OF_OFFICE,
    "workingLocation": EventType.WORKING_LOCATION,
    "birthday": EventType.BIRTHDAY,
    "fromGmail": EventType.FROM_GMAIL,
}
# The names that people see; the API knows only numbers ("Colors: get" gives their tones).
_COLORS = {
    "1": "Lavender",
    "2": "Sage",
    "3": "Grape",
    "4": "Flamingo",
    "5": "Banana",
    "6": "Tangerine",
    "7": "Peacock",
    "8": "Graphite",
    "9": "Blueberry",
    "10": "Basil",
    "11": "Tomato",
}
_VISIBILITIES = {item.value: item for item in Visibility}
_RESPONSES = {
    "needsAction": Response.NEEDS_ACTION,
    "accepted": Response.ACCEPTED,
    "tentative": Response.TENTATIVE,
    "declined": Response.DECLINED,
}
_INSTANCE = re.compile(r"(.+)_(\d{8}(?:T\d{6}Z)?)", re.ASCII)
_DESCRIPTIVE = {"start", "end", "recurringEventId", "originalStartTime", "summary"}
# Google does not say whether a description is HTML ("Can contain HTML"): it is if it has a tag or an entity.
_MARKUP = re.compile(
    r"</?(?:a|b|blockquote|body|br|div|em|font|h[1-6]|hr|html|html-blob|i|img|li|ol|p|pre|s|span|strong|sub|sup|table|"
    r"tbody|td|th|thead|tr|u|ul)(?:\s[^<>]*)?/?>|&(?:[a-z]{2,8}|#\d{1,6}|#x[0-9a-f]{1,5});",
    re.IGNORECASE,
)


def read_change(item: object, *, time_zone: str, incremental: bool) -> Upserted | Removed | Skipped:
    """What one item of events.list says. `time_zone` is the calendar's, for times that name none.

    Nothing but an id means deletion only in an answer to a sync token; in a full read it is an item that is broken.
    """
    event_id = item.get("id") if isinstance(item, dict) else None
    if not isinstance(item, dict) or not isinstance(event_id, str) or not event_id:
        return Skipped(event_id="", reason="The item has no id.")
    try:
        is_bare = incremental and "status" not in item and not _DESCRIPTIVE & item.keys()
        if is_bare or item.get("status") == "cancelled":
            cancelled = _cancelled_occurrence(item, event_id)
            return Removed(event_id=event_id) if cancelled is None else Upserted(event=cancelled)
        return Upserted(event=read_event(item, time_zone=time_zone))
    except InvalidError as error:
        return Skipped(event_id=event_id, reason=error.message)


def read_event(item: Mapping[str, Any], *, time_zone: str) -> Event:
    """One event resource, masked by FIELDS or whole. Raises InvalidError, without its text, if it is not understood."""
    event_id = _required(item, "id")
    series_id = _optional(item, "recurringEventId")
    if series_id and ("start" not in item or item.get("status") == "cancelled"):
        cancelled = _cancelled_occurrence(item, event_id)
        if cancelled is not None:
            return cancelled
    span = _span(item, time_zone)
    status = {"tentative": Status.TENTATIVE, "cancelled": Status.CANCELLED}.get(
        _optional(item, "status") or "", Status.CONFIRMED
    )
    event_type = _EVENT_TYPES.get(_optional(item, "eventType") or "", EventType.DEFAULT)
    description = _optional(item, "description") or ""
    private = _mapping(_mapping(item, "extendedProperties"), "private")
    marker = _optional(private, MARKER)
    return Event(
        id=event_id,
        span=span,
        status=status,
        text=Text(
            title=_optional(item, "summary") or "",
            description=description,
            is_html=_MARKUP.search(description) is not None,
            location=_optional(item, "location") or "",
            categories=() if (color := _COLORS.get(_optional(item, "colorId") or "")) is None else (color,),
        ),
        availability=_availability(_optional(item, "transparency"), status, event_type),
        visibility=_VISIBILITIES.get(_optional(item, "visibility") or "", Visibility.DEFAULT),
        event_type=event_type,
        response=_response(item),
        recurrence=_recurrence(item, span),
        series_id=series_id,
        original_start=_original_start(item, event_id, time_zone) if series_id else None,
        ical_uid=_optional(item, "iCalUID"),
        etag=_optional(item, "etag"),
        updated_at=_moment(updated) if (updated := _optional(item, "updated")) else None,
        marker=marker,
        claims_marker=marker is None and SIGN in private,
    )


def _cancelled_occurrence(item: Mapping[str, Any], event_id: str) -> Event | None:
    """A cancelled item as an occurrence that is gone, or None if it was an event of its own.

    An instance id names series and place itself, where Google sends nothing else.
    """
    instance = _INSTANCE.fullmatch(event_id)
    series_id = _optional(item, "recurringEventId") or (instance[1] if instance else None)
    if series_id is None:
        return None
    return Event(
        id=event_id,
        span=None,
        status=Status.CANCELLED,
        series_id=series_id,
        original_start=_original_start(item, event_id, "UTC"),
        ical_uid=_optional(item, "iCalUID"),
        etag=_optional(item, "etag"),
        updated_at=_moment(updated) if (updated := _optional(item, "updated")) else None,
    )


def _span(item: Mapping[str, Any], time_zone: str) -> Span:
    start, end = _mapping(item, "start"), _mapping(item, "end")
    try:
        if "date" in start:
            first, last = date.fromisoformat(_required(start, "date")), date.fromisoformat(_required(end, "date"))
            return AllDaySpan(start=first, end=last + timedelta(days=1) if last == first else last)
        zone = _zone(item, _optional(start, "timeZone") or time_zone)
        return TimedSpan(start=_time(start, zone), end=_time(end, zone), zone=zone)
    except (ValueError, OverflowError):
        raise InvalidError("The times of the event are not understood.", code="EVENT.TIME") from None


def _time(time: Mapping[str, Any], zone: str) -> datetime:
    moment = datetime.fromisoformat(_required(time, "dateTime"))
    return (moment if moment.tzinfo else moment.replace(tzinfo=zones.zone(zone))).astimezone(UTC)


def _moment(value: str) -> datetime:
    try:
        return datetime.fromisoformat(value).astimezone(UTC)
    except (ValueError, OverflowError):
        raise InvalidError("A time of the event is not understood.", code="EVENT.TIME") from None


def _original_start(item: Mapping[str, Any], event_id: str, time_zone: str) -> Start:
    original = _mapping(item, "originalStartTime")
    try:
        if "date" in original:
            return date.fromisoformat(_required(original, "date"))
        if "dateTime" in original:
            return _time(original, _zone(item, _optional(original, "timeZone") or time_zone))
        instance = _INSTANCE.fullmatch(event_id)
        if instance is not None:
            return parse_occurrence_key(instance[2])
    except (ValueError, OverflowError):
        pass
    raise InvalidError("The occurrence does not say which one it is.", code="EVENT.OCCURRENCE")


def _zone(item: Mapping[str, Any], name: str) -> str:
    """The IANA name of a zone; only a series needs to know its wall clock, anything else has offsets."""
    try:
        return zones.resolve(name)
    except InvalidError:
        if item.get("recurrence"):
            raise
        return "UTC"


def _recurrence(item: Mapping[str, Any], span: Span) -> tuple[str, ...]:
    lines = item.get("recurrence") or []
    if not isinstance(lines, list) or not all(isinstance(line, str) for line in lines):
        raise InvalidError("The recurrence is not a list of lines.", code="RECURRENCE.INVALID")
    return recurrence.normalise(lines, span) if lines else ()


def _availability(transparency: str | None, status: Status, event_type: EventType) -> Availability:
    if transparency == "transparent":
        return Availability.FREE
    if event_type is EventType.OUT_OF_OFFICE:
        return Availability.OUT_OF_OFFICE
    return Availability.TENTATIVE if status is Status.TENTATIVE else Availability.BUSY


def _response(item: Mapping[str, Any]) -> Response:
    """The owner's answer. An organiser has given none unless it is a refusal or a maybe."""
    attendees = item.get("attendees") or []
    for attendee in attendees if isinstance(attendees, list) else []:
        if isinstance(attendee, dict) and attendee.get("self") is True:
            response = _RESPONSES.get(_optional(attendee, "responseStatus") or "", Response.NONE)
            is_silent = response in (Response.NEEDS_ACTION, Response.ACCEPTED)
            return Response.NONE if attendee.get("organizer") is True and is_silent else response
    return Response.NONE


def _mapping(item: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = item.get(name)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise InvalidError(f"The event's {name} is not an object.", code="EVENT.MALFORMED")
    return value


def _optional(item: Mapping[str, Any], name: str) -> str | None:
    value = item.get(name)
    if value is not None and not isinstance(value, str):
        raise InvalidError(f"The event's {name} is not a text.", code="EVENT.MALFORMED")
    return value


def _required(item: Mapping[str, Any], name: str) -> str:
    value = _optional(item, name)
    if not value:
        raise InvalidError(f"The event has no {name}.", code="EVENT.MALFORMED")
    return value
