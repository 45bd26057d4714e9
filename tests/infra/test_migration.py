"""Each deployment migrates the database, before code that needs it is put to work."""

from __future__ import annotations

import io
import json
import sys
import types
from typing import TYPE_CHECKING, Any

import pytest

from functions.ops.run import Migrate
from infra import assets
from infra.catalogue import CATALOGUE
from tests.infra.conftest import HOOK, ON_AWS, Template, read

if TYPE_CHECKING:
    from collections.abc import Callable

    type Call = Callable[..., tuple[str, str | None, list[dict[str, Any]]]]


@pytest.fixture(params=ON_AWS)
def application(request: pytest.FixtureRequest) -> Template:
    """The application of each stage on AWS in turn."""
    return read(request.param)


def hook(template: Template) -> dict[str, Any]:
    """The Lambda that CloudFormation invokes."""
    (found,) = (f for f in template.of_type("AWS::Lambda::Function").values() if f["Handler"] == HOOK)
    return found


@pytest.fixture
def call(monkeypatch: pytest.MonkeyPatch) -> Call:
    """Run the inline code as Lambda would, with AWS's two modules in its place; answers status, reason, invocations."""

    def run(event: dict[str, Any], answer: dict[str, Any]) -> tuple[str, str | None, list[dict[str, Any]]]:
        sent: list[tuple[str, str | None]] = []
        invoked: list[dict[str, Any]] = []

        def invoke(**arguments: Any) -> dict[str, Any]:
            invoked.append(arguments)
            return answer

        def send(event: Any, context: Any, status: str, data: Any, identifier: str, *, reason: str | None) -> None:
            sent.append((status, reason))

        client = types.SimpleNamespace(invoke=invoke)
        boto3 = types.SimpleNamespace(client=lambda service, config: client)
        response = types.SimpleNamespace(SUCCESS="SUCCESS", FAILED="FAILED", send=send)
        monkeypatch.setitem(sys.modules, "boto3", boto3)
        monkeypatch.setitem(sys.modules, "cfnresponse", response)
        module: dict[str, Any] = {}
        exec(hook(read("dev"))["Code"]["ZipFile"], module)  # noqa: S102 - our own code, as the template carries it
        module["handler"](event, None)
        ((status, reason),) = sent
        return status, reason, invoked

    return run


def test_every_other_function_waits_for_the_migration(application: Template) -> None:
    resources = application.body["Resources"]
    (migration,) = (name for name, resource in resources.items() if resource["Type"] == "Custom::Migration")

    waiting = {
        resource["Properties"]["Handler"]
        for resource in resources.values()
        if resource["Type"] == "AWS::Lambda::Function" and migration in resource.get("DependsOn", [])
    }

    assert waiting == {line.handler for line in CATALOGUE} - {"functions.ops.run.handler"}


def test_migration_runs_again_for_new_code(application: Template) -> None:
    (migration,) = application.of_type("Custom::Migration").values()

    code = assets.package(assets.code())

    assert migration["Code"] == code.fingerprint
    assert "OpsRun" in migration["Function"]["Ref"]


def test_hook_may_invoke_the_operations_function_and_write_its_log(application: Template) -> None:
    statements = application.statements(hook(application))

    allowed = {json.dumps(statement["Action"]) for statement in statements}
    (target,) = (s["Resource"] for s in statements if s["Action"] == "lambda:InvokeFunction")

    assert allowed == {'["logs:CreateLogStream", "logs:PutLogEvents"]', '"lambda:InvokeFunction"'}
    assert "OpsRun" in target["Fn::GetAtt"][0]
    assert "VpcConfig" not in hook(application)


def test_laptop_has_no_hook() -> None:
    template = read("local")

    assert template.of_type("Custom::Migration") == {}
    assert len(template.of_type("AWS::Lambda::Function")) == len(CATALOGUE)


@pytest.mark.parametrize("kind", ["Create", "Update"])
def test_hook_sends_the_command_that_the_operations_function_knows(call: Call, kind: str) -> None:
    event = {"RequestType": kind, "ResourceProperties": {"Function": "kalends-dev-ops-run"}}

    status, reason, invoked = call(event, {"StatusCode": 200})

    assert (status, reason) == ("SUCCESS", None)
    assert [one["FunctionName"] for one in invoked] == ["kalends-dev-ops-run"]
    assert Migrate.model_validate_json(invoked[0]["Payload"]).command == "migrate"


def test_hook_stops_the_deployment_with_the_reason_when_the_migration_fails(call: Call) -> None:
    event = {"RequestType": "Update", "ResourceProperties": {"Function": "kalends-dev-ops-run"}}
    failure = {"FunctionError": "Unhandled", "Payload": io.BytesIO(b'{"errorMessage": "0004 does not apply"}')}

    status, reason, _ = call(event, failure)

    assert status == "FAILED"
    assert reason == "The migration failed: 0004 does not apply"


def test_hook_leaves_the_database_alone_when_the_stack_is_deleted(call: Call) -> None:
    status, _, invoked = call({"RequestType": "Delete", "ResourceProperties": {}}, {})

    assert status == "SUCCESS"
    assert invoked == []
