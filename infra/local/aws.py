"""AWS on this machine: MiniStack, in its own virtual environment and a clean environment, and clients for it."""

from __future__ import annotations

import os
import shutil
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final
from urllib.error import URLError
from urllib.request import urlopen

from botocore.config import Config
from botocore.session import Session

from infra import ROOT
from infra.local.child import Child
from infra.local.console import StartError
from infra.local.ports import LOOPBACK

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ACCOUNT = "000000000000"
REGION: Final = "eu-central-1"
_PYTHON = ROOT / ".tools" / "ministack" / "bin" / "python"
# More than all event sources and a few requests at once: at the limit AWS refuses, it does not queue.
_CONCURRENT_LAMBDAS = 24

# Where botocore would look in the user's environment and files: (in the file, environment variable, default, cast).
_OWN = {
    "profile": (None, None, None, None),
    "config_file": (None, None, os.devnull, None),
    "credentials_file": (None, None, os.devnull, None),
}


def client(service: str, endpoint: str, *, read_timeout: float = 60) -> Any:
    """A client of the embedded AWS; `types_boto3_<service>` has its type. The user's own AWS settings are not read."""
    return Session(session_vars=_OWN).create_client(
        service,
        endpoint_url=endpoint,
        region_name=REGION,
        aws_access_key_id=ACCOUNT,
        aws_secret_access_key="unchecked",  # noqa: S106 - MiniStack takes any
        config=Config(s3={"addressing_style": "path"}, read_timeout=read_timeout, retries={"total_max_attempts": 1}),
    )


@contextmanager
def running(*, port: int, workplace: Path, log: Path) -> Iterator[Child]:
    """MiniStack on `port`, its temporary files (the Lambdas' code and layers) in `workplace`.

    It keeps nothing: what must last is in PostgreSQL, and the stack is deployed anew at each start.
    """
    if not _PYTHON.exists():
        raise StartError("The embedded AWS is not installed. Run: make setup")
    shutil.rmtree(workplace, ignore_errors=True)
    workplace.mkdir(parents=True)
    process = Child(
        "MiniStack",
        [str(_PYTHON), "-I", "-m", "ministack"],
        log=log,
        env={
            "PATH": "/usr/bin:/bin",
            "LANG": "C.UTF-8",
            "TZ": "UTC",
            "TMPDIR": str(workplace),
            "BIND_HOST": LOOPBACK,
            "GATEWAY_PORT": str(port),
            "MINISTACK_REGION": REGION,
            "LAMBDA_EXECUTOR": "local",
            "LAMBDA_ACCOUNT_CONCURRENCY": str(_CONCURRENT_LAMBDAS),
            "IOT_MTLS_ENABLED": "0",
            "SFTP_ENABLED": "0",
        },
    )
    try:
        process.wait_until(lambda: _answers(port))
        yield process
    finally:
        process.stop(grace=5)
        shutil.rmtree(workplace, ignore_errors=True)


def _answers(port: int) -> bool:
    try:
        with urlopen(f"http://{LOOPBACK}:{port}/_ministack/ready", timeout=2) as answer:
            return bool(answer.status == 200)
    except (URLError, OSError):
        return False
