"""Brings what the Lambdas log from the embedded CloudWatch Logs into files, one per function."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from infra.local import aws

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from types_boto3_logs import CloudWatchLogsClient

_GROUPS = "/aws/lambda/"
_SECONDS = 1.0
# What Lambda itself writes around each invocation.
_FRAME = ("START RequestId", "END RequestId", "REPORT RequestId")


@contextmanager
def collected(endpoint: str, folder: Path) -> Iterator[None]:
    """Append what the Lambdas log to `folder/FUNCTION.log` until the block ends, then a last time."""
    folder.mkdir(parents=True, exist_ok=True)
    logs: CloudWatchLogsClient = aws.client("logs", endpoint, read_timeout=10)
    ended = threading.Event()

    def work() -> None:
        while not ended.wait(_SECONDS):
            _collect(logs, folder)

    thread = threading.Thread(target=work, name="lambda logs", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
        _collect(logs, folder)


def _collect(logs: CloudWatchLogsClient, folder: Path) -> None:
    """Move everything that was logged into the files.

    The embedded AWS makes a stream per invocation and forgets none: read ones are deleted, so that its memory and
    the next round stay small.
    """
    try:
        for group in logs.describe_log_groups(logGroupNamePrefix=_GROUPS)["logGroups"]:
            name = group["logGroupName"]
            while streams := logs.describe_log_streams(logGroupName=name)["logStreams"]:
                for stream in (found["logStreamName"] for found in streams):
                    events = logs.get_log_events(logGroupName=name, logStreamName=stream, startFromHead=True)["events"]
                    lines = [event["message"] for event in events if not event["message"].startswith(_FRAME)]
                    if lines:
                        with (folder / f"{name.removeprefix(_GROUPS)}.log").open("a") as file:
                            file.writelines(f"{line}\n" for line in lines)
                    logs.delete_log_stream(logGroupName=name, logStreamName=stream)
    except (BotoCoreError, ClientError):  # it is stopping, or the group is gone: the next round sees
        return
