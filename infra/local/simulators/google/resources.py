"""The event resource: what of a request is kept, how the server normalises it, and how an answer shows it."""

import base64
import re
from collections.abc import Mapping, Sequence
from typing import Any

from infra.local.simulators.google import errors, recurrence, times

type Event = dict[str, Any]

_TEXTS = ("summary", "description", "location", "colorId")
_BOOLEANS = {
    "anyoneCanAddSelf": False,
    "attendeesOmitted": False,
    "endTimeUnspecified": False,
    "guestsCanInviteOthers": True,
    "guestsCanModify": False,
    "guestsCanSeeOtherGuests": True,
    "privateCopy": False,
}
_CHOICES = {
    "status": ("confirmed", "tentative", "cancelled"),
    "transparency": ("opaque", "transparent"),
    "visibility": ("default", "public", "private", "confidential"),
    "eventType": ("default", "birthday", "focusTime", "fromGmail", "outOfOffice", "workingLocation"),
}
_OMITTED = {"transparency": "opaque", "visibility": "default"}
_OBJECTS = (
    "birthdayProperties",
    "conferenceData",
    "focusTimeProperties",
    "gadget",
    "outOfOfficeProperties",
    "workingLocationProperties",
)
_ORDER = (
    *("kind", "etag", "id", "status", "htmlLink", "created", "updated", *_TEXTS, "creator", "organizer"),
    *("start", "end", "endTimeUnspecified", "recurrence", "recurringEventId", "originalStartTime"),
    *("transparency", "visibility", "iCalUID", "sequence", "attendees"),
)
WRITABLE = frozenset(
    {*_TEXTS, *_BOOLEANS, *_CHOICES, *_OBJECTS}
    | {
        "attachments",
        "attendees",
        "end",
        "extendedProperties",
        "recurrence",
        "reminders",
        "sequence",
        "source",
        "start",
    }
)
"""Fields that insert, update and patch take from a body; others are read-only and ignored."""

_REPLACED_WHOLE = ("reminders",)
_CONFERENCE_DELIMITER = r"-::~:~::(?:~:){20,}:~:~::-"
_CONFERENCE_BLOCK = re.compile(rf"{_CONFERENCE_DELIMITER}.*?{_CONFERENCE_DELIMITER}", re.DOTALL)
_LONGEST_KEY, _LONGEST_VALUE, _MOST_PROPERTIES, _MOST_BYTES = 44, 1024, 300, 32 * 1024
_MOST_REMINDERS, _EARLIEST_REMINDER = 5, 40_320
_ON_PRIMARY_ONLY = ("birthday", "focusTime", "outOfOffice", "workingLocation")


def merged(kept: Mapping[str, Any], patch: Mapping[str, Any]) -> Event:
    """Patch semantics: fields replace, objects merge, null removes, lists are replaced as a whole."""
    result = dict(kept)
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        elif isinstance(value, dict) and key not in _REPLACED_WHOLE:
            inner = result.get(key)
            result[key] = merged(inner if isinstance(inner, dict) else {}, value)
        else:
            result[key] = value
    return result


def clean(
    draft: Mapping[str, Any],
    *,
    calendar_zone: str,
    self_email: str,
    primary: bool,
    default_reminders: Sequence[Event],
    trim: bool,
) -> Event:
    """The writable part of an event, checked and normalised. Raises Refused with 400 where Google does.

    `trim`: trailing white space of title and place is dropped and CRLF becomes LF (unverified: behaviours.md).
    """
    event: Event = {}
    for key in _TEXTS:
        if text := _text(draft.get(key), key):
            event[key] = _trimmed(text, key) if trim else text
            if key == "description":
                event[key] = _without_conference_blocks(event[key])
            if not event[key]:
                del event[key]
    for key, default in _BOOLEANS.items():
        value = draft.get(key, default)
        if not isinstance(value, bool):
            raise errors.invalid(f"Invalid value for: {key}")
        if value != default:
            event[key] = value
    for key, choices in _CHOICES.items():
        value = draft.get(key) or choices[0]
        if value not in choices:
            raise errors.invalid(f"Invalid value for: {value} is not one of {list(choices)}")
        if value != _OMITTED.get(key):
            event[key] = value
    for key in _OBJECTS:
        if isinstance(draft.get(key), dict):
            event[key] = draft[key]
    event |= _clean_times(draft, calendar_zone)
    event |= _clean_type(event, primary=primary)
    if properties := _clean_properties(draft.get("extendedProperties")):
        event["extendedProperties"] = properties
    if attendees := _clean_attendees(draft.get("attendees"), self_email):
        event["attendees"] = attendees
    if attachments := _objects(draft.get("attachments")):
        event["attachments"] = attachments
    if source := _clean_source(draft.get("source")):
        event["source"] = source
    event["reminders"] = _clean_reminders(
        draft.get("reminders"), all_day=times.is_all_day(event), defaults=default_reminders
    )
    sequence = draft.get("sequence") or 0
    if not isinstance(sequence, int) or sequence < 0:
        raise errors.invalid("Invalid value for: sequence")
    event["sequence"] = sequence
    return event


def shown(event: Event, zone: str, *, max_attendees: int | None = None) -> Event:
    """An event as answers show it, its times in `zone`."""
    result = {key: event[key] for key in _ORDER if key in event}
    result |= {key: value for key, value in event.items() if key not in result}
    for key in ("start", "end", "originalStartTime"):
        if key in result:
            result[key] = times.shown(result[key], zone)
    attendees = result.get("attendees", ())
    if max_attendees is not None and len(attendees) > max_attendees:
        result["attendees"] = [attendee for attendee in attendees if attendee.get("self")]
        result["attendeesOmitted"] = True
    return result


def tombstone(event: Event, zone: str, *, bare: bool) -> Event:
    """A deleted event or cancelled occurrence as a sync shows it: `bare` with no more than what is guaranteed."""
    keys = ["id", "status", "recurringEventId", "originalStartTime"]
    if not bare:
        keys = ["kind", "etag", *keys]
    result = {key: event[key] for key in keys if key in event}
    if "originalStartTime" in result:
        result["originalStartTime"] = times.shown(result["originalStartTime"], zone)
    return result


def without_details(event: Event) -> Event:
    """A private event as somebody sees it who may read the calendar but not its private events."""
    kept = ("kind", "etag", "id", "status", "created", "updated", "start", "end", "recurrence", "recurringEventId")
    also = ("originalStartTime", "transparency", "visibility", "iCalUID", "sequence", "eventType")
    return {key: event[key] for key in (*kept, *also) if key in event} | {"visibility": "private"}


def html_link(event_id: str, calendar_id: str) -> str:
    """The address of the event in Google's web pages."""
    eid = base64.urlsafe_b64encode(f"{event_id} {calendar_id}".encode()).rstrip(b"=").decode()
    return f"https://www.google.com/calendar/event?eid={eid}"


def _text(value: Any, key: str) -> str:
    if value is None:
        return ""
    if not isinstance(value, str):
        raise errors.invalid(f"Invalid value for: {key}")
    return value


def _object(value: Any) -> Event:
    if value is not None and not isinstance(value, dict):
        raise errors.parse_error()
    return value or {}


def _objects(value: Any) -> list[Event]:
    if value is not None and not (isinstance(value, list) and all(isinstance(item, dict) for item in value)):
        raise errors.parse_error()
    return value or []


def _trimmed(text: str, key: str) -> str:
    text = text.replace("\r\n", "\n")
    return text if key == "description" else text.rstrip()


def _clean_times(draft: Mapping[str, Any], calendar_zone: str) -> Event:
    end = times.clean(draft.get("end"), which="end", calendar_zone=calendar_zone)
    start = times.clean(draft.get("start"), which="start", calendar_zone=calendar_zone)
    if ("date" in start) != ("date" in end):
        raise errors.invalid("Start and end times must either both be date or both be dateTime.")
    cleaned: Event = {"start": start, "end": end}
    if times.instant(end, "UTC") < times.instant(start, "UTC"):
        raise errors.time_range_empty()
    if lines := draft.get("recurrence"):
        for which in ("start", "end"):
            if "dateTime" in cleaned[which] and not draft[which].get("timeZone"):
                raise errors.required(f"Missing time zone definition for {which} time.")
        cleaned["recurrence"] = recurrence.clean(lines, start=start)
    return cleaned


def _clean_type(event: Event, *, primary: bool) -> Event:
    kind = event["eventType"]
    if kind == "fromGmail":
        raise errors.invalid("Events of type fromGmail cannot be created.")
    if kind in _ON_PRIMARY_ONLY and not primary:
        raise errors.invalid(f"Events of type {kind} can only be created on primary calendars.")
    if kind in ("focusTime", "outOfOffice") and times.is_all_day(event):
        raise errors.invalid(f"Events of type {kind} cannot be all-day events.")
    if kind == "workingLocation":
        if "workingLocationProperties" not in event:
            raise errors.required("Missing working location properties.")
        return {"transparency": "transparent", "visibility": "public"}
    if kind == "birthday":
        return {"transparency": "transparent", "visibility": "private"}
    return {}


def _clean_properties(value: Any) -> Event:
    value, cleaned = _object(value), {}
    for part in ("private", "shared"):
        kept: dict[str, str] = {}
        for key, text in _object(value.get(part)).items():
            if text is None or len(key) > _LONGEST_KEY:
                continue
            if not isinstance(text, str):
                raise errors.invalid("Invalid value for: extendedProperties")
            kept[key] = text[:_LONGEST_VALUE]
        if (
            len(kept) > _MOST_PROPERTIES
            or sum(len(k.encode()) + len(v.encode()) for k, v in kept.items()) > _MOST_BYTES
        ):
            raise errors.invalid("The extended properties are too large.")
        if kept:
            cleaned[part] = kept
    return cleaned


def _clean_attendees(value: Any, self_email: str) -> list[Event]:
    cleaned = []
    for attendee in _objects(value):
        email = attendee.get("email")
        if not isinstance(email, str) or "@" not in email:
            raise errors.invalid("Invalid attendee email.")
        kept = {key: attendee[key] for key in ("displayName", "comment", "additionalGuests") if attendee.get(key)}
        kept |= {key: True for key in ("optional", "resource") if attendee.get(key)}
        response = attendee.get("responseStatus") or "needsAction"
        if response not in ("needsAction", "declined", "tentative", "accepted"):
            raise errors.invalid("Invalid value for: responseStatus")
        cleaned.append(
            {"email": email, **kept, **({"self": True} if email == self_email else {}), "responseStatus": response}
        )
    return cleaned


def _clean_source(value: Any) -> Event:
    if not isinstance(value, dict) or not value.get("url"):
        return {}
    if not str(value["url"]).startswith(("http://", "https://")):
        raise errors.invalid("Invalid source url.")
    return {key: value[key] for key in ("url", "title") if value.get(key)}


def _clean_reminders(value: Any, *, all_day: bool, defaults: Sequence[Event]) -> Event:
    """As Google rewrites them: minutes clamped, doubles and unknown methods dropped, the order its own; an all-day
    event never inherits the calendar's defaults but gets them as its own (behaviours.md)."""
    given: Event = value if isinstance(value, dict) else {"useDefault": True}
    overrides = _objects(given.get("overrides"))
    if given.get("useDefault") and overrides:
        raise errors.in_calendar(
            "cannotUseDefaultRemindersAndSpecifyOverride",
            "Cannot specify both default reminders and overrides at the same time.",
        )
    if len(overrides) > _MOST_REMINDERS:
        raise errors.in_calendar("eventRemindersCountExceedsLimit", "Too many event reminders.")
    if given.get("useDefault") and not all_day:
        return {"useDefault": True}
    kept = set()
    for reminder in defaults if given.get("useDefault") else overrides:
        if not isinstance(reminder.get("minutes"), int):
            raise errors.required("Missing reminder minutes.")
        if reminder.get("method") in ("email", "popup"):
            kept.add((min(max(reminder["minutes"], 0), _EARLIEST_REMINDER), reminder["method"]))
    if not kept:
        return {"useDefault": False}
    shown = [{"method": method, "minutes": minutes} for minutes, method in sorted(kept)]
    return {"useDefault": False, "overrides": shown}


def _without_conference_blocks(description: str) -> str:
    """Google deletes what stands between its own conference delimiters, whoever wrote it (keeper.sh issue 749)."""
    return _CONFERENCE_BLOCK.sub("", description)
