"""From an appearance to Google's event resource. Pure.

Source: Calendar API v3, Events. What is not named here is not ours and never written: attendees above all.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from shared.calendar import zones
from shared.calendar.event import Availability, Status
from shared.calendar.span import AllDaySpan

if TYPE_CHECKING:
    from shared.calendar.mirror import Appearance
    from shared.calendar.patch import Patch
    from shared.calendar.span import Span

MARKER = "kalends"
"""The private extended property that holds the marker."""
SIGN = "kalendsMirror"
SIGNED = "1"
"""A second one, the same on every mirror: Google finds extended properties by equality only, and markers differ."""

MAX_DESCRIPTION = 8192
"""Characters; Google refuses longer descriptions (support.nylas.com, "Event Description Limits")."""

_FREE = {Availability.FREE, Availability.WORKING_ELSEWHERE}


def new_event(appearance: Appearance, *, key: str, marker: str) -> dict[str, Any]:
    """The body of events.insert for a mirror whose event id is `key`."""
    body = {name: value for name, value in changed_event(appearance, marker=marker).items() if value is not None}
    return body | {"id": key, "start": _without_nulls(body["start"]), "end": _without_nulls(body["end"])}


def changed_event(appearance: Appearance, *, marker: str) -> dict[str, Any]:
    """The body of events.patch that makes an existing mirror, or one that was deleted, look like `appearance`.

    A patch: an update would have to carry the current `sequence`, which Google compares. null clears a field.
    """
    return changed_occurrence(appearance) | {
        "visibility": appearance.visibility.value,
        "recurrence": list(appearance.recurrence) or None,
        "extendedProperties": {"private": {MARKER: marker, SIGN: SIGNED}},
    }


def changed_occurrence(appearance: Appearance) -> dict[str, Any]:
    """The body of events.patch for one occurrence, cancelled or not.

    Visibility stays the series': Google would apply a stricter one to every occurrence.
    """
    return {
        "status": _status(appearance),
        "summary": appearance.text.title,
        "description": _shortened(appearance.text.description),
        "location": appearance.text.location,
        "start": _time(appearance.span, end=False),
        "end": _time(appearance.span, end=True),
        "transparency": "transparent" if appearance.availability in _FREE else "opaque",
        "reminders": {"useDefault": False, "overrides": []},
    }


def amendment(patch: Patch) -> dict[str, Any]:
    """The body of events.patch that changes what the patch names and nothing else. A time names its zone, which a
    recurring event needs."""
    body: dict[str, Any] = {}
    if patch.title is not None:
        body["summary"] = patch.title
    if patch.description is not None:
        body["description"] = _shortened(patch.description.text)
    if patch.location is not None:
        body["location"] = patch.location
    if patch.when is not None:
        body |= {"start": _time(patch.when, end=False), "end": _time(patch.when, end=True)}
    if patch.recurrence is not None:
        body["recurrence"] = list(patch.recurrence) or None
    if patch.availability in _FREE:
        body["transparency"] = "transparent"
    elif patch.availability is not None:
        is_open = patch.availability is Availability.TENTATIVE
        body |= {"transparency": "opaque", "status": "tentative" if is_open else "confirmed"}
    return body


def _status(appearance: Appearance) -> str:
    is_open = appearance.availability is Availability.TENTATIVE or appearance.status is Status.TENTATIVE
    return "tentative" if is_open else "confirmed"


def _time(span: Span, *, end: bool) -> dict[str, str | None]:
    if isinstance(span, AllDaySpan):
        return {"date": (span.end if end else span.start).isoformat(), "dateTime": None, "timeZone": None}
    local = (span.end if end else span.start).astimezone(zones.zone(span.zone))
    return {"date": None, "dateTime": local.isoformat(timespec="seconds"), "timeZone": span.zone}


def _without_nulls(time: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in time.items() if value is not None}


def _shortened(description: str) -> str:
    """At most what Google holds, not cut within a tag."""
    if len(description) <= MAX_DESCRIPTION:
        return description
    kept = description[: MAX_DESCRIPTION - 1]
    tag = kept.rfind("<")
    if tag > kept.rfind(">"):
        kept = kept[:tag]
    return kept + "…"
