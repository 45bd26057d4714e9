"""Queues of sync messages."""

from __future__ import annotations

from dataclasses import dataclass
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


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetter:
    """A message that failed too often. Its body may be anything: it is never logged."""

    id: str
    body: str
    receipt: str


class DeadLetters(Protocol):
    """What stands in a dead-letter queue."""

    name: str

    def read(self, most: int) -> list[DeadLetter]:
        """Up to so many, none twice; nobody else sees them until they are put back. Raises TransientError."""

    def delete(self, letters: Sequence[DeadLetter]) -> None:
        """Take them away for good. Raises TransientError if any was left; deleting them again is harmless."""

    def put_back(self, letters: Sequence[DeadLetter]) -> None:
        """Let them be seen at once, also by the alarm that counts them."""


class SqsDeadLetters:
    """A standard SQS queue that receives what others could not deliver."""

    _HIDDEN = 60
    """Seconds: longer than a round over all of them takes."""

    def __init__(self, url: str) -> None:
        self._url = url
        self.name = url.rpartition("/")[2]

    def read(self, most: int) -> list[DeadLetter]:
        """Up to so many, none twice. Raises TransientError, NotFoundError if there is no such queue."""
        client: SQSClient = session.client("sqs")
        found: dict[str, DeadLetter] = {}
        while len(found) < most:
            with session.translated(f"queue {self.name}"):
                messages = client.receive_message(
                    QueueUrl=self._url, MaxNumberOfMessages=BATCH, VisibilityTimeout=self._HIDDEN
                ).get("Messages", [])
            if not messages:
                break
            for one in messages:
                letter = DeadLetter(id=one["MessageId"], body=one["Body"], receipt=one["ReceiptHandle"])
                found[letter.id] = letter
        return list(found.values())

    def delete(self, letters: Sequence[DeadLetter]) -> None:
        """Take them away for good."""
        client: SQSClient = session.client("sqs")
        refused = 0
        for batch in batched(letters, BATCH, strict=False):
            with session.translated(f"queue {self.name}"):
                answer = client.delete_message_batch(
                    QueueUrl=self._url,
                    Entries=[{"Id": str(n), "ReceiptHandle": one.receipt} for n, one in enumerate(batch)],
                )
            refused += len(answer.get("Failed", ()))
        if refused:
            raise TransientError(
                f"Queue {self.name} kept {refused} of {len(letters)} messages. Delete them again.",
                code="AWS.QUEUE_REFUSED",
            )

    def put_back(self, letters: Sequence[DeadLetter]) -> None:
        """Let them be seen at once; any that is refused is seen when its time is over."""
        client: SQSClient = session.client("sqs")
        for batch in batched(letters, BATCH, strict=False):
            with session.translated(f"queue {self.name}"):
                client.change_message_visibility_batch(
                    QueueUrl=self._url,
                    Entries=[
                        {"Id": str(n), "ReceiptHandle": one.receipt, "VisibilityTimeout": 0}
                        for n, one in enumerate(batch)
                    ],
                )
