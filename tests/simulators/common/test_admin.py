"""The /_sim routes, at Google; the routes are the same at every provider."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import aiohttp
import pytest
from aiohttp.test_utils import make_mocked_request

from infra.local.simulators import admin, google
from tests.simulators import running
from tests.simulators.google.samples import series, timed

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from aiohttp import web

    from tests.simulators.running import Simulator

EVENTS = "/calendars/alex@example.com/events"


@pytest.fixture
async def simulator() -> AsyncIterator[Simulator]:
    """A Google of the test's own."""
    async with running.simulator(google.build()) as started:
        yield started


async def test_a_fresh_simulator_has_two_people_with_two_calendars_each(simulator: Simulator) -> None:
    accounts = (await simulator.sim("GET", "/accounts"))["accounts"]

    assert [account["email"] for account in accounts] == ["alex@example.com", "sam@example.com"]
    for account in accounts:
        calendars = (await simulator.sim("GET", f"/accounts/{account['email']}/calendars"))["calendars"]
        assert [calendar["primary"] for calendar in calendars] == [True, False]


async def test_people_and_calendars_are_added(simulator: Simulator) -> None:
    account = await simulator.sim("POST", "/accounts", {"email": "kim@example.com", "testing_mode": True})
    body = {"summary": "Work", "timeZone": "Asia/Tokyo"}
    calendar = await simulator.sim("POST", "/accounts/kim@example.com/calendars", body)

    calendars = (await simulator.sim("GET", "/accounts/kim@example.com/calendars"))["calendars"]
    assert (account["name"], account["testing_mode"]) == ("Kim", True)
    assert [known["id"] for known in calendars] == ["kim@example.com", calendar["id"]]
    assert calendars[1]["timeZone"] == "Asia/Tokyo"


async def test_items_are_everything_stored_and_nothing_expanded(simulator: Simulator) -> None:
    await simulator.sim("POST", EVENTS, series(id="standup", extendedProperties={"private": {"k": "v"}}))
    await simulator.sim("POST", f"{EVENTS}/standup/instances/2026-03-09T08:00:00Z", {"cancelled": True})
    await simulator.sim("POST", EVENTS, timed(id="gone0"))
    await simulator.sim("DELETE", f"{EVENTS}/gone0")

    events = {event["id"]: event for event in (await simulator.sim("GET", EVENTS))["events"]}

    assert {event_id: event["status"] for event_id, event in events.items()} == {
        "standup": "confirmed",
        "standup_20260309T080000Z": "cancelled",
        "gone0": "cancelled",
    }
    assert events["standup"]["extendedProperties"] == {"private": {"k": "v"}}


async def test_writes_say_who_did_what(simulator: Simulator) -> None:
    last = (await simulator.sim("GET", "/writes"))["last"]
    await simulator.sim("POST", EVENTS, timed(id="event1"))
    await simulator.sim("PATCH", f"{EVENTS}/event1", {"summary": "x"})
    await simulator.sim("DELETE", f"{EVENTS}/event1")

    answer = await simulator.sim("GET", f"/writes?after={last}&calendar=alex@example.com")

    assert [(write["operation"], write["origin"], write["event"]) for write in answer["writes"]] == [
        ("insert", "person", "event1"),
        ("update", "person", "event1"),
        ("delete", "person", "event1"),
    ]
    assert answer["last"] == last + 3
    assert (await simulator.sim("GET", "/writes?calendar=other"))["writes"] == []


async def test_a_waiting_reader_is_answered_by_the_next_write(simulator: Simulator) -> None:
    last = (await simulator.sim("GET", "/writes"))["last"]
    waiting = asyncio.create_task(simulator.sim("GET", f"/writes?after={last}&wait=10"))
    await asyncio.sleep(0.05)

    await simulator.sim("POST", EVENTS, timed(id="event1"))

    answer = await asyncio.wait_for(waiting, 2)
    assert [write["event"] for write in answer["writes"]] == ["event1"]


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("GET", "/accounts/nobody@example.com/calendars", None, 404),
        ("GET", "/calendars/nothing/events", None, 404),
        ("PATCH", f"{EVENTS}/never", {}, 404),
        ("DELETE", f"{EVENTS}/never", None, 404),
        ("POST", EVENTS, {"summary": "no times"}, 400),
        ("POST", f"{EVENTS}:bulk", {"items": []}, 400),
        ("POST", f"{EVENTS}/never/instances/tomorrow", {}, 400),
        ("POST", "/accounts", {"name": "x"}, 400),
        ("POST", "/clients", {"client_id": "x"}, 400),
        ("POST", "/tokens/revoke", {"email": "nobody@example.com"}, 404),
        ("GET", "/writes?after=x", None, 400),
    ],
)
async def test_mistakes_are_named(simulator: Simulator, method: str, path: str, body: object, status: int) -> None:
    answer = await simulator.sim(method, path, body, expect=status)

    assert answer["error"]


async def test_a_body_that_is_not_an_object_is_named(simulator: Simulator) -> None:
    async with simulator.session.put(f"{simulator.base}/_sim/faults", data=b"[1") as answer:
        body = await answer.json()

    assert answer.status == 400
    assert "not JSON" in body["error"]


async def test_clients_get_more_redirect_uris(simulator: Simulator) -> None:
    body = {"client_id": "other", "client_secret": "s", "redirect_uris": ["http://127.0.0.1:1/cb"]}
    await simulator.sim("POST", "/clients", body)

    more = await simulator.sim("POST", "/clients", {**body, "redirect_uris": ["http://127.0.0.1:2/cb"]})

    assert more["redirect_uris"] == ["http://127.0.0.1:1/cb", "http://127.0.0.1:2/cb"]


async def test_strangers_are_kept_out() -> None:
    async def never(_: web.Request) -> web.StreamResponse:
        raise AssertionError("a stranger came through")

    request = make_mocked_request("GET", "/_sim/accounts").clone(remote="192.0.2.7")

    answer = await admin.guard(request, never)

    assert answer.status == 403


async def test_a_reset_puts_the_demo_accounts_back(simulator: Simulator) -> None:
    await simulator.sim("POST", "/accounts", {"email": "kim@example.com"})
    await simulator.sim("POST", EVENTS, timed())

    await simulator.sim("POST", "/reset", {})

    accounts = (await simulator.sim("GET", "/accounts"))["accounts"]
    assert [account["email"] for account in accounts] == ["alex@example.com", "sam@example.com"]
    assert (await simulator.sim("GET", EVENTS))["events"] == []
    assert (await simulator.sim("GET", "/mail"))["mail"] == []


@pytest.mark.slow
def test_the_command_prints_its_address_keeps_its_state_and_stops_on_sigterm(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "infra.local.simulators", "google", "--state", str(tmp_path / "state")]

    async def call(method: str, base: str, body: object = None) -> object:
        url = f"{base}/_sim{EVENTS}"
        async with aiohttp.ClientSession() as session, session.request(method, url, json=body) as answer:
            return await answer.json()

    def run(method: str, body: object = None) -> object:
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            line = process.stdout.readline()
            assert line.startswith("google simulator on http://127.0.0.1:")
            answer = asyncio.run(call(method, line.split()[-1], body))
            os.kill(process.pid, signal.SIGTERM)
            assert process.wait(5) == 0
        return answer

    made = run("POST", timed(id="event1"))
    found = run("GET")

    assert isinstance(found, dict)
    assert found["events"] == [made]
    assert json.dumps(found)
