"""An encryption key that logs may use: the one way a key is made."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aws_cdk import RemovalPolicy, Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms

if TYPE_CHECKING:
    from collections.abc import Sequence

    from infra.stages import Stage


def encryption_key(stack: Stack, *, stage: Stage, meaning: str, log_groups: Sequence[str] = ()) -> kms.Key:
    """The stack's key, called `Key`; log groups whose names begin with one of `log_groups` may be sealed with it."""
    key = kms.Key(
        stack,
        "Key",
        description=f"Kalends ({stage.name}): {meaning}",
        enable_key_rotation=True,
        removal_policy=RemovalPolicy.RETAIN if stage.keeps_data else RemovalPolicy.DESTROY,
    )
    if log_groups:
        key.add_to_resource_policy(
            iam.PolicyStatement(
                sid="LogsOfThisStage",
                principals=[iam.ServicePrincipal(f"logs.{stack.region}.amazonaws.com")],
                actions=["kms:Encrypt*", "kms:Decrypt*", "kms:ReEncrypt*", "kms:GenerateDataKey*", "kms:Describe*"],
                resources=["*"],  # in a key's policy: this key
                conditions={
                    "ArnLike": {
                        "kms:EncryptionContext:aws:logs:arn": [
                            f"arn:{stack.partition}:logs:{stack.region}:{stack.account}:log-group:{group}-{stage.name}*"
                            for group in log_groups
                        ]
                    }
                },
            )
        )
    return key
