"""A simulator that is stopped and started again goes on where it was."""

from __future__ import annotations

from typing import TYPE_CHECKING

from infra.local.simulators import google
from tests.simulators import running
from tests.simulators.google import api as google_api
from tests.simulators.google.api import Api
from tests.simulators.google.samples import series, timed

if TYPE_CHECKING:
    from pathlib import Path

    from tests.simulators.running import Webhook


async def test_events_tokens_cursors_and_channels_outlive_the_process(tmp_path: Path, hook: Webhook) -> None:
    state = tmp_path / "google.state"
    async with running.simulator(google.build(state=state, redirect_uris=[google_api.REDIRECT])) as first:
        alex = await google_api.sign_in(first)
        await alex.insert(series(id="standup"))
        await alex.delete("standup_20260309T080000Z")
        await alex.insert(timed(id="event1"))
        before, cursor = await alex.list()
        await alex.patch("event1", {"summary": "After the cursor"})
        channel = {"id": "one", "type": "web_hook", "address": hook.address}
        await alex.call("POST", alex.events("watch"), channel)
        await hook.wait_for(1)

    async with running.simulator(google.build(state=state)) as second:
        alex = Api(simulator=second, token=alex.token)
        changed, _ = await alex.list(syncToken=cursor)
        after, _ = await alex.list()
        newer = await alex.patch("event1", {"summary": "Newer"})
        again = await alex.call("POST", alex.events("watch"), channel)
        calendars = (await alex.call("GET", "/users/me/calendarList")).body["items"]
        told = await hook.wait_for(2)

    assert [event["summary"] for event in changed] == ["After the cursor"]
    assert {event["id"] for event in after} == {event["id"] for event in before}
    assert newer["etag"] not in {event["etag"] for event in [*before, *after]}
    assert again.reason == "channelIdNotUnique"
    assert len(calendars) == 2
    assert int(told[1].headers["X-Goog-Message-Number"]) > 1


async def test_a_reset_is_kept_as_well(tmp_path: Path) -> None:
    state = tmp_path / "google.state"
    async with running.simulator(google.build(state=state, redirect_uris=[google_api.REDIRECT])) as first:
        await first.sim("POST", "/accounts", {"email": "kim@example.com"})
        await first.sim("POST", "/reset", {})

    async with running.simulator(google.build(state=state)) as second:
        accounts = (await second.sim("GET", "/accounts"))["accounts"]
        signed_in = await google_api.sign_in(second)

    assert [account["email"] for account in accounts] == ["alex@example.com", "sam@example.com"]
    assert signed_in.token
