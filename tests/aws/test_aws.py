"""Queues, secrets and the bus, against the embedded AWS."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
from botocore.exceptions import ClientError

from infra.local import aws
from shared.aws import secrets, session
from shared.aws.bus import BusEntry, EventBridge
from shared.aws.queues import SqsDeadLetters, SqsQueue
from shared.aws.secrets import SecretsManager
from shared.core.errors import ForbiddenError, InvalidError, KalendsError, NotFoundError, TransientError
from shared.core.messages import SyncMessage

if TYPE_CHECKING:
    from collections.abc import Iterator

    from types_boto3_sqs import SQSClient

USER = uuid4()


@pytest.fixture(autouse=True)
def _own_clients(embedded_aws: str) -> Iterator[None]:
    session.client.cache_clear()
    yield
    session.client.cache_clear()


@pytest.fixture
def sqs(embedded_aws: str) -> SQSClient:
    client: SQSClient = aws.client("sqs", embedded_aws)
    return client


@pytest.fixture
def queue_url(sqs: SQSClient) -> str:
    return sqs.create_queue(QueueName=f"pull-{uuid4().hex}")["QueueUrl"]


def message(number: int = 0) -> SyncMessage:
    return SyncMessage(task="pull", calendar_id=uuid4(), user_id=USER, correlation_id=f"test-{number}")


def received(sqs: SQSClient, url: str, count: int) -> list[dict[str, Any]]:
    taken: list[dict[str, Any]] = []
    for _ in range(count + 3):
        taken += sqs.receive_message(
            QueueUrl=url, MaxNumberOfMessages=10, MessageSystemAttributeNames=["MessageGroupId"]
        ).get("Messages", [])
    return taken


@pytest.mark.parametrize(
    ("code", "status", "expected"),
    [
        ("ResourceNotFoundException", 400, NotFoundError),
        ("AccessDeniedException", 400, ForbiddenError),
        ("ThrottlingException", 400, TransientError),
        ("InternalFailure", 500, TransientError),
        ("ValidationException", 400, KalendsError),
    ],
)
def test_what_aws_refuses_is_typed_by_what_to_do(code: str, status: int, expected: type[KalendsError]) -> None:
    refusal = {"Error": {"Code": code, "Message": "planted"}, "ResponseMetadata": {"HTTPStatusCode": status}}

    with pytest.raises(KalendsError, match="queue pull") as caught, session.translated("queue pull"):
        raise ClientError(refusal, "SendMessageBatch")  # type: ignore[arg-type]

    assert type(caught.value) is expected
    assert "planted" not in str(caught.value)


class TestQueue:
    def test_what_is_sent_arrives_with_the_person_as_its_group(self, sqs: SQSClient, queue_url: str) -> None:
        sent = [message(number) for number in range(23)]

        SqsQueue(queue_url).send(sent)

        taken = received(sqs, queue_url, 3)
        assert sorted(SyncMessage.model_validate_json(item["Body"]).correlation_id for item in taken) == sorted(
            item.correlation_id for item in sent
        )
        assert {item["Attributes"]["MessageGroupId"] for item in taken} == {str(USER)}

    def test_nothing_to_send_is_no_call(self) -> None:
        SqsQueue("http://127.0.0.1:9/nowhere").send([])

    def test_a_queue_that_does_not_exist_is_named(self, queue_url: str) -> None:
        with pytest.raises(NotFoundError, match="missing"):
            SqsQueue(queue_url.rpartition("/")[0] + "/missing").send([message()])

    def test_an_aws_that_does_not_answer_is_a_passing_trouble(
        self, queue_url: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
        session.client.cache_clear()

        with pytest.raises(TransientError, match="cannot be reached"):
            SqsQueue(queue_url).send([message()])


class TestSecrets:
    def make(self, embedded_aws: str, text: str) -> str:
        name = f"kalends/test/{uuid4().hex}"
        aws.client("secretsmanager", embedded_aws).create_secret(Name=name, SecretString=text)
        return name

    def put(self, embedded_aws: str, name: str, text: str) -> None:
        aws.client("secretsmanager", embedded_aws).put_secret_value(SecretId=name, SecretString=text)

    def test_a_secret_is_read_and_kept_for_a_minute(self, embedded_aws: str, monkeypatch: pytest.MonkeyPatch) -> None:
        name, store = self.make(embedded_aws, "first"), SecretsManager()
        assert store.get(name) == "first"
        self.put(embedded_aws, name, "second")

        assert store.get(name) == "first"
        monkeypatch.setattr(secrets, "TIME_TO_LIVE", 0.0)
        assert store.get(name) == "second"

    def test_a_refused_one_is_read_again_at_once(self, embedded_aws: str) -> None:
        name, store = self.make(embedded_aws, "first"), SecretsManager()
        store.get(name)
        self.put(embedded_aws, name, "second")

        assert store.get(name, refresh=True) == "second"

    def test_a_known_value_goes_on_while_aws_is_away(self, embedded_aws: str, monkeypatch: pytest.MonkeyPatch) -> None:
        name, store = self.make(embedded_aws, "first"), SecretsManager()
        store.get(name)
        monkeypatch.setattr(secrets, "TIME_TO_LIVE", 0.0)
        monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
        session.client.cache_clear()

        assert store.get(name) == "first"
        with pytest.raises(TransientError):
            store.get(name, refresh=True)

    def test_an_unknown_one_is_named(self) -> None:
        with pytest.raises(NotFoundError, match="kalends/test/none"):
            SecretsManager().get("kalends/test/none")

    def test_one_that_is_not_configured_is_a_setting_to_correct(self) -> None:
        with pytest.raises(InvalidError, match="not set"):
            SecretsManager().get("")


class TestDeadLetters:
    def test_they_are_read_once_and_deleted_or_seen_again_at_once(self, sqs: SQSClient, queue_url: str) -> None:
        for number in range(23):
            sqs.send_message(QueueUrl=queue_url, MessageBody=f"letter {number}")
        dead = SqsDeadLetters(queue_url)

        letters = dead.read(100)
        nobody = dead.read(100)
        dead.delete([one for one in letters if one.body != "letter 7"])
        dead.put_back([one for one in letters if one.body == "letter 7"])

        assert sorted(one.body for one in letters) == sorted(f"letter {number}" for number in range(23))
        assert nobody == []
        assert [one.body for one in dead.read(100)] == ["letter 7"]

    def test_no_more_than_asked_for_are_read_but_for_the_rest_of_a_batch(self, sqs: SQSClient, queue_url: str) -> None:
        for number in range(25):
            sqs.send_message(QueueUrl=queue_url, MessageBody=str(number))

        assert 5 <= len(SqsDeadLetters(queue_url).read(5)) <= 10

    def test_a_queue_that_does_not_exist_is_named(self, queue_url: str) -> None:
        with pytest.raises(NotFoundError, match="queue missing"):
            SqsDeadLetters(queue_url.rpartition("/")[0] + "/missing").read(1)


def test_events_reach_the_bus_and_each_refused_one_is_told(embedded_aws: str, sqs: SQSClient, queue_url: str) -> None:
    events = aws.client("events", embedded_aws)
    name = f"bus-{uuid4().hex}"
    events.create_event_bus(Name=name)
    arn = sqs.get_queue_attributes(QueueUrl=queue_url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    events.put_rule(Name="all", EventBusName=name, EventPattern=json.dumps({"source": ["kalends"]}))
    events.put_targets(Rule="all", EventBusName=name, Targets=[{"Id": "q", "Arn": arn}])

    outcomes = EventBridge(name).put(
        [BusEntry(type="connection.needs_reauth", detail=json.dumps({"number": number})) for number in range(12)]
    )

    assert outcomes == [None] * 12
    bodies = [json.loads(item["Body"]) for item in received(sqs, queue_url, 3)]
    assert sorted(body["detail"]["number"] for body in bodies) == list(range(12))
    assert {body["detail-type"] for body in bodies} == {"connection.needs_reauth"}
