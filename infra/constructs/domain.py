"""A domain of one's own in front of the API, with its certificate: for installations that name one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aws_cdk import CfnCondition, CfnParameter, CfnRule, CfnRuleAssertion, Fn
from aws_cdk import aws_apigatewayv2 as http
from aws_cdk import aws_certificatemanager as acm
from aws_cdk import aws_route53 as route53
from constructs import Construct

if TYPE_CHECKING:
    from aws_cdk import Stack

    from infra.constructs.api import Api


class Domain(Construct):
    """What the parameters DomainName and HostedZoneId ask for; nothing at all without the first.

    The certificate is proved by a record in the hosted zone, which must be in the same account (ACM User Guide, "DNS
    validation"), and renews by itself. TLS 1.2 at least.
    """

    def __init__(self, stack: Stack, api: Api) -> None:
        super().__init__(stack, "Domain")
        name = CfnParameter(
            stack,
            "DomainName",
            default="",
            allowed_pattern="([a-z0-9-]+\\.)+[a-z]{2,}|",
            description="Domain of this installation, for example calendar.example.com; empty: the address AWS gives",
        ).value_as_string
        zone = CfnParameter(
            stack,
            "HostedZoneId",
            default="",
            allowed_pattern="Z[A-Z0-9]+|",
            description="Route 53 hosted zone in which DomainName is",
        ).value_as_string
        wanted = Fn.condition_not(Fn.condition_equals(name, ""))
        CfnRule(
            stack,
            "DomainHasZone",
            rule_condition=wanted,
            assertions=[
                CfnRuleAssertion(
                    assert_=Fn.condition_not(Fn.condition_equals(zone, "")),
                    assert_description="DomainName needs HostedZoneId, the Route 53 zone in which it is.",
                )
            ],
        )
        condition = CfnCondition(stack, "HasDomain", expression=wanted)
        certificate = acm.CfnCertificate(
            self,
            "Certificate",
            domain_name=name,
            validation_method="DNS",
            domain_validation_options=[
                acm.CfnCertificate.DomainValidationOptionProperty(domain_name=name, hosted_zone_id=zone)
            ],
        )
        domain = http.CfnDomainName(
            self,
            "Name",
            domain_name=name,
            domain_name_configurations=[
                http.CfnDomainName.DomainNameConfigurationProperty(
                    certificate_arn=certificate.ref, endpoint_type="REGIONAL", security_policy="TLS_1_2"
                )
            ],
        )
        mapping = http.CfnApiMapping(
            self, "Mapping", api_id=api.api.api_id, domain_name=domain.ref, stage=api.default_stage.ref
        )
        record = route53.CfnRecordSet(
            self,
            "Record",
            hosted_zone_id=zone,
            name=name,
            type="A",
            alias_target=route53.CfnRecordSet.AliasTargetProperty(
                dns_name=domain.attr_regional_domain_name, hosted_zone_id=domain.attr_regional_hosted_zone_id
            ),
        )
        for resource in (certificate, domain, mapping, record):
            resource.cfn_options.condition = condition
