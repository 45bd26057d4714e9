"""Items as Graph v1.0 answers them (vendor docs: event, calendar; names and types are msgraph-sdk's)."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from infra.local.simulators.microsoft import extended, identifiers, zones
from infra.local.simulators.microsoft.identifiers import Reference
from infra.local.simulators.microsoft.items import Calendar, Extras, Item, Occurrence, Stamps, Times
from infra.local.simulators.microsoft.recurrence import to_graph

type Event = Item | Occurrence


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """How one request wants its events: by its Prefer headers, its $expand and the switches.

    `properties` are ids of extended properties, `extensions` names of open extensions; None means all of them.
    """

    zone: str = "UTC"
    immutable: bool = False
    as_text: bool = False
    floating: bool = True
    newer_fields: bool = False
    properties: frozenset[str] | None = frozenset()
    extensions: frozenset[str] | None = frozenset()


def stamp(instant: datetime, tick: int = 0) -> str:
    """An instant with seven digits of a second, as Exchange writes them."""
    return f"{instant.astimezone(UTC).replace(tzinfo=None).isoformat(timespec='microseconds')}{tick % 10}Z"


def etag(stamps: Stamps) -> str:
    """The entity tag of a version."""
    return f'W/"{identifiers.change_key(stamps.version)}"'


def id_of(event: Event, view: View) -> str:
    """The event's id, of the kind that the request asked for."""
    item, day = (event, None) if isinstance(event, Item) else (event.item, event.day)
    reference = Reference(number=item.number, day=day)
    return identifiers.event_id(item.mailbox, reference, calendar=item.calendar, immutable=view.immutable)


def event_json(event: Event, view: View) -> dict[str, Any]:
    """The whole resource."""
    item, day = (event, None) if isinstance(event, Item) else (event.item, event.day)
    change = None if isinstance(event, Item) else event.change
    content = {**item.content, **change.content} if change else item.content
    body = change.body if change and change.body is not None else item.body
    stamps = event.stamps
    id_ = id_of(event, view)
    master_id = None if day is None else id_of(item, view)
    online = content["isOnlineMeeting"]
    resource: dict[str, Any] = {
        "@odata.etag": etag(stamps),
        "id": id_,
        "createdDateTime": stamp(stamps.created, item.number),
        "lastModifiedDateTime": stamp(stamps.modified, stamps.version),
        "changeKey": identifiers.change_key(stamps.version),
        "categories": content["categories"],
        "transactionId": item.transaction_id,
        "originalStartTimeZone": event.times.start_zone,
        "originalEndTimeZone": event.times.end_zone,
        "iCalUId": identifiers.global_object_id(item.uid, day),
        "reminderMinutesBeforeStart": content["reminderMinutesBeforeStart"],
        "isReminderOn": content["isReminderOn"],
        "hasAttachments": False,
        "subject": content["subject"],
        "bodyPreview": body.preview,
        "importance": content["importance"],
        "sensitivity": content["sensitivity"],
        "isAllDay": event.times.all_day,
        "isCancelled": content["isCancelled"],
        "isOrganizer": content["isOrganizer"],
        "responseRequested": content["responseRequested"],
        "seriesMasterId": master_id,
        "showAs": content["showAs"],
        "type": _type(item, change is not None, day is not None),
        "webLink": f"https://outlook.office365.com/owa/?itemid={quote(id_, safe='')}&exvsurl=1&path=/calendar/item",
        "onlineMeetingUrl": None,
        "isOnlineMeeting": online,
        "onlineMeetingProvider": content["onlineMeetingProvider"],
        "allowNewTimeProposals": content["allowNewTimeProposals"],
        "isDraft": False,
        "hideAttendees": content["hideAttendees"],
        "responseStatus": content["responseStatus"],
        "body": body.to_graph(as_text=view.as_text),
        **_when(event.times, view),
        "location": content["location"],
        "locations": content["locations"],
        "recurrence": to_graph(item.recurrence) if day is None and item.recurrence else None,
        "attendees": content["attendees"],
        "organizer": content["organizer"],
        "onlineMeeting": {"joinUrl": f"https://teams.microsoft.com/l/meetup-join/{item.uid}"} if online else None,
    }
    if day is not None:
        resource["originalStart"] = stamp(item.times_on(day).instants(floating=view.floating)[0])
    if view.newer_fields:
        resource["uid"] = identifiers.global_object_id(item.uid)
        resource["occurrenceId"] = identifiers.occurrence_id(master_id, day) if master_id and day else None
    return resource | extras_json(change.extras if change else item.extras, view)


def slim_json(occurrence: Occurrence, view: View) -> dict[str, Any]:
    """All that delta says of an occurrence (microsoft-graph-docs #7632, -contrib #34)."""
    return {
        "@odata.type": "#microsoft.graph.event",
        "@odata.etag": etag(occurrence.stamps),
        "seriesMasterId": id_of(occurrence.item, view),
        "type": "occurrence",
        "id": id_of(occurrence, view),
        **_when(occurrence.times, view),
    }


def extras_json(extras: Extras, view: View) -> dict[str, Any]:
    """The extended properties and open extensions that the request expands; absent when there are none."""
    found: dict[str, Any] = {}
    ids = extras.properties if view.properties is None else view.properties
    if properties := extended.properties_json(extras, set(ids)):
        found["singleValueExtendedProperties"] = properties
    asked = extras.extensions if view.extensions is None else view.extensions
    if extensions := [extended.extension_json(name, data) for name, data in extras.extensions.items() if name in asked]:
        found["extensions"] = extensions
    return found


def calendar_json(calendar: Calendar, owner: str) -> dict[str, Any]:
    """A calendar; `owner` is its person's name."""
    return {
        "id": calendar.id,
        "name": calendar.name,
        "color": calendar.color,
        "hexColor": "",
        "isDefaultCalendar": calendar.primary,
        "changeKey": identifiers.change_key(calendar.version),
        "canShare": True,
        "canViewPrivateItems": True,
        "canEdit": True,
        "allowedOnlineMeetingProviders": ["teamsForBusiness"],
        "defaultOnlineMeetingProvider": "teamsForBusiness",
        "isTallyingResponses": calendar.primary,
        "isRemovable": not calendar.primary,
        "owner": {"name": owner, "address": calendar.mailbox},
    }


def date_time(instant: datetime, zone: str) -> dict[str, str]:
    """A dateTimeTimeZone: the wall time of an instant, with seven digits of a second."""
    local = instant.replace(tzinfo=None) if zone == "UTC" else zones.to_local(instant, zone)
    return _wall(local, zone)


def _wall(local: datetime, zone: str) -> dict[str, str]:
    return {"dateTime": f"{local.isoformat(timespec='microseconds')}0", "timeZone": zone}


def _when(times: Times, view: View) -> dict[str, Any]:
    if times.all_day and view.floating:
        return {"start": _wall(times.start, view.zone), "end": _wall(times.end, view.zone)}
    return {"start": date_time(times.starts, view.zone), "end": date_time(times.ends, view.zone)}


def _type(item: Item, changed: bool, occurs: bool) -> str:
    if occurs:
        return "exception" if changed else "occurrence"
    return "singleInstance" if item.recurrence is None else "seriesMaster"
