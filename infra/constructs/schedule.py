"""A schedule that invokes a Lambda: the one way a schedule is made."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aws_cdk import Aws, Duration
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_scheduler as scheduler
from constructs import Construct

if TYPE_CHECKING:
    from infra import catalogue
    from infra.stages import Stage

_SHELF_LIFE = Duration.minutes(1)
"""A tick that could not be delivered for so long is dropped: the next one does its work."""


class Tick(Construct):
    """Invokes `target` at every moment of `when`, with few retries and a short event age.

    EventBridge Scheduler hands the event to Lambda's own asynchronous queue, which retries by itself: both are held
    back, else a bad minute comes back six hours later.
    """

    def __init__(
        self, scope: Construct, name: str, *, stage: Stage, when: catalogue.Schedule, target: lambda_.Function
    ) -> None:
        super().__init__(scope, f"{name.title().replace('-', '')}Tick")
        role = iam.Role(
            self,
            "Role",
            assumed_by=iam.ServicePrincipal(
                "scheduler.amazonaws.com", conditions={"StringEquals": {"aws:SourceAccount": Aws.ACCOUNT_ID}}
            ),
            description=f"Lets the scheduler invoke {name}, and nothing else.",
        )
        role.add_to_policy(iam.PolicyStatement(actions=["lambda:InvokeFunction"], resources=[target.function_arn]))
        self.schedule = scheduler.CfnSchedule(
            self,
            "Schedule",
            name=f"kalends-{stage.name}-{name}",
            schedule_expression=when.expression,
            schedule_expression_timezone="UTC",
            flexible_time_window=scheduler.CfnSchedule.FlexibleTimeWindowProperty(mode="OFF"),
            target=scheduler.CfnSchedule.TargetProperty(
                arn=target.function_arn,
                role_arn=role.role_arn,
                retry_policy=scheduler.CfnSchedule.RetryPolicyProperty(
                    maximum_retry_attempts=when.retries,
                    maximum_event_age_in_seconds=_SHELF_LIFE.to_seconds(),
                ),
            ),
        )
        lambda_.EventInvokeConfig(
            self, "Delivery", function=target, retry_attempts=when.retries, max_event_age=_SHELF_LIFE
        )
