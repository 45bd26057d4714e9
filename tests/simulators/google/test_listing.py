"""events.list: pages, restrictions, sync tokens and their end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.simulators.google.samples import all_day, series, timed

if TYPE_CHECKING:
    from tests.simulators.google.api import Api
    from tests.simulators.running import Simulator


async def _seed(simulator: Simulator, count: int) -> None:
    events = [timed(id=f"event{number:05d}", summary=f"Event {number}") for number in range(count)]
    await simulator.sim("POST", "/calendars/alex@example.com/events:bulk", {"events": events})


@pytest.mark.parametrize(("asked", "given"), [(None, 250), (7, 7), (2500, 2500), (9999, 2500)])
async def test_a_page_has_250_items_or_as_many_as_asked_up_to_2500(
    alex: Api, simulator: Simulator, asked: int | None, given: int
) -> None:
    await _seed(simulator, 2600)
    query = {"maxResults": asked} if asked else {}

    reply = await alex.call("GET", alex.events(), **query)

    assert len(reply.body["items"]) == given


async def test_only_the_last_page_has_a_sync_token_and_the_others_a_page_token(alex: Api, simulator: Simulator) -> None:
    await _seed(simulator, 25)

    pages = await alex.pages(maxResults=10)

    assert [len(page["items"]) for page in pages] == [10, 10, 5]
    assert ["nextPageToken" in page for page in pages] == [True, True, False]
    assert ["nextSyncToken" in page for page in pages] == [False, False, True]
    assert len({item["id"] for page in pages for item in page["items"]}) == 25


async def test_an_incremental_listing_has_what_changed_and_deletions(alex: Api) -> None:
    for name in ("kept0", "changed", "gone0"):
        await alex.insert(timed(id=name))
    _, token = await alex.list()

    await alex.patch("changed", {"summary": "New"})
    await alex.delete("gone0")
    await alex.insert(timed(id="fresh"))
    changed, later = await alex.list(syncToken=token)

    assert [(event["id"], event["status"]) for event in changed] == [
        ("changed", "confirmed"),
        ("gone0", "cancelled"),
        ("fresh", "confirmed"),
    ]
    assert changed[1].keys() == {"kind", "etag", "id", "status"}
    assert await alex.list(syncToken=later) == ([], later)


async def test_details_of_deleted_events_are_shown_on_demand(alex: Api) -> None:
    await alex.insert(timed(id="gone0", summary="Secret"))
    _, token = await alex.list(showDeleted=True)
    await alex.delete("gone0")

    changed, _ = await alex.list(syncToken=token, showDeleted=True)

    assert changed[0]["summary"] == "Secret"


async def test_tombstones_may_carry_only_what_is_guaranteed(alex: Api, simulator: Simulator) -> None:
    await alex.insert(timed(id="gone0"))
    await alex.insert(series(id="standup"))
    _, token = await alex.list()
    await simulator.faults(incomplete_tombstones=True)

    await alex.delete("gone0")
    await alex.delete("standup_20260309T080000Z")

    changed, _ = await alex.list(syncToken=token)
    assert changed[0] == {"id": "gone0", "status": "cancelled"}
    assert changed[1].keys() == {"id", "status", "recurringEventId", "originalStartTime"}
    reply = await alex.call("GET", alex.events("gone0"), check=False)
    assert b"summary" not in reply.body


async def test_a_change_during_paging_is_in_the_next_incremental_listing(alex: Api, simulator: Simulator) -> None:
    await _seed(simulator, 20)
    first = (await alex.call("GET", alex.events(), maxResults=10)).body
    listed = [event["id"] for event in first["items"]]

    await alex.patch("event00003", {"summary": "Changed after it was listed"})
    await alex.patch("event00015", {"summary": "Changed before it was listed"})
    rest = (await alex.call("GET", alex.events(), maxResults=10, pageToken=first["nextPageToken"])).body
    changed, _ = await alex.list(syncToken=rest["nextSyncToken"])

    everything = {*listed, *(event["id"] for event in rest["items"]), *(event["id"] for event in changed)}
    assert len(everything) == 20
    assert {event["id"] for event in changed} == {"event00003", "event00015"}


@pytest.mark.parametrize(
    ("parameter", "value"),
    [
        ("iCalUID", "x@google.com"),
        ("orderBy", "updated"),
        ("privateExtendedProperty", "a=b"),
        ("sharedExtendedProperty", "a=b"),
        ("q", "x"),
        ("timeMin", "2026-03-01T00:00:00Z"),
        ("timeMax", "2026-03-01T00:00:00Z"),
        ("updatedMin", "2026-03-01T00:00:00Z"),
        ("showDeleted", "false"),
    ],
)
async def test_a_sync_token_excludes_restrictions(alex: Api, parameter: str, value: str) -> None:
    _, token = await alex.list()

    reply = await alex.call("GET", alex.events(), syncToken=token, **{parameter: value})

    assert (reply.status, reply.reason) == (400, "invalid")
    assert reply.body["error"]["errors"][0]["location"] == parameter


async def test_a_sync_token_insists_on_the_parameters_it_was_made_with(alex: Api) -> None:
    _, plain = await alex.list()
    _, single = await alex.list(singleEvents=True)

    mixed = await alex.call("GET", alex.events(), syncToken=plain, singleEvents=True)
    repeated = await alex.call("GET", alex.events(), syncToken=single, singleEvents=True, maxResults=10)

    assert (mixed.status, mixed.reason) == (400, "invalid")
    assert repeated.status == 200


async def test_a_page_token_insists_on_the_same_query(alex: Api, simulator: Simulator) -> None:
    await _seed(simulator, 3)
    token = (await alex.call("GET", alex.events(), maxResults=1)).body["nextPageToken"]

    other = await alex.call("GET", alex.events(), pageToken=token, q="Event")
    garbage = await alex.call("GET", alex.events(), pageToken="x")

    assert [(reply.status, reply.reason) for reply in (other, garbage)] == [(400, "invalid")] * 2


async def test_expired_sync_tokens_are_gone_and_new_ones_work(alex: Api, simulator: Simulator) -> None:
    _, token = await alex.list()

    await simulator.sim("POST", "/expire-cursors", {})
    expired = await alex.call("GET", alex.events(), syncToken=token)
    garbage = await alex.call("GET", alex.events(), syncToken="garbage")
    _, fresh = await alex.list()

    assert (expired.status, expired.reason) == (410, "fullSyncRequired")
    assert expired.body["error"]["errors"][0]["location"] == "syncToken"
    assert (garbage.status, garbage.reason) == (400, "invalid")
    assert await alex.list(syncToken=fresh) == ([], fresh)


async def test_sync_tokens_expire_as_long_as_the_switch_is_on(alex: Api, simulator: Simulator) -> None:
    await simulator.faults(expire_cursors=True)
    _, token = await alex.list()

    while_on = await alex.call("GET", alex.events(), syncToken=token)
    await simulator.faults(expire_cursors=False)
    after = await alex.call("GET", alex.events(), syncToken=token)

    assert (while_on.status, after.status) == (410, 200)


async def test_a_reset_ends_sync_tokens(alex: Api, simulator: Simulator) -> None:
    _, token = await alex.list()

    await simulator.sim("POST", "/reset", {})

    reply = await alex.call("GET", alex.events(), syncToken=token)
    assert reply.status == 401  # the access token is forgotten too


@pytest.mark.parametrize(
    "query", [{"q": "x"}, {"orderBy": "updated"}, {"iCalUID": "x"}, {"privateExtendedProperty": "a=b"}]
)
async def test_a_restricted_listing_gives_no_sync_token(alex: Api, query: dict[str, Any]) -> None:
    _, token = await alex.list(**query)

    assert token == ""


@pytest.mark.parametrize("keeps", [False, True])
async def test_a_windowed_listing_gives_a_token_that_keeps_the_window_or_not(
    alex: Api, simulator: Simulator, keeps: bool
) -> None:
    await simulator.faults(token_keeps_window=keeps)
    _, token = await alex.list(timeMin="2026-03-01T00:00:00Z", timeMax="2026-04-01T00:00:00Z")

    await alex.insert(timed(id="inside"))
    await alex.insert(timed("2027-03-02T09:00:00", "2027-03-02T10:00:00", id="later0"))
    changed, _ = await alex.list(syncToken=token)

    assert [event["id"] for event in changed] == (["inside"] if keeps else ["inside", "later0"])


async def test_updated_min_includes_deletions_and_must_be_recent(alex: Api, simulator: Simulator) -> None:
    await alex.insert(timed(id="gone0"))
    await alex.delete("gone0")
    now = (await alex.call("GET", alex.events())).body["updated"]
    earlier = now[:17] + "00.000Z"

    recent = await alex.call("GET", alex.events(), updatedMin=earlier)
    ancient = await alex.call("GET", alex.events(), updatedMin="2020-01-01T00:00:00Z")

    assert recent.status == 200
    assert [event["status"] for event in recent.body["items"]] in (["cancelled"], [])  # the minute may have turned
    assert (ancient.status, ancient.reason) == (410, "updatedMinTooLongAgo")


async def test_the_window_takes_what_ends_after_its_start_and_starts_before_its_end(alex: Api) -> None:
    await alex.insert(timed("2026-03-02T08:00:00", "2026-03-02T09:00:00", id="before"))
    await alex.insert(timed("2026-03-02T08:30:00", "2026-03-02T09:30:00", id="overlap"))
    await alex.insert(timed("2026-03-02T10:00:00", "2026-03-02T11:00:00", id="after"))
    await alex.insert(all_day(id="fair0"))
    await alex.insert(all_day("2026-03-01", "2026-03-02", id="eve00"))
    await alex.insert(series("RRULE:FREQ=DAILY", id="morn0", **_times("2026-02-01T09:15:00", "2026-02-01T09:20:00")))

    found, _ = await alex.list(timeMin="2026-03-02T08:00:00Z", timeMax="2026-03-02T09:00:00Z")

    assert {event["id"] for event in found} == {"overlap", "fair0", "morn0"}


@pytest.mark.parametrize(
    ("query", "reason"),
    [
        ({"timeMin": "2026-03-01"}, "badRequest"),
        ({"timeMin": "2026-03-01T00:00:00"}, "badRequest"),
        ({"timeMin": "2026-03-02T00:00:00Z", "timeMax": "2026-03-01T00:00:00Z"}, "timeRangeEmpty"),
        ({"orderBy": "startTime"}, "badRequest"),
        ({"orderBy": "summary"}, "invalid"),
        ({"maxResults": "many"}, "invalid"),
        ({"maxResults": "0"}, "invalid"),
        ({"singleEvents": "perhaps"}, "invalid"),
        ({"eventTypes": "feast"}, "invalid"),
        ({"privateExtendedProperty": "novalue"}, "invalid"),
        ({"timeZone": "Mars/Olympus"}, "invalid"),
    ],
)
async def test_wrong_parameters_are_refused(alex: Api, query: dict[str, Any], reason: str) -> None:
    reply = await alex.call("GET", alex.events(), **query)

    assert (reply.status, reply.reason) == (400, reason)


async def test_restrictions_by_property_type_text_and_uid(alex: Api) -> None:
    both = {"private": {"a": "1", "b": "2"}, "shared": {"s": "9"}}
    await alex.insert(timed(id="both0", extendedProperties=both, summary="Quarterly Review"))
    await alex.insert(timed(id="one00", extendedProperties={"private": {"a": "1"}}, location="Review room"))
    await alex.insert(timed(id="focus", eventType="focusTime", iCalUID="mine@x.example"))

    async def ids(**query: Any) -> set[str]:
        return {event["id"] for event in (await alex.list(**query))[0]}

    assert await ids(privateExtendedProperty="a=1") == {"both0", "one00"}
    assert await ids(privateExtendedProperty=["a=1", "b=2"]) == {"both0"}
    assert await ids(sharedExtendedProperty="s=9") == {"both0"}
    assert await ids(privateExtendedProperty="s=9") == set()
    assert await ids(eventTypes="focusTime") == {"focus"}
    assert await ids(eventTypes=["focusTime", "default"]) == {"both0", "one00", "focus"}
    assert await ids(q="review") == {"both0", "one00"}
    assert await ids(q="quarterly review") == {"both0"}
    assert await ids(iCalUID="mine@x.example") == {"focus"}


async def test_single_events_expands_series_and_orders_by_start(alex: Api) -> None:
    await alex.insert(series(id="standup"))
    await alex.insert(timed("2026-03-10T09:00:00", "2026-03-10T10:00:00", id="single"))
    await alex.delete("standup_20260316T080000Z")

    found, _ = await alex.list(singleEvents=True, orderBy="startTime", maxResults=2)

    assert [event["id"] for event in found] == [
        "standup_20260302T080000Z",
        "standup_20260309T080000Z",
        "single",
        "standup_20260323T080000Z",
    ]


async def test_single_events_syncs_instances_of_what_changed(alex: Api) -> None:
    await alex.insert(series(id="standup"))
    _, token = await alex.list(singleEvents=True)

    await alex.patch("standup", {"summary": "Renamed"})
    renamed, token = await alex.list(singleEvents=True, syncToken=token)
    await alex.delete("standup")
    gone, _ = await alex.list(singleEvents=True, syncToken=token)

    assert [event["summary"] for event in renamed] == ["Renamed"] * 4
    assert [event["status"] for event in gone] == ["cancelled"] * 4


async def test_order_by_updated(alex: Api) -> None:
    await alex.insert(timed(id="first"))
    await alex.insert(timed(id="second"))
    await alex.patch("first", {"summary": "Later"})

    found, _ = await alex.list(orderBy="updated")

    assert [event["id"] for event in found] == ["second", "first"]


async def test_deleted_events_are_listed_on_demand_in_a_full_listing(alex: Api) -> None:
    await alex.insert(timed(id="gone0"))
    await alex.delete("gone0")

    without, _ = await alex.list()
    with_deleted, _ = await alex.list(showDeleted=True)

    assert without == []
    assert [event["id"] for event in with_deleted] == ["gone0"]


async def test_the_listing_says_which_calendar_it_is(alex: Api) -> None:
    reply = await alex.call("GET", alex.events(), timeZone="UTC")

    body = reply.body
    assert (body["kind"], body["summary"], body["accessRole"]) == ("calendar#events", "alex@example.com", "owner")
    assert body["timeZone"] == "UTC"
    assert body["defaultReminders"] == []


async def test_max_attendees_leaves_only_oneself(alex: Api) -> None:
    guests = [{"email": f"guest{number}@else.example"} for number in range(3)] + [{"email": "alex@example.com"}]
    await alex.insert(timed(id="feast", attendees=guests))

    event = await alex.get("feast", maxAttendees=2)
    listed, _ = await alex.list(maxAttendees=2)

    assert event["attendees"] == [{"email": "alex@example.com", "self": True, "responseStatus": "needsAction"}]
    assert event["attendeesOmitted"] is True
    assert listed[0]["attendeesOmitted"] is True


async def test_pages_may_never_end_or_repeat_by_switch(alex: Api, simulator: Simulator) -> None:
    await _seed(simulator, 3)

    await simulator.faults(endless_pages=True)
    page = (await alex.call("GET", alex.events())).body
    another = (await alex.call("GET", alex.events(), pageToken=page["nextPageToken"])).body
    await simulator.faults(endless_pages=False, repeat_page_token=True)
    first = (await alex.call("GET", alex.events(), maxResults=1)).body
    second = (await alex.call("GET", alex.events(), maxResults=1, pageToken=first["nextPageToken"])).body

    assert (another["items"], "nextPageToken" in another, "nextSyncToken" in another) == ([], True, False)
    assert second["nextPageToken"] == first["nextPageToken"]


def _times(start: str, end: str) -> dict[str, Any]:
    zone = "Europe/Zurich"
    return {"start": {"dateTime": start, "timeZone": zone}, "end": {"dateTime": end, "timeZone": zone}}
