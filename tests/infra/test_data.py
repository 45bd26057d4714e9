"""What matters about network and database, in every stage on AWS."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from infra import app, synth
from infra.catalogue import CATALOGUE, Invoke, Queue, Rotation, Schedule
from infra.stages import STAGES
from tests.infra.conftest import ON_AWS, Template, read

if TYPE_CHECKING:
    from pathlib import Path

    from infra.catalogue import Function

GROUPS = ("ToDatabase", "ToAws", "ToInternet", "Database", "Endpoints")


def named(text: str) -> str:
    """The security group that a reference, local or to another stack, means."""
    return next(name for name in GROUPS if f"Network{name}" in text)


def named_secret(reference: Any) -> str:
    """The secret that a reference to the stack `data` means."""
    found = re.search(r"Secret(Database[A-Za-z]*?)[0-9A-F]{8}", json.dumps(reference))
    assert found
    return found[1]


def worn(network: dict[str, Any]) -> set[str]:
    """The security groups of a function."""
    return {named(json.dumps(group)) for group in network["SecurityGroupIds"]}


def ways_out(data: Template) -> dict[str, set[tuple[str, int]]]:
    """Where each security group lets its wearers go: (group or addresses, port)."""
    found: dict[str, set[tuple[str, int]]] = {}
    for name, group in data.of_type("AWS::EC2::SecurityGroup").items():
        assert group["SecurityGroupEgress"], "EC2 opens everything for a group without rules"
        found[named(name)] = {
            (rule["CidrIp"], rule["ToPort"])
            for rule in group["SecurityGroupEgress"]
            if rule["CidrIp"] != "255.255.255.255/32"
        }
    for rule in data.of_type("AWS::EC2::SecurityGroupEgress").values():
        source, target = json.dumps(rule["GroupId"]), json.dumps(rule["DestinationSecurityGroupId"])
        found[named(source)].add((named(target), rule["ToPort"]))
    return found


def test_laptop_has_no_such_stack() -> None:
    read("local")

    stacks = {path.name for path in synth.assembly("local").glob("*.template.json")}

    assert stacks == {"Application.template.json"}


def test_each_security_group_opens_one_way(data: Template) -> None:
    ways = ways_out(data)

    assert ways == {
        "ToDatabase": {("Database", 5432)},
        "ToAws": {("Endpoints", 443)},
        "ToInternet": {("0.0.0.0/0", 443)},
        "Database": set(),
        "Endpoints": set(),
    }


def test_nothing_is_reached_but_by_a_security_group(data: Template) -> None:
    inline = [group.get("SecurityGroupIngress") for group in data.of_type("AWS::EC2::SecurityGroup").values()]

    ways_in = {
        (named(json.dumps(rule["GroupId"])), named(json.dumps(rule["SourceSecurityGroupId"])), rule["ToPort"])
        for rule in data.of_type("AWS::EC2::SecurityGroupIngress").values()
    }

    assert not any(inline)
    assert ways_in == {("Database", "ToDatabase", 5432), ("Endpoints", "ToAws", 443)}


@pytest.mark.parametrize("stage", ON_AWS)
@pytest.mark.parametrize("line", CATALOGUE, ids=lambda line: line.name)
def test_egress_of_a_function_is_its_declared_needs(stage: Any, line: Function) -> None:
    declared = {"ToAws"}  # every function reads a secret
    declared |= {"ToDatabase"} if any(need.startswith("database") for need in line.needs) else set()
    declared |= {"ToInternet"} if "internet" in line.needs else set()

    network = read(stage).functions()[line.handler]["VpcConfig"]

    assert worn(network) == declared
    assert all("FunctionsSubnet" in json.dumps(subnet) for subnet in network["SubnetIds"])


def test_a_way_out_too_many_or_too_few_would_be_noticed() -> None:
    network = read("dev").functions()["functions.schedules.dispatch.handler"]["VpcConfig"]
    (to_internet,) = (
        group
        for group in read("dev").functions()["functions.workers.pull.handler"]["VpcConfig"]["SecurityGroupIds"]
        if "ToInternet" in json.dumps(group)
    )

    more = {"SecurityGroupIds": [*network["SecurityGroupIds"], to_internet]}
    less = {"SecurityGroupIds": network["SecurityGroupIds"][1:]}

    assert worn(more) == {"ToAws", "ToDatabase", "ToInternet"} != worn(network)
    assert worn(less) < worn(network)


def test_database_is_encrypted_kept_and_speaks_tls_only(data: Template) -> None:
    stage = STAGES[data.stage]
    assert stage.cloud

    (server,) = data.of_type("AWS::RDS::DBInstance").values()
    (parameters,) = data.of_type("AWS::RDS::DBParameterGroup").values()
    (resource,) = (r for r in data.body["Resources"].values() if r["Type"] == "AWS::RDS::DBInstance")

    assert server["StorageEncrypted"] is True
    assert "Key" in json.dumps(server["KmsKeyId"])
    assert server["PubliclyAccessible"] is False
    assert server["AutoMinorVersionUpgrade"] is True
    assert server["EnablePerformanceInsights"] is True
    assert server["EnableCloudwatchLogsExports"] == ["postgresql", "upgrade"]
    assert server["BackupRetentionPeriod"] == (35 if data.stage == "prod" else 7)
    assert server["MultiAZ"] is (data.stage == "prod")
    assert server["DeletionProtection"] is stage.keeps_data
    assert resource["DeletionPolicy"] == ("Retain" if stage.keeps_data else "Delete")
    assert parameters["Parameters"]["rds.force_ssl"] == "1"


def test_database_stands_in_subnets_without_a_way_out(data: Template) -> None:
    (subnets,) = data.of_type("AWS::RDS::DBSubnetGroup").values()
    names = {subnet["Ref"] for subnet in subnets["SubnetIds"]}
    tables = {
        link["RouteTableId"]["Ref"]
        for link in data.of_type("AWS::EC2::SubnetRouteTableAssociation").values()
        if link["SubnetId"]["Ref"] in names
    }

    leaving = [route for route in data.of_type("AWS::EC2::Route").values() if route["RouteTableId"]["Ref"] in tables]

    assert len(names) == len(tables) == 2
    assert leaving == []


def test_secrets_of_the_roles_have_the_rds_shape(data: Template) -> None:
    secrets = data.of_type("AWS::SecretsManager::Secret")

    shapes = {}
    for secret in secrets.values():
        template = secret["GenerateSecretString"]["SecretStringTemplate"]
        text = (
            template
            if isinstance(template, str)
            else "".join(p if isinstance(p, str) else "HOST" for p in template["Fn::Join"][1])
        )
        shapes[secret["Name"].rpartition("/")[2]] = json.loads(text)

    common = {"engine": "postgres", "port": 5432, "dbname": "kalends"}
    assert shapes == {
        "database": {**common, "host": "HOST", "username": "kalends_runtime"},
        "database-operator": {**common, "host": "HOST", "username": "kalends_operator"},
        "database-owner": {**common, "host": "", "username": "kalends_owner"},  # RDS attaches the address
    }
    assert len(data.of_type("AWS::SecretsManager::SecretTargetAttachment")) == 1


def test_owner_is_rotated_and_the_rotation_reaches_database_and_secret_only(data: Template) -> None:
    (rotation,) = data.of_type("AWS::SecretsManager::RotationSchedule").values()

    worn = rotation["HostedRotationLambda"]["VpcSecurityGroupIds"]["Fn::Join"][1]

    assert "SecretDatabaseOwner" in rotation["SecretId"]["Ref"]
    assert rotation["RotationRules"] == {"ScheduleExpression": "rate(30 days)"}
    assert {named(json.dumps(group)) for group in worn if group != ","} == {"ToAws", "ToDatabase"}


@pytest.mark.parametrize("stage", ON_AWS)
def test_runtime_and_operator_take_turns_by_the_function_for_it(stage: Any) -> None:
    template = read(stage)
    rotating = "RotationDatabaseUsersFunction"

    schedules = list(template.of_type("AWS::SecretsManager::RotationSchedule").values())
    may_invoke = [
        permission
        for permission in template.of_type("AWS::Lambda::Permission").values()
        if permission["Principal"] == "secretsmanager.amazonaws.com"
    ]

    assert {named_secret(schedule["SecretId"]) for schedule in schedules} == {"Database", "DatabaseOperator"}
    assert {named_secret(permission["SourceArn"]) for permission in may_invoke} == {"Database", "DatabaseOperator"}
    assert all(rotating in json.dumps(schedule["RotationLambdaARN"]) for schedule in schedules)
    assert all(rotating in json.dumps(permission["FunctionName"]) for permission in may_invoke)
    assert {json.dumps(schedule["RotationRules"]) for schedule in schedules} == {
        '{"ScheduleExpression": "rate(30 days)"}'
    }


@pytest.mark.parametrize("stage", ON_AWS)
def test_what_may_run_at_once_takes_less_than_four_fifths_of_the_connections(stage: Any) -> None:
    cloud = STAGES[stage].cloud
    assert cloud
    mappings = read(stage).of_type("AWS::Lambda::EventSourceMapping").values()
    (parameters,) = read(stage, "Data").of_type("AWS::RDS::DBParameterGroup").values()

    queued = sum(mapping["ScalingConfig"]["MaximumConcurrency"] for mapping in mappings)
    one_by_one = sum(isinstance(line.trigger, Schedule | Invoke | Rotation) for line in CATALOGUE)

    assert len(mappings) == sum(isinstance(line.trigger, Queue) for line in CATALOGUE)
    assert queued + one_by_one < 0.8 * int(parameters["Parameters"]["max_connections"])
    assert int(parameters["Parameters"]["max_connections"]) == cloud.database.connections


def test_nat_gateways_and_endpoints_are_as_many_as_the_stage_pays_for(data: Template) -> None:
    cloud = STAGES[data.stage].cloud
    assert cloud

    endpoints = data.of_type("AWS::EC2::VPCEndpoint").values()

    assert len(data.of_type("AWS::EC2::NatGateway")) == cloud.network.nat_gateways
    assert {len(endpoint["SubnetIds"]) for endpoint in endpoints} == {cloud.network.endpoint_zones}


def test_without_nat_functions_go_out_by_ipv6_only(tmp_path: Path) -> None:
    dev = STAGES["dev"]
    assert dev.cloud
    stage = replace(dev, cloud=replace(dev.cloud, network=replace(dev.cloud.network, nat_gateways=0)))

    app.app(stage, outdir=tmp_path).synth()
    data, application = (
        Template("dev", json.loads((tmp_path / f"{stack}.template.json").read_text()))
        for stack in ("Data", "Application")
    )
    (way_out,) = (
        group["SecurityGroupEgress"]
        for name, group in data.of_type("AWS::EC2::SecurityGroup").items()
        if "ToInternet" in name
    )

    assert not data.of_type("AWS::EC2::NatGateway")
    assert all("EgressOnlyInternetGatewayId" in route for route in data.of_type("AWS::EC2::Route").values())
    assert [(r["CidrIpv6"], r["ToPort"]) for r in way_out if r.get("CidrIp") != "255.255.255.255/32"] == [("::/0", 443)]
    assert all(f["VpcConfig"]["Ipv6AllowedForDualStack"] for f in application.functions().values())


@pytest.mark.parametrize("stage", ["staging", "prod"])
def test_closed_stage_has_no_database_either(stage: Any) -> None:
    (assertion,) = read(stage, "Data").body["Rules"]["NotYet"]["Assertions"]

    assert assertion["Assert"] == {"Fn::Equals": ["deployable", stage]}
