"""What an installation costs a month: `python -m infra.cost [PEOPLE ...] [--stage dev|staging|prod] [--help]`.

Prices are list prices of us-east-1 in US dollars, on demand, without free tiers, taxes and support, of November 2026.
AWS's own lists could not be asked from where this was written: the prices were compared with what others published in
2026 (that of a secret: in 2024). Not counted, being small or rare here: X-Ray, requests to KMS and Secrets Manager,
backups beyond the disk's size, data between zones, and the dollar that each of a key's first two yearly rotations adds.

How long functions run was measured (`make bench`); how much people change is assumed. Both are options.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass, fields, replace
from types import MappingProxyType
from typing import TYPE_CHECKING

from infra import alerts
from infra.catalogue import CATALOGUE, Queue, Schedule
from infra.stages import STAGES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from infra.stages import Cloud

HOURS = 730
DAYS = 30

NAT_GATEWAY_PRICE = 0.045 * HOURS + 0.005 * HOURS
"""One NAT gateway with its public IPv4 address, a month: 32.85 + 3.65."""
NAT_PRICE_PER_GB = 0.045
EGRESS_PRICE_PER_GB = 0.09
"""Data from AWS to the internet, beside what the NAT gateway takes."""
ENDPOINT_PRICE = 0.01 * HOURS
"""One interface endpoint in one availability zone, a month."""
ENDPOINTS = 3
SERVER_PRICES: Mapping[str, float] = MappingProxyType({"t4g.micro": 0.016 * HOURS, "t4g.medium": 0.065 * HOURS})
"""RDS for PostgreSQL in one zone, a month; twice that in two zones, and so the disk."""
DISK_PRICE_PER_GB = 0.115  # gp3
LAMBDA_PRICE_PER_GB_SECOND = 0.0000133334  # arm64
LAMBDA_PRICE_PER_CALL = 0.20 / 1e6
API_PRICE_PER_CALL = 1.00 / 1e6
SQS_PRICE_PER_CALL = 0.40 / 1e6
SQS_PRICE_PER_FAIR_SEND = 0.10 / 1e6
LOG_PRICE_PER_GB = 0.50
KEY_PRICE = 1.00
SECRET_PRICE = 0.40
ALARM_PRICE = 0.10
DASHBOARD_PRICE = 3.00
FIREWALL_RULES = 5
FRONT_PRICE = 5.00 + FIREWALL_RULES * 1.00
"""The firewall before CloudFront: 5 for itself, 1 for each rule or rule group. CloudFront itself has no base price."""
FRONT_PRICE_PER_CALL = 0.60 / 1e6 + 0.01 / 1e4 + 0.10 / 1e6  # firewall, CloudFront by HTTPS, its function
CLOUDFRONT_PRICE_PER_GB = 0.085
KEYS, SECRETS = 3, 7
# A consumer of a queue asks with five long polls of 20 seconds at once, day and night.
POLLS = sum(isinstance(line.trigger, Queue) for line in CATALOGUE) * 5 * 3 * 60 * 24 * DAYS
CORE = 1769
"""Megabytes with which a Lambda has a whole processor; with less, as much less of it (Developer Guide, "Memory")."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What one person causes, and what a run takes.

    The milliseconds are those of `make bench` of 22 November 2026, on a whole processor beside its database, and taken
    as processor time altogether: a Lambda with a third of a processor is counted to take three times as long.
    """

    changes: float = 12
    """Assumed: changes of events per person and day, all calendars together."""
    mirrors: float = 2
    """Assumed: writes that one change leads to."""
    pages: float = 30
    """Assumed: requests of pages and of the API per person and day."""
    webhook_ms: float = 3.3
    """Measured: verify, mark, enqueue."""
    pull_ms: float = 64
    """Measured: ten changes read and their mirrors planned."""
    push_ms: float = 42
    """Measured: a mirror written, less the provider's time."""
    page_ms: float = 20
    """Assumed."""
    schedule_ms: float = 50
    """Assumed."""
    import_ms: float = 310
    """Measured: a cold start's import."""
    cold: float = 0.2
    """Assumed: the share of runs that start cold."""
    provider_ms: float = 250
    """Assumed: how long Google or Microsoft take for what one pull or push asks."""
    event_kilobytes: float = 3
    """Assumed: what one change leaves in the database."""
    log_kilobytes: float = 1.5
    """Assumed: what one run of a function writes to its log."""
    traffic_kilobytes: float = 60
    """Assumed: what one pull or push exchanges with a provider, a tenth of it outwards."""
    page_kilobytes: float = 20
    """Assumed: what one request of a page is answered with."""


def monthly(cloud: Cloud, people: int, load: Load) -> dict[str, float]:
    """Dollars a month by what they are for, in the first year's last month for the disk."""
    changes = people * load.changes * DAYS
    pulls, pushes, pages = 2 * changes, changes * load.mirrors, people * load.pages * DAYS  # an echo is pulled as well
    ticks = sum(_ticks(line.trigger) for line in CATALOGUE if isinstance(line.trigger, Schedule))
    runs = (  # how many, processor milliseconds, milliseconds of waiting, megabytes
        (pulls, load.webhook_ms, 0, 256),
        (pulls, load.pull_ms, load.provider_ms, 512),
        (pushes, load.push_ms, load.provider_ms, 512),
        (pages, load.page_ms, 0, 512),
        (ticks, load.schedule_ms, 0, 256),
    )
    calls = sum(count for count, *_ in runs)
    gigabyte_seconds = sum(
        count * ((busy + load.cold * load.import_ms) * CORE / memory + waiting) / 1000 * memory / 1024
        for count, busy, waiting, memory in runs
    )
    disk = max(cloud.database.storage, 12 * changes * load.event_kilobytes / 1e6)
    zones = 2 if cloud.database.two_zones else 1
    traffic = (pulls + pushes) * load.traffic_kilobytes / 1e6
    answers = pages * load.page_kilobytes / 1e6
    alarms = sum(len(tuple(alerts.subjects(rule))) for rule in alerts.rules())
    outwards = traffic / 10 + (0 if cloud.front else answers)
    costs = {
        "NAT": cloud.network.nat_gateways * NAT_GATEWAY_PRICE
        + (traffic * NAT_PRICE_PER_GB if cloud.network.nat_gateways else 0),
        "data to the internet": outwards * EGRESS_PRICE_PER_GB,
        "endpoints": ENDPOINTS * cloud.network.endpoint_zones * ENDPOINT_PRICE,
        "database": zones * (SERVER_PRICES[cloud.database.instance] + disk * DISK_PRICE_PER_GB),
        "functions": calls * LAMBDA_PRICE_PER_CALL + gigabyte_seconds * LAMBDA_PRICE_PER_GB_SECOND,
        "API": (pulls + pages) * API_PRICE_PER_CALL,
        "CloudFront and firewall": 0.0,
        "queues": (POLLS + 3 * (pulls + pushes)) * SQS_PRICE_PER_CALL + (pulls + pushes) * SQS_PRICE_PER_FAIR_SEND,
        "logs": calls * load.log_kilobytes / 1e6 * LOG_PRICE_PER_GB,
        "keys, secrets, alarms, dashboard": KEYS * KEY_PRICE
        + (SECRETS + cloud.front) * SECRET_PRICE
        + alarms * ALARM_PRICE
        + DASHBOARD_PRICE,
    }
    if cloud.front:
        costs["CloudFront and firewall"] = (
            FRONT_PRICE + (pulls + pages) * FRONT_PRICE_PER_CALL + answers * CLOUDFRONT_PRICE_PER_GB
        )
    return costs


def table(cloud: Cloud, people: list[int], load: Load) -> str:
    """The costs side by side, as Markdown."""
    columns = [monthly(cloud, count, load) for count in people]
    lines = [
        "| dollars a month | " + " | ".join(f"{count:,} people" for count in people) + " |",
        "|---|" + "---:|" * len(people),
        *(f"| {what} | " + " | ".join(f"{column[what]:.2f}" for column in columns) + " |" for what in columns[0]),
        "| **together** | " + " | ".join(f"**{sum(column.values()):.0f}**" for column in columns) + " |",
    ]
    return "\n".join(lines)


def _ticks(when: Schedule) -> float:
    """Runs a month."""
    amount, _, unit = when.expression.removeprefix("rate(").rstrip(")").partition(" ")
    if when.expression.startswith("cron("):
        return DAYS  # all of ours are nightly
    return DAYS * 24 * 60 / (float(amount) * {"minute": 1, "minutes": 1, "hour": 60, "hours": 60}[unit])


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m infra.cost", description=__doc__.partition("\n")[0])
    parser.add_argument("people", nargs="*", type=int, default=[10, 200, 2_000])
    parser.add_argument("--stage", choices=[name for name, stage in STAGES.items() if stage.cloud], default="prod")
    parser.add_argument("--without-nat", action="store_true", help="as with nat_gateways=0 in infra/stages.py")
    for field in fields(Load):
        parser.add_argument(f"--{field.name.replace('_', '-')}", type=float, default=field.default)
    given = vars(parser.parse_args())
    cloud = STAGES[given["stage"]].cloud
    if cloud is None:
        raise AssertionError("argparse offers only stages on AWS")
    if given["without_nat"]:
        cloud = replace(cloud, network=replace(cloud.network, nat_gateways=0))
    load = Load(**{field.name: given[field.name] for field in fields(Load)})
    print(table(cloud, given["people"], load))


if __name__ == "__main__":
    main()
