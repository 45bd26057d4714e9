"""The switchboard at Google's API: what each switch does, in Google's shapes."""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter
from typing import TYPE_CHECKING

import pytest

from tests.simulators.google.samples import timed

if TYPE_CHECKING:
    from tests.simulators.google.api import Api
    from tests.simulators.running import Simulator


@pytest.mark.parametrize(
    ("switch", "status", "reason"),
    [
        ("rate_429", 429, "rateLimitExceeded"),
        ("rate_403", 403, "rateLimitExceeded"),
        ("rate_5xx", 503, "backendError"),
    ],
)
async def test_a_call_is_refused_before_anything_happens(
    alex: Api, simulator: Simulator, switch: str, status: int, reason: str
) -> None:
    await simulator.faults(**{switch: 1, "retry_after": 3})

    reply = await alex.call("POST", alex.events(), timed(id="event1"))

    await simulator.faults(**{switch: 0})
    assert (reply.status, reply.reason) == (status, reason)
    assert reply.headers.get("Retry-After") == ("3" if status == 429 else None)
    assert (await alex.call("GET", alex.events("event1"))).status == 404


async def test_a_share_of_calls_fails_and_a_seed_repeats_it(alex: Api, simulator: Simulator) -> None:
    async def statuses() -> list[int]:
        await simulator.faults(rate_429=0.3, seed=7)
        return [(await alex.call("GET", "/colors")).status for _ in range(40)]

    first, second = await statuses(), await statuses()

    assert first == second
    assert 3 < Counter(first)[429] < 25


async def test_a_write_is_done_and_answered_504(alex: Api, simulator: Simulator) -> None:
    await simulator.faults(commit_then_504=1)

    write = await alex.call("POST", alex.events(), timed(id="event1"))
    read = await alex.call("GET", alex.events("event1"))

    assert (write.status, read.status) == (504, 200)


async def test_slow_calls_do_not_hold_up_others(alex: Api, simulator: Simulator) -> None:
    await simulator.faults(slow={"rate": 1, "seconds": 0.3})

    started = time.monotonic()
    await asyncio.gather(*(alex.call("GET", "/colors") for _ in range(5)))

    assert 0.3 <= time.monotonic() - started < 0.9


@pytest.mark.parametrize("how", ["html", "truncated", "wrong_type", "null"])
async def test_answers_are_spoiled(alex: Api, simulator: Simulator, how: str) -> None:
    await alex.insert(timed())
    await simulator.faults(answer=how)

    reply = await alex.call("GET", alex.events(), check=False)
    await simulator.faults(answer=None)

    assert reply.status == 200
    if how == "html":
        assert reply.headers["Content-Type"].startswith("text/html")
    elif how == "truncated":
        with pytest.raises(ValueError, match="line 1"):
            json.loads(reply.body)
    elif how == "null":
        assert reply.body == b"null"
    else:
        assert isinstance(json.loads(reply.body)["items"], str)


@pytest.mark.parametrize(
    ("quota", "status", "reason"),
    [
        ("per_user_minute", 403, "userRateLimitExceeded"),
        ("per_project_minute", 403, "rateLimitExceeded"),
        ("per_mailbox_10min", 429, "rateLimitExceeded"),
    ],
)
async def test_quotas_run_out(alex: Api, simulator: Simulator, quota: str, status: int, reason: str) -> None:
    await simulator.faults(quota={quota: 5})

    replies = [await alex.call("GET", "/colors") for _ in range(12)]

    refused = [reply for reply in replies if reply.status != 200]
    assert refused  # a window may turn once, so five or ten are let through
    assert {(reply.status, reply.reason) for reply in refused} == {(status, reason)}


async def test_a_quota_is_one_persons_own(alex: Api, sam: Api, simulator: Simulator) -> None:
    await simulator.faults(quota={"per_user_minute": 1})
    for _ in range(3):
        await alex.call("GET", "/colors")

    reply = await sam.call("GET", "/colors")

    assert reply.status == 200


async def test_the_clock_may_be_wrong(alex: Api, simulator: Simulator) -> None:
    await simulator.faults(clock_skew=-3600)

    event = await alex.insert(timed())
    reply = await alex.call("GET", "/colors")

    assert abs(time.time() - 3600 - _seconds(event["updated"])) < 10
    hour_ago = time.strftime("%a, %d %b %Y %H:", time.gmtime(time.time() - 3600))
    assert reply.headers["Date"][:20] == hour_ago


async def test_unknown_or_impossible_switches_are_refused_and_change_nothing(simulator: Simulator) -> None:
    before = await simulator.sim("GET", "/faults")

    unknown = await simulator.sim("PUT", "/faults", {"rate_500": 1, "seed": 2}, expect=400)
    impossible = await simulator.sim("PUT", "/faults", {"slow": {"rate": 2}}, expect=400)

    assert "rate_500" in unknown["error"]
    assert "slow.rate" in impossible["error"]
    assert await simulator.sim("GET", "/faults") == before


async def test_a_reset_turns_everything_off(simulator: Simulator) -> None:
    before = await simulator.sim("GET", "/faults")
    await simulator.faults(rate_429=1, clock_skew=60)

    await simulator.sim("POST", "/reset", {})

    assert await simulator.sim("GET", "/faults") == before


def _seconds(text: str) -> float:
    return time.mktime(time.strptime(text[:19], "%Y-%m-%dT%H:%M:%S")) - time.timezone
