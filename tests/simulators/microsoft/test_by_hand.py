"""The simulator by hand: the /_sim routes, the pages, and data that stays between runs."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

from infra.local.simulators import microsoft
from tests.simulators import running
from tests.simulators.microsoft import api as graph_api
from tests.simulators.microsoft.api import ALEX, MARKER, at, timed, weekly

if TYPE_CHECKING:
    from pathlib import Path

    from tests.simulators.microsoft.api import Api
    from tests.simulators.running import Simulator

WINDOW = {"startDateTime": "2026-03-01T00:00:00Z", "endDateTime": "2026-04-01T00:00:00Z"}


async def calendar_of(simulator: Simulator, *, primary: bool = True) -> str:
    """The id of one of Alex's calendars."""
    found = (await simulator.sim("GET", f"/accounts/{ALEX}/calendars"))["calendars"]
    return str(next(one["id"] for one in found if one["primary"] == primary))


async def test_the_demo_accounts_have_a_primary_and_a_second_calendar(simulator: Simulator) -> None:
    accounts = (await simulator.sim("GET", "/accounts"))["accounts"]
    calendars = (await simulator.sim("GET", f"/accounts/{ALEX}/calendars"))["calendars"]

    assert [(one["email"], one["tenant"]) for one in accounts] == [
        (graph_api.ALEX, "contoso.example"),
        (graph_api.SAM, "contoso.example"),
        (graph_api.KIM, "consumers"),
    ]
    assert [(one["summary"], one["primary"], one["timeZone"]) for one in calendars] == [
        ("Calendar", True, "Europe/Berlin"),
        ("Team", False, "Europe/Berlin"),
    ]


async def test_a_person_adds_changes_and_deletes_and_the_application_sees_it(alex: Api, simulator: Simulator) -> None:
    calendar = await calendar_of(simulator)

    made = await simulator.sim("POST", f"/calendars/{calendar}/events", timed("By hand"))
    changed = await simulator.sim("PATCH", f"/calendars/{calendar}/events/{made['id']}", {"subject": "Changed"})
    seen = await alex.get(made["id"])
    await simulator.sim("DELETE", f"/calendars/{calendar}/events/{made['id']}")

    assert (changed["subject"], seen["subject"]) == ("Changed", "Changed")
    assert (await simulator.sim("GET", f"/calendars/{calendar}/events"))["events"] == []


async def test_a_person_may_be_a_guest(simulator: Simulator) -> None:
    calendar = await calendar_of(simulator)
    body = timed(
        organizer={"emailAddress": {"name": "Boss", "address": "boss@contoso.example"}},
        isOrganizer=False,
        responseStatus={"response": "declined", "time": "2026-02-01T00:00:00Z"},
    )

    made = await simulator.sim("POST", f"/calendars/{calendar}/events", body)

    assert (made["isOrganizer"], made["responseStatus"]["response"]) == (False, "declined")
    assert (await simulator.sim("GET", "/mail"))["mail"] == []


async def test_items_hold_what_applications_wrote_besides(alex: Api, simulator: Simulator) -> None:
    calendar = await calendar_of(simulator)
    extras: dict[str, Any] = {
        "singleValueExtendedProperties": [{"id": MARKER, "value": "m1"}],
        "extensions": [{"extensionName": "com.kalends", "a": 1}],
    }
    await alex.create(timed(**extras))

    items = (await simulator.sim("GET", f"/calendars/{calendar}/events"))["events"]

    assert items[0]["singleValueExtendedProperties"] == [{"id": MARKER, "value": "m1"}]
    assert items[0]["extensions"][0]["a"] == 1


async def test_writes_are_journalled_by_origin_and_waited_for(alex: Api, simulator: Simulator) -> None:
    calendar = await calendar_of(simulator)
    last = (await simulator.sim("GET", "/writes"))["last"]
    waiting = asyncio.create_task(simulator.sim("GET", f"/writes?after={last}&wait=5&calendar={calendar}"))

    made = await alex.create(timed(), Prefer='IdType="ImmutableId"')
    woken = await waiting
    await simulator.sim("PATCH", f"/calendars/{calendar}/events/{made['id']}", {"subject": "x"})

    told = (await simulator.sim("GET", f"/writes?after={last}"))["writes"]
    assert [one["event"] for one in woken["writes"]] == [made["id"]]
    assert [(one["operation"], one["origin"], one["client_id"]) for one in told] == [
        ("insert", "api", microsoft.CLIENT_ID),
        ("update", "person", ""),
    ]


async def test_ten_thousand_events_are_seeded_in_one_call_and_paged(alex: Api, simulator: Simulator) -> None:
    calendar = await calendar_of(simulator, primary=False)
    events = [timed(f"e{number}", start=f"2026-03-{1 + number % 28:02}T09:00:00") for number in range(10_000)]
    await simulator.sim("POST", f"/calendars/{calendar}/events:bulk", {"events": events})
    path, large = f"/me/calendars/{calendar}/calendarView/delta", {"Prefer": "odata.maxpagesize=1000"}
    alex.headers = large

    sizes, link, query = [], path, WINDOW
    while "$deltatoken" not in link:
        reply = await alex.call("GET", link, check=False, **query)
        page = json.loads(reply.body)
        sizes.append(len(page["value"]))
        link, query = page.get("@odata.nextLink") or page["@odata.deltaLink"], {}
    made = await alex.create(timed("new"), calendar=calendar)
    changes, _ = await alex.round(link)

    assert sizes == [1000] * 10
    assert [entry["id"] for entry in changes[0]] == [made["id"]]


async def test_reset_brings_the_demo_back_and_turns_faults_off(alex: Api, simulator: Simulator) -> None:
    await alex.create(timed())
    await simulator.faults(rate_429=1, honour_if_match=False)

    await simulator.sim("POST", "/reset", {})

    calendar = await calendar_of(simulator)
    faults = await simulator.sim("GET", "/faults")
    assert (await simulator.sim("GET", f"/calendars/{calendar}/events"))["events"] == []
    assert (faults["rate_429"], faults["honour_if_match"]) == (0, True)
    assert (await alex.call("GET", "/me")).status == 401


async def test_accounts_and_calendars_are_added(simulator: Simulator) -> None:
    await simulator.sim("POST", "/accounts", {"email": "new@outlook.example"})
    await simulator.sim(
        "POST",
        "/accounts/new@outlook.example/calendars",
        {"summary": "Main", "timeZone": "Asia/Tokyo", "primary": True},
    )
    await simulator.sim("POST", "/accounts/new@outlook.example/calendars", {"summary": "Second", "timeZone": "UTC"})
    await simulator.sim("POST", "/accounts/new@outlook.example/calendars", {"timeZone": "Mars/North"}, expect=404)

    client = await graph_api.sign_in(simulator, "new@outlook.example")
    settings = await client.call("GET", "/me/mailboxSettings")

    assert [one["name"] for one in (await client.call("GET", "/me/calendars")).value] == ["Main", "Second"]
    assert settings.body["timeZone"] == "Tokyo Standard Time"


async def test_what_does_not_exist_is_404(simulator: Simulator) -> None:
    calendar = await calendar_of(simulator)

    await simulator.sim("GET", "/calendars/nowhere/events", expect=404)
    await simulator.sim("DELETE", f"/calendars/{calendar}/events/nothing", expect=404)
    await simulator.sim("GET", "/accounts/nobody@contoso.example/calendars", expect=404)


async def test_a_person_uses_the_pages(alex: Api, simulator: Simulator) -> None:
    calendar = await calendar_of(simulator)
    address = f"{simulator.base}/calendars/{calendar}?from=2026-03-01&days=31"
    form = {"title": "By form", "start": "2026-03-02T09:00", "end": "2026-03-02T10:00", "repeat": "WEEKLY"}

    async with simulator.session.post(address, data=form) as answer:
        text = await answer.text()
    master = (await alex.call("GET", "/me/events")).value[0]
    second = (await alex.instances(master["id"], *WINDOW.values()))[1]
    occurrence = await alex.call("GET", f"/me/events/{second['id']}", headers=graph_api.IMMUTABLE)
    event = f"{simulator.base}/calendars/{calendar}/events/{occurrence.body['id']}?from=2026-03-01&days=31"
    moved = {"title": "Moved", "start": "2026-03-10T11:00", "end": "2026-03-10T12:00", "do": "save"}
    async with simulator.session.post(event, data=moved) as answer:
        assert answer.status == 200
    refused = {"title": "Too far", "start": "2026-03-20T11:00", "end": "2026-03-20T12:00", "do": "save"}
    async with simulator.session.post(event, data=refused) as answer:
        problem = await answer.text()

    assert text.count("By form") >= 4
    assert master["recurrence"]["pattern"]["type"] == "weekly"
    found = await alex.instances(master["id"], *WINDOW.values())
    assert (found[1]["subject"], found[1]["start"]) == ("Moved", at("2026-03-10T10:00:00.0000000"))
    assert "ErrorOccurrenceCrossingBoundary" in problem


async def test_data_tokens_and_cursors_stay_between_runs(tmp_path: Path) -> None:
    state = tmp_path / "microsoft.sqlite"
    async with running.simulator(microsoft.build(state=state, redirect_uris=[graph_api.REDIRECT])) as started:
        client = await graph_api.sign_in(started)
        kept = await client.create(timed("kept", singleValueExtendedProperties=[{"id": MARKER, "value": "m1"}]))
        gone = await client.create(timed("gone"))
        master = await client.create(timed("series", recurrence=weekly("monday")))
        second, third = (await client.instances(master["id"], *WINDOW.values()))[1:3]
        await client.patch(second["id"], {"subject": "other"})
        await client.delete(third["id"])
        _, link = await client.round("/me/calendarView/delta", **WINDOW)
        await client.delete(gone["id"])

    async with running.simulator(microsoft.build(state=state)) as again:
        client.simulator = again
        rest = link.partition("/v1.0")[2]
        pages, _ = await client.round(rest)
        instances = await client.instances(master["id"], *WINDOW.values())
        added = await client.create(timed("added"))
        marked = await client.call(
            "GET", "/me/events", _filter=f"singleValueExtendedProperties/any(e:e/id eq '{MARKER}' and e/value eq 'm1')"
        )

    assert [(entry["id"], "@removed" in entry) for entry in pages[0]] == [(gone["id"], True)]
    assert [one["subject"] for one in instances] == ["series", "other", "series", "series"]
    assert [one["id"] for one in marked.value] == [kept["id"]]
    assert added["id"] not in {kept["id"], gone["id"], master["id"]}
