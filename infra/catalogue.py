"""Every Lambda, one line each: what runs, when, and what it may touch.

A handler string is the path on disk and the import path in one. The words in `needs` become environment variables
and IAM statements in `constructs/function.py`, which is the only place that knows how; a function gets nothing that
does not stand here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

type QueueName = Literal["pull", "push", "repair", "backfill"]
type Need = Literal[
    "database",  # sign in to PostgreSQL as the runtime role
    "database_owner",  # ... as the role that runs migrations
    "database_operator",  # ... as the role of the runbooks
    "database_rotation",  # read, write and put to use the passwords of runtime and operator
    "key_ring",  # open sealed tokens and event texts
    "session",  # sign and check session cookies
    "oauth_clients",  # the client ids and secrets at the providers
    "webhook_signing",  # make and check the tokens that providers send back
    "pull_queue",
    "push_queue",
    "repair_queue",
    "backfill_queue",  # send to these queues
    "dead_letters",  # look through the dead letters of all queues and delete them
    "event_bus",  # publish domain events
    "origin",  # check that a request came through CloudFront: what answers HTTP needs it in a stage with a front
    "internet",  # reach the providers; no IAM, but an egress rule once the functions stand in a VPC
]


@dataclass(frozen=True, slots=True)
class Http:
    """Requests to these routes, written as API Gateway writes them."""

    routes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Queue:
    """Messages of one queue, at most `batch` at a time, with partial failures."""

    name: QueueName
    batch: int = 1


@dataclass(frozen=True, slots=True)
class Schedule:
    """A rate or cron expression of EventBridge Scheduler, in UTC. `retries` is 0 where the next tick makes good."""

    expression: str
    retries: int = 0


@dataclass(frozen=True, slots=True)
class Invoke:
    """Nothing calls it but whoever IAM allows to invoke it."""


@dataclass(frozen=True, slots=True)
class Rotation:
    """Secrets Manager, for the passwords of runtime and operator: every `days`. On AWS only."""

    days: int = 30


type Trigger = Http | Queue | Schedule | Invoke | Rotation


@dataclass(frozen=True, slots=True)
class Function:
    """One Lambda: `memory` in MB, `timeout` in seconds (29 at most behind the HTTP API, which ends at 30)."""

    handler: str
    trigger: Trigger
    needs: tuple[Need, ...]
    memory: int = 256
    timeout: int = 29

    @property
    def name(self) -> str:
        """Its short name: `functions.workers.pull.handler` is `workers-pull`."""
        return "-".join(self.handler.split(".")[1:-1]).replace("_", "-")


type Needs = tuple[Need, ...]

_LANES: Needs = ("pull_queue", "push_queue", "repair_queue", "backfill_queue")
_SIGN_IN: Needs = ("database", "key_ring", "session", "oauth_clients")
_CONNECT: Needs = (*_SIGN_IN, "internet")
_TOKENS: Needs = ("database", "key_ring", "oauth_clients", "internet")
_QUEUEING: Needs = ("database", *_LANES)
_DISPATCH: Needs = (*_QUEUEING, "dead_letters", "event_bus")
_WEB: Needs = (*_SIGN_IN, "webhook_signing", *_LANES, "internet")
_HOOK: Needs = ("database", "pull_queue", "repair_queue", "backfill_queue")
_WINDOWS: Needs = (*_QUEUEING, "key_ring")
_SYNC: Needs = (*_TOKENS, "webhook_signing", *_LANES)
_ROTATE: Needs = ("database_owner", "database_rotation")
_OPS: Needs = (*_WEB, *_ROTATE, "database_operator")

_API = ("ANY /api/{proxy+}", "GET /openapi.json")
_CALLBACKS = ("GET /oauth/{provider}/callback", "GET /auth/google/callback", "GET /auth/microsoft/callback")
_FEEDS = ("GET /feeds/{token}", "HEAD /feeds/{token}")
_HEALTH = ("GET /healthz", "GET /readyz", "GET /health")
_MINUTE = Schedule("rate(1 minute)")
_TEN_MINUTES = Schedule("rate(10 minutes)", retries=1)
_QUARTER_HOUR = Schedule("rate(15 minutes)", retries=1)
_NIGHTLY = Schedule("cron(10 3 * * ? *)", retries=2)

# fmt: off
CATALOGUE: tuple[Function, ...] = (
    Function("functions.api.rest.handler", Http(_API), _WEB, memory=512),
    Function("functions.portal.pages.handler", Http(("$default",)), _WEB, memory=512),
    Function("functions.oauth.start.handler", Http(("GET /oauth/{provider}/start",)), _SIGN_IN),
    Function("functions.oauth.callback.handler", Http(_CALLBACKS), _CONNECT, memory=512),
    Function("functions.webhooks.google.handler", Http(("POST /webhooks/google",)), _HOOK, timeout=10),
    Function("functions.webhooks.microsoft.handler", Http(("POST /webhooks/microsoft",)), _HOOK, timeout=10),
    Function("functions.feeds.read.handler", Http(_FEEDS), ("database", "key_ring"), memory=512),
    Function("functions.health.healthz.handler", Http(_HEALTH), ("database", "key_ring"), timeout=10),
    Function("functions.workers.pull.handler", Queue("pull", batch=5), _SYNC, memory=512, timeout=60),
    Function("functions.workers.push.handler", Queue("push"), _SYNC, memory=512, timeout=60),
    Function("functions.workers.repair.handler", Queue("repair"), _SYNC, memory=512, timeout=120),
    Function("functions.workers.backfill.handler", Queue("backfill"), _SYNC, memory=512, timeout=120),
    Function("functions.schedules.dispatch.handler", _MINUTE, _DISPATCH, timeout=50),
    Function("functions.schedules.renew_channels.handler", _QUARTER_HOUR, _TOKENS, timeout=300),
    Function("functions.schedules.refresh_tokens.handler", _TEN_MINUTES, _TOKENS, timeout=300),
    Function("functions.schedules.discover_calendars.handler", _TEN_MINUTES, _TOKENS, timeout=300),
    Function("functions.schedules.advance_windows.handler", _NIGHTLY, _WINDOWS, timeout=300),
    Function("functions.schedules.expire_journal.handler", _NIGHTLY, ("database",), timeout=300),
    Function("functions.rotation.database_users.handler", Rotation(), _ROTATE, timeout=60),
    Function("functions.ops.run.handler", Invoke(), _OPS, memory=512, timeout=300),
)
# fmt: on
