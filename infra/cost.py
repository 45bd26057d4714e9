"""What an installation costs a month: `python -m infra.cost [PEOPLE ...] [--stage dev|staging|prod] [--help]`.

Prices are AWS's list prices for us-east-1 in US dollars, without free tiers, taxes and support; they are data below.
How long functions run and how much people change are inputs: measure them (make bench, CloudWatch) and pass them.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass, fields
from types import MappingProxyType
from typing import TYPE_CHECKING

from infra import alerts
from infra.catalogue import CATALOGUE, Schedule
from infra.stages import STAGES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from infra.stages import Cloud

HOURS = 730
DAYS = 30

NAT_GATEWAY_PRICE = 0.045 * HOURS + 0.005 * HOURS
"""One NAT gateway with its public IPv4 address, a month: 32.85 + 3.65."""
NAT_PRICE_PER_GB = 0.045
ENDPOINT_PRICE = 0.01 * HOURS
"""One interface endpoint in one availability zone, a month."""
ENDPOINTS = 3
SERVER_PRICES: Mapping[str, float] = MappingProxyType({"t4g.micro": 0.016 * HOURS, "t4g.medium": 0.065 * HOURS})
"""RDS for PostgreSQL in one zone, a month; twice that in two zones, and so the disk."""
DISK_PRICE_PER_GB = 0.115
LAMBDA_PRICE_PER_GB_SECOND = 0.0000133334  # arm64
LAMBDA_PRICE_PER_CALL = 0.20 / 1e6
API_PRICE_PER_CALL = 1.00 / 1e6
SQS_PRICE_PER_CALL = 0.40 / 1e6
LOG_PRICE_PER_GB = 0.50
KEY_PRICE = 1.00
SECRET_PRICE = 0.40
ALARM_PRICE = 0.10
KEYS, SECRETS = 3, 7
# A consumer of a queue asks with five long polls of 20 seconds at once, day and night.
POLLS = 3 * 5 * 3 * 60 * 24 * DAYS


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What one person causes, and what a run takes. The defaults are guesses to be replaced by measurements."""

    changes: float = 12
    """Changes of events per person and day, all calendars together."""
    mirrors: float = 2
    """Writes that one change leads to."""
    pages: float = 30
    """Requests of pages and of the API per person and day."""
    webhook_ms: float = 40
    pull_ms: float = 400
    push_ms: float = 600
    page_ms: float = 80
    schedule_ms: float = 500
    event_kilobytes: float = 3
    """What one change leaves in the database."""
    log_kilobytes: float = 1.5
    """What one run of a function writes to its log."""
    traffic_kilobytes: float = 60
    """What one pull or push exchanges with a provider."""


def monthly(cloud: Cloud, people: int, load: Load) -> dict[str, float]:
    """Dollars a month by what they are for, in the first year's last month for the disk."""
    changes = people * load.changes * DAYS
    pulls, pushes, pages = 2 * changes, changes * load.mirrors, people * load.pages * DAYS  # an echo is pulled as well
    ticks = sum(_ticks(line.trigger) for line in CATALOGUE if isinstance(line.trigger, Schedule))
    runs = {
        "webhook": (pulls, load.webhook_ms, 256),
        "pull": (pulls, load.pull_ms, 512),
        "push": (pushes, load.push_ms, 512),
        "page": (pages, load.page_ms, 512),
        "schedule": (ticks, load.schedule_ms, 256),
    }
    calls = sum(count for count, _, _ in runs.values())
    gigabyte_seconds = sum(count * ms / 1000 * memory / 1024 for count, ms, memory in runs.values())
    disk = max(cloud.database.storage, 12 * changes * load.event_kilobytes / 1e6)
    zones = 2 if cloud.database.two_zones else 1
    traffic = (pulls + pushes) * load.traffic_kilobytes / 1e6
    alarms = sum(len(tuple(alerts.subjects(rule))) for rule in alerts.rules())
    return {
        "NAT": cloud.network.nat_gateways * NAT_GATEWAY_PRICE
        + (traffic * NAT_PRICE_PER_GB if cloud.network.nat_gateways else 0),
        "endpoints": ENDPOINTS * cloud.network.endpoint_zones * ENDPOINT_PRICE,
        "database": zones * (SERVER_PRICES[cloud.database.instance] + disk * DISK_PRICE_PER_GB),
        "functions": calls * LAMBDA_PRICE_PER_CALL + gigabyte_seconds * LAMBDA_PRICE_PER_GB_SECOND,
        "API": (pulls + pages) * API_PRICE_PER_CALL,
        "queues": (POLLS + 3 * (pulls + pushes)) * SQS_PRICE_PER_CALL,
        "logs": calls * load.log_kilobytes / 1e6 * LOG_PRICE_PER_GB,
        "keys, secrets, alarms": KEYS * KEY_PRICE + SECRETS * SECRET_PRICE + alarms * ALARM_PRICE,
    }


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
    for field in fields(Load):
        parser.add_argument(f"--{field.name.replace('_', '-')}", type=float, default=field.default)
    given = vars(parser.parse_args())
    cloud = STAGES[given["stage"]].cloud
    if cloud is None:
        raise AssertionError("argparse offers only stages on AWS")
    load = Load(**{field.name: given[field.name] for field in fields(Load)})
    print(table(cloud, given["people"], load))


if __name__ == "__main__":
    main()
