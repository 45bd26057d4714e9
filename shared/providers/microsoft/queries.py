"""The addresses of Graph that the adapter asks, and what it asks for there.

Properties are always named: `originalStart` is left out otherwise, and `cancelledOccurrences` needs it (Graph v1.0,
event). Extended properties come only by $expand, one by one.
"""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from typing import TYPE_CHECKING
from urllib.parse import quote, urlencode

from shared.providers.microsoft.graph import Request
from shared.providers.microsoft.writing import MARKER_PROPERTY

if TYPE_CHECKING:
    from shared.calendar.span import Start, Window

_FIELDS = (
    "id,type,subject,body,location,start,end,isAllDay,isCancelled,showAs,sensitivity,responseStatus,attendees,"
    "categories,recurrence,seriesMasterId,originalStart,originalStartTimeZone,iCalUId,transactionId,createdDateTime,"
    "lastModifiedDateTime"
)
_OF_ANOTHER_FIELDS = f"{_FIELDS},isOrganizer,isOnlineMeeting"
_MARKER = f"singleValueExtendedProperties($filter=id eq '{MARKER_PROPERTY}')"
_SERIES_FIELDS = f"{_FIELDS},occurrenceId,exceptionOccurrences,cancelledOccurrences"
_PLACE_FIELDS = "id,type,start,end,attendees,seriesMasterId,originalStart,occurrenceId"

LONGEST_VIEW = timedelta(days=1825)
"""The longest calendar view that Exchange gives."""
INSTANCES_PER_PAGE = 250


def calendar(calendar_id: str) -> str:
    """A calendar's address."""
    return f"/me/calendars/{quote(calendar_id, safe='')}"


def event(calendar_id: str, event_id: str) -> str:
    """An event's address in its calendar."""
    return f"{calendar(calendar_id)}/events/{quote(event_id, safe='')}"


def get_event(calendar_id: str, event_id: str) -> Request:
    """Ask for one event, whatever it is, with its marker."""
    query = _query({"$select": _FIELDS, "$expand": _MARKER})
    return Request(method="GET", path=f"{event(calendar_id, event_id)}?{query}", what=f"event {event_id}")


def get_of_another(calendar_id: str, event_id: str) -> Request:
    """Ask for an event that is not ours, and for all that can forbid to change it."""
    query = _query({"$select": _OF_ANOTHER_FIELDS, "$expand": _MARKER})
    return Request(method="GET", path=f"{event(calendar_id, event_id)}?{query}", what=f"event {event_id}")


def get_series(calendar_id: str, series_id: str) -> Request:
    """Ask for a master with its marker, its exceptions and its cancelled occurrences."""
    query = _query({"$select": _SERIES_FIELDS, "$expand": f"exceptionOccurrences,{_MARKER}"})
    return Request(method="GET", path=f"{event(calendar_id, series_id)}?{query}", what=f"series {series_id}")


def marked(calendar_id: str, marker: str | None = None) -> str:
    """List the ids of the events of a calendar that carry this marker, or any.

    "The response body does not include the extended property", and the filter ignores case: get each to be sure.
    """
    value = "ne ''" if marker is None else "eq '{}'".format(marker.replace("'", "''"))
    carries = f"singleValueExtendedProperties/Any(ep: ep/id eq '{MARKER_PROPERTY}' and ep/value {value})"
    query = _query({"$filter": carries, "$select": "id"})
    return f"{calendar(calendar_id)}/events?{query}"


def get_marked(calendar_id: str, marker: str) -> Request:
    """Ask for the events that carry this marker: mirrors are looked up where an answer was lost."""
    return Request(method="GET", path=marked(calendar_id, marker), what=f"a marker in calendar {calendar_id}")


def instances(series_id: str, start: datetime, end: datetime) -> str:
    """List the places that a series' occurrences take between these moments."""
    query = _query({"startDateTime": moment(start), "endDateTime": moment(end), "$select": _PLACE_FIELDS})
    return f"/me/events/{quote(series_id, safe='')}/instances?{query}"


def get_instances_near(series_id: str, start: Start) -> Request:
    """Ask for the occurrences around an original start."""
    near = start if isinstance(start, datetime) else datetime.combine(start, time(12), UTC)
    path = instances(series_id, near - timedelta(days=1), near + timedelta(days=1))
    return Request(method="GET", path=path, what=f"occurrences of series {series_id}")


def delta(calendar_id: str, start: datetime, end: datetime) -> str:
    """Begin to follow a calendar's events between these moments."""
    query = _query({"startDateTime": moment(start), "endDateTime": moment(end)})
    return f"{calendar(calendar_id)}/calendarView/delta?{query}"


def bounds(window: Window) -> tuple[datetime, datetime]:
    """Both ends of what Graph is asked for: an open end is as far away as Exchange allows.

    Raises ValueError if both are open.
    """
    start, end = window.start, window.end
    if start is None and end is None:
        raise ValueError("Microsoft Graph needs a window with a start or an end")
    if start is None and end is not None:
        return end - LONGEST_VIEW, end
    if start is None:
        raise AssertionError
    return start, min(end or start + LONGEST_VIEW, start + LONGEST_VIEW)


def moment(value: datetime) -> str:
    """A moment as Graph takes it in an address: UTC, to the second."""
    return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _query(parameters: dict[str, str]) -> str:
    return urlencode(parameters, safe="$,():/'", quote_via=quote)
