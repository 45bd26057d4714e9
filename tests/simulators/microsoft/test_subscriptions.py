"""Subscriptions and change notifications, which are really posted."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from infra.local.simulators import microsoft
from tests.simulators import running
from tests.simulators.microsoft import api as graph_api
from tests.simulators.microsoft.api import ALEX, IMMUTABLE, timed, weekly

if TYPE_CHECKING:
    from tests.simulators.microsoft.api import Api
    from tests.simulators.microsoft.webhooks import Webhook
    from tests.simulators.running import Simulator


def soon(minutes: float = 1000) -> str:
    """A time from now as Graph writes it."""
    return (datetime.now(UTC) + timedelta(minutes=minutes)).strftime("%Y-%m-%dT%H:%M:%S.%f0Z")


def wanted(hook: Webhook, **more: Any) -> dict[str, Any]:
    """A subscription to all of a person's events."""
    return {
        "changeType": "created,updated,deleted",
        "notificationUrl": hook.address,
        "lifecycleNotificationUrl": hook.lifecycle_address,
        "resource": "me/events",
        "expirationDateTime": soon(),
        "clientState": "secret",
        **more,
    }


async def subscribe(client: Api, hook: Webhook, **more: Any) -> dict[str, Any]:
    """A subscription that must be accepted."""
    headers = more.pop("headers", None)
    reply = await client.call("POST", "/subscriptions", wanted(hook, **more), headers=headers)
    assert reply.status == 201, reply.body
    return dict(reply.body)


def minutes_left(subscription: dict[str, Any]) -> int:
    """Minutes until a subscription ends."""
    left = datetime.fromisoformat(subscription["expirationDateTime"]) - datetime.now(UTC)
    return round(left.total_seconds() / 60)


async def test_both_addresses_are_asked_to_shake_hands(alex: Api, hook: Webhook) -> None:
    made = await subscribe(alex, hook)

    assert hook.handshakes == 2
    assert (made["resource"], made["clientState"], minutes_left(made)) == ("me/events", "secret", 1000)


@pytest.mark.parametrize(
    "how", [{"token": "wrong"}, {"content_type": "text/html"}, {"address": "http://127.0.0.1:9/nobody"}]
)
async def test_a_failed_handshake_refuses_the_subscription(alex: Api, hook: Webhook, how: dict[str, str]) -> None:
    for name, value in how.items():
        setattr(hook, name, value)

    reply = await alex.call("POST", "/subscriptions", wanted(hook))

    assert (reply.status, reply.code) == (400, "ValidationError")
    assert (await alex.call("GET", "/subscriptions")).value == []


async def test_creating_changing_and_deleting_an_event_is_told(alex: Api, hook: Webhook) -> None:
    subscription = await subscribe(alex, hook)

    made = await alex.create(timed())
    await hook.wait_for(1)
    await alex.patch(made["id"], {"subject": "x"})
    await hook.wait_for(2)
    await alex.delete(made["id"])
    told = await hook.wait_for(3)

    assert [one["changeType"] for one in told] == ["created", "updated", "deleted"]
    assert {one["subscriptionId"] for one in told} == {subscription["id"]}
    assert {one["clientState"] for one in told} == {"secret"}
    assert {one["resourceData"]["id"] for one in told} == {made["id"]}
    assert told[0]["resourceData"]["@odata.etag"] == made["@odata.etag"]
    assert set(told[0]) == {
        "subscriptionId", "subscriptionExpirationDateTime", "clientState", "tenantId", "changeType", "resource",
        "resourceData",
    }  # fmt: skip


async def test_only_the_change_types_asked_for_are_told(alex: Api, hook: Webhook) -> None:
    await subscribe(alex, hook, changeType="deleted")
    made = await alex.create(timed())

    await alex.delete(made["id"])

    assert [one["changeType"] for one in await hook.wait_for(1)] == ["deleted"]


async def test_a_subscription_may_watch_one_calendar(alex: Api, hook: Webhook) -> None:
    team = await alex.calendar_id("Team")
    await subscribe(alex, hook, resource=f"/me/calendars/{team}/events")
    await alex.create(timed("elsewhere"))

    there = await alex.create(timed("there"), calendar=team)

    assert [one["resourceData"]["id"] for one in await hook.wait_for(1)] == [there["id"]]


async def test_ids_are_immutable_when_the_subscription_was_made_so(alex: Api, hook: Webhook) -> None:
    await subscribe(alex, hook, headers=IMMUTABLE)

    made = await alex.create(timed(), Prefer='IdType="ImmutableId"')

    assert (await hook.wait_for(1))[0]["resourceData"]["id"] == made["id"]


async def test_a_changed_occurrence_tells_of_its_series(alex: Api, hook: Webhook) -> None:
    master = await alex.create(timed(recurrence=weekly("monday")))
    found = await alex.instances(master["id"], "2026-03-01", "2026-04-01")
    await subscribe(alex, hook)

    await alex.delete(found[1]["id"])

    told = (await hook.wait_for(1))[0]
    assert (told["changeType"], told["resourceData"]["id"]) == ("updated", master["id"])


async def test_one_post_holds_changes_of_several_subscriptions(alex: Api, hook: Webhook, simulator: Simulator) -> None:
    first = await subscribe(alex, hook)
    second = await subscribe(alex, hook, clientState="other")
    calendar = await alex.calendar_id("Calendar")

    await simulator.sim("POST", f"/calendars/{calendar}/events", timed())
    await hook.wait_for(2)

    assert [{one["subscriptionId"]: one["clientState"] for one in batch} for batch in hook.batches] == [
        {first["id"]: "secret", second["id"]: "other"}
    ]


async def test_what_is_not_2xx_is_tried_again(alex: Api, hook: Webhook) -> None:
    await subscribe(alex, hook)
    hook.statuses = [403]

    await alex.create(timed())

    assert len(await hook.wait_for(1)) == 1


@pytest.mark.parametrize(
    "change",
    [
        {"clientState": "x" * 129},
        {"changeType": "moved"},
        {"changeType": ""},
        {"includeResourceData": True},
        {"resource": "me/messages"},
        {"resource": "users/sam@contoso.example/events"},
        {"notificationUrl": None},
        {"notificationUrl": "ftp://127.0.0.1/x"},
        {"notificationUrl": "http://example.com/hook"},
        {"expirationDateTime": soon(20_000)},  # far enough beyond 10,080 minutes, also late in a long run
        {"expirationDateTime": "2020-01-01T00:00:00Z"},
        {"expirationDateTime": None},
        {"colour": "red"},
    ],
)
async def test_a_subscription_that_graph_does_not_take_is_refused(
    alex: Api, hook: Webhook, change: dict[str, Any]
) -> None:
    reply = await alex.call("POST", "/subscriptions", wanted(hook, **change))

    assert reply.status == 400
    assert hook.handshakes == 0


async def test_client_state_may_have_128_characters(alex: Api, hook: Webhook) -> None:
    made = await subscribe(alex, hook, clientState="x" * 128)

    assert len(made["clientState"]) == 128


async def test_a_short_life_is_raised_to_45_minutes(alex: Api, hook: Webhook) -> None:
    made = await subscribe(alex, hook, expirationDateTime=soon(5))

    assert minutes_left(made) == 45


async def test_the_longest_life_may_be_ten_minutes_less(alex: Api, hook: Webhook, simulator: Simulator) -> None:
    await simulator.faults(subscription_limit_minutes=10_070)

    reply = await alex.call("POST", "/subscriptions", wanted(hook, expirationDateTime=soon(10_075)))

    assert reply.body["error"]["message"] == "Subscription expiration can only be 10070 minutes in the future."


@pytest.mark.parametrize(("refuse", "status"), [(False, 201), (True, 409)])
async def test_a_second_subscription_to_the_same_is_taken_or_refused_by_the_switch(
    alex: Api, hook: Webhook, simulator: Simulator, refuse: bool, status: int
) -> None:
    await simulator.faults(refuse_duplicate_subscription=refuse)
    await subscribe(alex, hook)

    reply = await alex.call("POST", "/subscriptions", wanted(hook))

    assert reply.status == status


async def test_a_subscription_is_read_renewed_reauthorized_and_deleted_by_its_owner_only(
    alex: Api, sam: Api, hook: Webhook
) -> None:
    made = await subscribe(alex, hook)
    path = f"/subscriptions/{made['id']}"

    renewed = await alex.call("PATCH", path, {"expirationDateTime": soon(2000)})
    reauthorized = await alex.call("POST", f"{path}/reauthorize")
    wrong = await alex.call("PATCH", path, {"clientState": "other"})
    strangers = await sam.call("GET", path)
    listed = await alex.call("GET", "/subscriptions")
    deleted = await alex.call("DELETE", path)
    gone = await alex.call("GET", path)

    assert (renewed.status, minutes_left(renewed.body)) == (200, 2000)
    assert [reauthorized.status, wrong.status, strangers.status] == [204, 400, 404]
    assert [one["id"] for one in listed.value] == [made["id"]]
    assert [deleted.status, gone.status] == [204, 404]


async def test_a_subscription_warns_before_its_end_and_then_ends(
    alex: Api, hook: Webhook, simulator: Simulator
) -> None:
    made = await subscribe(alex, hook, expirationDateTime=soon(60))

    await simulator.faults(clock_skew=50 * 60, token_lifetime=99_999)
    warned = await hook.wait_for_lifecycle(1)
    await simulator.faults(clock_skew=61 * 60)
    alive = (await simulator.sim("GET", "/channels"))["channels"]

    assert [(one["lifecycleEvent"], one["subscriptionId"]) for one in warned] == [
        ("reauthorizationRequired", made["id"])
    ]
    assert warned[0]["clientState"] == "secret"
    assert alive == []


async def test_a_withdrawn_consent_removes_the_subscription(alex: Api, hook: Webhook, simulator: Simulator) -> None:
    await subscribe(alex, hook)

    await simulator.sim("POST", "/tokens/revoke", {"email": ALEX})

    told = await hook.wait_for_lifecycle(1)
    assert [one["lifecycleEvent"] for one in told] == ["subscriptionRemoved"]
    assert (await simulator.sim("GET", "/channels"))["channels"] == []


@pytest.mark.parametrize("event", ["reauthorizationRequired", "subscriptionRemoved", "missed"])
async def test_every_lifecycle_event_can_be_sent_by_hand(
    alex: Api, hook: Webhook, simulator: Simulator, event: str
) -> None:
    made = await subscribe(alex, hook)

    sent = await simulator.sim("POST", "/lifecycle", {"event": event, "subscription": made["id"]})

    assert sent == {"sent": 1}
    assert [one["lifecycleEvent"] for one in await hook.wait_for_lifecycle(1)] == [event]
    left = (await alex.call("GET", "/subscriptions")).value
    assert len(left) == (0 if event == "subscriptionRemoved" else 1)


async def test_an_unknown_lifecycle_event_is_refused(simulator: Simulator) -> None:
    answer = await simulator.sim("POST", "/lifecycle", {"event": "lost"}, expect=400)

    assert "missed" in answer["error"]


async def test_dropped_channels_die_without_a_word(alex: Api, hook: Webhook, simulator: Simulator) -> None:
    await subscribe(alex, hook)

    dropped = await simulator.sim("POST", "/channels/drop", {})
    await alex.create(timed())
    await asyncio.sleep(0.1)

    assert dropped == {"dropped": 1}
    assert (hook.notifications, hook.lifecycle) == ([], [])


async def test_a_slow_endpoint_gets_nothing_for_a_while_and_then_hears_that_it_missed(
    alex: Api, hook: Webhook, simulator: Simulator
) -> None:
    await simulator.faults(slow_answer_seconds=0.02)
    made = await subscribe(alex, hook)
    hook.seconds = 0.05
    for number in range(6):
        await alex.create(timed())
        await hook.wait_for(number + 1) if number < 5 else None
        await asyncio.sleep(0.08)
    told = len(hook.notifications)

    hook.seconds = 0
    await simulator.faults(clock_skew=11 * 60, token_lifetime=99_999)
    missed = await hook.wait_for_lifecycle(1)

    assert told == 5
    assert [(one["lifecycleEvent"], one["subscriptionId"]) for one in missed] == [("missed", made["id"])]


async def test_a_rather_slow_endpoint_is_told_late(alex: Api, hook: Webhook, simulator: Simulator) -> None:
    await simulator.faults(slow_answer_seconds=0.3)
    await subscribe(alex, hook)
    for number in range(8):
        hook.seconds = 0.35 if number == 6 else 0
        await alex.create(timed())
        await hook.wait_for(number + 1)
    hook.seconds = 0
    await asyncio.sleep(0.05)
    before = asyncio.get_running_loop().time()

    await alex.create(timed())
    await hook.wait_for(9)

    assert asyncio.get_running_loop().time() - before >= 0.3


@pytest.mark.parametrize(("faults", "told"), [({"drop": 1}, 0), ({"duplicate": 1}, 2)])
async def test_notifications_are_dropped_or_doubled_by_the_switch(
    alex: Api, hook: Webhook, simulator: Simulator, faults: dict[str, Any], told: int
) -> None:
    await subscribe(alex, hook)
    await simulator.faults(notifications=faults)

    await alex.create(timed())
    await asyncio.sleep(0.2)

    assert len(hook.notifications) == told


async def test_https_is_demanded_by_the_option() -> None:
    app = microsoft.build(redirect_uris=[graph_api.REDIRECT], require_https=True)
    async with running.simulator(app) as started:
        client = await graph_api.sign_in(started)
        body = {
            "changeType": "created",
            "notificationUrl": f"{started.base}/hook",
            "resource": "me/events",
            "expirationDateTime": soon(),
        }

        reply = await client.call("POST", "/subscriptions", body)

    assert reply.status == 400
    assert "https" in reply.body["error"]["message"]
