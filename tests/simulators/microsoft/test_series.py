"""Series: occurrences, exceptions, cancelled instances, and what a new pattern does to them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.simulators.microsoft.api import IMMUTABLE, at, event_path, timed, weekly

if TYPE_CHECKING:
    from tests.simulators.microsoft.api import Api
    from tests.simulators.running import Simulator

MARCH = ("2026-03-01T00:00:00Z", "2026-04-01T00:00:00Z")


async def mondays(alex: Api, **more: Any) -> dict[str, Any]:
    """A weekly series on Mondays, 9 to 10 in Berlin, from 2 March 2026."""
    return await alex.create(timed("Stand-up", recurrence=weekly("monday"), **more))


def starts(instances: list[dict[str, Any]]) -> list[str]:
    """Start times without the digits of a second."""
    return [one["start"]["dateTime"][:16] for one in instances]


async def test_a_series_is_a_master_whose_occurrences_keep_their_local_time(alex: Api) -> None:
    master = await mondays(alex)

    found = await alex.instances(master["id"], *MARCH)

    assert (master["type"], master["seriesMasterId"]) == ("seriesMaster", None)
    assert master["recurrence"]["range"]["recurrenceTimeZone"] == "W. Europe Standard Time"
    assert starts(found) == [
        "2026-03-02T08:00",
        "2026-03-09T08:00",
        "2026-03-16T08:00",
        "2026-03-23T08:00",
        "2026-03-30T07:00",
    ]
    assert {one["type"] for one in found} == {"occurrence"}
    assert {one["seriesMasterId"] for one in found} == {master["id"]}
    assert len({one["iCalUId"] for one in found}) == len(found)
    assert found[1]["originalStart"] == "2026-03-09T08:00:00.0000000Z"


async def test_the_list_of_events_has_the_master_and_the_view_has_the_occurrences(alex: Api) -> None:
    await mondays(alex)

    listed = await alex.call("GET", "/me/events")
    viewed = await alex.call("GET", "/me/calendarView", startDateTime=MARCH[0], endDateTime=MARCH[1])

    assert [one["type"] for one in listed.value] == ["seriesMaster"]
    assert [one["type"] for one in viewed.value] == ["occurrence"] * 5


async def test_a_series_whose_start_is_not_on_the_pattern_begins_at_the_first_day_that_is(alex: Api) -> None:
    master = await alex.create(timed(recurrence=weekly("wednesday")))

    assert master["start"]["dateTime"].startswith("2026-03-04T08:00")
    assert master["recurrence"]["range"]["startDate"] == "2026-03-04"


async def test_a_changed_occurrence_is_an_exception_under_the_same_id(alex: Api) -> None:
    master = await mondays(alex)
    second = (await alex.instances(master["id"], *MARCH))[1]

    reply = await alex.patch(
        second["id"], {"subject": "Moved", "start": at("2026-03-10T09:00:00"), "end": at("2026-03-10T10:00:00")}
    )

    found = await alex.instances(master["id"], *MARCH)
    assert (reply.status, reply.body["type"], reply.body["id"]) == (200, "exception", second["id"])
    assert reply.body["originalStart"] == "2026-03-09T08:00:00.0000000Z"
    assert [one["subject"] for one in found] == ["Stand-up", "Moved", "Stand-up", "Stand-up", "Stand-up"]
    assert starts(found)[1] == "2026-03-10T09:00"


async def test_an_exception_moved_into_a_window_is_found_there(alex: Api) -> None:
    master = await mondays(alex)
    second = (await alex.instances(master["id"], *MARCH))[1]
    await alex.patch(second["id"], {"start": at("2026-03-12T09:00:00"), "end": at("2026-03-12T10:00:00")})

    away = await alex.instances(master["id"], "2026-03-09T00:00:00Z", "2026-03-10T00:00:00Z")
    there = await alex.instances(master["id"], "2026-03-12T00:00:00Z", "2026-03-13T00:00:00Z")

    assert (away, starts(there)) == ([], ["2026-03-12T09:00"])


@pytest.mark.parametrize("day", ["2026-03-02", "2026-03-01", "2026-03-16", "2026-03-20"])
async def test_an_occurrence_may_not_reach_its_neighbours_days(alex: Api, day: str) -> None:
    master = await mondays(alex)
    second = (await alex.instances(master["id"], *MARCH))[1]

    reply = await alex.patch(second["id"], {"start": at(f"{day}T12:00:00"), "end": at(f"{day}T13:00:00")})

    assert (reply.status, reply.code) == (400, "ErrorOccurrenceCrossingBoundary")


async def test_neighbours_are_days_of_the_series_own_zone(alex: Api) -> None:
    master = await mondays(alex)
    second = (await alex.instances(master["id"], *MARCH))[1]

    late_on_sunday = at("2026-03-15T23:30:00", "W. Europe Standard Time")
    inside = await alex.patch(second["id"], {"start": at("2026-03-15T22:00:00"), "end": late_on_sunday})
    beyond = await alex.patch(second["id"], {"start": at("2026-03-15T23:30:00"), "end": at("2026-03-15T23:45:00")})

    assert (inside.status, beyond.code) == (200, "ErrorOccurrenceCrossingBoundary")


async def test_a_cancelled_neighbour_is_a_boundary_too(alex: Api) -> None:
    master = await mondays(alex)
    _, second, third, *_ = await alex.instances(master["id"], *MARCH)
    await alex.delete(third["id"])

    reply = await alex.patch(second["id"], {"start": at("2026-03-16T12:00:00"), "end": at("2026-03-16T13:00:00")})

    assert reply.code == "ErrorOccurrenceCrossingBoundary"


async def test_a_deleted_occurrence_is_gone_from_lists_and_404_by_its_id(alex: Api) -> None:
    master = await mondays(alex)
    third = (await alex.instances(master["id"], *MARCH))[2]

    await alex.delete(third["id"])

    found = await alex.instances(master["id"], *MARCH)
    reply = await alex.call("GET", event_path(third["id"]))
    assert starts(found) == ["2026-03-02T08:00", "2026-03-09T08:00", "2026-03-23T08:00", "2026-03-30T07:00"]
    assert (reply.status, reply.code) == (404, "ErrorItemNotFound")


async def test_an_exception_can_be_deleted(alex: Api) -> None:
    master = await mondays(alex)
    second = (await alex.instances(master["id"], *MARCH))[1]
    await alex.patch(second["id"], {"subject": "Other"})

    await alex.delete(second["id"])

    assert len(await alex.instances(master["id"], *MARCH)) == 4
    assert (await alex.call("GET", event_path(second["id"]))).status == 404


async def test_cancelled_and_exceptional_occurrences_are_told_when_selected(alex: Api) -> None:
    master = await mondays(alex)
    _, second, third, *_ = await alex.instances(master["id"], *MARCH)
    await alex.patch(second["id"], {"subject": "Other"})
    await alex.delete(third["id"])

    plain = await alex.get(master["id"])
    told = await alex.get(
        master["id"], _select="subject,cancelledOccurrences,exceptionOccurrences", _expand="exceptionOccurrences"
    )

    assert not {"cancelledOccurrences", "exceptionOccurrences"} & set(plain)
    assert told["cancelledOccurrences"] == [f"OID.{master['id']}.2026-03-16"]
    assert [one["id"] for one in told["exceptionOccurrences"]] == [second["id"]]


async def test_a_new_subject_of_the_series_reaches_all_but_where_an_exception_has_its_own(alex: Api) -> None:
    master = await mondays(alex)
    _, second, third, *_ = await alex.instances(master["id"], *MARCH)
    await alex.patch(second["id"], {"subject": "Own"})
    await alex.patch(third["id"], {"showAs": "free"})

    await alex.patch(master["id"], {"subject": "New"})

    found = await alex.instances(master["id"], *MARCH)
    assert [one["subject"] for one in found] == ["New", "Own", "New", "New", "New"]
    assert found[2]["showAs"] == "free"


@pytest.mark.parametrize(
    "change",
    [
        {"recurrence": weekly("monday", interval=2)},
        {
            "start": at("2026-03-02T11:00:00", "W. Europe Standard Time"),
            "end": at("2026-03-02T12:00:00", "W. Europe Standard Time"),
        },
    ],
    ids=["pattern", "time"],
)
async def test_a_new_pattern_or_time_of_the_series_ends_its_exceptions(alex: Api, change: dict[str, Any]) -> None:
    master = await mondays(alex)
    _, second, third, *_ = await alex.instances(master["id"], *MARCH)
    await alex.patch(second["id"], {"subject": "Own"})
    await alex.delete(third["id"])

    await alex.patch(master["id"], change)

    found = await alex.instances(master["id"], *MARCH)
    assert {one["type"] for one in found} == {"occurrence"}
    assert "2026-03-16" in [one["start"]["dateTime"][:10] for one in found]


async def test_writing_a_series_back_as_it_was_keeps_its_exceptions(alex: Api) -> None:
    master = await mondays(alex)
    second = (await alex.instances(master["id"], *MARCH))[1]
    await alex.patch(second["id"], {"subject": "Own"})

    await alex.patch(master["id"], {key: master[key] for key in ("subject", "start", "end", "recurrence")})

    assert [one["type"] for one in await alex.instances(master["id"], *MARCH)].count("exception") == 1


async def test_a_single_event_becomes_a_series_and_back(alex: Api) -> None:
    made = await alex.create(timed())

    series = await alex.patch(made["id"], {"recurrence": weekly("monday")})
    single = await alex.patch(made["id"], {"recurrence": None})

    assert [reply.body["type"] for reply in (series, single)] == ["seriesMaster", "singleInstance"]


async def test_deleting_the_master_ends_every_occurrence(alex: Api) -> None:
    master = await mondays(alex)
    found = await alex.instances(master["id"], *MARCH)

    await alex.delete(master["id"])

    assert (await alex.call("GET", event_path(found[0]["id"]))).status == 404


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (timed(recurrence=weekly("monday", start="2026-03-03")), "ErrorPropertyValidationFailure"),
        (
            timed(recurrence=weekly("friday", type="endDate", endDate="2026-03-04")),
            "ErrorRecurrenceHasNoOccurrence",
        ),
        (
            timed(end="2026-03-04T10:00:00", recurrence=weekly("monday", "tuesday")),
            "ErrorOccurrenceTimeSpanTooBig",
        ),
    ],
)
async def test_a_series_that_cannot_be_is_refused(alex: Api, body: dict[str, Any], code: str) -> None:
    reply = await alex.call("POST", "/me/events", body)

    assert (reply.status, reply.code) == (400, code)


async def test_an_occurrence_takes_no_recurrence_of_its_own(alex: Api) -> None:
    master = await mondays(alex)
    second = (await alex.instances(master["id"], *MARCH))[1]

    reply = await alex.patch(second["id"], {"recurrence": weekly("monday")})

    assert (reply.status, reply.code) == (400, "ErrorInvalidRequest")


async def test_a_series_given_in_another_zone_follows_the_recurrences_zone(alex: Api) -> None:
    recurrence = weekly("monday", recurrenceTimeZone="America/New_York")
    body = timed(start="2026-03-02T14:00:00", end="2026-03-02T15:00:00", zone="UTC", recurrence=recurrence)

    master = await alex.create(body)

    found = await alex.instances(master["id"], *MARCH)
    assert starts(found)[:2] == ["2026-03-02T14:00", "2026-03-09T13:00"]
    assert master["recurrence"]["range"]["recurrenceTimeZone"] == "Eastern Standard Time"


async def test_an_all_day_series_repeats_whole_days(alex: Api) -> None:
    zone = "W. Europe Standard Time"
    body = {
        "isAllDay": True,
        "start": at("2026-03-23T00:00:00", zone),
        "end": at("2026-03-24T00:00:00", zone),
        "recurrence": weekly("monday", start="2026-03-23"),
    }

    master = await alex.create(body)

    found = await alex.instances(master["id"], "2026-03-20T00:00:00Z", "2026-04-07T00:00:00Z")
    assert starts(found) == ["2026-03-23T00:00", "2026-03-30T00:00", "2026-04-06T00:00"]


async def test_a_missing_wall_time_moves_ahead(alex: Api) -> None:
    body = timed(
        start="2026-03-22T02:30:00", end="2026-03-22T02:45:00", recurrence=weekly("sunday", start="2026-03-22")
    )

    master = await alex.create(body)

    found = await alex.instances(master["id"], "2026-03-20T00:00:00Z", "2026-04-07T00:00:00Z")
    assert starts(found) == ["2026-03-22T01:30", "2026-03-29T01:30", "2026-04-05T00:30"]
    assert [one["end"]["dateTime"][11:16] for one in found] == ["01:45", "01:45", "00:45"]


async def test_a_person_edits_an_occurrence_by_its_original_start(alex: Api, simulator: Simulator) -> None:
    calendar = await alex.calendar_id("Calendar")
    master = await mondays(alex)
    path = f"/calendars/{calendar}/events/{master['id']}/instances"

    await simulator.sim("POST", f"{path}/2026-03-09T08:00:00Z", {"subject": "By hand"})
    await simulator.sim("POST", f"{path}/2026-03-16", {"cancelled": True})
    await simulator.sim("POST", f"{path}/2026-03-17T08:00:00Z", {"cancelled": True}, expect=404)

    found = await alex.instances(master["id"], *MARCH)
    assert [one["subject"] for one in found] == ["Stand-up", "By hand", "Stand-up", "Stand-up"]
    items = (await simulator.sim("GET", f"/calendars/{calendar}/events"))["events"]
    assert [(one["type"], one["isCancelled"]) for one in items] == [
        ("seriesMaster", False),
        ("exception", False),
        ("occurrence", True),
    ]


async def test_occurrences_have_immutable_ids_as_well(alex: Api) -> None:
    master = await mondays(alex)
    regular = (await alex.instances(master["id"], *MARCH))[1]

    reply = await alex.call("GET", event_path(regular["id"]), headers=IMMUTABLE)

    assert reply.body["id"] != regular["id"]
    assert (await alex.get(reply.body["id"]))["id"] == regular["id"]
