"""From Graph's event to ours. Pure; whatever cannot be understood is an InvalidError, for that one item.

Times are asked for in UTC (Prefer: outlook.timezone); the zone whose wall clock counts is named beside them.
Source: Graph v1.0, event.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from shared.calendar import zones
from shared.calendar.event import Availability, Event, EventType, Response, Status, Text, Visibility
from shared.calendar.span import AllDaySpan, Span, Start, TimedSpan, occurrence_key
from shared.core.errors import InvalidError
from shared.providers.microsoft import body, recurrence
from shared.providers.microsoft.writing import CATEGORY, MARKER_PROPERTY

if TYPE_CHECKING:
    from datetime import date

    from shared.providers.microsoft.payloads import EventPayload, Moment

_AVAILABILITIES = {
    "free": Availability.FREE,
    "tentative": Availability.TENTATIVE,
    "busy": Availability.BUSY,
    "oof": Availability.OUT_OF_OFFICE,
    "workingElsewhere": Availability.WORKING_ELSEWHERE,
}
_VISIBILITIES = {
    "personal": Visibility.PRIVATE,
    "private": Visibility.PRIVATE,
    "confidential": Visibility.CONFIDENTIAL,
}
_RESPONSES = {
    "notResponded": Response.NEEDS_ACTION,
    "accepted": Response.ACCEPTED,
    "tentativelyAccepted": Response.TENTATIVE,
    "declined": Response.DECLINED,
}
_NOON = 12


def event(payload: EventPayload) -> Event:
    """A single event, or the master of a series. Raises InvalidError."""
    if payload.type in ("occurrence", "exception"):
        raise InvalidError(
            "An occurrence was delivered where an event of its own was expected.", code="PROVIDER.PAYLOAD"
        )
    zone = _series_zone(payload) if payload.recurrence else _zone(payload.original_start_time_zone)
    span = _span(payload, zone)
    lines = recurrence.to_lines(payload.recurrence, span) if payload.recurrence else ()
    return _event(payload, span, lines=lines)


def override(payload: EventPayload, *, series_id: str, original_start: Start) -> Event:
    """An exception: the occurrence of a series that differs. Its marker is its series'. Raises InvalidError."""
    span = _span(payload, _zone(payload.original_start_time_zone))
    event = _event(payload, span, series_id=series_id, original_start=original_start)
    return replace(event, marker=None, claims_marker=False)


def cancelled(series_id: str, original_start: Start) -> Event:
    """The occurrence that is gone. Graph has no id for it any more."""
    return Event(
        id=f"{series_id}_{occurrence_key(original_start)}",
        span=None,
        status=Status.CANCELLED,
        series_id=series_id,
        original_start=original_start,
    )


def original_start(payload: EventPayload, *, zone: str | None) -> Start | None:
    """The place of an occurrence in its series; `zone` is None in an all-day series. None if it was not delivered.

    In an all-day series `originalStart` is midnight in a zone that is not always told, converted to UTC
    (microsoft-graph-docs #2804, #7163): east of Greenwich it falls on the evening before.
    """
    if zone is None and payload.occurrence_id is not None:
        return occurrence_day(payload.occurrence_id)
    if payload.original_start is None:
        return None
    moment = payload.original_start.astimezone(UTC)
    if zone is not None:
        return moment
    # Zones from UTC-11 to UTC+12; the few beyond are taken for their neighbours of the same clock.
    return moment.date() if moment.hour < _NOON else moment.date() + timedelta(days=1)


def occurrence_day(occurrence_id: str) -> date:
    """The day that an occurrenceId ends with: `OID.<master>.2020-04-30`. Raises InvalidError."""
    try:
        return datetime.strptime(occurrence_id.rpartition(".")[2], "%Y-%m-%d").replace(tzinfo=UTC).date()
    except ValueError:
        raise InvalidError("Microsoft Graph named an occurrence in an unknown way.", code="PROVIDER.PAYLOAD") from None


def marker(payload: EventPayload) -> str | None:
    """The marker, if the property was asked for and is there."""
    for item in payload.single_value_extended_properties:
        if item.id.lower() == MARKER_PROPERTY.lower():
            return item.value or None
    return None


def _event(
    payload: EventPayload,
    span: Span,
    *,
    lines: tuple[str, ...] = (),
    series_id: str | None = None,
    original_start: Start | None = None,
) -> Event:
    found = marker(payload)
    response = payload.response_status.response if payload.response_status else None
    return Event(
        id=payload.id,
        span=span,
        status=Status.CANCELLED if payload.is_cancelled else Status.CONFIRMED,
        text=_text(payload),
        availability=_AVAILABILITIES.get(payload.show_as or "", Availability.BUSY),
        visibility=_VISIBILITIES.get(payload.sensitivity or "", Visibility.DEFAULT),
        event_type=EventType.OUT_OF_OFFICE if payload.show_as == "oof" else EventType.DEFAULT,
        response=_RESPONSES.get(response or "", Response.NONE),
        recurrence=lines,
        series_id=series_id,
        original_start=original_start,
        ical_uid=payload.i_cal_uid,
        # Graph mails every change to the people invited. Without an ETag, a write looks before it changes (writes.py).
        etag=None if payload.attendees else payload.etag,
        updated_at=payload.last_modified_date_time,
        marker=found,
        claims_marker=found is None and CATEGORY in payload.categories,
    )


def _text(payload: EventPayload) -> Text:
    description, is_html = body.reduce(payload.body.content, payload.body.content_type) if payload.body else ("", False)
    location = payload.location.display_name if payload.location else ""
    return Text(
        title=payload.subject,
        description=description,
        is_html=is_html,
        location=location,
        categories=tuple(one for one in payload.categories if one != CATEGORY),
    )


def _span(payload: EventPayload, zone: str) -> Span:
    if payload.start is None or payload.end is None:
        raise InvalidError("Microsoft Graph sent an event without its time.", code="PROVIDER.PAYLOAD")
    try:
        if payload.is_all_day:
            # Midnight to midnight in whatever zone: the dates are what was meant.
            return AllDaySpan(start=payload.start.date_time.date(), end=payload.end.date_time.date())
        return TimedSpan(start=_moment(payload.start), end=_moment(payload.end), zone=zone)
    except OverflowError:
        raise InvalidError(
            "Microsoft Graph sent an event in a year that no calendar has.", code="PROVIDER.PAYLOAD"
        ) from None
    except ValueError:
        raise InvalidError(
            "Microsoft Graph sent an event that ends before it starts.", code="PROVIDER.PAYLOAD"
        ) from None


def _moment(moment: Moment) -> datetime:
    if moment.date_time.tzinfo is not None:
        return moment.date_time.astimezone(UTC)
    return moment.date_time.replace(tzinfo=zones.zone(zones.resolve(moment.time_zone))).astimezone(UTC)


def _zone(name: str) -> str:
    """The IANA name; UTC where Outlook says nothing or `tzone://Microsoft/Custom`: a single event needs no more."""
    try:
        return zones.resolve(name) if name else "UTC"
    except InvalidError:
        return "UTC"


def _series_zone(payload: EventPayload) -> str:
    """The IANA name of the zone on whose wall clock a series repeats. Raises InvalidError where it cannot be known."""
    if payload.is_all_day or payload.recurrence is None:
        return "UTC"
    # Series that came by invitation from elsewhere lack recurrenceTimeZone (microsoft-graph-docs #6578).
    return zones.resolve(payload.recurrence.range.recurrence_time_zone or payload.original_start_time_zone or "UTC")
