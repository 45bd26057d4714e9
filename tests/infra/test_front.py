"""CloudFront and its firewall: what is ours passes, and the API answers nobody who came another way."""

from __future__ import annotations

import ast
import json
import re
from typing import TYPE_CHECKING, Any

import pytest

from functions import front as checked
from infra import ROOT
from infra.catalogue import CATALOGUE, Http
from infra.constructs import front
from infra.stacks import firewall
from infra.stages import STAGES
from tests.infra.conftest import ON_AWS, read

if TYPE_CHECKING:
    from infra.catalogue import Function

WITH_FRONT = [stage for stage in ON_AWS if STAGES[stage].has_front]
HTTP = [line for line in CATALOGUE if isinstance(line.trigger, Http)]


@pytest.fixture(scope="session", params=WITH_FRONT)
def stage(request: pytest.FixtureRequest) -> Any:
    """Each stage with a front in turn."""
    return request.param


def rules(stage: Any) -> list[dict[str, Any]]:
    """The firewall's rules in their order."""
    (acl,) = read(stage, "Firewall").of_type("AWS::WAFv2::WebACL").values()
    return sorted(acl["Rules"], key=lambda rule: int(rule["Priority"]))


def holds(statement: dict[str, Any], method: str, path: str) -> bool:
    """What AWS WAF makes of a statement that looks at method and path only."""
    ((kind, content),) = statement.items()
    match kind:
        case "AndStatement":
            return all(holds(one, method, path) for one in content["Statements"])
        case "OrStatement":
            return any(holds(one, method, path) for one in content["Statements"])
        case "NotStatement":
            return not holds(content["Statement"], method, path)
        case "ByteMatchStatement":
            assert content["FieldToMatch"] == {"Method": {}}
            return bool(content["SearchString"] == method)
        case "RegexMatchStatement":
            assert content["FieldToMatch"] == {"UriPath": {}}
            return bool(re.search(content["RegexString"], path))
    raise AssertionError(kind)


def test_some_stage_has_a_front() -> None:
    assert WITH_FRONT


@pytest.mark.parametrize("route", [route for line in HTTP for route in line.trigger.routes if "/webhooks/" in route])
def test_notifications_pass_before_any_rule_group_and_without_limit(stage: Any, route: str) -> None:
    method, path = route.split()

    many, providers, *groups = rules(stage)

    assert not holds(many["Statement"]["RateBasedStatement"]["ScopeDownStatement"], method, path)
    assert providers["Action"] == {"Allow": {}}
    assert holds(providers["Statement"], method, path)
    assert all("ManagedRuleGroupStatement" in group["Statement"] for group in groups)


@pytest.mark.parametrize("path", ["/oauth/google/callback", "/oauth/microsoft/callback", "/auth/google/callback"])
def test_answers_of_consent_pages_pass_with_whatever_code_they_bring_but_not_without_limit(
    stage: Any, path: str
) -> None:
    many, providers, *_ = rules(stage)

    assert holds(many["Statement"]["RateBasedStatement"]["ScopeDownStatement"], "GET", path)
    assert holds(providers["Statement"], "GET", path)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/webhooks/google"),
        ("POST", "/webhooks/other"),
        ("POST", "/webhooks/google/../../api/v1/me"),
        ("POST", "/oauth/google/callback"),
        ("GET", "/oauth/google/callback/x"),
        ("POST", "/api/v1/links"),
        ("GET", "/"),
    ],
)
def test_everything_else_meets_every_rule(stage: Any, method: str, path: str) -> None:
    many, providers, *_ = rules(stage)

    assert holds(many["Statement"]["RateBasedStatement"]["ScopeDownStatement"], method, path)
    assert not holds(providers["Statement"], method, path)


def test_large_bodies_and_texts_of_events_are_counted_but_not_stopped(stage: Any) -> None:
    groups = {
        rule["Statement"]["ManagedRuleGroupStatement"]["Name"]: rule["Statement"]["ManagedRuleGroupStatement"]
        for rule in rules(stage)[2:]
    }

    overrides = groups["AWSManagedRulesCommonRuleSet"]["RuleActionOverrides"]

    assert {one["Name"] for one in overrides} == set(firewall.COUNT_ONLY)
    assert {"SizeRestrictions_BODY", "SizeRestrictions_QUERYSTRING"} < set(firewall.COUNT_ONLY)
    assert all(one["ActionToUse"] == {"Count": {}} for one in overrides)
    assert "AWSManagedRulesKnownBadInputsRuleSet" in groups


def test_firewall_keeps_no_samples_of_requests(stage: Any) -> None:
    (acl,) = read(stage, "Firewall").of_type("AWS::WAFv2::WebACL").values()

    visible = [acl["VisibilityConfig"], *(rule["VisibilityConfig"] for rule in rules(stage))]

    assert {one["SampledRequestsEnabled"] for one in visible} == {False}


def test_cloudfront_passes_everything_on_and_keeps_nothing(stage: Any) -> None:
    template = read(stage)
    (distribution,) = template.of_type("AWS::CloudFront::Distribution").values()
    config = distribution["DistributionConfig"]
    behavior, (origin,) = config["DefaultCacheBehavior"], config["Origins"]

    assert set(behavior["AllowedMethods"]) == {"GET", "HEAD", "OPTIONS", "PUT", "PATCH", "POST", "DELETE"}
    # Managed policies CachingDisabled and AllViewerExceptHostHeader (CloudFront Developer Guide).
    assert behavior["CachePolicyId"] == "4135ea2d-6df8-44a3-9df3-4b5a84be39ad"
    assert behavior["OriginRequestPolicyId"] == "b689b0a8-53d0-40ab-baf2-68738e2966ac"
    assert origin["CustomOriginConfig"]["OriginProtocolPolicy"] == "https-only"
    assert origin["CustomOriginConfig"]["OriginReadTimeout"] > 30
    assert config["WebACLId"] == {"Ref": "WebAclArn"}
    assert config["ViewerCertificate"]["MinimumProtocolVersion"] == "TLSv1.2_2021"


def test_cloudfront_shows_the_secret_that_the_functions_check(stage: Any) -> None:
    template = read(stage)
    (distribution,) = template.of_type("AWS::CloudFront::Distribution").values()
    (secret,) = (name for name in template.of_type("AWS::SecretsManager::Secret") if "Origin" in name)

    (header,) = distribution["DistributionConfig"]["Origins"][0]["OriginCustomHeaders"]

    assert header["HeaderName"] == checked.ORIGIN_HEADER == front.ORIGIN_HEADER
    assert header["HeaderValue"]["Fn::Join"][1][0] == "{{resolve:secretsmanager:"
    assert {"Ref": secret} in header["HeaderValue"]["Fn::Join"][1]
    for line in HTTP:
        assert template.functions()[line.handler]["Environment"]["Variables"]["ORIGIN_SECRET_ID"] == {"Ref": secret}


def test_a_changed_secret_reaches_cloudfront_by_a_changed_word(stage: Any) -> None:
    (distribution,) = read(stage).of_type("AWS::CloudFront::Distribution").values()

    assert {"Ref": "OriginTurn"} in distribution["DistributionConfig"]["Comment"]["Fn::Join"][1]


def test_viewer_is_named_in_the_header_that_the_functions_read(stage: Any) -> None:
    (function,) = read(stage).of_type("AWS::CloudFront::Function").values()

    assert f'headers["{checked.VIEWER_HEADER}"] = {{ value: event.viewer.ip }}' in function["FunctionCode"]
    assert checked.VIEWER_HEADER == front.VIEWER_HEADER


@pytest.mark.parametrize("line", HTTP, ids=lambda line: line.name)
def test_every_function_that_answers_http_refuses_what_did_not_pass_the_front(line: Function) -> None:
    source = (ROOT / line.handler.removesuffix(".handler").replace(".", "/")).with_suffix(".py").read_text()

    (handler,) = (n for n in ast.walk(ast.parse(source)) if isinstance(n, ast.FunctionDef) and n.name == "handler")

    assert [ast.unparse(decorator) for decorator in handler.decorator_list] == ["observed", "fronted"]


def test_firewall_and_certificate_stand_where_cloudfront_looks_for_them(stage: Any) -> None:
    manifest = json.loads((ROOT / "cdk.out" / stage / "manifest.json").read_text())

    regions = {
        name: artifact["environment"].rpartition("/")[2]
        for name, artifact in manifest["artifacts"].items()
        if artifact["type"] == "aws:cloudformation:stack"
    }

    assert regions["Firewall"] == "us-east-1"
    assert set(regions.values()) == {"us-east-1", "unknown-region"}


@pytest.mark.parametrize("other", [name for name in STAGES if not STAGES[name].has_front])
def test_other_stages_have_nothing_of_it(other: Any) -> None:
    template = read(other)

    assert template.of_type("AWS::CloudFront::Distribution") == {}
    assert "ORIGIN_SECRET_ID" not in json.dumps(template.body)
