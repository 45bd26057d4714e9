"""Calendars and people's lists of them: calendarList, calendars, colors, settings, freeBusy."""

import secrets
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from infra.local.simulators.credentials import Caller
from infra.local.simulators.exchange import Answer, Call, Refused
from infra.local.simulators.google import access, answers, errors, matching, palette, queries, recurrence, times
from infra.local.simulators.google.channels import Channels
from infra.local.simulators.google.store import Calendar, Entry, Event, Store
from infra.local.simulators.port import Parts

_DEFAULT_PAGE, _LARGEST_PAGE = 100, 250
_ENTRY_SETTINGS = (
    *("summaryOverride", "colorId", "backgroundColor", "foregroundColor", "hidden", "selected"),
    *("defaultReminders", "notificationSettings"),
)
_LONGEST_FREE_BUSY = timedelta(days=92)
_MOST_FREE_BUSY = 50


class Calendars:
    """Everything about calendars but their events."""

    def __init__(self, parts: Parts, store: Store, channels: Channels) -> None:
        self._parts = parts
        self._store = store
        self._channels = channels

    def create(
        self, owner: str, *, summary: str, time_zone: str, primary: bool = False, role: str = "owner", **texts: str
    ) -> Calendar:
        """A new calendar in its owner's list; the primary one's id is the owner's address."""
        times.zone(time_zone)
        version = self._store.next_version(self._parts.clock.now())
        calendar = Calendar(
            id=owner if primary else f"c_{secrets.token_hex(32)}@group.calendar.google.com",
            owner=owner,
            summary=summary,
            time_zone=time_zone,
            primary=primary,
            born=secrets.token_hex(6),
            version=version,
            **texts,
        )
        self._store.put_calendar(calendar)
        self._store.put_entry(
            owner,
            Entry(
                calendar=calendar.id, role=role, seq=0, version=version, settings={"colorId": "14", "selected": True}
            ),
        )
        return calendar

    def change(self, calendar: Calendar, **values: str) -> Calendar:
        """Change properties of a calendar."""
        times.zone(values.get("time_zone", calendar.time_zone))
        version = self._store.next_version(self._parts.clock.now())
        changed = replace(calendar, version=version, **values)  # type: ignore[arg-type]  # the values are all texts
        self._store.put_calendar(changed)
        return changed

    def shown(self, entry: Entry) -> dict[str, Any]:
        """A CalendarListEntry."""
        head = {"kind": "calendar#calendarListEntry", "etag": f'"{entry.version}"', "id": entry.calendar}
        calendar = self._store.calendars.get(entry.calendar)
        if entry.removed or calendar is None:
            return head | {"deleted": True}
        colors = palette.CALENDAR[entry.settings.get("colorId", "14")]
        return {
            **head,
            "summary": calendar.summary,
            **_texts(calendar),
            "timeZone": calendar.time_zone,
            "backgroundColor": colors["background"],
            "foregroundColor": colors["foreground"],
            **entry.settings,
            "accessRole": entry.role,
            "defaultReminders": entry.settings.get("defaultReminders", []),
            **({"primary": True} if calendar.primary else {}),
            **({} if calendar.primary else {"dataOwner": calendar.owner}),
            "conferenceProperties": {"allowedConferenceSolutionTypes": ["hangoutsMeet"]},
        }

    # calendarList

    def list(self, call: Call, caller: Caller) -> Answer:
        """`calendarList.list`, with pages and sync tokens of its own."""
        access.require_scope(caller, access.READ_LIST)
        query = call.query
        if query.get("syncToken") and (query.get("minAccessRole") or query.get("showOwnOrganizationOnly")):
            raise errors.invalid("Sync token cannot be used with other request restrictions.", "minAccessRole")
        after = position = 0
        until = self._store.list_seq(caller.email)
        if query.get("syncToken"):
            token = queries.decode(query["syncToken"], "syncToken")
            if self._parts.switchboard.settings.expire_cursors or token.get("e") != self._store.cursor_epoch:
                raise errors.full_sync_required()
            after = position = token["s"]
        if query.get("pageToken"):
            token = queries.decode(query["pageToken"], "pageToken")
            until, position = token["u"], token["p"]
        found = [entry for entry in self._listed(call, caller, after, until) if entry.seq > position]
        size = min(queries.positive(query, "maxResults") or _DEFAULT_PAGE, _LARGEST_PAGE)
        head: dict[str, Any] = {"kind": "calendar#calendarList", "etag": f'"p{until}"'}
        if len(found) > size:
            head["nextPageToken"] = queries.encode({"u": until, "p": found[size - 1].seq})
        else:
            head["nextSyncToken"] = queries.encode({"e": self._store.cursor_epoch, "s": until})
        return answers.listing(call, head, [answers.text(self.shown(entry)) for entry in found[:size]])

    def _listed(self, call: Call, caller: Caller, after: int, until: int) -> Iterable[Entry]:
        entries = self._store.lists.get(caller.email, {}).values()
        show_deleted = call.query.get("showDeleted") == "true" or bool(call.query.get("syncToken"))
        show_hidden = call.query.get("showHidden") == "true" or bool(call.query.get("syncToken"))
        least = call.query.get("minAccessRole") or "none"
        for entry in sorted(entries, key=lambda known: known.seq):
            hidden = entry.settings.get("hidden") and not show_hidden
            if hidden or (entry.removed and not show_deleted):
                continue
            if after < entry.seq <= until and access.at_least(entry.role, least):
                yield entry

    def get_entry(self, call: Call, caller: Caller, calendar_id: str) -> Answer:
        """`calendarList.get`."""
        access.require_scope(caller, access.READ_LIST)
        return answers.resource(call, self.shown(access.calendar_of(self._store, caller.email, calendar_id)[1]))

    def insert_entry(self, call: Call, caller: Caller) -> Answer:
        """`calendarList.insert`: put a calendar that exists into the list; a stranger's is read-only."""
        access.require_scope(caller, access.WRITE_LIST)
        body = answers.body_of(call)
        calendar = self._store.calendars.get(str(body.get("id")))
        if calendar is None:
            raise errors.not_found()
        known = self._store.lists.get(caller.email, {}).get(calendar.id)
        role = known.role if known else "owner" if calendar.owner == caller.email else "reader"
        return self._put_entry(call, caller, calendar.id, role, _settings(body))

    def change_entry(self, call: Call, caller: Caller, calendar_id: str) -> Answer:
        """`calendarList.patch` and `calendarList.update`."""
        access.require_scope(caller, access.WRITE_LIST)
        calendar, entry = access.calendar_of(self._store, caller.email, calendar_id)
        kept = entry.settings if call.method == "PATCH" else {}
        settings = {**kept, **_settings(answers.body_of(call))}
        return self._put_entry(call, caller, calendar.id, entry.role, settings)

    def delete_entry(self, call: Call, caller: Caller, calendar_id: str) -> Answer:
        """`calendarList.delete`: the calendar itself stays."""
        access.require_scope(caller, access.WRITE_LIST)
        _, entry = access.calendar_of(self._store, caller.email, calendar_id)
        self._store.put_entry(caller.email, replace(entry, removed=True))
        return answers.EMPTY

    def _put_entry(
        self, call: Call, caller: Caller, calendar_id: str, role: str, settings: Mapping[str, Any]
    ) -> Answer:
        version = self._store.next_version(self._parts.clock.now())
        entry = Entry(calendar=calendar_id, role=role, seq=0, version=version, settings=settings)
        return answers.resource(call, self.shown(self._store.put_entry(caller.email, entry)))

    # calendars

    def get(self, call: Call, caller: Caller, calendar_id: str) -> Answer:
        """`calendars.get`."""
        access.require_scope(caller, access.READ_CALENDARS)
        return answers.resource(call, _calendar(access.calendar_of(self._store, caller.email, calendar_id)[0]))

    def insert(self, call: Call, caller: Caller) -> Answer:
        """`calendars.insert`: a secondary calendar."""
        access.require_scope(caller, access.WRITE_CALENDARS)
        body = answers.body_of(call)
        if not body.get("summary"):
            raise errors.required("Missing title.")
        calendar = self.create(
            caller.email,
            summary=str(body["summary"]),
            time_zone=str(body.get("timeZone") or "UTC"),
            description=str(body.get("description") or ""),
            location=str(body.get("location") or ""),
        )
        return answers.resource(call, _calendar(calendar))

    def change_by_client(self, call: Call, caller: Caller, calendar_id: str) -> Answer:
        """`calendars.patch` and `calendars.update`."""
        access.require_scope(caller, access.WRITE_CALENDARS)
        calendar, entry = access.calendar_of(self._store, caller.email, calendar_id)
        access.require_role(entry, "owner")
        body = answers.body_of(call)
        names = {"summary": "summary", "description": "description", "location": "location", "timeZone": "time_zone"}
        values = {name: str(body.get(key) or "") for key, name in names.items() if key in body}
        return answers.resource(call, _calendar(self.change(calendar, **values)))

    def delete(self, call: Call, caller: Caller, calendar_id: str) -> Answer:
        """`calendars.delete`: a secondary calendar with its events; channels hear `not_exists`."""
        access.require_scope(caller, access.WRITE_CALENDARS)
        calendar, entry = access.calendar_of(self._store, caller.email, calendar_id)
        access.require_role(entry, "owner")
        if calendar.primary:
            raise errors.forbidden("Primary calendars cannot be deleted.", "cannotDeletePrimaryCalendar")
        self._channels.changed(calendar.id, "not_exists")
        self._store.drop_calendar(calendar.id)
        return answers.EMPTY

    # colors, settings, freeBusy

    def colors(self, call: Call, caller: Caller) -> Answer:
        """`colors.get`."""
        access.require_scope(caller, access.READ_ANY)
        body = {"kind": "calendar#colors", "updated": palette.UPDATED}
        return answers.resource(call, {**body, "calendar": palette.CALENDAR, "event": palette.EVENT})

    def settings(self, call: Call, caller: Caller) -> Answer:
        """`settings.list`."""
        access.require_scope(caller, access.READ_SETTINGS)
        token = queries.encode({"e": self._store.cursor_epoch, "s": 0})
        head = {"kind": "calendar#settings", "etag": '"p0"', "nextSyncToken": token}
        return answers.listing(call, head, [answers.text(self._setting(caller, name)) for name in _SETTINGS])

    def setting(self, call: Call, caller: Caller, name: str) -> Answer:
        """`settings.get`."""
        access.require_scope(caller, access.READ_SETTINGS)
        if name not in _SETTINGS:
            raise errors.not_found()
        return answers.resource(call, self._setting(caller, name))

    def _setting(self, caller: Caller, name: str) -> dict[str, Any]:
        value = self._store.calendar(caller.email).time_zone if name == "timezone" else _SETTINGS[name]
        return {"kind": "calendar#setting", "etag": '"0"', "id": name, "value": value}

    def free_busy(self, call: Call, caller: Caller) -> Answer:
        """`freebusy.query`."""
        access.require_scope(caller, access.READ_FREE_BUSY)
        body = answers.body_of(call)
        first, last = (times.parameter(key, str(body.get(key) or "")) for key in ("timeMin", "timeMax"))
        if last <= first:
            raise errors.time_range_empty()
        items = body.get("items") or []
        if last - first > _LONGEST_FREE_BUSY:
            raise errors.invalid("The requested time range is too long.", "timeMax")
        if len(items) > _MOST_FREE_BUSY:
            raise errors.invalid("Too many calendars requested.", "items")
        busy = {str(item.get("id")): self._busy(caller, str(item.get("id")), first, last) for item in items}
        return answers.resource(
            call,
            {
                "kind": "calendar#freeBusy",
                "timeMin": times.millisecond_text(first),
                "timeMax": times.millisecond_text(last),
                "calendars": busy,
            },
        )

    def _busy(self, caller: Caller, calendar_id: str, first: datetime, last: datetime) -> dict[str, Any]:
        try:
            calendar, _ = access.calendar_of(self._store, caller.email, calendar_id)
        except Refused:
            return {"errors": [{"domain": "global", "reason": "notFound"}], "busy": []}
        spans: list[tuple[datetime, datetime]] = []
        for start, end in sorted(self._spans(calendar, first, last)):
            if spans and start <= spans[-1][1]:
                spans[-1] = spans[-1][0], max(end, spans[-1][1])
            else:
                spans.append((start, end))
        return {"busy": [{"start": times.utc_text(start), "end": times.utc_text(end)} for start, end in spans]}

    def _spans(self, calendar: Calendar, first: datetime, last: datetime) -> Iterable[tuple[datetime, datetime]]:
        for event in occurrences(self._store, calendar, first, last):
            if event.get("transparency") != "transparent":
                start, end = (times.instant(event[key], calendar.time_zone) for key in ("start", "end"))
                yield max(start, first), min(end, last)


def occurrences(store: Store, calendar: Calendar, first: datetime, last: datetime) -> Iterable[Event]:
    """Everything that is not cancelled and touches the span, series as occurrences, in no order."""
    events = store.events[calendar.id]
    for record in events:
        if record.cancelled or events.is_gone(record):
            continue
        if not record.is_series:
            if matching.in_window(record.event, (first, last), calendar):
                yield record.event
            continue
        changed = {exception.id for exception in events.exceptions(record.id)}
        for start in recurrence.starts(record.event, calendar.time_zone, first, last):
            event = recurrence.instance(record.event, start)
            if event["id"] not in changed:
                yield event


_SETTINGS = {
    "autoAddHangouts": "true",
    "dateFieldOrder": "DMY",
    "defaultEventLength": "60",
    "format24HourTime": "true",
    "locale": "en",
    "showDeclinedEvents": "true",
    "timezone": "",
    "weekStart": "1",
}


def _settings(body: Mapping[str, Any]) -> dict[str, Any]:
    settings = {key: body[key] for key in _ENTRY_SETTINGS if body.get(key) is not None}
    if settings.get("colorId", "14") not in palette.CALENDAR:
        raise errors.invalid("Invalid value for: colorId")
    return settings


def _calendar(calendar: Calendar) -> dict[str, Any]:
    return {
        "kind": "calendar#calendar",
        "etag": f'"{calendar.version}"',
        "id": calendar.id,
        "summary": calendar.summary,
        **_texts(calendar),
        "timeZone": calendar.time_zone,
        "conferenceProperties": {"allowedConferenceSolutionTypes": ["hangoutsMeet"]},
        **({} if calendar.primary else {"dataOwner": calendar.owner}),
    }


def _texts(calendar: Calendar) -> dict[str, str]:
    texts = {"description": calendar.description, "location": calendar.location}
    return {key: value for key, value in texts.items() if value}
