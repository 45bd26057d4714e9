"""Nothing that fails in silence is without an alarm, and every alarm reaches a person."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from infra.catalogue import CATALOGUE
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


@pytest.mark.parametrize("metric", ["Errors", "Throttles"])
def test_every_function_of_the_catalogue_has_an_alarm(observability: Template, metric: str) -> None:
    functions = read(observability.stage).functions()
    names = {functions[line.handler]["FunctionName"] for line in CATALOGUE}

    found = alarms(observability, metric, "FunctionName")

    assert set(found) == names


def test_api_is_watched_for_failures_and_latency(observability: Template) -> None:
    watching = observability.of_type("AWS::CloudWatch::Alarm").values()

    statistics = {alarm["ExtendedStatistic"] for alarm in watching if alarm.get("MetricName") == "Latency"}
    (rate,) = (alarm for alarm in watching if "Metrics" in alarm)

    assert statistics == {"p95", "p99"}
    assert {m["MetricStat"]["Metric"]["MetricName"] for m in rate["Metrics"] if "MetricStat" in m} == {"5xx", "Count"}


def test_database_is_watched(observability: Template) -> None:
    cloud = STAGES[observability.stage].cloud
    assert cloud
    (server,) = read(observability.stage, "Data").of_type("AWS::RDS::DBInstance").values()

    found = {
        metric: alarms(observability, metric, "DBInstanceIdentifier")[server["DBInstanceIdentifier"]]
        for metric in ("CPUUtilization", "FreeStorageSpace", "DatabaseConnections")
    }

    assert found["FreeStorageSpace"]["ComparisonOperator"] == "LessThanThreshold"
    assert found["DatabaseConnections"]["Threshold"] == 0.8 * cloud.database.connections
    assert found["CPUUtilization"]["TreatMissingData"] == "breaching"


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
