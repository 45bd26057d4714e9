"""Migrations as a part of each deployment: new code is put to work only when the database is ready for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aws_cdk import Acknowledgment, CustomResource, Duration, Validations
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from infra.constructs.log_group import log_group

if TYPE_CHECKING:
    from aws_cdk import aws_kms as kms

    from infra.stages import Stage

# Stands outside the network: it has to reach Lambda and the bucket that CloudFormation reads the answer from. Lambda
# adds `cfnresponse` to code that is given inline (CloudFormation User Guide, "cfn-response module").
_CODE = """
import json

import boto3
import cfnresponse
from botocore.config import Config

PATIENCE = Config(read_timeout=310, retries={"total_max_attempts": 1})


def handler(event, context):
    status, reason = cfnresponse.SUCCESS, None
    try:
        if event["RequestType"] != "Delete":
            answer = boto3.client("lambda", config=PATIENCE).invoke(
                FunctionName=event["ResourceProperties"]["Function"], Payload=json.dumps({"command": "migrate"})
            )
            if "FunctionError" in answer:
                failed = json.loads(answer["Payload"].read())
                raise RuntimeError("The migration failed: " + str(failed.get("errorMessage", answer["FunctionError"])))
    except Exception as error:
        status, reason = cfnresponse.FAILED, str(error)[:500]
    cfnresponse.send(event, context, status, {}, "migration", reason=reason)
"""


class Migration(Construct):
    """Invokes `operations` with {"command": "migrate"} on the first deployment and whenever `code` has changed.

    The functions wait for `done`: the operations function is replaced first, migrates, and then come the others, so new
    code never meets an old database. Old code meets a new one for a while, which is what "expand, then contract one
    release later" is for. A migration that fails stops the deployment and brings the old operations function back. A
    stack that is deleted leaves the database as it is.
    """

    def __init__(
        self, scope: Construct, *, stage: Stage, key: kms.IKey, operations: lambda_.Function, code: str
    ) -> None:
        super().__init__(scope, "Migration")
        name = f"kalends-{stage.name}-migration"
        logs = log_group(self, name=f"/aws/lambda/{name}", stage=stage, key=key)
        role = iam.Role(
            self,
            "Role",
            assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"),
            description=f"Lets {name} invoke the operations function, and nothing else.",
        )
        for action, resource in (
            (["logs:CreateLogStream", "logs:PutLogEvents"], logs.log_group_arn),
            (["lambda:InvokeFunction"], operations.function_arn),
        ):
            role.add_to_policy(iam.PolicyStatement(actions=action, resources=[resource]))
        self.caller = lambda_.Function(
            self,
            "Caller",
            function_name=name,
            description="Invoked by CloudFormation: lets the operations function migrate the database",
            handler="index.handler",
            code=lambda_.Code.from_inline(_CODE),
            runtime=lambda_.Runtime.PYTHON_3_13,
            architecture=lambda_.Architecture.ARM_64,
            timeout=Duration.seconds(330),
            role=role,
            log_group=logs,
        )
        Validations.of(self.caller).acknowledge(
            Acknowledgment(id="AwsSolutions-L1", reason="The Python of all other functions; it moves as one.")
        )
        self.done = CustomResource(
            self,
            "Run",
            service_token=self.caller.function_arn,
            resource_type="Custom::Migration",
            service_timeout=Duration.seconds(400),
            properties={"Function": operations.function_name, "Code": code},
        )
        self.done.node.add_dependency(role, operations)
