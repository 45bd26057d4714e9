"""The ops function of a stage: behind IAM, not behind a login, so that it works before there is an administrator."""

import json
import os
from pathlib import Path
from typing import Any

from botocore import exceptions as aws
from botocore.config import Config
from botocore.session import Session

from shared.cli.screen.problem import UNREACHABLE, CliError
from shared.core.redaction import redact_text

LOCAL = "local"
_SECONDS = 900
"""The longest that a Lambda runs."""
# Where botocore would look in the user's files: (in the file, environment variable, default, cast).
_NOBODYS = {
    "profile": (None, None, None, None),
    "config_file": (None, None, os.devnull, None),
    "credentials_file": (None, None, os.devnull, None),
}


def invoke(stage: str, directory: Path, command: dict[str, Any]) -> Any:
    """Run a command of functions/ops/run.py and answer its result.

    AWS credentials and region are those of the environment; for `local`, the embedded AWS that runs from `directory`.
    Raises CliError with what the function said.
    """
    name = f"kalends-{stage}-ops-run"
    try:
        answer = _client(stage, directory).invoke(FunctionName=name, Payload=json.dumps(command).encode())
        body = json.loads(answer["Payload"].read())
    except aws.ClientError as error:
        raise _refused(error, stage, name) from None
    except (aws.NoCredentialsError, aws.NoRegionError) as error:
        todo = "Set AWS_PROFILE, or credentials and AWS_REGION, as for any other AWS command."
        raise CliError(f"AWS cannot be asked: {error}.", code="OPS.AWS", todo=todo) from None
    except (aws.ConnectionError, aws.HTTPClientError) as error:
        message = f"AWS is out of reach: {redact_text(str(error))}"
        raise CliError(message, code="OPS.UNREACHABLE", todo=_start(stage), exit_code=UNREACHABLE) from None
    except aws.BotoCoreError as error:
        raise CliError(f"AWS cannot be asked: {redact_text(str(error))}", code="OPS.AWS") from None
    if "FunctionError" in answer:
        said = str(body.get("errorMessage", "nothing")).splitlines()[0]
        raise CliError(
            redact_text(said),
            code=f"OPS.{body.get('errorType', 'FAILED')}",
            todo=f"The log of {name} tells more." + (" It lies in .local/logs/lambda." if stage == LOCAL else ""),
        )
    return body


def _client(stage: str, directory: Path) -> Any:
    config = Config(read_timeout=_SECONDS, connect_timeout=10, retries={"total_max_attempts": 1})
    if stage != LOCAL:
        # botocore reads AWS_DEFAULT_REGION only; every other AWS tool reads AWS_REGION as well.
        return Session().create_client("lambda", region_name=os.environ.get("AWS_REGION"), config=config)
    facts = _facts(directory)
    return Session(session_vars=_NOBODYS).create_client(
        "lambda",
        endpoint_url=facts["aws_endpoint"],
        region_name=facts["aws_region"],
        aws_access_key_id="000000000000",
        aws_secret_access_key="unchecked",  # noqa: S106 - the embedded AWS takes any
        config=config,
    )


def _facts(directory: Path) -> Any:
    file = directory / "run.json"
    try:
        return json.loads(file.read_text("utf-8"))
    except FileNotFoundError:
        message = f"The local cloud is not running: there is no {file}."
    except (OSError, ValueError):
        message = f"{file} cannot be read."
    raise CliError(message, code="OPS.NOT_RUNNING", todo=_start(LOCAL), exit_code=UNREACHABLE)


def _start(stage: str) -> str:
    if stage == LOCAL:
        return "Start it with make run, or name its folder: kalends --stage local ops --directory FOLDER ..."
    return "Check your network and AWS_REGION."


def _refused(error: aws.ClientError, stage: str, name: str) -> CliError:
    about = error.response.get("Error", {})
    code = str(about.get("Code", "FAILED"))
    if code == "ResourceNotFoundException":
        message = f"There is no function {name} in this account and region."
        todo = f"Is {stage!r} the stage? Check AWS_PROFILE and AWS_REGION."
    else:
        message = f"AWS refused: {redact_text(str(about.get('Message', code)))}"
        todo = f"It takes the right to lambda:InvokeFunction on {name}."
    return CliError(message, code=f"OPS.{code}", todo=todo)
