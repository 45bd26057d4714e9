"""The judge can fail: it sees fields that Graph v1.0 does not have, and values that its models cannot hold."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.simulators.microsoft import models
from tests.simulators.microsoft.api import event_path, timed

if TYPE_CHECKING:
    from tests.simulators.microsoft.api import Api
    from tests.simulators.running import Simulator


@pytest.mark.parametrize(
    "wrong",
    [{"colour": "red"}, {"showAs": "absent"}, {"body": {"contentType": "html", "length": 3}}],
    ids=["unknown field", "unknown member", "unknown field inside"],
)
async def test_an_answer_the_models_do_not_know_fails(alex: Api, wrong: dict[str, Any]) -> None:
    made = await alex.create(timed())

    with pytest.raises((AssertionError, ValueError)):
        models.check("GET", "/me/events/x", 200, json.dumps({**made, **wrong}).encode())


async def test_uid_and_occurrence_id_come_only_when_switched_on(alex: Api, simulator: Simulator) -> None:
    made = await alex.create(timed())
    await simulator.faults(newer_fields=True)

    reply = await alex.call("GET", event_path(made["id"]), check=False)

    newer = json.loads(reply.body)
    assert set(newer) - set(made) == {"uid", "occurrenceId"}
    assert newer["uid"] == made["iCalUId"]
