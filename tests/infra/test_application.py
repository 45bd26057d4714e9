"""What matters about the synthesized application, in every stage."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest

from infra.catalogue import CATALOGUE, Http, Queue, Schedule
from infra.stages import STAGES
from shared.core.config import Settings
from tests.infra.conftest import read

if TYPE_CHECKING:
    from infra.catalogue import Function, Need
    from infra.stages import Stage
    from tests.infra.conftest import Template

# What each need means, written down a second time on purpose: (action, kind of resource, part of its logical id).
GRANTS: dict[str, set[tuple[str, str]]] = {
    "database": {("secretsmanager:GetSecretValue", "SecretDatabase")},
    "database_owner": {("secretsmanager:GetSecretValue", "SecretDatabaseOwner")},
    "database_operator": {("secretsmanager:GetSecretValue", "SecretDatabaseOperator")},
    "database_rotation": {
        ("kms:GenerateDataKey", "Key"),
        *(
            (f"secretsmanager:{action}", secret)
            for secret in ("SecretDatabase", "SecretDatabaseOperator")
            for action in ("DescribeSecret", "GetSecretValue", "PutSecretValue", "UpdateSecretVersionStage")
        ),
    },
    "key_ring": {("secretsmanager:GetSecretValue", "SecretKeyRing")},
    "session": {("secretsmanager:GetSecretValue", "SecretSession")},
    "oauth_clients": {("secretsmanager:GetSecretValue", "SecretOauthClients")},
    "webhook_signing": {("secretsmanager:GetSecretValue", "SecretWebhookSigning")},
    "pull_queue": {("sqs:SendMessage", "PullWorkQueue"), ("kms:GenerateDataKey", "Key")},
    "push_queue": {("sqs:SendMessage", "PushWorkQueue"), ("kms:GenerateDataKey", "Key")},
    "repair_queue": {("sqs:SendMessage", "RepairWorkQueue"), ("kms:GenerateDataKey", "Key")},
    "backfill_queue": {("sqs:SendMessage", "BackfillWorkQueue"), ("kms:GenerateDataKey", "Key")},
    "dead_letters": {
        (f"sqs:{action}", f"{name}WorkDeadLetters")
        for name in ("Pull", "Push", "Repair", "Backfill")
        for action in ("ReceiveMessage", "DeleteMessage", "ChangeMessageVisibility")
    },
    "event_bus": {("events:PutEvents", "Bus")},
    "origin": {("secretsmanager:GetSecretValue", "SecretOrigin")},
    "internet": set(),
}
VARIABLES = {
    "database": {"DATABASE_SECRET_ID"},
    "database_owner": {"DATABASE_OWNER_SECRET_ID"},
    "database_operator": {"DATABASE_OPERATOR_SECRET_ID"},
    "database_rotation": {"DATABASE_SECRET_ID", "DATABASE_OPERATOR_SECRET_ID"},
    "key_ring": {"KEY_RING_SECRET_ID"},
    "session": {"SESSION_SECRET_ID"},
    "oauth_clients": {"OAUTH_CLIENTS_SECRET_ID"},
    "webhook_signing": {"WEBHOOK_SECRET_ID"},
    "pull_queue": {"PULL_QUEUE_URL"},
    "push_queue": {"PUSH_QUEUE_URL"},
    "repair_queue": {"REPAIR_QUEUE_URL"},
    "backfill_queue": {"BACKFILL_QUEUE_URL"},
    "dead_letters": {"DEAD_LETTER_QUEUE_URLS"},
    "event_bus": {"EVENT_BUS_NAME"},
    "origin": {"ORIGIN_SECRET_ID"},
    "internet": set(),
}
COMMON = {
    "STAGE", "APP_BASE_URL", "GOOGLE_API_ENDPOINT", "GOOGLE_AUTH_URL", "GOOGLE_TOKEN_URL", "GOOGLE_REVOKE_URL",
    "MICROSOFT_GRAPH_ENDPOINT", "MICROSOFT_AUTHORITY", "MS_TENANT_ID", "CALENDAR_SYNC_ENABLED",
    "CALENDAR_OAUTH_ENABLED", "CALENDAR_JOBS_ENABLED", "CALENDAR_WEBHOOK_ENABLED", "POWERTOOLS_SERVICE_NAME",
    "LOG_LEVEL", "EGRESS_ALLOWED_HOSTS",
}  # fmt: skip
CONSUMING = {"sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:ChangeMessageVisibility", "sqs:GetQueueAttributes"}
TRACING = {("xray:PutTraceSegments", "*"), ("xray:PutTelemetryRecords", "*")}
JOINING = {
    (f"ec2:{action}", "*")
    for action in (
        "CreateNetworkInterface", "DescribeNetworkInterfaces", "DescribeSubnets", "DeleteNetworkInterface",
        "AssignPrivateIpAddresses", "UnassignPrivateIpAddresses",
    )
}  # fmt: skip


def needs(stage: Stage, line: Function) -> set[Need]:
    """What a function needs in a stage."""
    return {*line.needs, "origin"} if stage.has_front and isinstance(line.trigger, Http) else set(line.needs)


def logical(resource: Any) -> str:
    """The logical id, without CDK's hash, of what a statement's Resource refers to."""
    if isinstance(resource, str):
        return resource
    if "Fn::ImportValue" in resource:  # stack:ExportsOutput + Ref or FnGetAtt + logical id + attribute + hash
        name = re.sub(r"^.*:ExportsOutput(Ref|FnGetAtt)|(Arn)?[0-9A-F]{8}$", "", resource["Fn::ImportValue"])
    else:
        name = resource["Ref"] if "Ref" in resource else resource["Fn::GetAtt"][0]
    return str(name)[:-8]


def granted(template: Template, line: Function) -> set[tuple[str, str]]:
    """All (action, resource) pairs of a function's role."""
    pairs = set()
    for statement in template.statements(template.functions()[line.handler]):
        assert statement["Effect"] == "Allow"
        actions = statement["Action"] if isinstance(statement["Action"], list) else [statement["Action"]]
        resources = statement["Resource"] if isinstance(statement["Resource"], list) else [statement["Resource"]]
        pairs |= {(action, logical(resource)) for action in actions for resource in resources}
    return pairs


def declared(template: Template, line: Function) -> set[tuple[str, str]]:
    """All (action, resource) pairs that a function's needs, log, traces and trigger come to."""
    construct = line.name.title().replace("-", "")
    pairs = set.union(TRACING, *(GRANTS[need] for need in needs(STAGES[template.stage], line)))
    pairs |= {(action, f"{construct}Logs") for action in ("logs:CreateLogStream", "logs:PutLogEvents")}
    pairs |= {("kms:Decrypt", "Key")}  # every function reads a secret
    if STAGES[template.stage].cloud:
        pairs |= JOINING
    if isinstance(line.trigger, Queue):
        pairs |= {(action, f"{line.trigger.name.title()}WorkQueue") for action in CONSUMING}
    return pairs


@pytest.mark.parametrize("line", CATALOGUE, ids=lambda line: line.name)
def test_role_holds_exactly_the_declared_needs(template: Template, line: Function) -> None:
    found = granted(template, line)

    assert found == declared(template, line)


def test_keys_are_used_only_through_the_service_that_needs_them(template: Template) -> None:
    statements = [s for line in CATALOGUE for s in template.statements(template.functions()[line.handler])]

    keys = [statement for statement in statements if "kms:" in json.dumps(statement["Action"])]

    assert keys
    assert all("kms:ViaService" in statement["Condition"]["StringEquals"] for statement in keys)


def test_no_role_has_a_managed_policy(template: Template) -> None:
    roles = template.of_type("AWS::IAM::Role")

    managed = [name for name, role in roles.items() if role.get("ManagedPolicyArns")]

    assert roles
    assert managed == []


@pytest.mark.parametrize("line", CATALOGUE, ids=lambda line: line.name)
def test_environment_is_the_contract_and_satisfies_the_settings(
    template: Template, line: Function, monkeypatch: pytest.MonkeyPatch
) -> None:
    variables = template.functions()[line.handler]["Environment"]["Variables"]
    parameters = template.body["Parameters"]
    for name, value in variables.items():
        reference = value.get("Ref", "") if isinstance(value, dict) else ""
        default = parameters.get(reference, {}).get("Default", "https://kalends.example")
        monkeypatch.setenv(name, value if isinstance(value, str) else default)

    settings = Settings()

    assert set(variables) == COMMON.union(*(VARIABLES[need] for need in needs(STAGES[template.stage], line)))
    assert settings.stage == template.stage
    assert settings.google_api_endpoint == "https://www.googleapis.com/"


def test_gates_stand_open_only_on_a_laptop(template: Template) -> None:
    gates = {
        value
        for function in template.functions().values()
        for name, value in function["Environment"]["Variables"].items()
        if name.startswith("CALENDAR_")
    }

    assert gates == {"true" if template.stage == "local" else "false"}


def test_every_queue_is_encrypted_and_has_dead_letters(template: Template) -> None:
    queues = template.of_type("AWS::SQS::Queue")
    dead = {name for name in queues if "DeadLetters" in name}

    redrives = {name: queue["RedrivePolicy"] for name, queue in queues.items() if name not in dead}

    assert all("KmsMasterKeyId" in queue for queue in queues.values())
    assert len(redrives) == len(dead) == 4
    assert {policy["deadLetterTargetArn"]["Fn::GetAtt"][0] for policy in redrives.values()} == dead
    assert {policy["maxReceiveCount"] for policy in redrives.values()} == {5}


def test_consumers_are_capped_and_fail_message_by_message(template: Template) -> None:
    mappings = template.of_type("AWS::Lambda::EventSourceMapping")
    queues, functions = template.of_type("AWS::SQS::Queue"), template.of_type("AWS::Lambda::Function")
    batches = {"pull": 5, "push": 1, "repair": 1, "backfill": 1}

    found = {}
    for mapping in mappings.values():
        queue = queues[mapping["EventSourceArn"]["Fn::GetAtt"][0]]
        name = queue["QueueName"].removeprefix(f"kalends-{template.stage}-")
        found[name] = mapping["ScalingConfig"]["MaximumConcurrency"]
        assert mapping["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
        assert mapping["BatchSize"] == batches[name]
        assert "MaximumBatchingWindowInSeconds" not in mapping
        assert queue["VisibilityTimeout"] == 6 * functions[mapping["FunctionName"]["Ref"]]["Timeout"]

    assert found == STAGES[template.stage].workers


def test_only_workers_may_send_to_the_queues_that_call_them_without_end(template: Template) -> None:
    allowed = {handler for handler, function in template.functions().items() if "RecursiveLoop" in function}

    assert allowed == {line.handler for line in CATALOGUE if isinstance(line.trigger, Queue)}
    assert {template.functions()[handler]["RecursiveLoop"] for handler in allowed} == {"Allow"}


def test_routes_are_those_of_the_catalogue(template: Template) -> None:
    declared = {route for line in CATALOGUE if isinstance(line.trigger, Http) for route in line.trigger.routes}

    routes = {route["RouteKey"] for route in template.of_type("AWS::ApiGatewayV2::Route").values()}

    assert routes == declared


def test_api_is_throttled_and_its_access_log_tells_no_secret(template: Template) -> None:
    (stage,) = template.of_type("AWS::ApiGatewayV2::Stage").values()

    logged = stage["AccessLogSettings"]["Format"]

    assert stage["DefaultRouteSettings"]["ThrottlingRateLimit"] == STAGES[template.stage].requests_per_second
    assert not {"path", "Path", "query", "Query", "header", "Header"} & set(logged.replace(".", " ").split())
    assert "$context.path" not in logged


def test_missed_ticks_do_not_pile_up(template: Template) -> None:
    declared = {line.trigger.expression for line in CATALOGUE if isinstance(line.trigger, Schedule)}

    schedules = list(template.of_type("AWS::Scheduler::Schedule").values())
    deliveries = list(template.of_type("AWS::Lambda::EventInvokeConfig").values())

    assert {schedule["ScheduleExpression"] for schedule in schedules} == declared
    assert all(schedule["Target"]["RetryPolicy"]["MaximumRetryAttempts"] <= 2 for schedule in schedules)
    assert all(schedule["Target"]["RetryPolicy"]["MaximumEventAgeInSeconds"] <= 300 for schedule in schedules)
    assert len(deliveries) == len(schedules)
    assert all(delivery["MaximumEventAgeInSeconds"] <= 300 for delivery in deliveries)


def test_logs_are_encrypted_and_forgotten_in_time(template: Template) -> None:
    groups = template.of_type("AWS::Logs::LogGroup")

    retentions = {group["RetentionInDays"] for group in groups.values()}

    assert len(groups) == len(CATALOGUE) + (2 if STAGES[template.stage].cloud else 1)
    assert all("KmsKeyId" in group for group in groups.values())
    assert retentions == {STAGES[template.stage].log_retention_days}


def test_key_rotates_and_secrets_use_it(template: Template) -> None:
    (key,) = template.of_type("AWS::KMS::Key").values()

    secrets = template.of_type("AWS::SecretsManager::Secret")

    assert key["EnableKeyRotation"] is True
    assert all("KmsKeyId" in secret for secret in secrets.values())
    beside_the_database = 3 if STAGES[template.stage].cloud else 0
    assert len(secrets) == 7 - beside_the_database + STAGES[template.stage].has_front


@pytest.mark.parametrize("stage", ["staging", "prod"])
def test_closed_stage_cannot_be_deployed(stage: Any) -> None:
    rules = read(stage).body["Rules"]

    (assertion,) = rules["NotYet"]["Assertions"]

    assert assertion["Assert"] == {"Fn::Equals": ["deployable", stage]}


@pytest.mark.parametrize("stage", ["dev", "staging", "prod"])
def test_lambda_runs_on_arm(stage: Any) -> None:
    functions = read(stage).functions().values()

    architectures = {tuple(function["Architectures"]) for function in functions}

    assert architectures == {("arm64",)}
