"""Push channels: what is posted, when, and when no longer."""

from __future__ import annotations

import asyncio
import time
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

import pytest

from infra.local.simulators import google
from tests.simulators import running
from tests.simulators.google import api as google_api
from tests.simulators.google.samples import timed

if TYPE_CHECKING:
    from tests.simulators.google.api import Api, Reply
    from tests.simulators.running import Simulator, Webhook


async def _watch(api: Api, address: str, channel_id: str = "channel-1", **fields: Any) -> Reply:
    body = {"id": channel_id, "type": "web_hook", "address": address, **fields}
    return await api.call("POST", api.events("watch"), body)


async def test_a_watch_answers_the_channel_and_posts_sync_as_number_one(alex: Api, hook: Webhook) -> None:
    reply = await _watch(alex, hook.address, token="verify-me")

    channel = reply.body
    assert channel["kind"] == "api#channel"
    assert (channel["id"], channel["token"]) == ("channel-1", "verify-me")
    assert 6.9 * 86400 < int(channel["expiration"]) / 1000 - time.time() <= 7 * 86400
    sync = (await hook.wait_for(1))[0]
    assert sync.body == b""
    assert sync.headers["X-Goog-Channel-ID"] == "channel-1"
    assert sync.headers["X-Goog-Channel-Token"] == "verify-me"
    assert sync.headers["X-Goog-Resource-ID"] == channel["resourceId"]
    assert sync.headers["X-Goog-Resource-URI"] == channel["resourceUri"]
    assert sync.headers["X-Goog-Resource-State"] == "sync"
    assert sync.headers["X-Goog-Message-Number"] == "1"
    expiration = parsedate_to_datetime(sync.headers["X-Goog-Channel-Expiration"])
    assert expiration.timestamp() == int(channel["expiration"]) // 1000


async def test_each_change_posts_exists_with_growing_numbers_and_one_resource_id(alex: Api, hook: Webhook) -> None:
    await _watch(alex, hook.address)
    await hook.wait_for(1)

    event = await alex.insert(timed())
    await hook.wait_for(2)
    await alex.patch(event["id"], {"summary": "x"})
    await hook.wait_for(3)
    await alex.delete(event["id"])
    received = await hook.wait_for(4)

    numbers = [int(request.headers["X-Goog-Message-Number"]) for request in received]
    assert numbers == sorted(set(numbers))
    assert [request.headers["X-Goog-Resource-State"] for request in received] == ["sync", "exists", "exists", "exists"]
    assert len({request.headers["X-Goog-Resource-ID"] for request in received}) == 1
    assert "X-Goog-Channel-Token" not in received[0].headers


async def test_a_persons_change_posts_too_and_a_bulk_only_once(alex: Api, simulator: Simulator, hook: Webhook) -> None:
    await _watch(alex, hook.address)

    await simulator.sim("POST", "/calendars/alex@example.com/events:bulk", {"events": [timed()] * 20})
    await simulator.sim("POST", "/calendars/alex@example.com/events", timed())

    await hook.wait_for(3)
    await asyncio.sleep(0.05)
    assert len(hook.received) == 3


async def test_another_calendar_is_not_told(alex: Api, sam: Api, hook: Webhook) -> None:
    await _watch(alex, hook.address)

    await sam.insert(timed())

    await asyncio.sleep(0.05)
    assert len(hook.received) == 1


async def test_a_channel_id_is_never_good_twice(alex: Api, hook: Webhook) -> None:
    first = (await _watch(alex, hook.address)).body

    twice = await _watch(alex, hook.address)
    await alex.call("POST", "/channels/stop", {"id": first["id"], "resourceId": first["resourceId"]})
    after_stop = await _watch(alex, hook.address)

    assert [(reply.status, reply.reason) for reply in (twice, after_stop)] == [(400, "channelIdNotUnique")] * 2


async def test_stopping_needs_the_id_and_the_resource_id(alex: Api, hook: Webhook) -> None:
    channel = (await _watch(alex, hook.address)).body

    wrong = await alex.call("POST", "/channels/stop", {"id": "channel-1", "resourceId": "other"})
    right = await alex.call("POST", "/channels/stop", {"id": "channel-1", "resourceId": channel["resourceId"]})
    await alex.insert(timed())

    assert (wrong.status, wrong.reason) == (404, "notFound")
    assert right.status == 204
    await asyncio.sleep(0.05)
    assert len(hook.received) == 1


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"id": ""}, "required"),
        ({"id": "x" * 65}, "invalid"),
        ({"id": "no spaces"}, "invalid"),
        ({"type": "email"}, "push.channelTypeNotSupported"),
        ({"address": "http://hooks.example/x"}, "push.webhookUrlNotHttps"),
        ({"address": ""}, "required"),
        ({"expiration": "soon"}, "invalid"),
    ],
)
async def test_a_wrong_channel_is_refused(alex: Api, hook: Webhook, fields: dict[str, Any], reason: str) -> None:
    reply = await _watch(alex, **{"address": hook.address, **fields})

    assert (reply.status, reply.reason) == (400, reason)


async def test_loopback_needs_no_https_unless_it_is_required(hook: Webhook) -> None:
    app = google.build(redirect_uris=[google_api.REDIRECT], require_https=True)
    async with running.simulator(app) as strict:
        reply = await _watch(await google_api.sign_in(strict), hook.address)

    assert (reply.status, reply.reason) == (400, "push.webhookUrlNotHttps")


async def test_a_channel_lives_as_long_as_asked_and_at_most_seven_days(
    alex: Api, simulator: Simulator, hook: Webhook
) -> None:
    hour, year = int((time.time() + 3600) * 1000), int((time.time() + 365 * 86400) * 1000)

    short = await _watch(alex, hook.address, "short", expiration=str(hour))
    long = await _watch(alex, hook.address, "long", expiration=str(year))
    by_ttl = await _watch(alex, hook.address, "ttl", params={"ttl": "3600"})
    await hook.wait_for(3)
    await simulator.faults(clock_skew=7200)
    await simulator.sim("POST", "/calendars/alex@example.com/events", timed())

    assert short.body["expiration"] == str(hour)
    assert int(long.body["expiration"]) < time.time() * 1000 + 7.01 * 86400 * 1000
    assert abs(int(by_ttl.body["expiration"]) - hour) < 5000
    told = (await hook.wait_for(4))[3:]
    assert [request.headers["X-Goog-Channel-ID"] for request in told] == ["long"]
    assert [channel["id"] for channel in (await simulator.sim("GET", "/channels"))["channels"]] == ["long"]


async def test_server_errors_are_retried_with_the_same_number_and_refusals_are_not(
    alex: Api, simulator: Simulator, hook: Webhook
) -> None:
    hook.statuses += [503]
    await _watch(alex, hook.address)
    received = await hook.wait_for(2)
    hook.statuses += [403]
    await alex.insert(timed())
    await hook.wait_for(3)
    await asyncio.sleep(0.05)

    assert [request.headers["X-Goog-Message-Number"] for request in received] == ["1", "1"]
    counts = await simulator.sim("GET", "/deliveries")
    assert (counts["delivered"], counts["retries"], counts["refused"]) == (1, 1, 1)


async def test_notifications_are_dropped_or_doubled_by_switch(alex: Api, simulator: Simulator, hook: Webhook) -> None:
    await _watch(alex, hook.address)
    await hook.wait_for(1)

    await simulator.faults(notifications={"drop": 1})
    await alex.insert(timed())
    await simulator.faults(notifications={"drop": 0, "duplicate": 1})
    await alex.insert(timed())

    received = (await hook.wait_for(3))[1:]
    await asyncio.sleep(0.05)
    assert len(hook.received) == 3
    assert received[0].headers["X-Goog-Message-Number"] == received[1].headers["X-Goog-Message-Number"]


async def test_a_delay_holds_notifications_back(alex: Api, simulator: Simulator, hook: Webhook) -> None:
    await simulator.faults(notifications={"delay_seconds": 0.3})

    started = time.monotonic()
    await _watch(alex, hook.address)

    await hook.wait_for(1)
    assert time.monotonic() - started >= 0.3


async def test_dropped_channels_die_silently(alex: Api, simulator: Simulator, hook: Webhook) -> None:
    await _watch(alex, hook.address)
    await hook.wait_for(1)

    dropped = await simulator.sim("POST", "/channels/drop", {})
    await alex.insert(timed())

    assert dropped == {"dropped": 1}
    await asyncio.sleep(0.05)
    assert len(hook.received) == 1


async def test_deleting_a_calendar_posts_not_exists(alex: Api, simulator: Simulator, hook: Webhook) -> None:
    club = (await simulator.sim("POST", "/accounts/alex@example.com/calendars", {"summary": "Club"}))["id"]
    body = {"id": "club", "type": "web_hook", "address": hook.address}
    await alex.call("POST", alex.events("watch", calendar=club), body)

    await alex.call("DELETE", f"/calendars/{club}")

    received = await hook.wait_for(2)
    assert received[1].headers["X-Goog-Resource-State"] == "not_exists"
