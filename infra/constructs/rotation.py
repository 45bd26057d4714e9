"""The schedule by which Secrets Manager has a secret rotated."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aws_cdk import Aws
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_secretsmanager as secretsmanager

if TYPE_CHECKING:
    from aws_cdk import Stack


def rotate(stack: Stack, secret: secretsmanager.ISecret, *, by: lambda_.Function, every: int) -> None:
    """Have `by` take the four steps of a rotation every so many days; the first time after as many.

    Not CDK's RotationSchedule: it grants `by` what it thinks a rotation needs.
    """
    name = secret.node.id.removeprefix("Secret")
    allowed = lambda_.CfnPermission(
        stack,
        f"MayRotate{name}",
        action="lambda:InvokeFunction",
        function_name=by.function_arn,
        principal="secretsmanager.amazonaws.com",
        source_account=Aws.ACCOUNT_ID,
        source_arn=secret.secret_arn,
    )
    schedule = secretsmanager.CfnRotationSchedule(
        stack,
        f"Rotation{name}",
        secret_id=secret.secret_arn,
        rotation_lambda_arn=by.function_arn,
        rotation_rules=secretsmanager.CfnRotationSchedule.RotationRulesProperty(
            schedule_expression=f"rate({every} days)"
        ),
        rotate_immediately_on_update=False,
    )
    schedule.add_resource_dependency(allowed)
