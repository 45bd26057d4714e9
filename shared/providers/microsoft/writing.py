"""From what a mirror should look like to Graph's event. Pure. No attendees, no reminder, no response asked for: never.

Source: Graph v1.0, Create event, Update event, dateTimeTimeZone, singleValueLegacyExtendedProperty.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid5

from shared.calendar import zones
from shared.calendar.event import Availability, Status, Visibility
from shared.calendar.span import AllDaySpan
from shared.core.errors import InvalidError
from shared.providers.microsoft import recurrence

if TYPE_CHECKING:
    from shared.calendar.mirror import Appearance
    from shared.calendar.patch import Patch
    from shared.calendar.span import Span, TimedSpan

CATEGORY = "Kalends"
"""The visible sign of a mirror: a delta shows it, and does not show extended properties."""

MARKER_PROPERTY = "String {3c716719-9830-4e2b-91cf-3320312342fd} Name kalends"
"""Where the marker is kept. The GUID is Kalends' own property set and must never change."""

_NAMESPACE = UUID("ee550aad-6072-477b-9183-5e76bb81998a")

_SHOW_AS = {
    Availability.FREE: "free",
    Availability.TENTATIVE: "tentative",
    Availability.BUSY: "busy",
    Availability.OUT_OF_OFFICE: "oof",
    Availability.WORKING_ELSEWHERE: "workingElsewhere",
}
_SENSITIVITIES = {
    Visibility.DEFAULT: "normal",
    Visibility.PUBLIC: "normal",
    Visibility.PRIVATE: "private",
    Visibility.CONFIDENTIAL: "confidential",
}


def transaction_id(key: str, attempt: int = 1) -> str:
    """The transactionId of an insert: the same key and attempt always give the same UUID."""
    return str(uuid5(_NAMESPACE, f"{key}:{attempt}"))


def insertion(appearance: Appearance, *, marker: str, transaction: str) -> dict[str, Any]:
    """The body that creates a mirror. Raises InvalidError for a series that Graph cannot hold."""
    timing = times(appearance)
    if timing["recurrence"] is None:
        del timing["recurrence"]
    return {**looks(appearance), **timing, **ownership(marker), "transactionId": transaction}


def looks(appearance: Appearance) -> dict[str, Any]:
    """Everything but when it happens and whose it is; for occurrences as well."""
    text = appearance.text
    undecided = appearance.status is Status.TENTATIVE and appearance.availability is Availability.BUSY
    return {
        "subject": text.title,
        "body": {"contentType": "html" if text.is_html else "text", "content": text.description},
        "location": {"displayName": text.location},
        "showAs": "tentative" if undecided else _SHOW_AS[appearance.availability],
        "sensitivity": _SENSITIVITIES[appearance.visibility],
        "isReminderOn": False,
        "reminderMinutesBeforeStart": 0,
        "responseRequested": False,
    }


def amendment(patch: Patch) -> dict[str, Any]:
    """What a patch names, but for when it happens; nothing else is touched."""
    body: dict[str, Any] = {}
    if patch.title is not None:
        body["subject"] = patch.title
    if (description := patch.description) is not None:
        body["body"] = {"contentType": "html" if description.is_html else "text", "content": description.text}
    if patch.location is not None:
        body["location"] = {"displayName": patch.location}
    if patch.availability is not None:
        body["showAs"] = _SHOW_AS[patch.availability]
    return body


def times(appearance: Appearance) -> dict[str, Any]:
    """When a single event or a series happens; `recurrence` is None for a single event, which ends a series."""
    span, rule = appearance.span, appearance.recurrence
    if not rule:
        return {**occurrence_times(span), "recurrence": None}
    # A series without its own zone would shift when clocks change: a zone without a Windows name is refused.
    zone = "UTC" if isinstance(span, AllDaySpan) else zones.to_windows(span.zone)
    patterned = recurrence.from_lines(rule, span)
    return {
        **occurrence_times(span),
        "recurrence": {**patterned, "range": {**patterned["range"], "recurrenceTimeZone": zone}},
    }


def occurrence_times(span: Span) -> dict[str, Any]:
    """When one event happens: whole days from midnight to midnight, or moments on the clock of a Windows zone."""
    if isinstance(span, AllDaySpan):
        start, end = (f"{day.isoformat()}T00:00:00" for day in (span.start, span.end))
        zone, is_all_day = "UTC", True
    else:
        zone, is_all_day = _clock(span), False
        clock = zones.zone(zones.resolve(zone))
        start, end = (moment.astimezone(clock).replace(tzinfo=None).isoformat() for moment in (span.start, span.end))
    return {
        "start": {"dateTime": start, "timeZone": zone},
        "end": {"dateTime": end, "timeZone": zone},
        "isAllDay": is_all_day,
    }


def ownership(marker: str) -> dict[str, Any]:
    """What says that the mirror is ours: the category for a delta, the property for the proof."""
    return {
        "categories": [CATEGORY],
        "singleValueExtendedProperties": [{"id": MARKER_PROPERTY, "value": marker}],
    }


def _clock(span: TimedSpan) -> str:
    """The Windows zone to write a span in: its own, or UTC where Windows has none or the wall clock is ambiguous."""
    try:
        name = zones.to_windows(span.zone)
    except InvalidError:
        return "UTC"
    clock = zones.zone(zones.resolve(name))
    # In the hour that comes twice when clocks go back, a wall-clock time means its first pass.
    is_second_pass = any(moment.astimezone(clock).fold for moment in (span.start, span.end))
    return "UTC" if is_second_pass else name
