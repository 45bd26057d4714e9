"""A domain and its certificate are there for who names one, and cost nobody else anything."""

from __future__ import annotations

from typing import Any

import pytest

from infra.stages import STAGES
from tests.infra.conftest import ON_AWS, read

BY_CHOICE = [stage for stage in ON_AWS if not STAGES[stage].has_front]

KINDS = {
    "AWS::CertificateManager::Certificate",
    "AWS::ApiGatewayV2::DomainName",
    "AWS::ApiGatewayV2::ApiMapping",
    "AWS::Route53::RecordSet",
}


@pytest.mark.parametrize("stage", BY_CHOICE)
def test_domain_is_made_only_when_it_is_named(stage: Any) -> None:
    body = read(stage).body

    conditions = {r["Type"]: r.get("Condition") for r in body["Resources"].values() if r["Type"] in KINDS}

    assert conditions == dict.fromkeys(KINDS, "HasDomain")
    assert body["Conditions"]["HasDomain"] == {"Fn::Not": [{"Fn::Equals": [{"Ref": "DomainName"}, ""]}]}
    assert body["Parameters"]["DomainName"]["Default"] == ""


def test_domain_without_its_zone_is_refused_before_anything_is_made() -> None:
    rule = read("dev").body["Rules"]["DomainHasZone"]

    (assertion,) = rule["Assertions"]

    assert rule["RuleCondition"] == {"Fn::Not": [{"Fn::Equals": [{"Ref": "DomainName"}, ""]}]}
    assert assertion["Assert"] == {"Fn::Not": [{"Fn::Equals": [{"Ref": "HostedZoneId"}, ""]}]}


def test_certificate_is_proved_in_the_zone_and_speaks_tls_of_today() -> None:
    template = read("dev")

    (certificate,) = template.of_type("AWS::CertificateManager::Certificate").values()
    (domain,) = template.of_type("AWS::ApiGatewayV2::DomainName").values()

    assert certificate["DomainValidationOptions"] == [
        {"DomainName": {"Ref": "DomainName"}, "HostedZoneId": {"Ref": "HostedZoneId"}}
    ]
    assert [c["SecurityPolicy"] for c in domain["DomainNameConfigurations"]] == ["TLS_1_2"]


def test_laptop_has_no_domain() -> None:
    body = read("local").body

    assert not KINDS & {resource["Type"] for resource in body["Resources"].values()}
    assert "DomainName" not in body["Parameters"]
