"""Recurring events: occurrences, exceptions, cancelled occurrences, splits, changes of the clocks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.simulators.google.samples import NEW_YORK, ZURICH, all_day, series, timed

if TYPE_CHECKING:
    from tests.simulators.google.api import Api
    from tests.simulators.running import Simulator


async def _instances(api: Api, event_id: str, **query: Any) -> list[dict[str, Any]]:
    reply = await api.call("GET", api.events(event_id, "instances"), **query)
    assert reply.status == 200, reply.body
    return list(reply.body["items"])


async def test_instances_have_ids_of_the_master_and_the_original_start_in_utc(alex: Api) -> None:
    master = await alex.insert(series(id="standup"))

    found = await _instances(alex, "standup")

    assert [event["id"] for event in found] == [
        "standup_20260302T080000Z",
        "standup_20260309T080000Z",
        "standup_20260316T080000Z",
        "standup_20260323T080000Z",
    ]
    assert found[0]["recurringEventId"] == "standup"
    assert found[0]["originalStartTime"] == found[0]["start"] == master["start"]
    assert found[0]["iCalUID"] == master["iCalUID"]
    assert "recurrence" not in found[0]


async def test_instances_of_an_all_day_series_have_ids_with_dates(alex: Api) -> None:
    await alex.insert(all_day(id="fair0", recurrence=["RRULE:FREQ=DAILY;COUNT=2"]))

    found = await _instances(alex, "fair0")

    assert [event["id"] for event in found] == ["fair0_20260302", "fair0_20260303"]
    assert found[1]["originalStartTime"] == {"date": "2026-03-03"}
    assert found[1]["end"] == {"date": "2026-03-04"}


async def test_a_recurring_timed_event_needs_a_zone_name(alex: Api) -> None:
    start, end = {"dateTime": "2026-03-02T09:00:00+01:00"}, {"dateTime": "2026-03-02T10:00:00+01:00"}

    reply = await alex.call("POST", alex.events(), {"start": start, "end": end, "recurrence": ["RRULE:FREQ=DAILY"]})

    assert (reply.status, reply.reason) == (400, "required")
    assert reply.body["error"]["message"] == "Missing time zone definition for start time."


@pytest.mark.parametrize(
    ("zone", "start", "utc"),
    [
        (ZURICH, "2026-03-23T09:00:00", ["20260323T080000Z", "20260330T070000Z"]),
        (ZURICH, "2026-10-19T09:00:00", ["20261019T070000Z", "20261026T080000Z"]),
        (NEW_YORK, "2026-03-02T09:00:00", ["20260302T140000Z", "20260309T130000Z"]),
        (ZURICH, "2026-03-22T02:30:00", ["20260322T013000Z", "20260329T013000Z"]),
    ],
)
async def test_local_time_holds_over_changes_of_the_clocks(alex: Api, zone: str, start: str, utc: list[str]) -> None:
    end = start[:11] + "10:00:00"
    await alex.insert(series("RRULE:FREQ=WEEKLY;COUNT=2", id="standup", **_times(start, end, zone)))

    found = await _instances(alex, "standup")

    assert [event["id"].partition("_")[2] for event in found] == utc
    assert (await alex.get(found[1]["id"]))["start"] == found[1]["start"]


async def test_until_exdate_rdate_and_exrule_are_expanded(alex: Api) -> None:
    lines = [
        "RRULE:FREQ=DAILY;UNTIL=20260306T080000Z",
        f"EXDATE;TZID={ZURICH}:20260303T090000",
        "EXDATE:20260304T080000Z",
        f"RDATE;TZID={ZURICH}:20260310T140000",
    ]
    await alex.insert(series(id="standup", recurrence=lines))

    found = await _instances(alex, "standup")

    assert [event["id"][-16:-1] for event in found] == [
        "20260302T080000",
        "20260305T080000",
        "20260306T080000",
        "20260310T130000",
    ]
    assert (await alex.get("standup"))["recurrence"] == lines


async def test_a_moved_instance_keeps_its_id_and_original_start(alex: Api) -> None:
    await alex.insert(series(id="standup"))
    instance = "standup_20260309T080000Z"

    moved = await alex.patch(instance, _times("2026-03-10T15:00:00", "2026-03-10T16:00:00", ZURICH))

    assert moved["id"] == instance
    assert moved["originalStartTime"] == {"dateTime": "2026-03-09T09:00:00+01:00", "timeZone": ZURICH}
    assert moved["start"]["dateTime"] == "2026-03-10T15:00:00+01:00"
    assert [event["start"]["dateTime"][:16] for event in await _instances(alex, "standup")] == [
        "2026-03-02T09:00",
        "2026-03-10T15:00",
        "2026-03-16T09:00",
        "2026-03-23T09:00",
    ]


async def test_a_cancelled_instance_is_listed_with_what_identifies_it(alex: Api) -> None:
    await alex.insert(series(id="standup"))
    instance = "standup_20260309T080000Z"

    await alex.delete(instance)
    again = await alex.call("DELETE", alex.events(instance))

    assert (again.status, again.reason) == (410, "deleted")
    listed, _ = await alex.list()
    cancelled = next(event for event in listed if event["id"] == instance)
    assert cancelled.keys() == {"kind", "etag", "id", "status", "recurringEventId", "originalStartTime"}
    assert cancelled["status"] == "cancelled"
    assert len(await _instances(alex, "standup")) == 3
    assert len(await _instances(alex, "standup", showDeleted=True)) == 4


async def test_a_cancelled_instance_comes_back_with_a_status(alex: Api) -> None:
    await alex.insert(series(id="standup"))
    instance = "standup_20260309T080000Z"
    await alex.delete(instance)

    await alex.patch(instance, {"status": "confirmed"})

    assert len(await _instances(alex, "standup")) == 4


async def test_a_start_that_the_rule_does_not_have_is_not_found(alex: Api) -> None:
    await alex.insert(series(id="standup"))

    found = [
        (await alex.call("GET", alex.events(event_id))).status
        for event_id in ("standup_20260303T080000Z", "standup_20260302", "standup_99999999", "other_20260302T080000Z")
    ]

    assert found == [404] * 4


async def test_deleting_the_master_tombstones_the_series(alex: Api, simulator: Simulator) -> None:
    await alex.insert(series(id="standup"))
    await alex.patch("standup_20260309T080000Z", {"summary": "Special"})
    _, token = await alex.list()

    await alex.delete("standup")

    changed, _ = await alex.list(syncToken=token)
    assert {(event["id"], event["status"]) for event in changed} == {
        ("standup", "cancelled"),
        ("standup_20260309T080000Z", "cancelled"),
    }
    assert (await alex.list())[0] == []
    assert await _instances(alex, "standup") == []


async def test_exceptions_may_be_left_out_of_a_deleted_series(alex: Api, simulator: Simulator) -> None:
    await simulator.faults(exceptions_follow_master=False)
    await alex.insert(series(id="standup"))
    await alex.patch("standup_20260309T080000Z", {"summary": "Special"})
    _, token = await alex.list()

    await alex.delete("standup")

    changed, _ = await alex.list(syncToken=token)
    assert [event["id"] for event in changed] == ["standup"]
    assert (await alex.list(singleEvents=True))[0] == []


async def test_this_and_following_is_a_shortened_series_and_a_new_one(alex: Api) -> None:
    await alex.insert(series("RRULE:FREQ=WEEKLY;COUNT=4", id="standup"))
    await alex.patch("standup_20260323T080000Z", {"summary": "Lost with the rest"})
    _, token = await alex.list()

    await alex.patch("standup", {"recurrence": ["RRULE:FREQ=WEEKLY;UNTIL=20260315T225959Z"]})
    later = _times("2026-03-16T11:00:00", "2026-03-16T12:00:00", ZURICH)
    await alex.insert(series("RRULE:FREQ=WEEKLY;COUNT=2", id="standup2", **later))

    changed, _ = await alex.list(syncToken=token)
    assert {(event["id"], event["status"]) for event in changed} == {
        ("standup", "confirmed"),
        ("standup2", "confirmed"),
        ("standup_20260323T080000Z", "cancelled"),
    }
    shown, _ = await alex.list(singleEvents=True, orderBy="startTime")
    assert [event["start"]["dateTime"][:13] for event in shown] == [
        "2026-03-02T09",
        "2026-03-09T09",
        "2026-03-16T11",
        "2026-03-23T11",
    ]


async def test_exceptions_survive_a_change_that_leaves_their_start(alex: Api) -> None:
    await alex.insert(series(id="standup"))
    await alex.patch("standup_20260309T080000Z", {"summary": "Special"})

    await alex.patch("standup", {"summary": "Renamed"})

    assert [event["summary"] for event in await _instances(alex, "standup")] == [
        "Renamed",
        "Special",
        "Renamed",
        "Renamed",
    ]


async def test_instances_can_be_asked_by_window_original_start_and_page(alex: Api) -> None:
    await alex.insert(series("RRULE:FREQ=DAILY", id="standup"))
    window = {"timeMin": "2026-03-03T08:30:00Z", "timeMax": "2026-03-05T08:00:00Z"}

    in_window = await _instances(alex, "standup", **window)
    one = await _instances(alex, "standup", originalStart="2026-03-04T09:00:00+01:00", **window)
    page = await alex.call("GET", alex.events("standup", "instances"), maxResults=1, **window)
    rest = await alex.call(
        "GET", alex.events("standup", "instances"), maxResults=1, pageToken=page.body["nextPageToken"], **window
    )

    assert [event["id"][8:16] for event in in_window] == ["20260303", "20260304"]
    assert [event["id"][8:16] for event in one] == ["20260304"]
    assert [event["id"] for event in page.body["items"] + rest.body["items"]] == [event["id"] for event in in_window]
    assert "nextPageToken" not in rest.body


async def test_a_series_without_end_stops_somewhere(alex: Api) -> None:
    await alex.insert(series("RRULE:FREQ=DAILY", id="standup"))

    found, _ = await alex.list(singleEvents=True)

    assert len(found) == 730


async def test_an_instance_cannot_be_moved_to_another_calendar(alex: Api, simulator: Simulator) -> None:
    club = (await simulator.sim("POST", "/accounts/alex@example.com/calendars", {"summary": "Club"}))["id"]
    await alex.insert(series(id="standup"))
    await alex.delete("standup_20260309T080000Z")

    instance = await alex.call("POST", alex.events("standup_20260302T080000Z", "move"), destination=club)
    whole = await alex.call("POST", alex.events("standup", "move"), destination=club)

    assert (instance.status, instance.reason) == (400, "invalid")
    assert whole.status == 200
    reply = await alex.call("GET", alex.events("standup", "instances", calendar=club))
    assert len(reply.body["items"]) == 3


async def test_a_person_edits_an_occurrence_through_the_admin_route(alex: Api, simulator: Simulator) -> None:
    await alex.insert(series(id="standup"))
    path = "/calendars/alex@example.com/events/standup/instances"

    moved = await simulator.sim(
        "POST", f"{path}/2026-03-09T08:00:00Z", _times("2026-03-09T17:00:00", "2026-03-09T18:00:00", ZURICH)
    )
    cancelled = await simulator.sim("POST", f"{path}/2026-03-16T08:00:00Z", {"cancelled": True})

    assert moved["originalStartTime"]["dateTime"] == "2026-03-09T09:00:00+01:00"
    assert cancelled["status"] == "cancelled"
    assert len(await _instances(alex, "standup")) == 3


async def test_an_ordinary_event_has_no_instances(alex: Api) -> None:
    await alex.insert(timed(id="single"))

    found = await _instances(alex, "single")

    assert found == []


def _times(start: str, end: str, zone: str) -> dict[str, Any]:
    return {"start": {"dateTime": start, "timeZone": zone}, "end": {"dateTime": end, "timeZone": zone}}
