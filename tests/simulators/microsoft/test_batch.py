"""JSON batches, limits and faults."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.simulators.microsoft import models
from tests.simulators.microsoft.api import timed

if TYPE_CHECKING:
    from tests.simulators.microsoft.api import Api, Reply
    from tests.simulators.running import Simulator

JSON = {"Content-Type": "application/json"}


async def batch(alex: Api, *calls: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The responses of a batch by id, each body judged."""
    reply = await alex.call("POST", "/$batch", {"requests": list(calls)}, check=False)
    assert reply.status == 200, reply.body
    responses = {one["id"]: one for one in json.loads(reply.body)["responses"]}
    for call in calls:
        if "body" in responses[call["id"]]:
            raw = json.dumps(responses[call["id"]]["body"]).encode()
            models.check(call["method"], "/" + call["url"].lstrip("/"), responses[call["id"]]["status"], raw)
    return responses


def get(id_: str, url: str = "/me/calendars", **more: Any) -> dict[str, Any]:
    """A GET of a batch."""
    return {"id": id_, "method": "GET", "url": url, **more}


def post(id_: str, body: dict[str, Any], **more: Any) -> dict[str, Any]:
    """A POST of an event."""
    return {"id": id_, "method": "POST", "url": "/me/events", "body": body, "headers": JSON, **more}


async def test_each_call_of_a_batch_has_its_own_answer(alex: Api) -> None:
    responses = await batch(
        alex,
        post("1", timed("In a batch")),
        get("2", "/me/events/nonsense"),
        get("3", "me/calendars?$top=1&$select=name", headers={"Prefer": 'outlook.timezone="UTC"'}),
    )

    assert {key: one["status"] for key, one in responses.items()} == {"1": 201, "2": 400, "3": 200}
    assert responses["1"]["body"]["subject"] == "In a batch"
    assert len(responses["3"]["body"]["value"]) == 1
    assert "request-id" in responses["1"]["headers"]


async def test_a_call_waits_for_what_it_depends_on_and_fails_with_it(alex: Api) -> None:
    responses = await batch(
        alex,
        get("a", "/me/events/nonsense"),
        post("b", timed(), dependsOn=["a"]),
        post("c", timed("First")),
        get("d", "/me/events", dependsOn=["c"]),
    )

    assert {key: one["status"] for key, one in responses.items()} == {"a": 400, "b": 424, "c": 201, "d": 200}
    assert [one["subject"] for one in responses["d"]["body"]["value"]] == ["First"]


@pytest.mark.parametrize(
    "requests",
    [
        [get(str(number)) for number in range(21)],
        [get("1"), get("1")],
        [get("1", dependsOn=["2"])],
        [{"id": "1", "method": "POST", "url": "/me/events", "body": {}}],
        [{"id": "1", "url": "/me"}],
        [],
    ],
    ids=["over twenty", "one id twice", "depends on none", "body without type", "no method", "empty"],
)
async def test_a_batch_that_cannot_be_read_is_refused_whole(alex: Api, requests: list[dict[str, Any]]) -> None:
    reply = await alex.call("POST", "/$batch", {"requests": requests}, check=False)

    assert reply.status == 400
    assert json.loads(reply.body)["error"]["code"] == "BadRequest"


@pytest.mark.parametrize(("mode", "refused"), [("wait", 0), ("refuse", 3)])
async def test_calls_over_four_wait_or_are_refused_by_the_switch(
    alex: Api, simulator: Simulator, mode: str, refused: int
) -> None:
    await simulator.faults(batch_concurrency=mode)

    responses = await batch(alex, *(get(str(number)) for number in range(7)))

    statuses = [one["status"] for one in responses.values()]
    assert statuses.count(429) == refused
    assert all("Retry-After" in one["headers"] for one in responses.values() if one["status"] == 429)


async def test_a_fifth_call_at_once_to_a_mailbox_is_429(alex: Api, sam: Api, simulator: Simulator) -> None:
    await simulator.faults(slow={"rate": 1, "seconds": 0.3}, retry_after=7)

    own, other = await asyncio.gather(
        asyncio.gather(*(alex.call("GET", "/me/calendars") for _ in range(5))), sam.call("GET", "/me/calendars")
    )

    refused = [reply for reply in own if reply.status == 429]
    assert [(reply.code, reply.headers["Retry-After"]) for reply in refused] == [("ApplicationThrottled", "7")]
    assert "MailboxConcurrency" in refused[0].body["error"]["message"]
    assert other.status == 200


async def test_the_quota_of_a_mailbox_is_used_up_and_counts_calls_of_a_batch(
    alex: Api, sam: Api, simulator: Simulator
) -> None:
    await simulator.faults(quota={"per_mailbox_10min": 3})

    responses = await batch(alex, get("1"), get("2"))
    replies = [await alex.call("GET", "/me/calendars") for _ in range(2)]
    other = await sam.call("GET", "/me/calendars")

    assert {one["status"] for one in responses.values()} == {200}
    assert [reply.status for reply in (*replies, other)] == [200, 429, 200]
    assert replies[1].code == "ApplicationThrottled"


async def test_the_documented_limits_are_on_from_the_start(simulator: Simulator) -> None:
    faults = await simulator.sim("GET", "/faults")

    assert faults["quota"]["per_mailbox_10min"] == 10_000
    assert faults["quota"]["concurrent_per_mailbox"] == 4


@pytest.mark.parametrize(
    ("switch", "status", "code"),
    [
        ("rate_429", 429, "ApplicationThrottled"),
        ("rate_403", 403, "ErrorAccessDenied"),
        ("rate_5xx", 503, "ServiceUnavailable"),
    ],
)
async def test_faults_by_chance_have_graphs_shape(
    alex: Api, simulator: Simulator, switch: str, status: int, code: str
) -> None:
    await simulator.faults(**{switch: 1})

    reply = await alex.call("GET", "/me/events")

    assert (reply.status, reply.code) == (status, code)
    assert ("Retry-After" in reply.headers) == (status != 403)


async def test_a_write_may_be_done_and_still_time_out(alex: Api, simulator: Simulator) -> None:
    await simulator.faults(commit_then_504=1)
    reply: Reply = await alex.call("POST", "/me/events", timed("Done", transactionId="t"))
    await simulator.faults(commit_then_504=0)

    again = await alex.create(timed("Done", transactionId="t"))

    assert reply.status == 504
    assert [one["id"] for one in (await alex.call("GET", "/me/events")).value] == [again["id"]]


@pytest.mark.parametrize("answer", ["html", "truncated", "wrong_type", "null"])
async def test_answers_may_be_unusable(alex: Api, simulator: Simulator, answer: str) -> None:
    await alex.create(timed())
    await simulator.faults(answer=answer)

    reply = await alex.call("GET", "/me/events", check=False)

    assert reply.status == 200
    try:
        resource = json.loads(reply.body)
    except ValueError:
        resource = None
    assert not (isinstance(resource, dict) and isinstance(resource.get("value"), list))


async def test_requests_are_counted_by_route(alex: Api, simulator: Simulator) -> None:
    await simulator.sim("POST", "/requests/reset")
    await alex.create(timed())
    await batch(alex, get("1"), get("2"))

    counts = {
        (one["route"], one["status"]): one["count"] for one in (await simulator.sim("GET", "/requests"))["requests"]
    }

    assert counts == {("POST /me/events", 201): 1, ("GET /me/calendars", 200): 2, ("POST /$batch", 200): 1}
