"""Single events: what is accepted, how it comes back, and what is refused."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest

from tests.simulators.microsoft.api import IMMUTABLE, SAM, at, event_path, timed

if TYPE_CHECKING:
    from tests.simulators.microsoft.api import Api
    from tests.simulators.running import Simulator


async def test_a_created_event_comes_back_with_defaults_and_windows_zones(alex: Api) -> None:
    body = timed("Lunch", zone="Europe/Berlin")

    made = await alex.create(body)

    assert made["start"] == at("2026-03-02T08:00:00.0000000")
    assert (made["originalStartTimeZone"], made["originalEndTimeZone"]) == ("W. Europe Standard Time",) * 2
    assert (made["type"], made["showAs"], made["sensitivity"], made["importance"]) == (
        "singleInstance",
        "busy",
        "normal",
        "normal",
    )
    assert (made["isReminderOn"], made["reminderMinutesBeforeStart"]) == (True, 15)
    assert made["responseStatus"] == {"response": "organizer", "time": "0001-01-01T00:00:00Z"}
    assert made["organizer"]["emailAddress"]["address"] == alex.email
    assert made["@odata.etag"] == f'W/"{made["changeKey"]}"'
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{7}Z", made["lastModifiedDateTime"])


@pytest.mark.parametrize(
    ("zone", "expected"),
    [
        ("Tokyo Standard Time", at("2026-03-02T17:00:00.0000000", "Tokyo Standard Time")),
        ("Asia/Tokyo", at("2026-03-02T17:00:00.0000000", "Asia/Tokyo")),
        ("UTC", at("2026-03-02T08:00:00.0000000", "UTC")),
    ],
)
async def test_times_come_back_in_the_zone_that_was_preferred(alex: Api, zone: str, expected: dict[str, str]) -> None:
    made = await alex.create(timed())

    reply = await alex.call("GET", event_path(made["id"]), headers={"Prefer": f'outlook.timezone="{zone}"'})

    assert reply.body["start"] == expected
    assert f'outlook.timezone="{zone}"' in reply.headers["Preference-Applied"]


@pytest.mark.parametrize("zone", ["Mars Standard Time", "Europe/Atlantis"])
async def test_an_unknown_zone_is_refused_in_bodies_and_in_headers(alex: Api, zone: str) -> None:
    in_body = await alex.call("POST", "/me/events", timed(zone=zone))
    in_header = await alex.call("GET", "/me/events", headers={"Prefer": f'outlook.timezone="{zone}"'})

    assert [reply.status for reply in (in_body, in_header)] == [400, 400]
    assert {in_body.code, in_header.code} == {"TimeZoneNotSupportedException"}


async def test_ids_differ_by_kind_and_either_finds_the_event(alex: Api) -> None:
    regular = await alex.create(timed())

    immutable = await alex.call("GET", event_path(regular["id"]), headers=IMMUTABLE)
    again = await alex.get(immutable.body["id"])

    assert immutable.body["id"] != regular["id"]
    assert again["id"] == regular["id"]
    assert immutable.headers["Preference-Applied"] == 'IdType="ImmutableId"'


async def test_a_malformed_id_is_400_and_a_strangers_or_deleted_one_404(alex: Api, sam: Api) -> None:
    own, gone = await alex.create(timed()), await alex.create(timed())
    foreign = await sam.create(timed())
    await alex.delete(gone["id"])

    malformed = await alex.call("GET", "/me/events/nonsense")
    strangers = await alex.call("GET", event_path(foreign["id"]))
    lower = await alex.call("GET", event_path(own["id"].lower()))
    deleted = await alex.call("GET", event_path(gone["id"]))

    assert (malformed.status, malformed.code) == (400, "ErrorInvalidIdMalformed")
    assert strangers.status in {400, 404}
    assert lower.status == 400
    assert (deleted.status, deleted.code) == (404, "ErrorItemNotFound")


async def test_an_error_has_graphs_shape_and_repeats_the_clients_request_id(alex: Api) -> None:
    reply = await alex.call("GET", "/me/nothing/here", headers={"client-request-id": "mine"})

    assert reply.status == 404
    assert set(reply.body["error"]) == {"code", "message", "innerError"}
    assert set(reply.body["error"]["innerError"]) == {"date", "request-id", "client-request-id"}
    assert reply.body["error"]["innerError"]["client-request-id"] == "mine"
    assert reply.headers["request-id"] == reply.body["error"]["innerError"]["request-id"]


async def test_a_change_makes_a_new_change_key_and_keeps_what_it_does_not_name(alex: Api) -> None:
    made = await alex.create(timed("One", location={"displayName": "Room 3"}, categories=["Red category"]))

    reply = await alex.patch(made["id"], {"subject": "Two", "showAs": "oof"})

    assert reply.status == 200
    assert (reply.body["subject"], reply.body["showAs"]) == ("Two", "oof")
    assert reply.body["location"]["displayName"] == "Room 3"
    assert reply.body["categories"] == ["Red category"]
    assert reply.body["changeKey"] != made["changeKey"]


async def test_if_match_is_heeded_or_not_by_the_switch(alex: Api, simulator: Simulator) -> None:
    made = await alex.create(timed())
    await alex.patch(made["id"], {"subject": "Newer"})
    stale = {"If-Match": made["@odata.etag"]}

    refused = await alex.patch(made["id"], {"subject": "Mine"}, **stale)
    await simulator.faults(honour_if_match=False)
    accepted = await alex.patch(made["id"], {"subject": "Mine"}, **stale)
    await simulator.faults(honour_if_match=True)
    fresh = await alex.patch(made["id"], {"subject": "Yours"}, **{"If-Match": accepted.body["@odata.etag"]})

    assert (refused.status, refused.code) == (412, "ErrorIrresolvableConflict")
    assert accepted.status == 200
    assert fresh.status == 200


async def test_a_repeated_transaction_answers_the_first_event(alex: Api) -> None:
    body = timed(transactionId="t-1")

    first, second = await alex.create(body), await alex.create(body)

    assert second["id"] == first["id"]
    assert first["transactionId"] == "t-1"
    assert len((await alex.call("GET", "/me/events")).value) == 1


@pytest.mark.parametrize("status", [409, 400])
async def test_a_transaction_used_for_another_event_is_refused(alex: Api, simulator: Simulator, status: int) -> None:
    await simulator.faults(transaction_id_status=status)
    await alex.create(timed("One", transactionId="t-1"))

    reply = await alex.call("POST", "/me/events", timed("Two", transactionId="t-1"))

    assert (reply.status, reply.code) == (status, "ErrorDuplicateTransactionId")


async def test_a_repeated_transaction_may_always_be_refused(alex: Api, simulator: Simulator) -> None:
    await simulator.faults(transaction_id_answer="conflict")
    body = timed(transactionId="t-1")
    await alex.create(body)

    reply = await alex.call("POST", "/me/events", body)

    assert reply.code == "ErrorDuplicateTransactionId"


async def test_a_transaction_is_forgotten_after_its_lifetime(alex: Api, simulator: Simulator) -> None:
    body = timed(transactionId="t-1")
    first = await alex.create(body)
    await simulator.faults(clock_skew=100, transaction_id_lifetime=60, token_lifetime=99_999)

    second = await alex.create(body)

    assert second["id"] != first["id"]


@pytest.mark.parametrize("floating", [True, False])
async def test_an_all_day_event_floats_or_is_converted_by_the_switch(
    alex: Api, simulator: Simulator, floating: bool
) -> None:
    await simulator.faults(all_day_floating=floating)
    zone = "Tokyo Standard Time"
    body = {"isAllDay": True, "start": at("2026-03-02", zone), "end": at("2026-03-03T00:00:00", zone)}

    made = await alex.create(body)

    expected = "2026-03-02T00:00:00.0000000" if floating else "2026-03-01T15:00:00.0000000"
    assert made["start"] == at(expected)
    assert made["isAllDay"] is True


@pytest.mark.parametrize(
    "change",
    [
        {"start": at("2026-03-02T09:00:00")},
        {"end": at("2026-03-03T00:00:00", "Tokyo Standard Time")},
        {"end": at("2026-03-02T00:00:00")},
    ],
    ids=["not at midnight", "two zones", "no length"],
)
async def test_an_all_day_event_runs_from_midnight_to_midnight_in_one_zone(alex: Api, change: dict[str, Any]) -> None:
    body = {"isAllDay": True, "start": at("2026-03-02T00:00:00"), "end": at("2026-03-03T00:00:00"), **change}

    reply = await alex.call("POST", "/me/events", body)

    assert (reply.status, reply.code) == (400, "ErrorInvalidRequest")


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (timed(end="2026-03-02T08:00:00"), "ErrorCalendarEndDateIsEarlierThanStartDate"),
        ({"subject": "No times"}, "ErrorPropertyRequired"),
        (timed(colour="red"), "RequestBodyRead"),
        (timed(showAs="away"), "RequestBodyRead"),
        (timed(isReminderOn="yes"), "RequestBodyRead"),
        (timed(attendees=[{"type": "required"}]), "ErrorInvalidRecipients"),
        ({"start": at("2026-03-02T09:00:00+01:00"), "end": at("2026-03-02T10:00:00")}, "ErrorInvalidRequest"),
    ],
)
async def test_a_body_that_exchange_does_not_take_is_refused(alex: Api, body: dict[str, Any], code: str) -> None:
    reply = await alex.call("POST", "/me/events", body)

    assert (reply.status, reply.code) == (400, code)
    assert (await alex.call("GET", "/me/events")).value == []


@pytest.mark.parametrize("value", ["free", "tentative", "busy", "oof", "workingElsewhere"])
async def test_show_as_is_read_in_any_case_and_answered_in_its_own(alex: Api, value: str) -> None:
    made = await alex.create(timed(showAs=value.upper()))

    assert made["showAs"] == value


@pytest.mark.parametrize("value", ["normal", "personal", "private", "confidential"])
async def test_every_sensitivity_is_kept(alex: Api, value: str) -> None:
    made = await alex.create(timed(sensitivity=value))

    assert (await alex.get(made["id"]))["sensitivity"] == value


async def test_what_only_the_service_sets_is_ignored_in_a_body(alex: Api) -> None:
    made = await alex.create(timed())

    reply = await alex.patch(made["id"], {**made, "subject": "Changed", "iCalUId": "other", "isOrganizer": False})

    assert reply.status == 200
    assert (reply.body["iCalUId"], reply.body["isOrganizer"]) == (made["iCalUId"], True)


async def test_an_online_meeting_gets_a_link_and_stays_one(alex: Api) -> None:
    made = await alex.create(timed(isOnlineMeeting=True))

    reply = await alex.patch(made["id"], {"isOnlineMeeting": False})

    assert made["onlineMeetingProvider"] == "teamsForBusiness"
    assert reply.body["onlineMeeting"]["joinUrl"].startswith("https://")
    assert reply.body["isOnlineMeeting"] is True


async def test_locations_follow_the_location_and_the_other_way(alex: Api) -> None:
    one = await alex.create(timed(location={"displayName": "Bar"}))
    three = await alex.create(timed(locations=[{"displayName": "A"}, {"displayName": "B"}]))

    none = await alex.patch(one["id"], {"location": None})

    assert [place["displayName"] for place in one["locations"]] == ["Bar"]
    assert three["location"]["displayName"] == "A; B"
    assert (none.body["location"]["displayName"], none.body["locations"]) == ("", [])


async def test_guests_get_mail_for_each_step_and_a_mirror_without_guests_sends_none(
    alex: Api, simulator: Simulator
) -> None:
    plain = await alex.create(timed())
    await alex.patch(plain["id"], {"subject": "Changed"})
    await alex.delete(plain["id"])
    assert (await simulator.sim("GET", "/mail"))["mail"] == []

    made = await alex.create(timed(attendees=[{"emailAddress": {"address": SAM}}]))
    await alex.patch(made["id"], {"subject": "Changed"})
    await alex.delete(made["id"])

    mail = (await simulator.sim("GET", "/mail"))["mail"]
    assert [(one["kind"], one["to"]) for one in mail] == [
        ("invitation", [SAM]),
        ("update", [SAM]),
        ("cancellation", [SAM]),
    ]


@pytest.mark.parametrize(("sent", "mailed"), [(False, []), (True, [SAM])])
async def test_an_invitation_is_declined_with_or_without_a_word_to_the_organizer(
    alex: Api, simulator: Simulator, sent: bool, mailed: list[str]
) -> None:
    calendar = await alex.calendar_id("Calendar")
    host = {"emailAddress": {"name": "Sam", "address": SAM}}
    meeting = {"isOrganizer": False, "organizer": host, "responseStatus": {"response": "notResponded"}}
    made = await simulator.sim("POST", f"/calendars/{calendar}/events", {**timed(), **meeting})

    answer = await alex.call("POST", f"{event_path(made['id'])}/decline", {"sendResponse": sent})

    assert answer.status == 202
    assert (await alex.get(made["id"]))["responseStatus"]["response"] == "declined"
    assert [to for one in (await simulator.sim("GET", "/mail"))["mail"] for to in one["to"]] == mailed


async def test_the_organizer_cannot_decline(alex: Api) -> None:
    made = await alex.create(timed())

    answer = await alex.call("POST", f"{event_path(made['id'])}/decline", {"sendResponse": False}, check=False)

    assert answer.status == 400


async def test_a_change_of_only_the_guests_mails_only_those_that_changed(alex: Api, simulator: Simulator) -> None:
    sam, new = {"emailAddress": {"address": SAM}}, {"emailAddress": {"address": "new@contoso.example"}}
    made = await alex.create(timed(attendees=[sam]))

    await alex.patch(made["id"], {"attendees": [sam, new]})

    mail = (await simulator.sim("GET", "/mail"))["mail"]
    assert [(one["kind"], one["to"]) for one in mail[1:]] == [("invitation", ["new@contoso.example"])]


async def test_an_event_is_found_only_in_its_own_calendar(alex: Api) -> None:
    team, primary = await alex.calendar_id("Team"), await alex.calendar_id("Calendar")
    made = await alex.create(timed(), calendar=team)
    rest = event_path(made["id"]).removeprefix("/me")

    there = await alex.call("GET", f"/me/calendars/{team}{rest}")
    elsewhere = await alex.call("GET", f"/me/calendars/{primary}{rest}")
    by_user = await alex.call("GET", f"/users/{alex.email}{rest}")
    as_sam = await alex.call("GET", f"/users/{SAM}{rest}")

    assert [reply.status for reply in (there, elsewhere, by_user, as_sam)] == [200, 404, 200, 403]
