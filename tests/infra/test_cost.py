"""The cost table follows the stages and the measured inputs."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from infra import ROOT, cost
from infra.constructs import network
from infra.stages import STAGES
from tests.infra.conftest import read

if TYPE_CHECKING:
    from infra.stages import Cloud


def cloud_of(stage: str) -> Cloud:
    """What a stage has on AWS."""
    cloud = next(one for one in STAGES.values() if one.name == stage).cloud
    assert cloud
    return cloud


def test_a_nat_gateway_costs_what_the_vendor_says() -> None:
    assert pytest.approx(36.5) == cost.NAT_GATEWAY_PRICE


def test_without_nat_its_whole_price_is_saved() -> None:
    cloud = cloud_of("dev")
    without = replace(cloud, network=replace(cloud.network, nat_gateways=0))

    saved = cost.monthly(cloud, 0, cost.Load())["NAT"] - cost.monthly(without, 0, cost.Load())["NAT"]

    assert saved == pytest.approx(cost.NAT_GATEWAY_PRICE)


def test_a_front_costs_what_the_vendor_says_and_takes_over_what_pages_send() -> None:
    cloud = cloud_of("prod")
    without = replace(cloud, front=False)

    costs, others = (cost.monthly(one, 0, cost.Load()) for one in (cloud, without))

    assert costs["CloudFront and firewall"] == pytest.approx(10.0)
    assert others["CloudFront and firewall"] == 0
    assert (
        cost.monthly(without, 100, cost.Load())["data to the internet"]
        > (cost.monthly(cloud, 100, cost.Load())["data to the internet"])
    )


def test_every_rule_of_the_firewall_is_paid() -> None:
    (acl,) = read("prod", "Firewall").of_type("AWS::WAFv2::WebACL").values()

    assert len(acl["Rules"]) == cost.FIREWALL_RULES


def test_slower_functions_cost_more_and_nothing_else_does() -> None:
    fast, slow = (cost.monthly(cloud_of("prod"), 200, cost.Load(push_ms=ms)) for ms in (100, 1_000))

    dearer = {what for what in fast if slow[what] > fast[what]}

    assert dearer == {"functions"}


@pytest.mark.parametrize("stage", ["dev", "staging", "prod"])
def test_every_server_has_a_price(stage: str) -> None:
    assert cloud_of(stage).database.instance in cost.SERVER_PRICES


def test_what_is_counted_is_what_the_templates_hold() -> None:
    counted = {
        kind: sum(len(read("dev", stack).of_type(kind)) for stack in ("Data", "Application", "Observability"))
        for kind in ("AWS::KMS::Key", "AWS::SecretsManager::Secret", "AWS::CloudWatch::Alarm", "AWS::EC2::VPCEndpoint")
    }

    alarms = cost.monthly(cloud_of("dev"), 0, cost.Load())["keys, secrets, alarms, dashboard"]

    assert counted["AWS::KMS::Key"] == cost.KEYS
    assert counted["AWS::SecretsManager::Secret"] == cost.SECRETS
    assert counted["AWS::EC2::VPCEndpoint"] == cost.ENDPOINTS == len(network.ENDPOINTS)
    assert alarms == pytest.approx(3 + cost.KEYS + 0.4 * cost.SECRETS + 0.1 * counted["AWS::CloudWatch::Alarm"])


def test_the_handbook_shows_what_the_script_prints() -> None:
    printed = cost.table(cloud_of("prod"), [10, 200, 2_000], cost.Load())

    assert printed in (ROOT / "docs/deploy.md").read_text()


def test_the_first_page_shows_the_sums_of_the_script() -> None:
    dev = cloud_of("dev")
    stages = {
        "`prod`: two zones, firewall": cloud_of("prod"),
        "`dev`: one zone": dev,
        "`dev` without a NAT gateway": replace(dev, network=replace(dev.network, nat_gateways=0)),
    }

    rows = {
        name: " | ".join(f"{sum(cost.monthly(cloud, people, cost.Load()).values()):.0f}" for people in (10, 200, 2_000))
        for name, cloud in stages.items()
    }

    text = (ROOT / "README.md").read_text()
    assert all(f"| {name} | {sums} |" in text for name, sums in rows.items()), rows
