"""Single events: identifiers, versions, validation, what the server normalises."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.simulators.google.samples import NEW_YORK, ZURICH, all_day, timed

if TYPE_CHECKING:
    from tests.simulators.google.api import Api
    from tests.simulators.running import Simulator


async def test_a_new_event_has_the_fields_the_server_adds(alex: Api) -> None:
    body = timed()

    event = await alex.insert(body)

    assert event["kind"] == "calendar#event"
    assert event["status"] == "confirmed"
    assert event["iCalUID"] == f"{event['id']}@google.com"
    assert event["creator"] == event["organizer"] == {"email": "alex@example.com", "self": True}
    assert event["htmlLink"].startswith("https://www.google.com/calendar/event?eid=")
    assert event["reminders"] == {"useDefault": True}
    assert event["eventType"] == "default"
    assert event["sequence"] == 0
    assert await alex.get(event["id"]) == event


async def test_defaults_are_omitted_and_other_values_kept(alex: Api) -> None:
    plain = timed(transparency="opaque", visibility="default", guestsCanModify=False, location="", description="")
    special = timed(transparency="transparent", visibility="private", guestsCanModify=True)

    first, second = await alex.insert(plain), await alex.insert(special)

    assert not {"transparency", "visibility", "guestsCanModify", "location", "description"} & first.keys()
    assert (second["transparency"], second["visibility"], second["guestsCanModify"]) == ("transparent", "private", True)


async def test_unknown_and_read_only_fields_of_a_body_are_ignored(alex: Api) -> None:
    body = timed(nonsense=1, kind="x", etag="x", created="2001-01-01T00:00:00Z", htmlLink="x", locked=True)

    event = await alex.insert(body)

    assert "nonsense" not in event
    assert "locked" not in event
    assert event["kind"] == "calendar#event"
    assert not event["created"].startswith("2001")


@pytest.mark.parametrize("event_id", ["abcde", "0123456789uv", "v" * 1024])
async def test_a_client_may_choose_a_base32hex_id(alex: Api, event_id: str) -> None:
    body = timed(id=event_id)

    event = await alex.insert(body)

    assert event["id"] == event_id


@pytest.mark.parametrize("event_id", ["abcd", "UPPER", "with-dash", "wxyzw", "v" * 1025])
async def test_other_ids_are_refused(alex: Api, event_id: str) -> None:
    body = timed(id=event_id)

    reply = await alex.call("POST", alex.events(), body)

    assert (reply.status, reply.reason) == (400, "invalid")


async def test_an_id_is_taken_for_ever_even_after_deletion(alex: Api) -> None:
    await alex.insert(timed(id="taken"))

    while_there = await alex.call("POST", alex.events(), timed(id="taken"))
    await alex.delete("taken")
    after_deletion = await alex.call("POST", alex.events(), timed(id="taken"))

    assert [(r.status, r.reason) for r in (while_there, after_deletion)] == [(409, "duplicate")] * 2


async def test_an_update_with_a_status_brings_a_deleted_event_back(alex: Api) -> None:
    await alex.insert(timed(id="taken"))
    await alex.delete("taken")

    without = await alex.call("PUT", alex.events("taken"), timed())
    with_status = await alex.call("PUT", alex.events("taken"), timed(status="confirmed", summary="Back"))

    assert (without.status, without.reason) == (403, "forbidden")
    assert with_status.status == 200
    assert (await alex.get("taken"))["summary"] == "Back"


async def test_the_second_delete_is_gone_and_an_unknown_event_not_found(alex: Api) -> None:
    await alex.insert(timed(id="taken"))
    await alex.delete("taken")

    again = await alex.call("DELETE", alex.events("taken"))
    unknown = await alex.call("DELETE", alex.events("never"))

    assert (again.status, again.reason) == (410, "deleted")
    assert (unknown.status, unknown.reason) == (404, "notFound")
    assert (await alex.get("taken"))["status"] == "cancelled"


async def test_every_write_gives_a_new_etag_that_if_match_checks(alex: Api) -> None:
    first = await alex.insert(timed(id="taken"))
    path = alex.events("taken")

    second = await alex.call("PATCH", path, {"summary": "B"}, headers={"If-Match": first["etag"]})
    stale = {"If-Match": first["etag"]}
    refused = [
        await alex.call("PATCH", path, {"summary": "C"}, headers=stale),
        await alex.call("PUT", path, timed(), headers=stale),
        await alex.call("DELETE", path, headers=stale),
    ]
    any_version = await alex.call("DELETE", path, headers={"If-Match": "*"})

    assert second.status == 200
    assert second.body["etag"] != first["etag"]
    assert [(reply.status, reply.reason) for reply in refused] == [(412, "conditionNotMet")] * 3
    assert refused[0].body["error"]["errors"][0]["location"] == "If-Match"
    assert any_version.status == 204


async def test_a_version_the_client_has_is_not_sent_again(alex: Api) -> None:
    event = await alex.insert(timed())

    same = await alex.call("GET", alex.events(event["id"]), headers={"If-None-Match": event["etag"]})
    other = await alex.call("GET", alex.events(event["id"]), headers={"If-None-Match": '"1"'})

    assert same.status == 304
    assert (other.status, other.headers["ETag"]) == (200, event["etag"])


async def test_a_write_that_changes_nothing_is_a_new_version_or_not_by_switch(alex: Api, simulator: Simulator) -> None:
    first = await alex.insert(timed(id="taken"))

    changed = await alex.patch("taken", {"summary": first["summary"]})
    await simulator.faults(always_etag_change=False)
    unchanged = await alex.patch("taken", {"summary": first["summary"]})

    assert changed["etag"] != first["etag"]
    assert unchanged["etag"] == changed["etag"]


async def test_a_patch_merges_and_null_removes_while_an_update_replaces(alex: Api) -> None:
    properties = {"private": {"a": "1", "b": "2"}, "shared": {"c": "3"}}
    await alex.insert(timed(id="taken", description="text", location="here", extendedProperties=properties))

    patched = await alex.patch("taken", {"location": None, "extendedProperties": {"private": {"a": None, "d": "4"}}})
    updated = await alex.call("PUT", alex.events("taken"), timed(summary="Only this"))

    assert patched["description"] == "text"
    assert "location" not in patched
    assert patched["extendedProperties"] == {"private": {"b": "2", "d": "4"}, "shared": {"c": "3"}}
    assert not {"description", "extendedProperties"} & updated.body.keys()
    assert updated.body["created"] == patched["created"]


async def test_times_are_shown_in_the_calendars_zone_or_the_one_asked_for(alex: Api) -> None:
    event = await alex.insert(timed("2026-07-01T09:00:00", "2026-07-01T10:00:00", NEW_YORK))

    in_utc = await alex.get(event["id"], timeZone="UTC")

    assert event["start"] == {"dateTime": "2026-07-01T15:00:00+02:00", "timeZone": NEW_YORK}
    assert in_utc["start"] == {"dateTime": "2026-07-01T13:00:00Z", "timeZone": NEW_YORK}


async def test_a_time_without_a_zone_name_takes_the_calendars(alex: Api) -> None:
    body = {"start": {"dateTime": "2026-03-02T09:00:00.123Z"}, "end": {"dateTime": "2026-03-02T10:00:00-05:00"}}

    event = await alex.insert(body)

    assert event["start"] == {"dateTime": "2026-03-02T10:00:00+01:00", "timeZone": ZURICH}
    assert event["end"] == {"dateTime": "2026-03-02T16:00:00+01:00", "timeZone": ZURICH}


async def test_an_all_day_event_has_dates_and_an_exclusive_end(alex: Api) -> None:
    event = await alex.insert(all_day())

    assert (event["start"], event["end"]) == ({"date": "2026-03-02"}, {"date": "2026-03-03"})


async def test_a_timed_event_becomes_all_day_only_when_its_times_are_removed(alex: Api) -> None:
    await alex.insert(timed(id="taken"))
    dates = {"start": {"date": "2026-03-02"}, "end": {"date": "2026-03-03"}}
    removed = {key: {**value, "dateTime": None, "timeZone": None} for key, value in dates.items()}

    both = await alex.call("PATCH", alex.events("taken"), dates)
    event = await alex.patch("taken", removed)

    assert (both.status, both.reason) == (400, "invalid")
    assert event["start"] == {"date": "2026-03-02"}


@pytest.mark.parametrize(
    ("body", "reason", "message"),
    [
        ({"summary": "x"}, "required", "Missing end time."),
        ({"end": {"date": "2026-03-02"}}, "required", "Missing start time."),
        ({**timed(), "end": {"date": "2026-03-03"}}, "invalid", "either both be date or both be dateTime"),
        (timed("2026-03-02T10:00:00", "2026-03-02T09:00:00"), "timeRangeEmpty", "time range is empty"),
        (timed(zone="Mars/Olympus"), "invalid", "Mars/Olympus"),
        (
            {"start": {"dateTime": "2026-03-02T09:00:00"}, "end": {"dateTime": "2026-03-02T10:00:00"}},
            "required",
            "zone",
        ),
        (timed(status="maybe"), "invalid", "maybe"),
        (timed(visibility="secret"), "invalid", "secret"),
        (timed(summary=7), "invalid", "summary"),
        (timed(attendees=[{"displayName": "?"}]), "invalid", "attendee"),
        (timed(recurrence=["RRULE:FREQ=HOURLY"]), "invalid", "recurrence"),
        (timed(recurrence=["DTSTART:20260302T090000Z"]), "invalid", "recurrence"),
        (timed(recurrence=["RRULE:FREQ=DAILY;UNTIL=20260401;COUNT=3"]), "invalid", "recurrence"),
        (timed(attendees="sam@example.com"), "parseError", ""),
        (timed(extendedProperties={"private": ["a"]}), "parseError", ""),
        (timed(reminders={"overrides": [5]}), "parseError", ""),
        ({**timed(), "start": {"dateTime": "2026-03-02T09:00:00", "timeZone": 1}}, "parseError", ""),
        (timed(source={"url": "ftp://x"}), "invalid", "source"),
        (timed(eventType="fromGmail"), "invalid", "fromGmail"),
        (all_day(eventType="focusTime"), "invalid", "all-day"),
        (timed(reminders={"overrides": [{"method": "popup"}]}), "required", "minutes"),
        (
            timed(reminders={"overrides": [{"method": "popup", "minutes": minutes} for minutes in range(6)]}),
            "eventRemindersCountExceedsLimit",
            "",
        ),
        (
            timed(reminders={"useDefault": True, "overrides": [{"method": "popup", "minutes": 5}]}),
            "cannotUseDefaultRemindersAndSpecifyOverride",
            "",
        ),
    ],
)
async def test_a_wrong_body_is_refused_with_its_reason(alex: Api, body: Any, reason: str, message: str) -> None:
    reply = await alex.call("POST", alex.events(), body)

    assert (reply.status, reply.reason) == (400, reason)
    assert message in reply.body["error"]["message"]


async def test_zero_length_is_allowed(alex: Api) -> None:
    event = await alex.insert(timed(end="2026-03-02T09:00:00"))

    assert event["start"] == event["end"]


async def test_a_body_that_is_not_json_is_a_parse_error(alex: Api, simulator: Simulator) -> None:
    url, headers = f"{simulator.base}/calendar/v3{alex.events()}", {"Authorization": f"Bearer {alex.token}"}

    async with simulator.session.post(url, data=b"{", headers=headers) as answer:
        body = await answer.json()

    assert (answer.status, body["error"]["errors"][0]["reason"]) == (400, "parseError")


async def test_html_emoji_and_long_descriptions_are_kept(alex: Api) -> None:
    text = "<b>Bring</b> 🦷 &amp; <a href='https://x.example'>this</a>\n" + "long " * 2000

    event = await alex.insert(timed(summary="🦷 Zahnärztin", description=text))

    assert (event["summary"], event["description"]) == ("🦷 Zahnärztin", text)


async def test_trailing_white_space_is_trimmed_or_kept_by_switch(alex: Api, simulator: Simulator) -> None:
    body = timed(summary="Dentist  ", location="here\t", description="a\r\nb ")

    trimmed = await alex.insert(body)
    await simulator.faults(trim_text=False)
    kept = await alex.insert(body)

    assert (trimmed["summary"], trimmed["location"], trimmed["description"]) == ("Dentist", "here", "a\nb ")
    assert (kept["summary"], kept["location"], kept["description"]) == ("Dentist  ", "here\t", "a\r\nb ")


async def test_extended_properties_have_limits(alex: Api) -> None:
    fits, long_key = "k" * 44, "k" * 45
    private = {fits: "v" * 2000, long_key: "dropped"}

    event = await alex.insert(timed(extendedProperties={"private": private, "shared": {}}))

    assert event["extendedProperties"] == {"private": {fits: "v" * 1024}}


async def test_reminders_change_the_etag_and_not_the_time_of_update(alex: Api) -> None:
    before = await alex.insert(timed(id="taken"))
    reminders = {"useDefault": False, "overrides": [{"method": "popup", "minutes": 5}]}

    after = await alex.patch("taken", {"reminders": reminders})

    assert after["reminders"] == reminders
    assert after["updated"] == before["updated"]
    assert after["etag"] != before["etag"]


async def test_reminders_are_rewritten_and_a_patch_replaces_them(alex: Api) -> None:
    sent = [("popup", 99999), ("sms", 5), ("email", -3), ("popup", 10), ("popup", 10)]
    overrides = [{"method": method, "minutes": minutes} for method, minutes in sent]

    event = await alex.insert(timed(id="taken", reminders={"useDefault": False, "overrides": overrides}))
    renamed = await alex.patch("taken", {"summary": "x"})
    back = await alex.patch("taken", {"reminders": {"useDefault": True}})
    none = await alex.patch("taken", {"reminders": {"useDefault": False}})

    assert [(kept["method"], kept["minutes"]) for kept in event["reminders"]["overrides"]] == [
        ("email", 0),
        ("popup", 10),
        ("popup", 40320),
    ]
    assert renamed["reminders"] == event["reminders"]
    assert back["reminders"] == {"useDefault": True}
    assert none["reminders"] == {"useDefault": False}


async def test_an_all_day_event_takes_over_the_calendars_default_reminders(alex: Api) -> None:
    bare = await alex.insert(all_day())
    defaults = [{"method": "popup", "minutes": 30}]
    await alex.call("PATCH", "/users/me/calendarList/primary", {"defaultReminders": defaults})

    day, hour = await alex.insert(all_day()), await alex.insert(timed())

    assert bare["reminders"] == {"useDefault": False}
    assert day["reminders"] == {"useDefault": False, "overrides": defaults}
    assert hour["reminders"] == {"useDefault": True}
    assert (await alex.call("GET", alex.events())).body["defaultReminders"] == defaults


async def test_googles_own_conference_block_is_deleted_from_a_description(alex: Api) -> None:
    line = "-::~:~::~:~:" + "~:" * 30 + ":~:~::-"
    block = f"{line}\nJoin: https://meet.example/x\n{line}"
    lookalike = "-::~:~::-\nkept\n-::~:~::-"

    event = await alex.insert(timed(description=f"Before\n{block}\nafter"))
    only = await alex.insert(timed(description=block))
    kept = await alex.insert(timed(description=lookalike))

    assert event["description"] == "Before\n\nafter"
    assert "description" not in only
    assert kept["description"] == lookalike


async def test_the_sequence_grows_with_the_time_and_must_not_shrink(alex: Api) -> None:
    await alex.insert(timed(id="taken"))

    moved = await alex.patch("taken", {"end": {"dateTime": "2026-03-02T11:00:00"}})
    renamed = await alex.patch("taken", {"summary": "Other"})
    older = await alex.call("PATCH", alex.events("taken"), {"sequence": 0})

    assert (moved["sequence"], renamed["sequence"]) == (1, 1)
    assert (older.status, older.reason) == (400, "invalid")
    assert "sequence" in older.body["error"]["message"]


async def test_a_patch_to_cancelled_deletes(alex: Api) -> None:
    await alex.insert(timed(id="taken"))

    event = await alex.patch("taken", {"status": "cancelled"})

    assert event["status"] == "cancelled"
    assert (await alex.list())[0] == []


async def test_an_event_keeps_its_type(alex: Api) -> None:
    focus = {"chatStatus": "doNotDisturb", "autoDeclineMode": "declineNone"}
    event = await alex.insert(timed(eventType="focusTime", focusTimeProperties=focus))

    changed = await alex.call("PATCH", alex.events(event["id"]), {"eventType": "default"})
    renamed = await alex.call("PUT", alex.events(event["id"]), timed(summary="Deep", focusTimeProperties=focus))

    assert (changed.status, changed.reason) == (400, "invalid")
    assert (renamed.body["eventType"], renamed.body["focusTimeProperties"]) == ("focusTime", focus)


async def test_status_events_live_on_primary_calendars(alex: Api, simulator: Simulator) -> None:
    other = (await simulator.sim("POST", "/accounts/alex@example.com/calendars", {"summary": "Club"}))["id"]
    working = {"eventType": "workingLocation", "workingLocationProperties": {"type": "homeOffice", "homeOffice": {}}}

    event = await alex.insert(all_day(**working))
    elsewhere = await alex.call("POST", alex.events(calendar=other), all_day(**working))

    assert (event["transparency"], event["visibility"]) == ("transparent", "public")
    assert (elsewhere.status, elsewhere.reason) == (400, "invalid")


async def test_an_import_needs_a_uid_and_updates_the_event_that_has_it(alex: Api) -> None:
    path = alex.events("import")
    organizer = {"email": "boss@elsewhere.example", "displayName": "Boss"}

    without = await alex.call("POST", path, timed())
    first = await alex.call("POST", path, timed(iCalUID="uid-1@elsewhere.example", organizer=organizer))
    second = await alex.call("POST", path, timed(iCalUID="uid-1@elsewhere.example", summary="Moved"))

    assert (without.status, without.reason) == (400, "required")
    assert first.body["organizer"] == organizer
    assert second.body["id"] == first.body["id"]
    assert (await alex.get(first.body["id"]))["summary"] == "Moved"
    again = await alex.call("POST", alex.events(), timed(iCalUID="uid-1@elsewhere.example"))
    assert (again.status, again.reason) == (409, "duplicate")


async def test_a_move_leaves_a_tombstone_and_keeps_the_id(alex: Api, simulator: Simulator) -> None:
    club = (await simulator.sim("POST", "/accounts/alex@example.com/calendars", {"summary": "Club"}))["id"]
    await alex.insert(timed(id="taken"))

    moved = await alex.call("POST", alex.events("taken", "move"), destination=club)

    assert moved.body["id"] == "taken"
    assert moved.body["organizer"] == {"email": club, "displayName": "Club", "self": True}
    assert (await alex.list())[0] == []
    assert [event["id"] for event in (await alex.list(calendar=club))[0]] == ["taken"]
    tombstones, _ = await alex.list(showDeleted=True)
    assert [(event["id"], event["status"]) for event in tombstones] == [("taken", "cancelled")]
    back = await alex.call("PUT", alex.events("taken"), timed(status="confirmed"))
    assert back.body["organizer"] == {"email": "alex@example.com", "self": True}


async def test_attachments_and_conferences_need_their_parameter(alex: Api) -> None:
    body = timed(attachments=[{"fileUrl": "https://x.example/a"}], conferenceData={"conferenceId": "x"})

    without = await alex.insert(body)
    with_both = await alex.insert(body, supportsAttachments=True, conferenceDataVersion=1)

    assert not {"attachments", "conferenceData"} & without.keys()
    assert {"attachments", "conferenceData"} <= with_both.keys()


async def test_fields_select_parts_of_an_answer(alex: Api) -> None:
    event = await alex.insert(timed())

    part = await alex.get(event["id"], fields="id,start/dateTime,organizer(email,self)")
    wrong = await alex.call("GET", alex.events(event["id"]), fields="id,(x")

    assert part == {
        "id": event["id"],
        "start": {"dateTime": "2026-03-02T09:00:00+01:00"},
        "organizer": {"email": "alex@example.com", "self": True},
    }
    assert wrong.status == 400
