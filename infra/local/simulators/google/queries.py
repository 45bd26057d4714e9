"""What a listing was asked for, and the tokens that continue it."""

import base64
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from multidict import MultiDict

from infra.local.simulators.google import errors, times

_DEFAULT_PAGE, _LARGEST_PAGE = 250, 2500
_FORBIDDEN_WITH_SYNC_TOKEN = (
    "iCalUID",
    "privateExtendedProperty",
    "q",
    "sharedExtendedProperty",
    "timeMax",
    "timeMin",
    "updatedMin",
)
_WITHOUT_SYNC_TOKEN = ("iCalUID", "orderBy", "privateExtendedProperty", "q", "sharedExtendedProperty", "updatedMin")
_REPEATED = ("alwaysIncludeEmail", "eventTypes", "maxAttendees", "showHiddenInvitations", "singleEvents", "timeZone")
_EVENT_TYPES = ("birthday", "default", "focusTime", "fromGmail", "outOfOffice", "workingLocation")


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """Parameters of `events.list` and `events.instances`, checked.

    `shape` is a hash of those that must be the same on every page, `repeated` of those a sync token insists on.
    `syncable` says whether the last page may carry a sync token.
    """

    max_results: int
    page_token: str
    sync_token: str
    show_deleted: bool
    single_events: bool
    order_by: str
    time_min: datetime | None
    time_max: datetime | None
    updated_min: datetime | None
    text: str
    ical_uid: str
    private: tuple[tuple[str, str], ...]
    shared: tuple[tuple[str, str], ...]
    event_types: frozenset[str]
    zone: str
    max_attendees: int | None
    original_start: str
    shape: str
    repeated: str
    syncable: bool


def parse(query: MultiDict[str], calendar_zone: str) -> Query:
    """The query of a request; 400 with Google's reasons when parameters are wrong or exclude each other."""
    if query.get("syncToken"):
        _check_with_sync_token(query)
    single, order_by = _flag(query, "singleEvents"), query.get("orderBy", "")
    if order_by not in ("", "startTime", "updated"):
        raise errors.invalid("Invalid value for: orderBy", "orderBy")
    if order_by == "startTime" and not single:
        raise errors.ordering_not_available()
    time_min, time_max = _moment(query, "timeMin"), _moment(query, "timeMax")
    if time_min and time_max and time_max <= time_min:
        raise errors.time_range_empty()
    event_types = frozenset(query.getall("eventTypes", []))
    if not event_types <= set(_EVENT_TYPES):
        raise errors.invalid("Invalid value for: eventTypes", "eventTypes")
    zone = query.get("timeZone") or calendar_zone
    times.zone(zone)
    return Query(
        max_results=min(positive(query, "maxResults") or _DEFAULT_PAGE, _LARGEST_PAGE),
        page_token=query.get("pageToken", ""),
        sync_token=query.get("syncToken", ""),
        show_deleted=_flag(query, "showDeleted"),
        single_events=single,
        order_by=order_by,
        time_min=time_min,
        time_max=time_max,
        updated_min=_moment(query, "updatedMin"),
        text=query.get("q", ""),
        ical_uid=query.get("iCalUID", ""),
        private=_properties(query, "privateExtendedProperty"),
        shared=_properties(query, "sharedExtendedProperty"),
        event_types=event_types,
        zone=zone,
        max_attendees=positive(query, "maxAttendees"),
        original_start=query.get("originalStart", ""),
        shape=_hash(query, [key for key in query if key not in ("pageToken", "maxResults", "fields")]),
        repeated=_hash(query, _REPEATED),
        syncable=not any(query.get(key) for key in _WITHOUT_SYNC_TOKEN),
    )


def encode(token: Mapping[str, Any]) -> str:
    """A token as clients see it: opaque."""
    return base64.urlsafe_b64encode(json.dumps(token, separators=(",", ":")).encode()).rstrip(b"=").decode()


def decode(token: str, parameter: str) -> dict[str, Any]:
    """What `encode` was given; 400 when the text is no token."""
    try:
        value = json.loads(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
    except ValueError as error:
        message = "Invalid sync token value." if parameter == "syncToken" else f"Invalid value for: {parameter}"
        raise errors.invalid(message, parameter) from error
    if not isinstance(value, dict):
        raise errors.invalid(f"Invalid value for: {parameter}", parameter)
    return value


def _check_with_sync_token(query: MultiDict[str]) -> None:
    if query.get("orderBy"):
        raise errors.invalid("Sync token cannot be used with non-default ordering.", "orderBy")
    for name in _FORBIDDEN_WITH_SYNC_TOKEN:
        if query.get(name):
            raise errors.invalid("Sync token cannot be used with other request restrictions.", name)
    if query.get("showDeleted", "").lower() == "false":
        raise errors.invalid("Sync token requires that deleted events are shown.", "showDeleted")


def _flag(query: MultiDict[str], name: str) -> bool:
    value = query.get(name, "false").lower()
    if value not in ("true", "false"):
        raise errors.invalid(f"Invalid boolean value: '{value}'", name)
    return value == "true"


def positive(query: MultiDict[str], name: str) -> int | None:
    """A whole number from 1, None when the parameter is absent; 400 otherwise."""
    if name not in query:
        return None
    try:
        value = int(query[name])
    except ValueError as error:
        raise errors.invalid(f"Invalid integer value: '{query[name]}'", name) from error
    if value < 1:
        raise errors.invalid(f"Invalid value '{value}'. Values must be within the range: [1, 2147483647]", name)
    return value


def _moment(query: MultiDict[str], name: str) -> datetime | None:
    return times.parameter(name, query[name]) if query.get(name) else None


def _properties(query: MultiDict[str], name: str) -> tuple[tuple[str, str], ...]:
    pairs = []
    for constraint in query.getall(name, []):
        key, equals, value = constraint.partition("=")
        if not equals:
            raise errors.invalid(f"Invalid value for: {name}", name)
        pairs.append((key, value))
    return tuple(pairs)


def _hash(query: MultiDict[str], names: Any) -> str:
    pairs = sorted((name, value) for name in set(names) for value in query.getall(name, []))
    return hashlib.sha256(json.dumps(pairs).encode()).hexdigest()[:12]
