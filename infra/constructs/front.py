"""CloudFront with a firewall in front of the API, which then answers nobody else: for stages that have a front."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aws_cdk import Acknowledgment, Aws, CfnOutput, CfnParameter, Duration, Validations
from aws_cdk import aws_certificatemanager as acm
from aws_cdk import aws_cloudfront as cloudfront
from aws_cdk import aws_cloudfront_origins as origins
from aws_cdk import aws_route53 as route53
from constructs import Construct

if TYPE_CHECKING:
    from aws_cdk import Stack
    from aws_cdk import aws_secretsmanager as secretsmanager

    from infra.constructs.api import Api
    from infra.stages import Stage

# Parameter, pattern, meaning; the stack `firewall` asks for the first two as well.
DOMAIN = ("DomainName", "([a-z0-9-]+\\.)+[a-z]{2,}", "Domain of this installation, for example calendar.example.com")
ZONE = ("HostedZoneId", "Z[A-Z0-9]+", "Route 53 hosted zone in which DomainName is")
_CERTIFICATE = ("CertificateArn", "arn:aws:acm:us-east-1:.+", "Output of the stack firewall")
_RULES = ("WebAclArn", "arn:aws:wafv2:us-east-1:.+", "Output of the stack firewall")

ORIGIN_HEADER = "x-kalends-origin"
VIEWER_HEADER = "x-kalends-viewer"
"""What functions/front.py reads: the proof that a request came through here, and the address it came from."""
_ZONE_OF_CLOUDFRONT = "Z2FDTNDATAQYW2"
# A viewer cannot make this header up: it is written over.
_NAME_THE_VIEWER = f"""
function handler(event) {{
  event.request.headers["{VIEWER_HEADER}"] = {{ value: event.viewer.ip }};
  return event.request;
}}
"""


class Front(Construct):
    """Everything passes, nothing is kept: methods, queries, cookies, bodies and headers but Host.

    `origin` is the secret that CloudFront shows to the API; its value is read when the stack is deployed.
    """

    def __init__(self, stack: Stack, api: Api, *, stage: Stage, origin: secretsmanager.ISecret) -> None:
        super().__init__(stack, "Front")
        domain, zone, certificate, rules = (
            CfnParameter(stack, name, allowed_pattern=pattern, description=meaning).value_as_string
            for name, pattern, meaning in (DOMAIN, ZONE, _CERTIFICATE, _RULES)
        )
        # CloudFormation reads the secret's value only when something of the distribution changes.
        turn = CfnParameter(stack, "OriginTurn", default="1", description="Another word after the secret was changed")
        viewer = cloudfront.Function(
            self,
            "NameTheViewer",
            function_name=f"kalends-{stage.name}-viewer",
            code=cloudfront.FunctionCode.from_inline(_NAME_THE_VIEWER),
            runtime=cloudfront.FunctionRuntime.JS_2_0,
        )
        distribution = cloudfront.Distribution(
            self,
            "Distribution",
            comment=f"Kalends ({stage.name}), origin secret {turn.value_as_string}",
            domain_names=[domain],
            certificate=acm.Certificate.from_certificate_arn(self, "Certificate", certificate),
            minimum_protocol_version=cloudfront.SecurityPolicyProtocol.TLS_V1_2_2021,
            http_version=cloudfront.HttpVersion.HTTP2_AND_3,
            web_acl_id=rules,
            default_behavior=cloudfront.BehaviorOptions(
                origin=origins.HttpOrigin(
                    f"{api.api.api_id}.execute-api.{Aws.REGION}.{Aws.URL_SUFFIX}",
                    protocol_policy=cloudfront.OriginProtocolPolicy.HTTPS_ONLY,
                    origin_ssl_protocols=[cloudfront.OriginSslPolicy.TLS_V1_2],
                    read_timeout=Duration.seconds(35),  # the API ends at 30
                    custom_headers={ORIGIN_HEADER: origin.secret_value_from_json("current").unsafe_unwrap()},
                ),
                viewer_protocol_policy=cloudfront.ViewerProtocolPolicy.REDIRECT_TO_HTTPS,
                allowed_methods=cloudfront.AllowedMethods.ALLOW_ALL,
                cache_policy=cloudfront.CachePolicy.CACHING_DISABLED,
                origin_request_policy=cloudfront.OriginRequestPolicy.ALL_VIEWER_EXCEPT_HOST_HEADER,
                function_associations=[
                    cloudfront.FunctionAssociation(
                        function=viewer, event_type=cloudfront.FunctionEventType.VIEWER_REQUEST
                    )
                ],
            ),
        )
        Validations.of(distribution).acknowledge(
            Acknowledgment(id="AwsSolutions-CFR1", reason="People travel, and providers post from anywhere."),
            Acknowledgment(
                id="AwsSolutions-CFR3",
                reason="The API logs each request without its query; CloudFront's log would hold OAuth codes.",
            ),
        )
        for kind in ("A", "AAAA"):
            route53.CfnRecordSet(
                self,
                f"Record{kind}",
                hosted_zone_id=zone,
                name=domain,
                type=kind,
                alias_target=route53.CfnRecordSet.AliasTargetProperty(
                    dns_name=distribution.distribution_domain_name, hosted_zone_id=_ZONE_OF_CLOUDFRONT
                ),
            )
        CfnOutput(stack, "FrontUrl", value=f"https://{domain}")
