"""The synthesized templates, made once for all tests of the infrastructure."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import pytest

from infra import synth
from infra.stages import STAGES

if TYPE_CHECKING:
    from infra.stages import StageName


HOOK = "index.handler"
"""The one Lambda that is not the product's: CloudFormation invokes it to have the database migrated."""


@dataclass(frozen=True, slots=True)
class Template:
    """A CloudFormation template, read for questions."""

    stage: StageName
    body: dict[str, Any]

    def of_type(self, kind: str) -> dict[str, dict[str, Any]]:
        """The properties of all resources of a type such as `AWS::SQS::Queue`, by logical id."""
        return {
            name: resource["Properties"]
            for name, resource in self.body["Resources"].items()
            if resource["Type"] == kind
        }

    def functions(self) -> dict[str, dict[str, Any]]:
        """The properties of the product's Lambdas, by handler."""
        return {
            properties["Handler"]: properties
            for properties in self.of_type("AWS::Lambda::Function").values()
            if properties["Handler"] != HOOK
        }

    def statements(self, function: dict[str, Any]) -> list[dict[str, Any]]:
        """The IAM statements of a Lambda's role."""
        role = function["Role"]["Fn::GetAtt"][0]
        return [
            statement
            for policy in self.of_type("AWS::IAM::Policy").values()
            if {"Ref": role} in policy["Roles"]
            for statement in policy["PolicyDocument"]["Statement"]
        ]


type StackName = Literal["Data", "Application", "Observability", "Firewall"]
ON_AWS: tuple[StageName, ...] = ("dev", "staging", "prod")


def read(stage: StageName, stack: StackName = "Application") -> Template:
    """A template of a stage, synthesized if it is not current."""
    folder = synth.assembly(stage) if synth.is_current(stage) else synth.synthesize(STAGES[stage])
    return Template(stage, json.loads((folder / f"{stack}.template.json").read_text()))


@pytest.fixture(scope="session", params=list(STAGES))
def template(request: pytest.FixtureRequest) -> Template:
    """Each stage's application in turn."""
    return read(request.param)


@pytest.fixture(scope="session", params=ON_AWS)
def data(request: pytest.FixtureRequest) -> Template:
    """The network and database of each stage on AWS in turn."""
    return read(request.param, "Data")
