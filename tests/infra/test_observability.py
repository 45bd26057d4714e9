"""Nothing that fails in silence is without an alarm, and every alarm reaches a person."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest

from infra import alerts
from infra.catalogue import CATALOGUE, Http, Queue
from infra.stages import STAGES
from tests.infra.conftest import ON_AWS, read

if TYPE_CHECKING:
    from tests.infra.conftest import Template


@pytest.fixture(scope="session", params=ON_AWS)
def observability(request: pytest.FixtureRequest) -> Template:
    """Alarms and dashboard of each stage on AWS in turn."""
    return read(request.param, "Observability")


def alarms(template: Template, metric: str, dimension: str) -> dict[str, dict[str, Any]]:
    """The alarms on a metric, by the value of its dimension."""
    return {
        one["Value"]: alarm
        for alarm in template.of_type("AWS::CloudWatch::Alarm").values()
        for one in alarm.get("Dimensions", [])
        if alarm.get("MetricName") == metric and one["Name"] == dimension
    }


def test_every_dead_letter_queue_of_the_application_has_an_alarm_at_the_first_message(observability: Template) -> None:
    queues = read(observability.stage).of_type("AWS::SQS::Queue")
    dead = {queue["QueueName"] for name, queue in queues.items() if "DeadLetters" in name}

    found = alarms(observability, "ApproximateNumberOfMessagesVisible", "QueueName")

    assert set(found) == dead
    assert {(a["Threshold"], a["ComparisonOperator"]) for a in found.values()} == {(0, "GreaterThanThreshold")}


def test_every_other_queue_has_an_alarm_on_what_waits(observability: Template) -> None:
    queues = read(observability.stage).of_type("AWS::SQS::Queue")
    live = {queue["QueueName"] for name, queue in queues.items() if "DeadLetters" not in name}

    found = alarms(observability, "ApproximateAgeOfOldestMessage", "QueueName")

    assert set(found) == live


@pytest.mark.parametrize("metric", ["Errors", "Throttles"])
def test_every_function_of_the_templates_has_an_alarm(observability: Template, metric: str) -> None:
    ours = read(observability.stage).of_type("AWS::Lambda::Function").values()
    hosted = read(observability.stage, "Data").of_type("AWS::SecretsManager::RotationSchedule").values()
    names = {function["FunctionName"] for function in ours}
    names |= {rotation["HostedRotationLambda"]["RotationLambdaName"] for rotation in hosted}

    found = alarms(observability, metric, "FunctionName")

    assert len(ours) == len(CATALOGUE) + 1
    assert set(found) == names


def test_nothing_fails_in_silence_where_no_second_try_is_near(observability: Template) -> None:
    found = alarms(observability, "Errors", "FunctionName")

    tolerated = {
        line.name: found[f"kalends-{observability.stage}-{line.name}"]["Threshold"]
        for line in CATALOGUE
        if not isinstance(line.trigger, Http | Queue)
    }

    assert set(tolerated.values()) == {0}


def test_every_api_of_the_templates_is_watched_for_failures_and_latency(observability: Template) -> None:
    apis = read(observability.stage).of_type("AWS::ApiGatewayV2::Api")
    watching = observability.of_type("AWS::CloudWatch::Alarm").values()

    latency = [alarm for alarm in watching if alarm.get("MetricName") == "Latency"]
    (rate,) = (alarm for alarm in watching if "Metrics" in alarm)
    counted = [m["MetricStat"]["Metric"] for m in rate["Metrics"] if "MetricStat" in m]

    assert len(apis) == 1
    assert {alarm["ExtendedStatistic"] for alarm in latency} == {"p95", "p99"}
    assert {metric["MetricName"] for metric in counted} == {"5xx", "Count"}
    watched = {json.dumps(one["Dimensions"]) for one in (*latency, *counted)}
    assert len(watched) == 1
    assert next(iter(apis)) in watched.pop()


def test_every_database_of_the_templates_is_watched(observability: Template) -> None:
    cloud = STAGES[observability.stage].cloud
    assert cloud
    (server,) = read(observability.stage, "Data").of_type("AWS::RDS::DBInstance").values()

    found = {
        metric: alarms(observability, metric, "DBInstanceIdentifier")[server["DBInstanceIdentifier"]]
        for metric in ("CPUUtilization", "FreeStorageSpace", "DatabaseConnections", "FreeableMemory")
    }

    assert found["FreeStorageSpace"]["ComparisonOperator"] == "LessThanThreshold"
    assert found["FreeStorageSpace"]["Threshold"] == 0.2 * int(server["AllocatedStorage"]) * 1024**3
    assert found["FreeableMemory"]["ComparisonOperator"] == "LessThanThreshold"
    assert found["FreeableMemory"]["Threshold"] < 0.1 * cloud.database.memory * 1024**3
    assert found["DatabaseConnections"]["Threshold"] == 0.8 * cloud.database.connections
    assert found["CPUUtilization"]["TreatMissingData"] == "breaching"


def test_every_alarm_says_how_urgent_it_is_and_where_it_is_written_what_to_do(observability: Template) -> None:
    descriptions = [a["AlarmDescription"] for a in observability.of_type("AWS::CloudWatch::Alarm").values()]

    parts = [re.fullmatch(r"\[(now|today)\] .+\. What to do: docs/alarms\.md#([a-z-]+)", one) for one in descriptions]

    assert all(parts)
    assert {part[2] for part in parts if part} == {rule.do for rule in alerts.rules()}


def test_every_alarm_sends_an_encrypted_message_to_a_person(observability: Template) -> None:
    (topic_name,) = observability.of_type("AWS::SNS::Topic")
    (topic,) = observability.of_type("AWS::SNS::Topic").values()
    (subscription,) = observability.of_type("AWS::SNS::Subscription").values()

    told = [
        alarm["AlarmActions"] + alarm["OKActions"] for alarm in observability.of_type("AWS::CloudWatch::Alarm").values()
    ]

    assert all(actions == [{"Ref": topic_name}, {"Ref": topic_name}] for actions in told)
    assert topic["KmsMasterKeyId"]
    assert (subscription["Protocol"], subscription["Endpoint"]) == ("email", {"Ref": "AlarmEmail"})


def test_alarms_may_use_topic_and_key(observability: Template) -> None:
    (key,) = observability.of_type("AWS::KMS::Key").values()
    (policy,) = observability.of_type("AWS::SNS::TopicPolicy").values()
    statements = key["KeyPolicy"]["Statement"] + policy["PolicyDocument"]["Statement"]

    allowed = [s for s in statements if s["Principal"] == {"Service": "cloudwatch.amazonaws.com"}]

    assert {json.dumps(s["Action"]) for s in allowed} == {'["kms:Decrypt", "kms:GenerateDataKey*"]', '"sns:Publish"'}
    assert all(s["Condition"] == {"StringEquals": {"aws:SourceAccount": {"Ref": "AWS::AccountId"}}} for s in allowed)


def test_budget_warns_the_same_person(observability: Template) -> None:
    cloud = STAGES[observability.stage].cloud
    assert cloud
    (budget,) = observability.of_type("AWS::Budgets::Budget").values()

    people = [one["Address"] for n in budget["NotificationsWithSubscribers"] for one in n["Subscribers"]]

    assert budget["Budget"]["BudgetLimit"] == {"Amount": cloud.monthly_budget, "Unit": "USD"}
    assert people == [{"Ref": "AlarmEmail"}, {"Ref": "AlarmEmail"}]


@pytest.mark.parametrize("stack", ["Data", "Application", "Observability"])
def test_everything_that_can_bears_application_and_stage(stack: Any) -> None:
    tags = [
        {tag["Key"]: tag["Value"] for tag in resource["Properties"]["Tags"]}
        for resource in read("dev", stack).body["Resources"].values()
        if isinstance(resource.get("Properties", {}).get("Tags"), list)
    ]

    assert tags
    assert all((one["application"], one["stage"]) == ("kalends", "dev") for one in tags)
