"""calendarView/delta: rounds, windows, series, and everything that makes it hard to use."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.simulators.microsoft.api import IMMUTABLE, MARKER, at, event_path, timed, weekly

if TYPE_CHECKING:
    from tests.simulators.microsoft.api import Api
    from tests.simulators.running import Simulator

PATH = "/me/calendarView/delta"
WINDOW = {"startDateTime": "2026-03-01T00:00:00Z", "endDateTime": "2026-04-01T00:00:00Z"}
SMALL = {"Prefer": "odata.maxpagesize=2"}
LARGE = {"Prefer": "odata.maxpagesize=500"}
REMOVED = {"reason": "deleted"}


def flat(pages: list[list[dict[str, Any]]]) -> list[dict[str, Any]]:
    """Every entry of a round."""
    return [entry for page in pages for entry in page]


async def test_a_first_round_pages_through_the_window_and_ends_with_a_delta_link(alex: Api) -> None:
    made = [await alex.create(timed(f"e{day}", start=f"2026-03-{day:02}T09:00:00")) for day in range(1, 6)]
    await alex.create(timed("outside", start="2026-05-01T09:00:00"))

    pages, link = await alex.round(PATH, headers=SMALL, **WINDOW)

    assert [len(page) for page in pages] == [2, 2, 1]
    assert {entry["id"] for entry in flat(pages)} == {one["id"] for one in made}
    assert {entry["@odata.type"] for entry in flat(pages)} == {"#microsoft.graph.event"}
    assert list(parse_qs(urlsplit(link).query)) == ["$deltatoken"]


async def test_the_next_round_has_only_what_changed(alex: Api) -> None:
    kept = await alex.create(timed("kept"))
    changed, removed = await alex.create(timed("old")), await alex.create(timed("removed"))
    _, link = await alex.round(PATH, **WINDOW)
    await alex.patch(changed["id"], {"subject": "new"})
    await alex.delete(removed["id"])
    added = await alex.create(timed("added"))

    pages, link = await alex.round(link)
    quiet, _ = await alex.round(link)

    entries = {entry["id"]: entry for entry in flat(pages)}
    assert set(entries) == {changed["id"], removed["id"], added["id"]}
    assert entries[changed["id"]]["subject"] == "new"
    assert entries[removed["id"]] == {
        "@odata.type": "#microsoft.graph.event",
        "id": removed["id"],
        "@removed": REMOVED,
    }
    assert kept["id"] not in entries
    assert flat(quiet) == []


async def test_a_delta_link_may_be_used_again(alex: Api) -> None:
    _, link = await alex.round(PATH, **WINDOW)
    made = await alex.create(timed())

    first, _ = await alex.round(link)
    second, _ = await alex.round(link)

    assert [entry["id"] for entry in flat(first)] == [entry["id"] for entry in flat(second)] == [made["id"]]


async def test_removed_also_says_that_an_event_left_the_window_or_never_was_in_it(alex: Api) -> None:
    moved = await alex.create(timed())
    _, link = await alex.round(PATH, **WINDOW)
    await alex.patch(moved["id"], {"start": at("2026-06-01T09:00:00"), "end": at("2026-06-01T10:00:00")})
    outside = await alex.create(timed(start="2026-07-01T09:00:00"))

    pages, _ = await alex.round(link)

    assert {entry["id"]: entry.get("@removed") for entry in flat(pages)} == {
        moved["id"]: REMOVED,
        outside["id"]: REMOVED,
    }
    assert (await alex.get(moved["id"]))["id"] == moved["id"]


async def test_a_series_comes_as_its_master_its_exceptions_and_bare_occurrences(alex: Api) -> None:
    master = await alex.create(timed("Stand-up", recurrence=weekly("monday")))
    found = await alex.instances(master["id"], *WINDOW.values())
    await alex.patch(found[1]["id"], {"subject": "Other"})

    pages, _ = await alex.round(PATH, headers=LARGE, **WINDOW)

    entries = flat(pages)
    assert [entry["type"] for entry in entries] == [
        "seriesMaster", "occurrence", "exception", "occurrence", "occurrence", "occurrence",
    ]  # fmt: skip
    assert entries[0]["recurrence"]["pattern"]["type"] == "weekly"
    assert entries[2]["subject"] == "Other"
    assert set(entries[1]) == {"@odata.type", "@odata.etag", "seriesMasterId", "type", "id", "start", "end"}
    assert entries[1]["id"] == found[0]["id"]


async def test_nothing_says_that_an_occurrence_was_deleted(alex: Api) -> None:
    master = await alex.create(timed(recurrence=weekly("monday")))
    found = await alex.instances(master["id"], *WINDOW.values())
    _, link = await alex.round(PATH, headers=LARGE, **WINDOW)

    await alex.delete(found[2]["id"])
    pages, _ = await alex.round(link, headers=LARGE)

    entries = flat(pages)
    assert [entry["type"] for entry in entries] == ["seriesMaster", *["occurrence"] * 4]
    assert not any("@removed" in entry for entry in entries)
    assert found[2]["id"] not in {entry["id"] for entry in entries}


async def test_a_deleted_series_is_one_removal(alex: Api) -> None:
    master = await alex.create(timed(recurrence=weekly("monday")))
    _, link = await alex.round(PATH, headers=LARGE, **WINDOW)

    await alex.delete(master["id"])
    pages, _ = await alex.round(link)

    assert [(entry["id"], entry["@removed"]) for entry in flat(pages)] == [(master["id"], REMOVED)]


@pytest.mark.parametrize(("split", "sizes"), [(False, [6]), (True, [2, 2, 2])])
async def test_a_series_is_on_one_page_or_split_by_the_switch(
    alex: Api, simulator: Simulator, split: bool, sizes: list[int]
) -> None:
    await simulator.faults(split_series=split)
    await alex.create(timed(recurrence=weekly("monday")))

    pages, _ = await alex.round(PATH, headers=SMALL, **WINDOW)

    assert [len(page) for page in pages] == sizes
    assert len({entry["id"] for entry in flat(pages)}) == 6


async def test_a_change_during_a_round_comes_in_the_next_one(alex: Api) -> None:
    made = [await alex.create(timed(f"e{number}")) for number in range(4)]
    first = await alex.call("GET", PATH, headers=SMALL, **WINDOW)
    await alex.patch(made[3]["id"], {"subject": "late"})
    added = await alex.create(timed("added"))

    rest, link = await alex.round(first.body["@odata.nextLink"], headers=SMALL)
    following, _ = await alex.round(link)

    seen = first.value + flat(rest)
    assert {entry["id"] for entry in seen} <= {one["id"] for one in made}
    assert {entry["id"] for entry in flat(following)} == {made[3]["id"], added["id"]}


async def test_every_calendar_has_a_delta_of_its_own(alex: Api) -> None:
    team = await alex.calendar_id("Team")
    there, _ = await alex.create(timed("there"), calendar=team), await alex.create(timed("here"))

    pages, link = await alex.round(f"/me/calendars/{team}/calendarView/delta", **WINDOW)
    foreign = await alex.call("GET", f"{PATH}?{urlsplit(link).query}")

    assert [entry["id"] for entry in flat(pages)] == [there["id"]]
    assert foreign.status == 400


@pytest.mark.parametrize("option", ["$select", "$filter", "$expand", "$orderby", "$search", "$top"])
async def test_query_options_are_refused(alex: Api, option: str) -> None:
    reply = await alex.call("GET", PATH, **WINDOW, **{option: "subject"})

    assert (reply.status, reply.code) == (400, "ErrorInvalidUrlQuery")


@pytest.mark.parametrize("place", ["/me", "/me/calendar", "/me/calendars/{id}"])
async def test_a_delta_of_events_is_refused_on_v1(alex: Api, place: str) -> None:
    path = place.format(id=await alex.calendar_id("Team"))

    reply = await alex.call("GET", f"{path}/events/delta")

    assert reply.status == 400


@pytest.mark.parametrize("missing", ["startDateTime", "endDateTime"])
async def test_a_window_is_needed(alex: Api, missing: str) -> None:
    window = {key: value for key, value in WINDOW.items() if key != missing}

    reply = await alex.call("GET", PATH, **window)

    assert reply.status == 400


async def test_a_token_that_was_touched_is_refused(alex: Api) -> None:
    _, link = await alex.round(PATH, **WINDOW)

    reply = await alex.call("GET", link[:-4] + "AAAA")

    assert reply.status == 400


async def test_ids_in_a_round_are_of_the_kind_each_call_asks_for(alex: Api) -> None:
    made = await alex.create(timed())
    _, link = await alex.round(PATH, **WINDOW)
    await alex.patch(made["id"], {"subject": "x"})

    regular, _ = await alex.round(link)
    immutable, _ = await alex.round(link, headers=IMMUTABLE)

    assert flat(regular)[0]["id"] == made["id"]
    assert flat(immutable)[0]["id"] != made["id"]
    assert (await alex.get(flat(immutable)[0]["id"]))["id"] == made["id"]


async def test_extended_properties_and_extensions_never_come(alex: Api) -> None:
    await alex.create(
        timed(
            singleValueExtendedProperties=[{"id": MARKER, "value": "x"}],
            extensions=[{"extensionName": "com.kalends", "a": 1}],
        )
    )

    pages, _ = await alex.round(PATH, **WINDOW)

    assert not {"singleValueExtendedProperties", "extensions"} & set(flat(pages)[0])


@pytest.mark.parametrize("gone", ["syncStateNotFound", "resyncRequired"])
async def test_an_expired_token_is_410_and_a_new_round_is_whole(alex: Api, simulator: Simulator, gone: str) -> None:
    await simulator.faults(gone=gone)
    made = await alex.create(timed())
    _, link = await alex.round(PATH, **WINDOW)
    await simulator.sim("POST", "/expire-cursors", {})

    reply = await alex.call("GET", link)
    pages, link = await alex.round(
        reply.headers.get("Location", PATH), **({} if "Location" in reply.headers else WINDOW)
    )

    assert (reply.status, reply.code) == (410, gone)
    assert ("Location" in reply.headers) == (gone == "syncStateNotFound")
    assert [entry["id"] for entry in flat(pages)] == [made["id"]]
    assert (await alex.call("GET", link)).status == 200


async def test_tokens_are_410_as_long_as_the_switch_is_on(alex: Api, simulator: Simulator) -> None:
    _, link = await alex.round(PATH, **WINDOW)
    await simulator.faults(expire_cursors=True)

    during = await alex.call("GET", link)
    await simulator.faults(expire_cursors=False)
    after = await alex.call("GET", link)

    assert [during.status, after.status] == [410, 200]


async def test_empty_pages_come_between_when_switched_on(alex: Api, simulator: Simulator) -> None:
    await simulator.faults(empty_pages=True)
    for number in range(4):
        await alex.create(timed(f"e{number}"))

    pages, _ = await alex.round(PATH, headers=SMALL, **WINDOW)

    assert [len(page) for page in pages] == [0, 2, 0, 2]


async def test_replays_repeat_entries_in_any_order_and_lose_none(alex: Api, simulator: Simulator) -> None:
    await simulator.faults(replay_delta=True, seed=3)
    made = [await alex.create(timed(f"e{number}")) for number in range(12)]

    pages, link = await alex.round(PATH, headers={"Prefer": "odata.maxpagesize=4"}, **WINDOW)
    again, _ = await alex.round(link)

    ids = [entry["id"] for entry in flat(pages)]
    assert set(ids) == {one["id"] for one in made}
    assert len(ids) > len(made)
    assert ids[:4] != [one["id"] for one in made[:4]]
    assert len(flat(again)) > 0


@pytest.mark.parametrize("switch", ["endless_pages", "repeat_page_token"])
async def test_a_round_may_never_end(alex: Api, simulator: Simulator, switch: str) -> None:
    await simulator.faults(**{switch: True})
    made = await alex.create(timed())

    first = await alex.call("GET", PATH, **WINDOW)
    second = await alex.call("GET", first.body["@odata.nextLink"])
    third = await alex.call("GET", second.body["@odata.nextLink"])

    assert [entry["id"] for reply in (first, second, third) for entry in reply.value] == [made["id"]] * 3
    same = second.body["@odata.nextLink"] == third.body["@odata.nextLink"]
    assert same == (switch == "repeat_page_token")


async def test_a_moved_exception_outside_the_window_leaves_only_the_rest(alex: Api) -> None:
    master = await alex.create(timed(recurrence=weekly("monday", interval=4)))
    found = await alex.instances(master["id"], "2026-03-01T00:00:00Z", "2026-05-01T00:00:00Z")
    await alex.patch(found[1]["id"], {"start": at("2026-04-02T09:00:00"), "end": at("2026-04-02T10:00:00")})

    pages, _ = await alex.round(PATH, headers=LARGE, **WINDOW)

    assert [entry["id"] for entry in flat(pages)] == [master["id"], found[0]["id"]]
    assert (await alex.call("GET", event_path(found[1]["id"]))).status == 200
