"""The person, their calendars and settings, free/busy."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.simulators.microsoft import api as graph_api
from tests.simulators.microsoft.api import ALEX, SAM, at, timed, weekly

if TYPE_CHECKING:
    from tests.simulators.microsoft.api import Api
    from tests.simulators.running import Simulator


async def test_me_is_the_person_who_signed_in(alex: Api) -> None:
    reply = await alex.call("GET", "/me")

    assert (reply.body["mail"], reply.body["userPrincipalName"]) == (ALEX, ALEX)


async def test_the_primary_calendar_is_the_default_one_and_stays(alex: Api) -> None:
    listed = (await alex.call("GET", "/me/calendars")).value
    primary = await alex.call("GET", "/me/calendar")

    refused = await alex.call("DELETE", f"/me/calendars/{primary.body['id']}")

    assert [(one["name"], one["isDefaultCalendar"], one["isRemovable"]) for one in listed] == [
        ("Calendar", True, False),
        ("Team", False, True),
    ]
    assert primary.body["id"] == listed[0]["id"]
    assert refused.status == 400


async def test_a_calendar_is_made_renamed_and_deleted_with_its_events(alex: Api) -> None:
    made = await alex.call("POST", "/me/calendars", {"name": "Mirror"})
    event = await alex.create(timed(), calendar=made.body["id"])
    twin = await alex.call("POST", "/me/calendars", {"name": "Mirror"})

    renamed = await alex.call("PATCH", f"/me/calendars/{made.body['id']}", {"name": "Mirrors", "color": "lightBlue"})
    deleted = await alex.call("DELETE", f"/me/calendars/{made.body['id']}")
    gone = await alex.call("GET", f"/me/events/{event['id']}")

    assert [made.status, twin.status, deleted.status, gone.status] == [201, 409, 204, 404]
    assert (renamed.body["name"], renamed.body["color"]) == ("Mirrors", "lightBlue")
    assert renamed.body["changeKey"] != made.body["changeKey"]


async def test_a_strangers_calendar_is_not_found(alex: Api, sam: Api) -> None:
    foreign = await sam.calendar_id("Team")

    reply = await alex.call("GET", f"/me/calendars/{foreign}/events")

    assert (reply.status, reply.code) == (404, "ErrorItemNotFound")


async def test_settings_and_zones_have_windows_names_and_on_request_iana_ones(alex: Api) -> None:
    settings = await alex.call("GET", "/me/mailboxSettings")
    windows = await alex.call("GET", "/me/outlook/supportedTimeZones")
    iana = await alex.call(
        "GET", "/me/outlook/supportedTimeZones(TimeZoneStandard=microsoft.graph.timeZoneStandard'Iana')"
    )

    assert settings.body["timeZone"] == "W. Europe Standard Time"
    assert "Tokyo Standard Time" in {one["alias"] for one in windows.value}
    assert "Asia/Tokyo" in {one["alias"] for one in iana.value}


async def test_free_busy_tells_details_of_ones_own_events_only(alex: Api, sam: Api) -> None:
    await alex.create(timed("Mine", start="2026-03-02T09:00:00", zone="UTC", location={"displayName": "Bar"}))
    await sam.create(timed("Theirs", zone="UTC", showAs="tentative", recurrence=weekly("monday")))

    reply = await alex.call(
        "POST",
        "/me/calendar/getSchedule",
        {
            "schedules": [ALEX, SAM, "nobody@contoso.example"],
            "startTime": at("2026-03-02T08:00:00"),
            "endTime": at("2026-03-02T12:00:00"),
            "availabilityViewInterval": 60,
        },
    )

    mine, theirs, nobody = reply.value
    assert (mine["availabilityView"], theirs["availabilityView"]) == ("0200", "0100")
    assert (mine["scheduleItems"][0]["subject"], mine["scheduleItems"][0]["location"]) == ("Mine", "Bar")
    assert "subject" not in theirs["scheduleItems"][0]
    assert nobody["error"]["responseCode"] == "ErrorMailRecipientNotFound"


@pytest.mark.parametrize(
    ("scopes", "path", "method"),
    [
        ("User.Read", "/me/calendars", "GET"),
        ("Calendars.Read", "/me/events", "POST"),
        ("Calendars.Read", "/me/mailboxSettings", "GET"),
    ],
)
async def test_a_scope_that_was_not_granted_is_403(simulator: Simulator, scopes: str, path: str, method: str) -> None:
    client = await graph_api.sign_in(simulator, scope=scopes)

    reply = await client.call(method, path, timed())

    assert (reply.status, reply.code) == (403, "ErrorAccessDenied")


async def test_scopes_may_carry_graphs_address(simulator: Simulator) -> None:
    client = await graph_api.sign_in(simulator, scope="https://graph.microsoft.com/Calendars.Read")

    assert (await client.call("GET", "/me/calendars")).status == 200


async def test_a_bearer_that_is_missing_wrong_or_expired_is_challenged(alex: Api, simulator: Simulator) -> None:
    good = alex.token
    alex.token = "wrong"
    wrong = await alex.call("GET", "/me")
    alex.token = good
    missing = await alex.call("GET", "/me", headers={"Authorization": ""})
    await simulator.sim("POST", "/tokens/expire", {"email": ALEX})
    expired = await alex.call("GET", "/me")

    assert [reply.status for reply in (wrong, missing, expired)] == [401, 401, 401]
    assert {reply.code for reply in (wrong, missing, expired)} == {"InvalidAuthenticationToken"}
    assert all(reply.headers["WWW-Authenticate"].startswith("Bearer") for reply in (wrong, missing, expired))
