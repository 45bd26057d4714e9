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
class Network:
    """Where functions and database stand, and how functions reach the providers.

    Functions that need the internet go through `nat_gateways` (see NAT_GATEWAY_PRICE in `infra/cost.py`). With none of
    them they go by IPv6 through an egress-only gateway, which costs nothing by the hour: Google and Microsoft answer
    there, but a server that has only IPv4 cannot be reached. AWS itself is reached by interface endpoints in
    `endpoint_zones` availability zones, so functions without that need have no way out at all.
    """

    nat_gateways: int
    endpoint_zones: int
    zones: int = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Database:
    """The PostgreSQL server. `connections` is its max_connections; storage (GB) grows by itself up to `max_storage`.

    `memory` (GB) is what instances of that kind have.
    """

    instance: str
    memory: int
    two_zones: bool
    backup_days: int
    connections: int
    storage: int = 20
    max_storage: int = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Cloud:
    """What a stage has only on AWS: the embedded cloud brings a network and a database of its own."""

    network: Network
    database: Database
    front: bool
    """Whether CloudFront with a firewall stands before the API; it needs a domain (FRONT_PRICE in `infra/cost.py`)."""
    monthly_budget: int
    """Dollars; an e-mail is sent when they are spent by 80 %, or are forecast to be spent."""


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
    """Whether the database, keys, secrets, queues and logs outlive the stack."""
    log_retention_days: int
    requests_per_second: int
    burst: int
    workers: Mapping[QueueName, int]
    cloud: Cloud | None

    @property
    def has_front(self) -> bool:
        """Whether CloudFront stands before the API, and the API answers nobody else."""
        return self.cloud is not None and self.cloud.front

    @property
    def closed_because(self) -> str:
        """What is said to whoever deploys a stage that is not deployable."""
        return f"Stage {self.name} may not be deployed yet: see infra/stages.py."


_PROD = Stage(
    name="prod",
    platform="arm64",
    deployable=False,
    gates_open=False,
    keeps_data=True,
    log_retention_days=90,
    requests_per_second=200,
    burst=400,
    workers=MappingProxyType({"pull": 10, "push": 10, "repair": 4, "backfill": 4}),
    cloud=Cloud(
        network=Network(nat_gateways=2, endpoint_zones=2),
        database=Database(instance="t4g.medium", memory=4, two_zones=True, backup_days=35, connections=200),
        front=True,
        monthly_budget=400,
    ),
)
_ONE_ZONE = Cloud(
    network=Network(nat_gateways=1, endpoint_zones=1),
    database=Database(instance="t4g.micro", memory=1, two_zones=False, backup_days=7, connections=80),
    front=False,
    monthly_budget=150,
)
_STAGING = replace(_PROD, name="staging", log_retention_days=30, cloud=_ONE_ZONE)
_DEV = replace(_PROD, name="dev", deployable=True, keeps_data=False, log_retention_days=14, cloud=_ONE_ZONE)
_LOCAL = replace(
    _DEV,
    name="local",
    platform="host",
    gates_open=True,
    log_retention_days=1,
    requests_per_second=1000,
    burst=2000,
    workers=MappingProxyType({"pull": 3, "push": 3, "repair": 2, "backfill": 2}),
    cloud=None,
)

STAGES: Mapping[StageName, Stage] = MappingProxyType({s.name: s for s in (_LOCAL, _DEV, _STAGING, _PROD)})
