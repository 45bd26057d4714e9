"""Lists of events: pages, order, selection, filters, and the expanded view."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.simulators.microsoft.api import at, timed, weekly

if TYPE_CHECKING:
    from tests.simulators.microsoft.api import Api
    from tests.simulators.running import Simulator


async def days(alex: Api, count: int) -> list[str]:
    """Events on the first days of March, made in order; their ids."""
    return [
        (await alex.create(timed(f"e{day:02}", start=f"2026-03-{day:02}T09:00:00")))["id"]
        for day in range(1, count + 1)
    ]


async def test_a_list_comes_in_pages_of_ten_or_as_asked(alex: Api) -> None:
    made = await days(alex, 12)

    first = await alex.call("GET", "/me/events")
    second = await alex.call("GET", first.body["@odata.nextLink"])
    whole = await alex.call("GET", "/me/events", _top=50, _count="true")

    assert [len(first.value), len(second.value), len(whole.value)] == [10, 2, 12]
    assert [one["id"] for one in first.value + second.value] == made
    assert "@odata.nextLink" not in second.body
    assert whole.body["@odata.count"] == 12


async def test_top_is_limited_and_must_be_a_number(alex: Api) -> None:
    too_many = await alex.call("GET", "/me/events", _top=1001)
    words = await alex.call("GET", "/me/events", _top="many")

    assert [too_many.status, words.status] == [400, 400]


async def test_select_leaves_the_id_and_the_named_properties(alex: Api) -> None:
    await days(alex, 1)

    reply = await alex.call("GET", "/me/events", _select="subject,start")

    assert set(reply.value[0]) == {"@odata.etag", "id", "subject", "start"}


async def test_order_by_a_time_both_ways(alex: Api) -> None:
    await days(alex, 3)

    down = await alex.call("GET", "/me/events", _orderby="start/dateTime desc")
    up = await alex.call("GET", "/me/events", _orderby="start/dateTime")

    assert [one["subject"] for one in down.value] == ["e03", "e02", "e01"]
    assert [one["subject"] for one in up.value] == ["e01", "e02", "e03"]


@pytest.mark.parametrize(
    ("condition", "found"),
    [
        ("subject eq 'e02'", ["e02"]),
        ("startswith(subject,'e0') and not (subject eq 'e01' or subject eq 'e02')", ["e03"]),
        ("start/dateTime ge '2026-03-02T00:00:00' and end/dateTime le '2026-03-02T23:59:59'", ["e02"]),
        ("contains(subject, '3')", ["e03"]),
        ("isAllDay eq true", []),
        ("categories/any(c:c eq 'Kalends')", []),
        ("subject ne 'it''s'", ["e01", "e02", "e03"]),
        ("reminderMinutesBeforeStart gt 20", []),
    ],
)
async def test_filters(alex: Api, condition: str, found: list[str]) -> None:
    await days(alex, 3)

    reply = await alex.call("GET", "/me/events", _filter=condition)

    assert [one["subject"] for one in reply.value] == found


@pytest.mark.parametrize(
    "condition", ["subject eq", "subject like 'x'", "(subject eq 'x'", "colour eq 'x'", "subject gt 3", "§"]
)
async def test_a_filter_that_cannot_be_read_is_refused(alex: Api, condition: str) -> None:
    await days(alex, 1)

    reply = await alex.call("GET", "/me/events", _filter=condition)

    assert reply.status == 400


async def test_a_view_holds_what_touches_its_window_end_exclusive_by_start(alex: Api) -> None:
    await alex.create(timed("over the start", start="2026-02-28T09:00:00", end="2026-03-01T10:00:00"))
    await alex.create(timed("ends at the start", start="2026-02-28T22:00:00", end="2026-03-01T00:00:00", zone="UTC"))
    await alex.create(timed("starts at the end", start="2026-03-03T00:00:00", end="2026-03-03T01:00:00", zone="UTC"))
    await alex.create(timed("without length", start="2026-03-01T00:00:00", end="2026-03-01T00:00:00", zone="UTC"))
    await alex.create(timed("inside", start="2026-03-01T12:00:00", end="2026-03-01T13:00:00"))
    await alex.create(timed("series", start="2026-02-23T09:00:00", recurrence=weekly("monday", start="2026-02-23")))

    reply = await alex.call(
        "GET", "/me/calendarView", startDateTime="2026-03-01T00:00:00Z", endDateTime="2026-03-03T00:00:00Z"
    )

    assert [one["subject"] for one in reply.value] == ["over the start", "without length", "inside", "series"]


async def test_a_view_takes_offsets_and_follows_changes(alex: Api) -> None:
    window = {"startDateTime": "2026-03-02T00:00:00+01:00", "endDateTime": "2026-03-03T00:00:00.0000000+01:00"}
    made = await alex.create(timed())
    before = await alex.call("GET", "/me/calendarView", **window)

    await alex.patch(made["id"], {"start": at("2026-03-05T09:00:00"), "end": at("2026-03-05T10:00:00")})
    after = await alex.call("GET", "/me/calendarView", **window)

    assert [len(before.value), len(after.value)] == [1, 0]


@pytest.mark.parametrize(
    "window",
    [
        {},
        {"startDateTime": "2026-03-02", "endDateTime": "tomorrow"},
        {"startDateTime": "2026-03-02", "endDateTime": "2026-03-01"},
        {"startDateTime": "2020-01-01", "endDateTime": "2026-01-01"},
    ],
    ids=["missing", "no time", "backwards", "over five years"],
)
async def test_a_view_needs_a_window_it_can_use(alex: Api, window: dict[str, str]) -> None:
    reply = await alex.call("GET", "/me/calendarView", **window)

    assert reply.status == 400


@pytest.mark.parametrize("switch", ["endless_pages", "repeat_page_token"])
async def test_a_list_may_never_end(alex: Api, simulator: Simulator, switch: str) -> None:
    await simulator.faults(**{switch: True})
    await days(alex, 1)

    first = await alex.call("GET", "/me/events")
    second = await alex.call("GET", first.body["@odata.nextLink"])

    assert "@odata.nextLink" in second.body


async def test_instances_need_a_series(alex: Api) -> None:
    made = await alex.create(timed())

    reply = await alex.call(
        "GET", f"/me/events/{made['id']}/instances", startDateTime="2026-03-01", endDateTime="2026-04-01"
    )

    assert reply.status == 400
