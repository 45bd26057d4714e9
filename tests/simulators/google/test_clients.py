"""Clients that others wrote: google-api-python-client drives every method, gcal-sync reads a calendar."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import google.oauth2.credentials
import httplib2
import pytest
from gcal_sync.api import GoogleCalendarService, ListEventsRequest
from gcal_sync.auth import AbstractAuth
from gcal_sync.store import InMemoryCalendarStore
from gcal_sync.sync import CalendarEventSyncManager, CalendarListSyncManager
from google_auth_httplib2 import AuthorizedHttp
from googleapiclient.discovery import build
from googleapiclient.errors import HttpError
from googleapiclient.http import BatchHttpRequest

from tests.simulators.google import discovery
from tests.simulators.google.samples import all_day, series, timed

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.simulators.google.api import Api
    from tests.simulators.running import Simulator, Webhook


class _CheckedHttp(httplib2.Http):
    """Checks every answer against the discovery document on its way to the client."""

    def request(self, uri: str, method: str = "GET", *rest: Any, **options: Any) -> Any:
        response, content = super().request(uri, method, *rest, **options)
        parts = urlsplit(uri)
        if parts.path.startswith("/calendar/v3"):
            path = parts.path.removeprefix("/calendar/v3")
            discovery.check(method, path, response.status, content, partial="fields=" in parts.query)
        return response, content


def _service(api: Api) -> Any:
    credentials = google.oauth2.credentials.Credentials(api.token)  # type: ignore[no-untyped-call]
    http = AuthorizedHttp(credentials, http=_CheckedHttp())
    options = {"api_endpoint": f"{api.simulator.base}/calendar/v3/"}
    return build("calendar", "v3", http=http, client_options=options, static_discovery=True)


def _sync(service: Any, **query: Any) -> tuple[list[Any], str]:
    """Google's own way to page (samples of the "Synchronize resources" guide)."""
    found, request = [], service.events().list(calendarId="primary", **query)
    page: Any = {}
    while request is not None:
        page = request.execute()
        found += page["items"]
        request = service.events().list_next(request, page)
    return found, page["nextSyncToken"]


async def _in_thread[T](work: Callable[[], T]) -> T:
    return await asyncio.to_thread(work)


async def test_the_google_client_drives_every_method_of_events(alex: Api, simulator: Simulator) -> None:
    club = (await simulator.sim("POST", "/accounts/alex@example.com/calendars", {"summary": "Club"}))["id"]

    def work() -> None:
        events = _service(alex).events()
        primary = {"calendarId": "primary"}
        first = events.insert(**primary, body=timed(id="event1"), sendUpdates="none").execute()
        assert events.get(**primary, eventId="event1").execute() == first
        events.update(**primary, eventId="event1", body=timed(summary="B")).execute()
        assert events.patch(**primary, eventId="event1", body={"location": "x"}).execute()["summary"] == "B"
        stale = events.patch(**primary, eventId="event1", body={"location": "y"})
        stale.headers["If-Match"] = first["etag"]
        with pytest.raises(HttpError) as error:
            stale.execute()
        assert (error.value.status_code, error.value.error_details[0]["reason"]) == (412, "conditionNotMet")
        events.insert(**primary, body=series(id="standup")).execute()
        assert len(events.instances(**primary, eventId="standup").execute()["items"]) == 4
        imported = events.import_(**primary, body=timed(iCalUID="a@b.example")).execute()
        assert imported["iCalUID"] == "a@b.example"
        assert events.move(**primary, eventId="event1", destination=club).execute()["organizer"]["email"] == club
        assert events.delete(calendarId=club, eventId="event1").execute() == ""
        with pytest.raises(HttpError) as error:
            events.delete(calendarId=club, eventId="event1").execute()
        assert error.value.status_code == 410

    await _in_thread(work)


async def test_the_google_client_syncs_with_pages_and_tokens(alex: Api, simulator: Simulator) -> None:
    events = [timed(id=f"event{number:04d}") for number in range(60)]
    await simulator.sim("POST", "/calendars/alex@example.com/events:bulk", {"events": events})

    def work() -> None:
        service = _service(alex)
        found, token = _sync(service, maxResults=25)
        assert len(found) == 60
        service.events().delete(calendarId="primary", eventId="event0007").execute()
        service.events().patch(calendarId="primary", eventId="event0008", body={"summary": "x"}).execute()
        changed, token = _sync(service, maxResults=1, syncToken=token)
        assert [(event["id"], event["status"]) for event in changed] == [
            ("event0007", "cancelled"),
            ("event0008", "confirmed"),
        ]
        assert _sync(service, syncToken=token)[0] == []

    await _in_thread(work)


async def test_the_google_client_batches(alex: Api) -> None:
    def work() -> tuple[dict[str, Any], dict[str, Any]]:
        service, answers, errors = _service(alex), {}, {}

        def answered(request_id: str, answer: Any, error: Any) -> None:
            if error is None:
                answers[request_id] = answer
            else:
                errors[request_id] = error

        batch = BatchHttpRequest(callback=answered, batch_uri=f"{alex.simulator.base}/batch/calendar/v3")
        for number in range(49):
            body = timed(id=f"event{number:04d}")
            batch.add(service.events().insert(calendarId="primary", body=body), request_id=str(number))
        batch.add(service.events().get(calendarId="primary", eventId="never"), request_id="never")
        batch.execute(http=service._http)
        return answers, errors

    answers, errors = await _in_thread(work)
    assert len(answers) == 49
    assert answers["7"]["id"] == "event0007"
    assert errors["never"].status_code == 404


async def test_the_google_client_watches_and_stops(alex: Api, hook: Webhook) -> None:
    def work() -> None:
        service = _service(alex)
        body = {"id": "channel-1", "type": "web_hook", "address": hook.address, "token": "t"}
        channel = service.events().watch(calendarId="primary", body=body).execute()
        assert service.channels().stop(body={"id": "channel-1", "resourceId": channel["resourceId"]}).execute() == ""

    await _in_thread(work)
    assert (await hook.wait_for(1))[0].headers["X-Goog-Resource-State"] == "sync"


async def test_the_google_client_drives_the_rest(alex: Api) -> None:
    def work() -> None:
        service = _service(alex)
        entries = service.calendarList().list().execute()["items"]
        assert service.calendarList().get(calendarId=entries[1]["id"]).execute() == entries[1]
        assert service.calendars().get(calendarId="primary").execute()["id"] == "alex@example.com"
        made = service.calendars().insert(body={"summary": "Club"}).execute()
        assert service.calendarList().insert(body={"id": made["id"]}).execute()["id"] == made["id"]
        assert service.calendars().delete(calendarId=made["id"]).execute() == ""
        assert service.colors().get().execute()["kind"] == "calendar#colors"
        span = {"timeMin": "2026-03-02T00:00:00Z", "timeMax": "2026-03-03T00:00:00Z", "items": [{"id": "primary"}]}
        assert service.freebusy().query(body=span).execute()["calendars"] == {"primary": {"busy": []}}
        assert service.settings().list().execute()["items"]

    await _in_thread(work)


class _Auth(AbstractAuth):
    def __init__(self, api: Api) -> None:
        super().__init__(api.simulator.session, f"{api.simulator.base}/calendar/v3")
        self._token = api.token

    async def async_get_access_token(self) -> str:
        return self._token


async def test_gcal_sync_reads_a_calendar_fully_and_incrementally_and_sees_the_same(
    alex: Api, simulator: Simulator
) -> None:
    await alex.insert(timed(id="event1", summary="One 🦷", description="<b>x</b>"))
    await alex.insert(all_day(id="fair0"))
    await alex.insert(series(id="standup"))
    await alex.patch("standup_20260309T080000Z", {"summary": "Special"})
    await alex.delete("standup_20260316T080000Z")
    service = GoogleCalendarService(_Auth(alex))
    manager = CalendarEventSyncManager(service, "alex@example.com", InMemoryCalendarStore())

    await manager.run()
    full = await _starts(manager)
    await alex.patch("event1", {"summary": "Renamed"})
    await alex.delete("fair0")
    await alex.insert(timed("2026-04-01T09:00:00", "2026-04-01T10:00:00", id="later0", summary="Later"))
    await manager.run()
    incremental = await _starts(manager)
    await simulator.sim("POST", "/expire-cursors", {})
    await manager.run()
    afresh = await _starts(manager)

    assert full == [
        ("2026-03-02", "Fair"),
        ("2026-03-02T09:00:00+01:00", "One 🦷"),
        ("2026-03-02T09:00:00+01:00", "Stand-up"),
        ("2026-03-09T09:00:00+01:00", "Special"),
        ("2026-03-23T09:00:00+01:00", "Stand-up"),
    ]
    assert incremental == [
        ("2026-03-02T09:00:00+01:00", "Renamed"),
        ("2026-03-02T09:00:00+01:00", "Stand-up"),
        ("2026-03-09T09:00:00+01:00", "Special"),
        ("2026-03-23T09:00:00+01:00", "Stand-up"),
        ("2026-04-01T09:00:00+02:00", "Later"),
    ]
    assert afresh == incremental
    shown, _ = await alex.list(singleEvents=True, orderBy="startTime")
    assert sorted((event["start"]["dateTime"], event["summary"]) for event in shown) == afresh


async def _starts(manager: CalendarEventSyncManager) -> list[tuple[str, str]]:
    timeline = await manager.store_service.async_get_timeline()
    return sorted((event.start.value.isoformat(), event.summary) for event in timeline)


async def test_gcal_sync_reads_calendars_single_events_and_one_event(alex: Api) -> None:
    await alex.insert(series(id="standup"))
    service = GoogleCalendarService(_Auth(alex))
    calendars = CalendarListSyncManager(service, InMemoryCalendarStore())

    await calendars.run()
    await calendars.run()
    request = ListEventsRequest.model_validate(
        {"calendarId": "alex@example.com", "timeMin": "2026-03-01T00:00:00Z", "timeMax": "2026-03-20T00:00:00Z"}
    )
    listed = await service.async_list_events(request)
    one = await service.async_get_event("alex@example.com", "standup")
    colors = await service.async_get_colors()

    assert len((await calendars.store_service.async_list_calendars()).calendars) == 2
    assert [event.id for event in listed.items if event.id] == [
        "standup_20260302T080000Z",
        "standup_20260309T080000Z",
        "standup_20260316T080000Z",
    ]
    assert one.ical_uuid == "standup@google.com"
    assert colors
