"""A Google account as a calendar provider.

Requests: one per page of changes; `get` one, two for a series; an insert, update or occurrence one, a deletion one
with an ETag and two without, an amendment or withdrawal two; up to 50 writes share a round trip, yet count one by one
against the quota, and a patch counts three times (Events: patch).
"""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any

from shared.calendar.event import Unit
from shared.calendar.span import occurrence_key
from shared.core.errors import ConflictError, CursorExpiredError, NotFoundError
from shared.providers.google import errors, reading, steps, writing
from shared.providers.google.service import Service
from shared.providers.patience import WRITING_SECONDS, Patience
from shared.providers.port import Account, Channel, Page, RemoteCalendar, Skipped, Upserted, none_as_left

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from googleapiclient.http import HttpRequest

    from shared.calendar.event import Event
    from shared.calendar.span import Window
    from shared.providers.port import AsLeft, Failed, Turns, Write, Written

MAX_PAGES = 400
"""A listing longer than this goes round in circles."""

_MAX_RESULTS = 2500
_WRITING_ROLES = ("owner", "writer")
_VIRTUAL = "@group.v.calendar.google.com"
_CALENDAR_FIELDS = (
    "nextPageToken,items(id,summary,summaryOverride,timeZone,accessRole,primary,dataOwner,backgroundColor)"
)
_LISTING = "calendar.events.list"
_WATCHING = "calendar.events.watch"
_PAGE_FIELDS = f"timeZone,nextPageToken,nextSyncToken,items({reading.FIELDS})"


class GoogleCalendar:
    """Implements `CalendarProvider` for one access token. Not thread-safe."""

    def __init__(self, *, access_token: str, api_endpoint: str, turns: Turns | None = None) -> None:
        self._service = Service(access_token=access_token, api_endpoint=api_endpoint, turns=turns)
        self._seen: set[str] = set()

    def account(self) -> Account:
        """Who this is: Google's subject and e-mail address."""
        claims = self._service.userinfo()
        subject, email = claims.get("sub"), claims.get("email")
        if not isinstance(subject, str) or not isinstance(email, str):
            raise errors.unreadable("no subject or no e-mail address", during="userinfo")
        return Account(id=subject, email=email)

    def list_calendars(self) -> list[RemoteCalendar]:
        """Every calendar in the account's list, hidden ones too.

        Another's calendar is read by whoever owns its data. With whom a person has shared their own stands in its
        access list, which Kalends has no scope to read (Acl: list): who reads it is not known.
        """
        listing = self._listing(self._service.calendars.list, maxResults=250, showHidden=True, fields=_CALENDAR_FIELDS)
        items = list(listing)
        if not items:
            raise errors.unreadable("not even a primary calendar", during="calendar.calendarList.list")
        account = next((item["id"] for item in items if item.get("primary") is True), None)
        return [_calendar(item, account=account) for item in items]

    def changes(
        self,
        calendar_id: str,
        *,
        cursor: str | None,
        page: str | None,
        window: Window,
        page_size: int = 2500,
        as_left: AsLeft = none_as_left,
    ) -> Page:
        """One events.list call. The cursor is Google's sync token.

        A full read asks for deleted events as well: Google wants the same parameters with the sync token later, where
        it always sends them, and after a lost cursor they are proof of what went. `window.end` bounds nothing.
        """
        place = _Place.of(cursor=cursor, page=page, window=window)
        answer = self._service.execute(
            self._service.events.list(
                calendarId=calendar_id,
                singleEvents=False,
                showDeleted=True,
                maxAttendees=1,
                maxResults=min(page_size, _MAX_RESULTS),
                fields=_PAGE_FIELDS,
                **place.parameters(),
            )
        )
        zone = str(answer.get("timeZone") or "UTC")
        read = [
            reading.read_change(item, time_zone=zone, incremental=place.sync_token is not None)
            for item in _items(answer, during=_LISTING)
        ]
        next_page = place.following(answer)
        return Page(
            changes=tuple(item for item in read if not isinstance(item, Skipped)),
            skipped=tuple(item for item in read if isinstance(item, Skipped)),
            next_page=next_page,
            cursor=None if next_page else _text(answer, "nextSyncToken", during=_LISTING),
        )

    def get(self, calendar_id: str, event_id: str, *, window: Window) -> Unit | None:
        """One GET; for a series a second call lists everything with its iCalUID, which is the series and exactly the
        occurrences that differ, wherever they are: `window` is not needed.

        The answer that an event does not exist counts only if the calendar does: losing access to a calendar gives
        the same answer for every event in it.
        """
        try:
            item = self._service.execute(
                self._service.events.get(
                    calendarId=calendar_id, eventId=event_id, maxAttendees=1, fields=reading.FIELDS
                )
            )
        except NotFoundError:
            self._require_calendar(calendar_id)
            return None
        if _text(item, "id", during="calendar.events.get") != event_id:
            raise errors.unreadable("another event", during="calendar.events.get")
        if item.get("status") == "cancelled":
            return None
        root = reading.read_event(item, time_zone="UTC")
        if not root.is_series:
            return Unit(root=root)
        siblings = self._listing(
            self._service.events.list,
            calendarId=calendar_id,
            iCalUID=root.ical_uid,
            showDeleted=True,
            maxAttendees=1,
            maxResults=_MAX_RESULTS,
            fields=_PAGE_FIELDS,
        )
        differing = [
            reading.read_event(item, time_zone="UTC") for item in siblings if item.get("recurringEventId") == event_id
        ]
        return Unit(root=root, overrides=tuple(sorted(differing, key=_place_in_series)))

    def find_marked(self, calendar_id: str, *, window: Window | None = None) -> list[Event]:
        """Every mirror, by the constant property beside its marker: Google finds properties by equality only, and
        listing everything to look for markers here would cost a request for each 2,500 events of the person's own.

        Overrides are left out: they belong to their series and go with it.
        """
        listing = self._listing(
            self._service.events.list,
            calendarId=calendar_id,
            privateExtendedProperty=f"{writing.SIGN}={writing.SIGNED}",
            maxAttendees=1,
            maxResults=_MAX_RESULTS,
            fields=_PAGE_FIELDS,
            **_bounds(window),
        )
        read = [reading.read_change(item, time_zone="UTC", incremental=False) for item in listing]
        events = [item.event for item in read if isinstance(item, Upserted)]
        return [event for event in events if event.marker is not None and not event.is_override]

    def write(self, calendar_id: str, writes: Sequence[Write]) -> list[Written | Failed]:
        """Carry out writes, up to 50 in one round trip."""
        planned = [steps.of(self._service.events, calendar_id, write) for write in writes]
        return steps.carry_out(planned, partial(self._service.execute_all, patience=Patience(seconds=WRITING_SECONDS)))

    def decline(self, calendar_id: str, event_id: str, *, occurrence: str | None = None) -> None:
        """With `attendeesOmitted`, which changes the participant's own answer only (Events: "used to only update the
        participant's response"), and sendUpdates=none."""
        place = event_id if occurrence is None else f"{event_id}_{occurrence}"
        found = self._service.execute(
            self._service.events.get(
                calendarId=calendar_id,
                eventId=place,
                maxAttendees=1,
                fields="attendees(email,self,organizer,responseStatus)",
            )
        )
        own = next((one for one in found.get("attendees", ()) if one.get("self") is True), None)
        if own is None or own.get("organizer") is True:
            raise ConflictError(f"Nobody invited this account to event {place}: there is nothing to decline.")
        if own.get("responseStatus") != "declined":
            answer = {"email": own.get("email"), "responseStatus": "declined"}
            self._service.execute(
                self._service.events.patch(
                    calendarId=calendar_id,
                    eventId=place,
                    body={"attendeesOmitted": True, "attendees": [answer]},
                    sendUpdates=steps.SILENT,
                    maxAttendees=1,
                    fields="id",
                )
            )

    def watch(self, calendar_id: str, *, channel_id: str, address: str, token: str, expires_at: datetime) -> Channel:
        """Open a channel. Google may grant less time than asked. Raises ConflictError for an id used before, and
        InvalidError with code PROVIDER.PUSH for calendars that cannot be watched."""
        answer = self._service.execute(
            self._service.events.watch(
                calendarId=calendar_id,
                body={
                    "id": channel_id,
                    "type": "web_hook",
                    "address": address,
                    "token": token,
                    "expiration": str(int(expires_at.timestamp() * 1000)),
                },
            )
        )
        granted = _text(answer, "expiration", during=_WATCHING)
        if not (granted.isascii() and granted.isdigit()):
            raise errors.unreadable("no readable expiration", during=_WATCHING)
        return Channel(
            id=channel_id,
            resource_id=_text(answer, "resourceId", during=_WATCHING),
            expires_at=datetime.fromtimestamp(int(granted) / 1000, UTC),
        )

    def prolong(self, channel: Channel, *, expires_at: datetime) -> Channel | None:
        """Google cannot ("Receive push notifications": there is no automatic way to renew a channel)."""
        return None

    def stop(self, channel: Channel) -> None:
        """End a channel."""
        with suppress(NotFoundError):
            self._service.execute(
                self._service.channels.stop(body={"id": channel.id, "resourceId": channel.resource_id})
            )

    def _require_calendar(self, calendar_id: str) -> None:
        """Raises NotFoundError unless the calendar can be read; asked once per calendar."""
        if calendar_id not in self._seen:
            self._service.execute(self._service.events.list(calendarId=calendar_id, maxResults=1, fields="etag"))
            self._seen.add(calendar_id)

    def _listing(self, method: Callable[..., HttpRequest], **parameters: Any) -> Iterator[Mapping[str, Any]]:
        """The items of all pages. Raises TransientError for a listing that does not end."""
        page_token: str | None = None
        during = ""
        for _ in range(MAX_PAGES):
            request = method(**parameters, pageToken=page_token)
            during = str(request.methodId)
            answer = self._service.execute(request)
            for item in _items(answer, during=during):
                if not isinstance(item, dict) or not isinstance(item.get("id"), str):
                    raise errors.unreadable("an item without an id", during=during)
                yield item
            following = answer.get("nextPageToken")
            if following is None:
                return
            if not isinstance(following, str) or following == page_token:
                break
            page_token = following
        raise errors.endless(during=during)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Place:
    """Where in a listing a call stands; as text it is the port's opaque page, complete in itself."""

    sync_token: str | None
    time_min: str | None
    page_token: str | None = None
    number: int = 0

    @classmethod
    def of(cls, *, cursor: str | None, page: str | None, window: Window) -> _Place:
        if page is None:
            return cls(sync_token=cursor, time_min=None if cursor or not window.start else _rfc3339(window.start))
        try:
            sync_token, time_min, page_token, number = json.loads(page)
        except (ValueError, TypeError):
            raise CursorExpiredError("The page token is not one of ours: a full read follows.") from None
        return cls(sync_token=sync_token, time_min=time_min, page_token=page_token, number=number)

    def parameters(self) -> dict[str, str]:
        """What each page of one listing repeats, and the page's own token."""
        given = {"syncToken": self.sync_token, "timeMin": self.time_min, "pageToken": self.page_token}
        return {name: value for name, value in given.items() if value is not None}

    def following(self, answer: Mapping[str, Any]) -> str | None:
        """The page after this one. Raises TransientError for pages that go round in circles."""
        token = answer.get("nextPageToken")
        if token is None:
            return None
        if not isinstance(token, str) or token == self.page_token or self.number >= MAX_PAGES:
            raise errors.endless(during=_LISTING)
        return json.dumps([self.sync_token, self.time_min, token, self.number + 1])


def _calendar(item: Mapping[str, Any], *, account: str | None) -> RemoteCalendar:
    role, owner = item.get("accessRole"), item.get("dataOwner")
    return RemoteCalendar(
        id=item["id"],
        name=str(item.get("summaryOverride") or item.get("summary") or item["id"]),
        time_zone=str(item.get("timeZone") or "UTC"),
        can_write=role in _WRITING_ROLES,
        is_primary=item.get("primary") is True,
        readers=(owner or item["id"],) if role != "owner" or owner not in (None, account) else None,
        supports_push=not item["id"].endswith(_VIRTUAL),
        color=item.get("backgroundColor"),
    )


def _items(answer: Mapping[str, Any], *, during: str) -> list[Any]:
    """The items of a listing; Google leaves the field out where there are none."""
    items = answer.get("items", [])
    if not isinstance(items, list):
        raise errors.unreadable("items that are no list", during=during)
    return items


def _text(answer: Mapping[str, Any], name: str, *, during: str) -> str:
    value = answer.get(name)
    if not isinstance(value, str) or not value:
        raise errors.unreadable(f"no {name}", during=during)
    return value


def _place_in_series(event: Event) -> str:
    return "" if event.original_start is None else occurrence_key(event.original_start)


def _bounds(window: Window | None) -> dict[str, str]:
    bounds = {"timeMin": window.start, "timeMax": window.end} if window else {}
    return {name: _rfc3339(moment) for name, moment in bounds.items() if moment is not None}


def _rfc3339(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
