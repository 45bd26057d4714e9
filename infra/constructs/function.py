"""A Lambda from one line of the catalogue: the one way a Lambda is made.

The words in `needs` become environment variables and IAM statements here, and nowhere else. No managed policies, no
grant helpers: a role holds exactly what is written below.
"""

from __future__ import annotations

import platform
from dataclasses import dataclass
from typing import TYPE_CHECKING

from aws_cdk import Acknowledgment, Aws, Duration, Validations
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from infra import catalogue
from infra.constructs.log_group import log_group

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from aws_cdk import aws_events as events
    from aws_cdk import aws_kms as kms
    from aws_cdk import aws_secretsmanager as secretsmanager
    from aws_cdk import aws_sqs as sqs

    from infra.catalogue import Function, Need, QueueName
    from infra.constructs.network import Network
    from infra.stages import Stage

SECRETS: Mapping[Need, str] = {
    "database": "DATABASE_SECRET_ID",
    "database_owner": "DATABASE_OWNER_SECRET_ID",
    "database_operator": "DATABASE_OPERATOR_SECRET_ID",
    "key_ring": "KEY_RING_SECRET_ID",
    "session": "SESSION_SECRET_ID",
    "oauth_clients": "OAUTH_CLIENTS_SECRET_ID",
    "webhook_signing": "WEBHOOK_SECRET_ID",
    "origin": "ORIGIN_SECRET_ID",
}
"""The needs that are a secret to read, and the variable that names it."""

_SUBNETS = ec2.SubnetSelection(subnet_type=ec2.SubnetType.PRIVATE_WITH_EGRESS)
# AWS Lambda Developer Guide, "Giving Lambda functions access to resources in an Amazon VPC", required permissions.
_JOIN_A_NETWORK = [
    "ec2:CreateNetworkInterface",
    "ec2:DescribeNetworkInterfaces",
    "ec2:DescribeSubnets",
    "ec2:DeleteNetworkInterface",
    "ec2:AssignPrivateIpAddresses",
    "ec2:UnassignPrivateIpAddresses",
]

ROTATED: tuple[Need, ...] = ("database", "database_operator")
"""The secrets that the need `database_rotation` is about."""
_CLEAR = ["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:ChangeMessageVisibility"]
_ROTATE = ["DescribeSecret", "GetSecretValue", "PutSecretValue", "UpdateSecretVersionStage"]

QUEUES: Mapping[Need, QueueName] = {
    "pull_queue": "pull",
    "push_queue": "push",
    "repair_queue": "repair",
    "backfill_queue": "backfill",
}
"""The needs that are a queue to send to; PULL_QUEUE_URL and so on hold the addresses."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What the functions of a stack share: their package, what they may need, the settings all of them read."""

    stage: Stage
    code: lambda_.Code
    layer: lambda_.ILayerVersion
    key: kms.IKey
    secrets: Mapping[Need, secretsmanager.ISecret]
    queues: Mapping[Need, sqs.IQueue]
    dead_letters: Sequence[sqs.IQueue]
    bus: events.IEventBus
    variables: Mapping[str, str]
    network: Network | None
    """None: the functions stand in no network, as on a laptop."""


class Handler(Construct):
    """The Lambda of one catalogue line, with a role and a log group of its own."""

    def __init__(self, scope: Construct, line: Function, around: Surroundings) -> None:
        super().__init__(scope, line.name.title().replace("-", ""))
        name = f"kalends-{around.stage.name}-{line.name}"
        own_logs = log_group(self, name=f"/aws/lambda/{name}", stage=around.stage, key=around.key)
        self.role = iam.Role(
            self, "Role", assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"), description=f"What {name} may do."
        )
        self._allow(["logs:CreateLogStream", "logs:PutLogEvents"], own_logs.log_group_arn)
        network = around.network
        if network:
            self._allow(_JOIN_A_NETWORK, "*")
        self.function = lambda_.Function(
            self,
            "Function",
            function_name=name,
            description=line.handler,
            handler=line.handler,
            code=around.code,
            layers=[around.layer],
            runtime=lambda_.Runtime.PYTHON_3_13,
            architecture=_architecture(around.stage),
            memory_size=line.memory,
            timeout=Duration.seconds(line.timeout),
            role=self.role,
            log_group=own_logs,
            tracing=lambda_.Tracing.ACTIVE,
            # Lambda takes sixteen rounds of queue and function for an accident and stops them. Ours are on purpose: a
            # backfill asks for its next page, a write for the pull that confirms it; attempts end in dead letters.
            recursive_loop=lambda_.RecursiveLoop.ALLOW if isinstance(line.trigger, catalogue.Queue) else None,
            environment={**around.variables, "POWERTOOLS_SERVICE_NAME": line.name},
            vpc=network.vpc if network else None,
            vpc_subnets=_SUBNETS if network else None,
            security_groups=network.groups(line.needs) if network else None,
            ipv6_allowed_for_dual_stack=True if network and network.by_ipv6 else None,
        )
        Validations.of(self.role).acknowledge(
            Acknowledgment(
                id="AwsSolutions-IAM5[Resource::*]",
                reason="X-Ray's actions and those of network interfaces know no resource beforehand; nothing else "
                "of this role has a wildcard.",
            )
        )
        Validations.of(self.function).acknowledge(
            Acknowledgment(
                id="AwsSolutions-L1",
                reason="Python 3.13 is one decision for laptop, tests, layer and Lambda; it moves as one.",
            )
        )
        for need in line.needs:
            self._provide(need, around)
        if around.stage.has_front and isinstance(line.trigger, catalogue.Http):
            self._provide("origin", around)

    def _provide(self, need: Need, around: Surroundings) -> None:
        if need in SECRETS:
            secret = around.secrets[need]
            key = secret.encryption_key or around.key
            self.function.add_environment(SECRETS[need], secret.secret_arn)
            self._allow(["secretsmanager:GetSecretValue"], secret.secret_arn)
            self._allow(["kms:Decrypt"], key.key_arn, through="secretsmanager")
        elif need == "database_rotation":
            for rotated in ROTATED:
                secret = around.secrets[rotated]
                key = secret.encryption_key or around.key
                self.function.add_environment(SECRETS[rotated], secret.secret_arn)
                self._allow([f"secretsmanager:{action}" for action in _ROTATE], secret.secret_arn)
                self._allow(["kms:Decrypt", "kms:GenerateDataKey"], key.key_arn, through="secretsmanager")
        elif need in QUEUES:
            queue = around.queues[need]
            self.function.add_environment(f"{need.upper()}_URL", queue.queue_url)
            self._allow(["sqs:SendMessage"], queue.queue_arn)
            self._allow(["kms:Decrypt", "kms:GenerateDataKey"], around.key.key_arn, through="sqs")
        elif need == "dead_letters":
            urls = [queue.queue_url for queue in around.dead_letters]
            self.function.add_environment("DEAD_LETTER_QUEUE_URLS", ",".join(urls))
            for queue in around.dead_letters:
                self._allow(_CLEAR, queue.queue_arn)
            self._allow(["kms:Decrypt"], around.key.key_arn, through="sqs")
        elif need == "event_bus":
            self.function.add_environment("EVENT_BUS_NAME", around.bus.event_bus_name)
            self._allow(["events:PutEvents"], around.bus.event_bus_arn)

    def consume(self, queue: sqs.IQueue, around: Surroundings, *, batch: int, workers: int) -> None:
        """Run for the messages of `queue`: up to `batch` at a time, at most `workers` runs at once.

        The handler answers with the messages that failed (ReportBatchItemFailures); the others are done.
        """
        self._allow(
            ["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:ChangeMessageVisibility", "sqs:GetQueueAttributes"],
            queue.queue_arn,
        )
        self._allow(["kms:Decrypt"], around.key.key_arn, through="sqs")
        mapping = lambda_.EventSourceMapping(
            self,
            "Messages",
            target=self.function,
            event_source_arn=queue.queue_arn,
            batch_size=batch,
            max_concurrency=workers,
            report_batch_item_failures=True,
        )
        mapping.node.add_dependency(self.role)

    def _allow(self, actions: list[str], resource: str, *, through: str | None = None) -> None:
        conditions = {"StringEquals": {"kms:ViaService": f"{through}.{Aws.REGION}.amazonaws.com"}} if through else None
        self.role.add_to_policy(iam.PolicyStatement(actions=actions, resources=[resource], conditions=conditions))


def _architecture(stage: Stage) -> lambda_.Architecture:
    if stage.platform == "host" and platform.machine() in ("x86_64", "AMD64"):
        return lambda_.Architecture.X86_64
    return lambda_.Architecture.ARM_64
