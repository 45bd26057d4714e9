"""Calendars, lists of them, roles, free/busy, colours, settings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest

from tests.simulators.google.samples import all_day, series, timed

if TYPE_CHECKING:
    from tests.simulators.google.api import Api
    from tests.simulators.running import Simulator


async def test_the_list_has_the_primary_calendar_and_others_with_roles(alex: Api) -> None:
    reply = await alex.call("GET", "/users/me/calendarList")

    primary, family = reply.body["items"]
    assert (primary["id"], primary["primary"], primary["accessRole"]) == ("alex@example.com", True, "owner")
    assert family["id"].endswith("@group.calendar.google.com")
    assert "primary" not in family
    assert "nextSyncToken" in reply.body


async def test_the_list_pages_and_syncs(alex: Api, simulator: Simulator) -> None:
    first = (await alex.call("GET", "/users/me/calendarList", maxResults=1)).body
    rest = (await alex.call("GET", "/users/me/calendarList", maxResults=1, pageToken=first["nextPageToken"])).body
    club = (await alex.call("POST", "/calendars", {"summary": "Club", "timeZone": "America/New_York"})).body

    added = (await alex.call("GET", "/users/me/calendarList", syncToken=rest["nextSyncToken"])).body
    await alex.call("DELETE", f"/calendars/{quote(club['id'])}")
    removed = (await alex.call("GET", "/users/me/calendarList", syncToken=added["nextSyncToken"])).body
    await simulator.sim("POST", "/expire-cursors", {})
    expired = await alex.call("GET", "/users/me/calendarList", syncToken=removed["nextSyncToken"])

    assert [entry["id"] for entry in added["items"]] == [club["id"]]
    assert [(entry["id"], entry["deleted"]) for entry in removed["items"]] == [(club["id"], True)]
    assert (expired.status, expired.reason) == (410, "fullSyncRequired")


async def test_a_list_entry_can_be_read_changed_hidden_and_removed(alex: Api) -> None:
    entries = (await alex.call("GET", "/users/me/calendarList")).body["items"]
    path = f"/users/me/calendarList/{quote(entries[1]['id'])}"

    renamed = await alex.call("PATCH", path, {"summaryOverride": "Us", "colorId": "3"})
    read = await alex.call("GET", path)
    await alex.call("PATCH", path, {"hidden": True})
    hidden = (await alex.call("GET", "/users/me/calendarList")).body["items"]
    shown = (await alex.call("GET", "/users/me/calendarList", showHidden=True)).body["items"]
    removed = await alex.call("DELETE", path)
    back = await alex.call("POST", "/users/me/calendarList", {"id": entries[1]["id"]})

    assert read.body == renamed.body
    assert (read.body["summaryOverride"], read.body["colorId"]) == ("Us", "3")
    assert (len(hidden), len(shown)) == (1, 2)
    assert removed.status == 204
    assert back.body["accessRole"] == "owner"


async def test_a_calendar_is_made_changed_and_deleted(alex: Api) -> None:
    made = (await alex.call("POST", "/calendars", {"summary": "Club"})).body
    path = f"/calendars/{quote(made['id'])}"

    changed = await alex.call("PATCH", path, {"timeZone": "Asia/Tokyo", "description": "Ours"})
    read = await alex.call("GET", path)
    deleted = await alex.call("DELETE", path)
    gone = await alex.call("GET", path)
    primary = await alex.call("DELETE", "/calendars/primary")
    unnamed = await alex.call("POST", "/calendars", {})

    assert made["timeZone"] == "UTC"
    assert read.body == changed.body
    assert (read.body["timeZone"], read.body["description"]) == ("Asia/Tokyo", "Ours")
    assert deleted.status == 204
    assert (gone.status, gone.reason) == (404, "notFound")
    assert (primary.status, primary.reason) == (403, "cannotDeletePrimaryCalendar")
    assert (unnamed.status, unnamed.reason) == (400, "required")


async def test_somebody_elses_calendar_is_not_found(alex: Api) -> None:
    reply = await alex.call("GET", alex.events(calendar="sam@example.com"))

    assert (reply.status, reply.reason) == (404, "notFound")


@pytest.mark.parametrize("role", ["reader", "freeBusyReader"])
async def test_a_reader_cannot_write_and_sees_no_private_details(alex: Api, simulator: Simulator, role: str) -> None:
    body = {"summary": "Team", "accessRole": role}
    team = (await simulator.sim("POST", "/accounts/alex@example.com/calendars", body))["id"]
    for event in (timed(id="open0"), timed(id="hidden", visibility="private", description="secret")):
        await simulator.sim("POST", f"/calendars/{team}/events", event)

    write = await alex.call("POST", alex.events(calendar=team), timed())
    listed = {event["id"]: event for event in (await alex.list(calendar=team))[0]}

    assert (write.status, write.reason) == (403, "requiredAccessLevel")
    assert not {"summary", "description"} & listed["hidden"].keys()
    assert listed["hidden"]["start"] == listed["open0"]["start"]
    assert ("summary" in listed["open0"]) == (role == "reader")


async def test_free_busy_merges_and_leaves_out_free_and_cancelled(alex: Api) -> None:
    await alex.insert(timed("2026-03-02T09:00:00", "2026-03-02T10:00:00"))
    await alex.insert(timed("2026-03-02T09:30:00", "2026-03-02T11:00:00"))
    await alex.insert(timed("2026-03-02T12:00:00", "2026-03-02T13:00:00", transparency="transparent"))
    await alex.insert(series(id="standup"))
    await alex.delete("standup_20260309T080000Z")
    await alex.insert(all_day("2026-03-10", "2026-03-11"))
    body = {
        "timeMin": "2026-03-02T00:00:00Z",
        "timeMax": "2026-03-12T00:00:00Z",
        "items": [{"id": "primary"}, {"id": "nobody@example.com"}],
    }

    reply = await alex.call("POST", "/freeBusy", body)

    assert reply.body["calendars"]["primary"]["busy"] == [
        {"start": "2026-03-02T08:00:00Z", "end": "2026-03-02T10:00:00Z"},
        {"start": "2026-03-09T23:00:00Z", "end": "2026-03-10T23:00:00Z"},
    ]
    assert reply.body["calendars"]["nobody@example.com"]["errors"][0]["reason"] == "notFound"


@pytest.mark.parametrize(
    ("first", "last", "reason"),
    [
        ("2026-03-02T00:00:00Z", "2026-03-01T00:00:00Z", "timeRangeEmpty"),
        ("2026-03-02T00:00:00Z", "2027-03-01T00:00:00Z", "invalid"),
        ("yesterday", "2027-03-01T00:00:00Z", "badRequest"),
    ],
)
async def test_a_wrong_free_busy_span_is_refused(alex: Api, first: str, last: str, reason: str) -> None:
    reply = await alex.call("POST", "/freeBusy", {"timeMin": first, "timeMax": last, "items": []})

    assert (reply.status, reply.reason) == (400, reason)


async def test_colours_and_settings(alex: Api) -> None:
    colors = (await alex.call("GET", "/colors")).body
    settings = (await alex.call("GET", "/users/me/settings")).body
    zone = (await alex.call("GET", "/users/me/settings/timezone")).body
    unknown = await alex.call("GET", "/users/me/settings/nonsense")

    assert (len(colors["calendar"]), len(colors["event"])) == (24, 11)
    assert {"id": "timezone", "value": "Europe/Zurich"}.items() <= zone.items()
    assert zone in settings["items"]
    assert unknown.status == 404


async def test_an_unknown_path_is_not_found(alex: Api) -> None:
    reply: Any = await alex.call("GET", "/users/me/nonsense", check=False)

    assert reply.status == 404


async def test_a_primary_calendar_can_be_renamed_by_the_admin_route(simulator: Simulator) -> None:
    path, body = "/accounts/alex@example.com/calendars", {"summary": "Me", "timeZone": "Asia/Tokyo", "primary": True}

    changed = await simulator.sim("POST", path, body)

    assert (changed["id"], changed["summary"], changed["timeZone"]) == ("alex@example.com", "Me", "Asia/Tokyo")
