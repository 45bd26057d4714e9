"""An event as rows keep it: plain details in JSON, private text apart (it is sealed), and what its checksum covers."""

from __future__ import annotations

import json
from datetime import date, datetime
from typing import Any

from shared.calendar.event import Availability, Event, EventType, Response, Status, Text, Visibility
from shared.calendar.mirror import Appearance, Mirror
from shared.calendar.patch import Description, Patch
from shared.calendar.span import AllDaySpan, Span, TimedSpan, parse_occurrence_key


def details(event: Event) -> dict[str, Any]:
    """Everything about the event that is not private text, without what changes by itself (ETag, times of change)."""
    return {
        "span": span_to_json(event.span),
        "status": event.status.value,
        "availability": event.availability.value,
        "visibility": event.visibility.value,
        "event_type": event.event_type.value,
        "response": event.response.value,
        "recurrence": list(event.recurrence),
    }


def details_json(event: Event) -> str:
    """`details` as JSON with sorted keys."""
    return json.dumps(details(event), sort_keys=True)


def text_to_json(text: Text) -> bytes:
    """Private text, ready to be sealed."""
    parts = [text.title, text.description, text.is_html, text.location, text.categories]
    return json.dumps(parts, ensure_ascii=False).encode()


def text_from_json(data: bytes) -> Text:
    """The inverse of `text_to_json`."""
    title, description, is_html, location, categories = json.loads(data)
    return Text(title=title, description=description, is_html=is_html, location=location, categories=tuple(categories))


def content(event: Event) -> bytes:
    """What a checksum covers: details and text. Two events with equal content need no second look."""
    return content_of(details_json(event), event.text)


def content_of(details: str, text: Text | None) -> bytes:
    """The same of an event whose `details_json` is at hand."""
    return details.encode() + b"\n" + (text_to_json(text) if text else b"")


def event_from_row(
    *, event_id: str, series_id: str | None, occurrence: str | None, details: dict[str, Any], text: Text | None
) -> Event:
    """The event that a row keeps."""
    return Event(
        id=event_id,
        span=span_from_json(details["span"]),
        status=Status(details["status"]),
        text=text,
        availability=Availability(details["availability"]),
        visibility=Visibility(details["visibility"]),
        event_type=EventType(details["event_type"]),
        response=Response(details["response"]),
        recurrence=tuple(details["recurrence"]),
        series_id=series_id,
        original_start=parse_occurrence_key(occurrence) if occurrence else None,
    )


def mirror_to_json(mirror: Mirror) -> bytes:
    """A whole mirror, ready to be sealed."""
    return json.dumps(
        {
            "root": _appearance_to_json(mirror.root),
            "overrides": {key: one and _appearance_to_json(one) for key, one in mirror.overrides.items()},
        },
        ensure_ascii=False,
    ).encode()


def mirror_from_json(data: bytes) -> Mirror:
    """The inverse of `mirror_to_json`."""
    value = json.loads(data)
    return Mirror(
        root=_appearance_from_json(value["root"]),
        overrides={key: one and _appearance_from_json(one) for key, one in value["overrides"].items()},
    )


def patch_to_json(patch: Patch) -> bytes:
    """Changed fields, ready to be sealed."""
    about = patch.description
    return json.dumps(
        {
            "title": patch.title,
            "description": about and [about.text, about.is_html],
            "location": patch.location,
            "when": span_to_json(patch.when),
            "availability": patch.availability and patch.availability.value,
            "recurrence": None if patch.recurrence is None else list(patch.recurrence),
        },
        ensure_ascii=False,
    ).encode()


def patch_from_json(data: bytes) -> Patch:
    """The inverse of `patch_to_json`."""
    value = json.loads(data)
    about, availability, rules = value["description"], value["availability"], value["recurrence"]
    return Patch(
        title=value["title"],
        description=about and Description(text=about[0], is_html=about[1]),
        location=value["location"],
        when=span_from_json(value["when"]),
        availability=availability and Availability(availability),
        recurrence=None if rules is None else tuple(rules),
    )


def patches_to_json(before: Patch, after: Patch) -> bytes:
    """The inverse of an amendment: the fields as they were, and as they are made. Ready to be sealed."""
    return json.dumps([patch_to_json(one).decode() for one in (before, after)]).encode()


def patches_from_json(data: bytes) -> tuple[Patch, Patch]:
    """The inverse of `patches_to_json`."""
    before, after = json.loads(data)
    return patch_from_json(before.encode()), patch_from_json(after.encode())


def span_to_json(span: Span | None) -> dict[str, str] | None:
    """`{"start", "end", "zone"}` with UTC times, or `{"first", "until"}` with dates."""
    match span:
        case None:
            return None
        case TimedSpan():
            return {"start": span.starts_at().isoformat(), "end": span.ends_at().isoformat(), "zone": span.zone}
        case AllDaySpan():
            return {"first": span.start.isoformat(), "until": span.end.isoformat()}


def span_from_json(value: dict[str, str] | None) -> Span | None:
    """The inverse of `span_to_json`."""
    if value is None:
        return None
    if "first" in value:
        return AllDaySpan(start=date.fromisoformat(value["first"]), end=date.fromisoformat(value["until"]))
    return TimedSpan(
        start=datetime.fromisoformat(value["start"]), end=datetime.fromisoformat(value["end"]), zone=value["zone"]
    )


def _appearance_to_json(one: Appearance) -> dict[str, Any]:
    return {
        "span": span_to_json(one.span),
        "text": [one.text.title, one.text.description, one.text.is_html, one.text.location],
        "availability": one.availability.value,
        "status": one.status.value,
        "visibility": one.visibility.value,
        "recurrence": list(one.recurrence),
    }


def _appearance_from_json(value: dict[str, Any]) -> Appearance:
    span = span_from_json(value["span"])
    if span is None:
        raise ValueError("an appearance without a span")
    title, description, is_html, location = value["text"]
    return Appearance(
        span=span,
        text=Text(title=title, description=description, is_html=is_html, location=location),
        availability=Availability(value["availability"]),
        status=Status(value["status"]),
        visibility=Visibility(value["visibility"]),
        recurrence=tuple(value["recurrence"]),
    )
