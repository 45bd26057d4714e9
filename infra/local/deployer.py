"""Deploys a synthesized cloud assembly to the embedded AWS, the way the CDK command line deploys it to the real one."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError, WaiterError

from infra.local import aws
from infra.local.console import StartError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from types_boto3_cloudformation import CloudFormationClient
    from types_boto3_lambda import LambdaClient
    from types_boto3_s3 import S3Client
    from types_boto3_secretsmanager import SecretsManagerClient
    from types_boto3_ssm import SSMClient

STACK = "kalends-local"
_TEMPLATE = "Application.template.json"
# What `cdk bootstrap` leaves in an account, as far as a deployment looks at it.
_BOOTSTRAP_VERSION = "/cdk-bootstrap/hnb659fds/version"
_BUCKET = f"cdk-hnb659fds-assets-{aws.ACCOUNT}-{aws.REGION}"


class Deployer:
    """Puts one stack into the embedded AWS at `endpoint`."""

    def __init__(self, endpoint: str) -> None:
        self._endpoint = endpoint

    def upload(self, assembly: Path) -> str:
        """Upload the assembly's template and packages; answers the template's address."""
        s3: S3Client = aws.client("s3", self._endpoint)
        s3.create_bucket(Bucket=_BUCKET, CreateBucketConfiguration={"LocationConstraint": aws.REGION})
        address = ""
        manifest = json.loads((assembly / "Application.assets.json").read_text())
        for asset in manifest["files"].values():
            (destination,) = asset["destinations"].values()
            source, key = asset["source"]["path"], destination["objectKey"]
            s3.put_object(Bucket=_BUCKET, Key=key, Body=(assembly / source).read_bytes())
            if source == _TEMPLATE:
                address = f"{self._endpoint}/{_BUCKET}/{key}"
        ssm: SSMClient = aws.client("ssm", self._endpoint)
        ssm.put_parameter(Name=_BOOTSTRAP_VERSION, Value="21", Type="String", Overwrite=True)
        return address

    def deploy(self, template: str, parameters: Mapping[str, str]) -> dict[str, str]:
        """Make the stack; answers its outputs. Raises StartError with the events that failed."""
        cloudformation: CloudFormationClient = aws.client("cloudformation", self._endpoint)
        try:
            cloudformation.create_change_set(
                StackName=STACK,
                ChangeSetName="local",
                ChangeSetType="CREATE",
                TemplateURL=template,
                Capabilities=["CAPABILITY_IAM", "CAPABILITY_NAMED_IAM"],
                Parameters=[{"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()],
            )
            cloudformation.get_waiter("change_set_create_complete").wait(
                StackName=STACK, ChangeSetName="local", WaiterConfig={"Delay": 1}
            )
            cloudformation.execute_change_set(StackName=STACK, ChangeSetName="local")
            cloudformation.get_waiter("stack_create_complete").wait(StackName=STACK, WaiterConfig={"Delay": 1})
        except (ClientError, WaiterError) as error:
            events = cloudformation.describe_stack_events(StackName=STACK)["StackEvents"]
            failed = [
                f"{event.get('LogicalResourceId')}: {event.get('ResourceStatusReason')}"
                for event in events
                if "FAILED" in event.get("ResourceStatus", "")
            ]
            raise StartError("\n    ".join([f"The stack could not be made: {error}", *failed])) from error
        (stack,) = cloudformation.describe_stacks(StackName=STACK)["Stacks"]
        return {output["OutputKey"]: output["OutputValue"] for output in stack.get("Outputs", [])}

    def put_secrets(self, values: Mapping[str, object]) -> None:
        """Put the values of the stack's secrets, by name."""
        secrets: SecretsManagerClient = aws.client("secretsmanager", self._endpoint)
        for name, value in values.items():
            secrets.put_secret_value(SecretId=name, SecretString=json.dumps(value))

    def invoke(self, function: str, payload: Mapping[str, object]) -> dict[str, object]:
        """Invoke a function of the stack and answer what it answered. Raises StartError when it failed."""
        lambda_: LambdaClient = aws.client("lambda", self._endpoint, read_timeout=600)
        answer = lambda_.invoke(FunctionName=f"{STACK}-{function}", Payload=json.dumps(payload).encode())
        body = json.loads(answer["Payload"].read() or b"null")
        if "FunctionError" in answer:
            message = body.get("errorMessage", body) if isinstance(body, dict) else body
            raise StartError(f"{function} failed on {json.dumps(payload)}: {message}")
        return body if isinstance(body, dict) else {"answer": body}
