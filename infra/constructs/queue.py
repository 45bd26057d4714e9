"""A queue with its dead-letter queue: the one way a queue is made."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aws_cdk import Duration, RemovalPolicy
from aws_cdk import aws_sqs as sqs
from constructs import Construct

if TYPE_CHECKING:
    from aws_cdk import aws_kms as kms

    from infra.catalogue import QueueName
    from infra.stages import Stage

ATTEMPTS = 5
"""Deliveries of a message before it goes to the dead-letter queue."""


class WorkQueue(Construct):
    """A standard, encrypted queue whose messages go to `dead_letters` after `ATTEMPTS` failed deliveries.

    A message is hidden for six times its consumer's timeout (in seconds), as AWS asks for event-source mappings;
    dead letters stay for the longest time there is, 14 days.
    """

    def __init__(
        self,
        scope: Construct,
        identifier: str,
        *,
        name: QueueName,
        stage: Stage,
        key: kms.IKey,
        consumer_timeout: int,
    ) -> None:
        super().__init__(scope, identifier)
        removal = RemovalPolicy.RETAIN if stage.keeps_data else RemovalPolicy.DESTROY
        self.dead_letters = sqs.Queue(
            self,
            "DeadLetters",
            queue_name=f"kalends-{stage.name}-{name}-dead",
            encryption=sqs.QueueEncryption.KMS,
            encryption_master_key=key,
            enforce_ssl=True,
            retention_period=Duration.days(14),
            removal_policy=removal,
        )
        self.queue = sqs.Queue(
            self,
            "Queue",
            queue_name=f"kalends-{stage.name}-{name}",
            encryption=sqs.QueueEncryption.KMS,
            encryption_master_key=key,
            enforce_ssl=True,
            retention_period=Duration.days(4),
            visibility_timeout=Duration.seconds(6 * consumer_timeout),
            dead_letter_queue=sqs.DeadLetterQueue(queue=self.dead_letters, max_receive_count=ATTEMPTS),
            removal_policy=removal,
        )
