"""Reads what a client writes into an event, as Exchange would: checks, canonical names, normalised values."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from infra.local.simulators.microsoft import bodies, errors, recurrence, zones
from infra.local.simulators.microsoft.bodies import Body
from infra.local.simulators.microsoft.faults import MicrosoftFaults
from infra.local.simulators.microsoft.items import Times, midnight
from infra.local.simulators.microsoft.recurrence import Recurrence

_SUBJECT_LIMIT = 255
_ENUMERATIONS = {
    "importance": ("importance", ("low", "normal", "high")),
    "sensitivity": ("sensitivity", ("normal", "personal", "private", "confidential")),
    "showAs": ("freeBusyStatus", ("free", "tentative", "busy", "oof", "workingElsewhere", "unknown")),
    "onlineMeetingProvider": (
        "onlineMeetingProviderType",
        ("unknown", "skypeForBusiness", "skypeForConsumer", "teamsForBusiness"),
    ),
}
_FLAGS = {
    "isReminderOn",
    "responseRequested",
    "allowNewTimeProposals",
    "hideAttendees",
    "isOnlineMeeting",
}
_READ_ONLY = {
    "id", "changeKey", "createdDateTime", "lastModifiedDateTime", "iCalUId", "bodyPreview", "webLink", "type",
    "onlineMeeting", "onlineMeetingUrl", "seriesMasterId", "hasAttachments", "originalStart", "isDraft",
    "originalStartTimeZone", "originalEndTimeZone", "cancelledOccurrences", "exceptionOccurrences", "instances",
    "calendar", "attachments",
}  # fmt: skip
_OF_THE_MEETING = {"organizer", "isOrganizer", "responseStatus", "isCancelled"}
_ELSEWHERE = {
    "subject", "body", "start", "end", "isAllDay", "recurrence", "transactionId", "singleValueExtendedProperties",
    "extensions",
}  # fmt: skip
_PLACE_TYPES = (
    "default", "conferenceRoom", "homeAddress", "businessAddress", "geoCoordinates", "streetAddress", "hotel",
    "restaurant", "localBusiness", "postalAddress",
)  # fmt: skip
_PLACE_OBJECTS = {"address": "physicalAddress", "coordinates": "outlookGeoCoordinates"}
_PLACE_TEXTS = ("locationUri", "locationEmailAddress")
_YEARS = range(1601, 4501)
_RESPONSES = ("none", "organizer", "tentativelyAccepted", "accepted", "declined", "notResponded")
_DATE_TIME = re.compile(r"(\d{4}-\d\d-\d\d)(?:T(\d\d:\d\d)(?::(\d\d)(?:\.(\d{1,9}))?)?)?(Z?)")
_NEVER = "0001-01-01T00:00:00Z"

DEFAULTS: Mapping[str, Any] = {
    "subject": "",
    "categories": [],
    "importance": "normal",
    "sensitivity": "normal",
    "showAs": "busy",
    "isReminderOn": True,
    "reminderMinutesBeforeStart": 15,
    "responseRequested": True,
    "allowNewTimeProposals": True,
    "hideAttendees": False,
    "isOnlineMeeting": False,
    "onlineMeetingProvider": "unknown",
    "isOrganizer": True,
    "isCancelled": False,
    "responseStatus": {"response": "organizer", "time": _NEVER},
    "location": {
        "displayName": "",
        "locationType": "default",
        "uniqueIdType": "unknown",
        "address": {},
        "coordinates": {},
    },
    "locations": [],
    "attendees": [],
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """What a body says, normalised. `content` has only what was there; a recurrence of None ends the series
    when `sets_recurrence`."""

    content: Mapping[str, Any] = field(default_factory=dict)
    body: Body | None = None
    start: tuple[datetime, str] | None = None
    end: tuple[datetime, str] | None = None
    all_day: bool | None = None
    recurrence: Recurrence | None = None
    sets_recurrence: bool = False
    transaction_id: str | None = None


def read(value: Mapping[str, Any], *, faults: MicrosoftFaults, person: bool, zone: str) -> Written:
    """Read a client's event. `person` may also set what Graph keeps from applications (organizer, answers).

    `zone` is the series' own when the body names none. Raises Refused with Graph's 400.
    """
    content: dict[str, Any] = {}
    for key, given in value.items():
        if key.startswith("@") or key in _READ_ONLY or key in _ELSEWHERE:
            continue
        if key in _OF_THE_MEETING:
            if person:
                content[key] = given
        else:
            content |= _property(key, given)
    if "subject" in value:
        truncate = faults.long_subject == "truncate"
        content["subject"] = bodies.subject(value["subject"], limit=_SUBJECT_LIMIT, truncate=truncate)
    start = _date_time(value["start"], "start") if "start" in value else None
    repeats = value.get("recurrence")
    if repeats is not None and not isinstance(repeats, dict):
        raise errors.unreadable("Cannot convert the recurrence to 'microsoft.graph.patternedRecurrence'.")
    return Written(
        content=content,
        body=_body(value["body"]) if "body" in value else None,
        start=start,
        end=_date_time(value["end"], "end") if "end" in value else None,
        all_day=_flag(value["isAllDay"], "isAllDay") if "isAllDay" in value else None,
        recurrence=recurrence.from_graph(repeats, default_zone=start[1] if start else zone) if repeats else None,
        sets_recurrence="recurrence" in value,
        transaction_id=_text(value["transactionId"], "transactionId") if value.get("transactionId") else None,
    )


def times(written: Written, before: Times | None) -> Times:
    """When the event is after the write; `before` is None for a new one. Raises Refused with Graph's 400."""
    if before is None and (written.start is None or written.end is None):
        raise errors.invalid("Set both the start and the end of the event.", "ErrorPropertyRequired")
    all_day = before.all_day if before and written.all_day is None else bool(written.all_day)
    start, start_zone = written.start or _known(before, "start")
    end, end_zone = written.end or _known(before, "end")
    if all_day:
        for name, value in (("Start", start), ("End", end)):
            if not midnight(value):
                message = f"The Event.{name} property for an all-day event needs to be set to midnight."
                raise errors.refused(400, "ErrorInvalidRequest", message)
        if start_zone != end_zone:
            message = "The Event.Start and Event.End properties for an all-day event need to be in the same time zone."
            raise errors.refused(400, "ErrorInvalidRequest", message)
        if start == end:
            raise errors.refused(
                400, "ErrorInvalidRequest", "The duration of an all-day event must be at least 24 hours."
            )
    result = Times(start=start, end=end, start_zone=start_zone, end_zone=end_zone, all_day=all_day)
    if result.ends < result.starts:
        raise errors.refused(400, "ErrorCalendarEndDateIsEarlierThanStartDate", "The end is earlier than the start.")
    return result


def _known(before: Times | None, which: str) -> tuple[datetime, str]:
    if before is None:
        raise ValueError("a new event has no times before")
    return (before.start, before.start_zone) if which == "start" else (before.end, before.end_zone)


def _property(key: str, given: Any) -> dict[str, Any]:
    if key in _ENUMERATIONS:
        kind, members = _ENUMERATIONS[key]
        return {key: errors.enumerated(given, members, kind)}
    if key in _FLAGS:
        return {key: _flag(given, key)}
    if key in _READERS:
        return _READERS[key](given)
    raise errors.unknown_property(key, "event")


def _categories(given: Any) -> dict[str, Any]:
    names = [_text(name, "categories").strip() for name in _list(given, "categories")]
    return {"categories": list(dict.fromkeys(name for name in names if name))}


def _reminder(given: Any) -> dict[str, Any]:
    if not isinstance(given, int) or isinstance(given, bool):
        raise errors.unreadable("Cannot convert reminderMinutesBeforeStart to 'Edm.Int32'.")
    return {"reminderMinutesBeforeStart": given}


def _location(given: Any) -> dict[str, Any]:
    place = _place(given) if given else DEFAULTS["location"]
    return {"location": place, "locations": [place] if place["displayName"] else []}


def _locations(given: Any) -> dict[str, Any]:
    places = [_place(one) for one in _list(given, "locations")]
    if not places:
        return {"location": DEFAULTS["location"], "locations": []}
    title = "; ".join(place["displayName"] for place in places)
    return {"location": _place({"displayName": title}) if len(places) > 1 else places[0], "locations": places}


def _place(given: Any) -> dict[str, Any]:
    place = _object(given, "location")
    title = _text(place.get("displayName") or "", "displayName").strip()
    kept: dict[str, Any] = {key: _object(place[key], kind) for key, kind in _PLACE_OBJECTS.items() if place.get(key)}
    kept |= {key: _text(place[key], key) for key in _PLACE_TEXTS if place.get(key)}
    kind = errors.enumerated(place.get("locationType") or "default", _PLACE_TYPES, "locationType")
    named = {"uniqueId": title, "uniqueIdType": "private"} if title else {"uniqueIdType": "unknown"}
    return {"displayName": title, "locationType": kind, **named, **kept}


def _attendees(given: Any) -> dict[str, Any]:
    return {"attendees": [_attendee(_object(one, "attendee")) for one in _list(given, "attendees")]}


def _attendee(given: dict[str, Any]) -> dict[str, Any]:
    address = _object(given.get("emailAddress") or {}, "emailAddress")
    if not address.get("address"):
        raise errors.invalid("An attendee needs an e-mail address.", "ErrorInvalidRecipients")
    status = _object(given.get("status") or {}, "responseStatus")
    email = _text(address["address"], "address")
    return {
        "type": errors.enumerated(
            given.get("type") or "required", ("required", "optional", "resource"), "attendeeType"
        ),
        "status": {
            "response": errors.enumerated(status.get("response") or "none", _RESPONSES, "responseType"),
            "time": _text(status.get("time") or _NEVER, "time"),
        },
        "emailAddress": {"name": _text(address.get("name") or email, "name"), "address": email},
    }


_READERS: dict[str, Callable[[Any], dict[str, Any]]] = {
    "categories": _categories,
    "reminderMinutesBeforeStart": _reminder,
    "location": _location,
    "locations": _locations,
    "attendees": _attendees,
}


def _body(given: Any) -> Body:
    return bodies.body(_object(given, "itemBody")) if given is not None else Body()


def _date_time(given: Any, name: str) -> tuple[datetime, str]:
    value = _object(given, "dateTimeTimeZone")
    found = _DATE_TIME.fullmatch(str(value.get("dateTime", "")))
    asked = str(value.get("timeZone") or "UTC")
    zone = zones.windows_name(asked)
    if zone is None:
        raise errors.zone_not_supported(asked)
    if found is None or (found[5] and zone != "UTC"):
        raise errors.invalid(f"The {name}'s dateTime must be a date and time without an offset.", "ErrorInvalidRequest")
    try:
        fraction = (found[4] or "")[:6]
        moment = datetime.fromisoformat(f"{found[1]}T{found[2] or '00:00'}:{found[3] or '00'}.{fraction:0<6}")
    except ValueError:
        raise errors.invalid(f"The {name}'s dateTime is no date and time.", "ErrorInvalidRequest") from None
    if moment.year not in _YEARS:
        message = f"The {name} must be between the years {_YEARS[0]} and {_YEARS[-1]}."
        raise errors.invalid(message, "ErrorInvalidRequest")
    return moment, zone


def _object(given: Any, kind: str) -> dict[str, Any]:
    if not isinstance(given, dict):
        raise errors.unreadable(f"A value of type 'microsoft.graph.{kind}' must be an object.")
    return given


def _list(given: Any, name: str) -> list[Any]:
    if not isinstance(given, list):
        raise errors.unreadable(f"The property '{name}' must be a collection.")
    return given


def _text(given: Any, name: str) -> str:
    if not isinstance(given, str):
        raise errors.unreadable(f"Cannot convert {name} to 'Edm.String'.")
    return given


def _flag(given: Any, name: str) -> bool:
    if not isinstance(given, bool):
        raise errors.unreadable(f"Cannot convert {name} to 'Edm.Boolean'.")
    return given
