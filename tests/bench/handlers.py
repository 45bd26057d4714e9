"""Handlers: the webhook when it is warm, and what a cold start has to import."""

from __future__ import annotations

import hashlib
import json
import os
import statistics
import subprocess
import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from aiohttp import web

from infra import ROOT, imports
from infra.catalogue import CATALOGUE
from shared.store.database import Database
from tests import installation
from tests.bench.table import Row
from tests.postgres import RUNTIME
from tests.smoke.live import percentile
from tests.sync.world import World, event

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.bench.table import Measured
    from tests.postgres import Logins, Server

COLD = ("webhooks-google", "webhooks-microsoft", "workers-pull", "workers-push", "workers-backfill")
MOST_MILLISECONDS = 2.5
TOKEN, RESOURCE = "proof", "memory"


def warm(server: Server, *, turns: int = 300) -> list[Row]:
    """A notification in the handler: verified, marked, enqueued, with a queue that answers at once."""
    with server.database() as logins, installation.serve(_aws(logins)) as endpoint:
        job = {
            "channel": _channel(logins),
            "token": TOKEN,
            "resource": RESOURCE,
            "database": logins.operator,
            "turns": turns,
        }
        settings = installation.settings_for(endpoint, endpoint, pull_queue_url=f"{endpoint}/000000000000/pull")
        ran = subprocess.run(
            [sys.executable, "-m", "tests.bench.webhook", json.dumps(job)],
            cwd=ROOT,
            env={**os.environ, **_environment(settings.model_dump()), **_access(endpoint)},
            capture_output=True,
            text=True,
            check=False,
        )
    if ran.returncode:
        raise RuntimeError(f"the webhook failed:\n{ran.stderr}{ran.stdout}")
    found: dict[str, list[float]] = json.loads(ran.stdout.splitlines()[-1])
    enqueued = _spread(found["enqueued"])
    return [
        Row(
            work="webhook, warm: verify, mark, enqueue",
            ours=enqueued,
            limit=_spread(found["bare"]),
            limit_name="one update and one bare POST",
            target=f"{MOST_MILLISECONDS} ms",
            met=enqueued["ms (p50)"] <= MOST_MILLISECONDS,
        ),
        Row(work="webhook, warm, while a message waits already", ours=_spread(found["waiting"])),
    ]


def cold(names: Sequence[str] = COLD) -> list[Row]:
    """What importing these handlers costs, as they are deployed."""
    rows = []
    for line in CATALOGUE:
        if line.name not in names:
            continue
        found = imports.cost(line)
        milliseconds, megabytes = imports.limits(line)
        rows.append(
            Row(
                work=f"cold import of {line.name}",
                ours={
                    "processor ms": round(found.cpu_milliseconds),
                    "ms": round(found.wall_milliseconds),
                    "MB": round(found.megabytes),
                },
                target=f"{milliseconds} ms, {megabytes} MB",
                met=replace(found, slowness=1.0).within(line),
            )
        )
    return rows


def _spread(milliseconds: list[float]) -> Measured:
    return {"ms (p50)": statistics.median(milliseconds), "ms (p95)": percentile(milliseconds, 0.95)}


def _channel(logins: Logins) -> str:
    """An open channel of a linked calendar; answers its id."""
    world = World(Database(logins.runtime))
    calendar, other = world.calendar("a"), world.calendar("b")
    world.put(calendar, event("e1"))
    world.link(calendar, other)
    channel = str(uuid4())
    with world.database.everyone() as conn:
        conn.execute(
            "UPDATE webhook_channels SET channel_id = %s, token_hash = %s, resource_id = %s WHERE calendar_id = %s",
            (channel, hashlib.sha256(TOKEN.encode()).digest(), RESOURCE, calendar),
        )
    world.database.close()
    return channel


def _aws(logins: Logins) -> web.Application:
    """As much of AWS as the webhook needs, without its time: the database's secret, and a queue that takes all."""
    secret = logins.secret(RUNTIME)

    async def answer(request: web.Request) -> web.Response:
        asked = json.loads(await request.read() or b"{}")
        if request.headers["X-Amz-Target"].endswith("GetSecretValue"):
            return _json({"Name": asked["SecretId"], "SecretString": secret})
        entries = asked.get("Entries", [])
        taken = [
            {
                "Id": entry["Id"],
                "MessageId": str(uuid4()),
                "MD5OfMessageBody": hashlib.md5(entry["MessageBody"].encode(), usedforsecurity=False).hexdigest(),
            }
            for entry in entries
        ]
        return _json({"Successful": taken})

    application = web.Application()
    application.router.add_post("/", answer)
    return application


def _json(body: dict[str, Any]) -> web.Response:
    return web.json_response(body, content_type="application/x-amz-json-1.0")


def _environment(settings: dict[str, object]) -> dict[str, str]:
    return {
        name.upper(): json.dumps(value) if isinstance(value, bool) else str(value) for name, value in settings.items()
    }


def _access(endpoint: str) -> dict[str, str]:
    return {
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_DEFAULT_REGION": "eu-central-1",
        "AWS_ACCESS_KEY_ID": "none",
        "AWS_SECRET_ACCESS_KEY": "none",
        "AWS_CONFIG_FILE": os.devnull,
    }
