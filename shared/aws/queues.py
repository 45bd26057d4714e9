"""Queues of sync messages."""

from __future__ import annotations

from itertools import batched
from typing import TYPE_CHECKING, Protocol

from shared.aws import session
from shared.core.errors import TransientError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from types_boto3_sqs import SQSClient

    from shared.core.messages import SyncMessage

BATCH = 10
"""SendMessageBatch takes no more."""


class Queue(Protocol):
    """Takes messages; each is delivered at least once, in any order."""

    def send(self, messages: Sequence[SyncMessage]) -> None:
        """Send all. Raises TransientError if any was not taken; sending all of them again is harmless."""


class SqsQueue:
    """A standard SQS queue. The person is the message group: fair queues keep one tenant from starving the others."""

    def __init__(self, url: str) -> None:
        self._url = url

    def send(self, messages: Sequence[SyncMessage]) -> None:
        """Send all. Raises TransientError if any was not taken, NotFoundError if there is no such queue."""
        if not messages:
            return
        client: SQSClient = session.client("sqs")
        name = self._url.rpartition("/")[2]
        refused = 0
        for batch in batched(messages, BATCH, strict=False):
            with session.translated(f"queue {name}"):
                answer = client.send_message_batch(
                    QueueUrl=self._url,
                    Entries=[
                        {
                            "Id": str(number),
                            "MessageBody": message.model_dump_json(),
                            "MessageGroupId": str(message.user_id),
                        }
                        for number, message in enumerate(batch)
                    ],
                )
            refused += len(answer.get("Failed", ()))
        if refused:
            raise TransientError(
                f"Queue {name} did not take {refused} of {len(messages)} messages. Send them again.",
                code="AWS.QUEUE_REFUSED",
            )
