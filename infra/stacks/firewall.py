"""What CloudFront takes only from us-east-1: a firewall (AWS WAF) and the domain's certificate."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aws_cdk import CfnOutput, CfnParameter, Environment, Stack
from aws_cdk import aws_certificatemanager as acm
from aws_cdk import aws_wafv2 as waf

from infra.catalogue import CATALOGUE, Http
from infra.constructs.closed import close_unless_deployable
from infra.constructs.front import DOMAIN, ZONE

if TYPE_CHECKING:
    from constructs import Construct

    from infra.stages import Stage

REGION = "us-east-1"
REQUESTS_PER_ADDRESS = 2_000
"""In five minutes; whoever sends more is refused until it is less."""
# Rules that would stop what is ours, so they count only. Bodies are JSON that the API validates, of events whose texts
# are HTML, and up to the API's own limit; Microsoft's codes make long queries; scripts of our API name no agent.
COUNT_ONLY = (
    "CrossSiteScripting_BODY",
    "EC2MetaDataSSRF_BODY",
    "GenericLFI_BODY",
    "GenericRFI_BODY",
    "NoUserAgent_HEADER",
    "SizeRestrictions_BODY",
    "SizeRestrictions_QUERYSTRING",
)


class Firewall(Stack):
    """The firewall and certificate of a stage that has a front; their ARNs are its outputs."""

    def __init__(self, scope: Construct, stage: Stage) -> None:
        super().__init__(
            scope,
            "Firewall",
            stack_name=f"kalends-{stage.name}-firewall",
            description=f"Kalends ({stage.name}): firewall and certificate for CloudFront",
            env=Environment(region=REGION),
            termination_protection=stage.keeps_data,
        )
        domain, zone = (
            CfnParameter(self, name, allowed_pattern=pattern, description=meaning).value_as_string
            for name, pattern, meaning in (DOMAIN, ZONE)
        )
        certificate = acm.CfnCertificate(
            self,
            "Certificate",
            domain_name=domain,
            validation_method="DNS",
            domain_validation_options=[
                acm.CfnCertificate.DomainValidationOptionProperty(domain_name=domain, hosted_zone_id=zone)
            ],
        )
        acl = waf.CfnWebACL(
            self,
            "Rules",
            name=f"kalends-{stage.name}",
            scope="CLOUDFRONT",
            default_action=waf.CfnWebACL.DefaultActionProperty(allow={}),
            visibility_config=_visible(f"kalends-{stage.name}"),
            rules=[
                _rule(
                    0,
                    "TooMany",
                    waf.CfnWebACL.StatementProperty(
                        rate_based_statement=waf.CfnWebACL.RateBasedStatementProperty(
                            aggregate_key_type="IP",
                            limit=REQUESTS_PER_ADDRESS,
                            scope_down_statement=_not(_paths("POST", _webhooks())),
                        )
                    ),
                    block=True,
                ),
                _rule(
                    1,
                    "Providers",
                    _any(_paths("POST", _webhooks()), _paths("GET", r"^/(oauth|auth)/[a-z]+/callback$")),
                    block=False,
                ),
                _managed(2, "AWSManagedRulesAmazonIpReputationList"),
                _managed(3, "AWSManagedRulesCommonRuleSet", count=COUNT_ONLY),
                _managed(4, "AWSManagedRulesKnownBadInputsRuleSet"),
            ],
        )
        CfnOutput(self, "CertificateArn", value=certificate.ref)
        CfnOutput(self, "WebAclArn", value=acl.attr_arn)
        close_unless_deployable(self, stage)


def _webhooks() -> str:
    """Where providers post: they come from few addresses, many at a time, and prove themselves to the handler."""
    routes = [route for line in CATALOGUE if isinstance(line.trigger, Http) for route in line.trigger.routes]
    names = [route.removeprefix("POST /webhooks/") for route in routes if route.startswith("POST /webhooks/")]
    return f"^/webhooks/({'|'.join(names)})$"


def _paths(method: str, pattern: str) -> waf.CfnWebACL.StatementProperty:
    """Requests with this method, and a path of this pattern."""
    as_it_is = [waf.CfnWebACL.TextTransformationProperty(priority=0, type="NONE")]
    return waf.CfnWebACL.StatementProperty(
        and_statement=waf.CfnWebACL.AndStatementProperty(
            statements=[
                waf.CfnWebACL.StatementProperty(
                    byte_match_statement=waf.CfnWebACL.ByteMatchStatementProperty(
                        field_to_match=waf.CfnWebACL.FieldToMatchProperty(method={}),
                        positional_constraint="EXACTLY",
                        search_string=method,
                        text_transformations=as_it_is,
                    )
                ),
                waf.CfnWebACL.StatementProperty(
                    regex_match_statement=waf.CfnWebACL.RegexMatchStatementProperty(
                        field_to_match=waf.CfnWebACL.FieldToMatchProperty(uri_path={}),
                        regex_string=pattern,
                        text_transformations=as_it_is,
                    )
                ),
            ]
        )
    )


def _not(statement: waf.CfnWebACL.StatementProperty) -> waf.CfnWebACL.StatementProperty:
    return waf.CfnWebACL.StatementProperty(not_statement=waf.CfnWebACL.NotStatementProperty(statement=statement))


def _any(*statements: waf.CfnWebACL.StatementProperty) -> waf.CfnWebACL.StatementProperty:
    return waf.CfnWebACL.StatementProperty(or_statement=waf.CfnWebACL.OrStatementProperty(statements=list(statements)))


def _rule(
    priority: int, name: str, statement: waf.CfnWebACL.StatementProperty, *, block: bool
) -> waf.CfnWebACL.RuleProperty:
    action = waf.CfnWebACL.RuleActionProperty(**{"block" if block else "allow": {}})
    return waf.CfnWebACL.RuleProperty(
        name=name, priority=priority, statement=statement, action=action, visibility_config=_visible(name)
    )


def _managed(priority: int, name: str, *, count: tuple[str, ...] = ()) -> waf.CfnWebACL.RuleProperty:
    """A rule group that AWS keeps (AWS WAF Developer Guide, "AWS Managed Rules rule groups list")."""
    only_count = waf.CfnWebACL.RuleActionProperty(count={})
    return waf.CfnWebACL.RuleProperty(
        name=name,
        priority=priority,
        override_action=waf.CfnWebACL.OverrideActionProperty(none={}),
        statement=waf.CfnWebACL.StatementProperty(
            managed_rule_group_statement=waf.CfnWebACL.ManagedRuleGroupStatementProperty(
                vendor_name="AWS",
                name=name,
                rule_action_overrides=[
                    waf.CfnWebACL.RuleActionOverrideProperty(name=one, action_to_use=only_count) for one in count
                ]
                or None,
            )
        ),
        visibility_config=_visible(name),
    )


def _visible(name: str) -> waf.CfnWebACL.VisibilityConfigProperty:
    """Counted, but no samples: they would show cookies and codes to whoever may look at the console."""
    return waf.CfnWebACL.VisibilityConfigProperty(
        cloud_watch_metrics_enabled=True, metric_name=name, sampled_requests_enabled=False
    )
