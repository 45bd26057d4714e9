"""The HTTP API: explicit routes from the catalogue, throttled, with an access log."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from aws_cdk import Acknowledgment, Validations
from aws_cdk import aws_apigatewayv2 as http
from aws_cdk import aws_apigatewayv2_integrations as integrations
from constructs import Construct

from infra.constructs.log_group import log_group

if TYPE_CHECKING:
    from aws_cdk import aws_kms as kms
    from aws_cdk import aws_lambda as lambda_

    from infra import catalogue
    from infra.stages import Stage

# No path, query or header: they may hold codes, states and names of calendars. The route says enough.
_ACCESS_LOG = {
    "request_id": "$context.requestId",
    "route": "$context.routeKey",
    "status": "$context.status",
    "latency_ms": "$context.responseLatency",
    "integration_error": "$context.integrationErrorMessage",
    "response_bytes": "$context.responseLength",
    "source_ip": "$context.identity.sourceIp",
    "at": "$context.requestTime",
}


class Api(Construct):
    """An HTTP API whose only routes are those that were added, on the stage `$default`."""

    def __init__(self, scope: Construct, *, stage: Stage, key: kms.IKey) -> None:
        super().__init__(scope, "Api")
        self.api = http.HttpApi(self, "Http", api_name=f"kalends-{stage.name}", create_default_stage=False)
        access = log_group(self, name=f"/aws/vendedlogs/kalends-{stage.name}/api", stage=stage, key=key)
        default = http.HttpStage(
            self,
            "Stage",
            http_api=self.api,
            stage_name="$default",
            auto_deploy=True,
            throttle=http.ThrottleSettings(rate_limit=stage.requests_per_second, burst_limit=stage.burst),
        ).node.default_child
        if not isinstance(default, http.CfnStage):
            raise TypeError("CDK no longer makes an AWS::ApiGatewayV2::Stage of an HttpStage")
        self.default_stage = default
        default.access_log_settings = http.CfnStage.AccessLogSettingsProperty(
            destination_arn=access.log_group_arn, format=json.dumps(_ACCESS_LOG)
        )
        Validations.of(self).acknowledge(
            Acknowledgment(
                id="AwsSolutions-APIG4",
                reason="The handlers check who asks: session cookies, API tokens, OAuth state bound to its session, "
                "tokens in notifications. Health and sign-in pages are for everybody.",
            )
        )

    def serve(self, trigger: catalogue.Http, name: str, target: lambda_.Function) -> None:
        """Send the routes of `trigger` to `target`, the Lambda called `name`."""
        integration = integrations.HttpLambdaIntegration(name, target)
        for route in trigger.routes:
            http.HttpRoute(
                self, _identifier(route), http_api=self.api, route_key=_route_key(route), integration=integration
            )


def _route_key(route: str) -> http.HttpRouteKey:
    if route == "$default":
        return http.HttpRouteKey.DEFAULT
    method, path = route.split(" ", 1)
    return http.HttpRouteKey.with_(path, http.HttpMethod[method])


def _identifier(route: str) -> str:
    words = "".join(character if character.isalnum() else " " for character in route.lower()).split()
    return "".join(word.title() for word in words)
