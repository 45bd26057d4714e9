"""The stages, as data. One template serves all; what differs between them stands here and nowhere else."""

from __future__ import annotations

from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

    from infra.catalogue import QueueName

type StageName = Literal["local", "dev", "staging", "prod"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """How one installation differs from another.

    `workers` are the event-source maximum concurrencies of the queues (AWS wants 2 to 1,000 each): together they
    bound the database connections that queued work opens.
    """

    name: StageName
    platform: Literal["host", "arm64"]
    deployable: bool
    """False: CloudFormation itself refuses the template, until there is reason to trust it with real calendars."""
    gates_open: bool
    """Whether sync, OAuth, jobs and webhooks start switched on."""
    keeps_data: bool
    """Whether the key, secrets, queues and logs outlive the stack."""
    log_retention_days: int
    requests_per_second: int
    burst: int
    workers: Mapping[QueueName, int]


_PROD = Stage(
    name="prod",
    platform="arm64",
    deployable=False,
    gates_open=False,
    keeps_data=True,
    log_retention_days=90,
    requests_per_second=200,
    burst=400,
    workers=MappingProxyType({"pull": 10, "push": 10, "backfill": 4}),
)
_STAGING = replace(_PROD, name="staging", log_retention_days=30)
_DEV = replace(_PROD, name="dev", deployable=True, keeps_data=False, log_retention_days=14)
_LOCAL = replace(
    _DEV,
    name="local",
    platform="host",
    gates_open=True,
    log_retention_days=1,
    requests_per_second=1000,
    burst=2000,
    workers=MappingProxyType({"pull": 3, "push": 3, "backfill": 2}),
)

STAGES: Mapping[StageName, Stage] = MappingProxyType({s.name: s for s in (_LOCAL, _DEV, _STAGING, _PROD)})
