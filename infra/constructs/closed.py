"""A stage that may not be deployed yet: CloudFormation itself refuses its stacks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aws_cdk import CfnRule, CfnRuleAssertion, Fn, Stack

if TYPE_CHECKING:
    from infra.stages import Stage


def close_unless_deployable(stack: Stack, stage: Stage) -> None:
    """Add a rule that never holds to the stack of a stage that is not deployable."""
    if not stage.deployable:
        CfnRule(
            stack,
            "NotYet",
            assertions=[
                CfnRuleAssertion(
                    assert_=Fn.condition_equals("deployable", stage.name), assert_description=stage.closed_because
                )
            ],
        )
