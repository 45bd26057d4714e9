"""AWS clients, made when first used: botocore costs a Lambda 250-350 ms and 30 MB, boto3 half as much again."""

from __future__ import annotations

from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, Any

from shared.core.errors import ForbiddenError, KalendsError, NotFoundError, TransientError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from botocore.exceptions import ClientError
    from botocore.session import Session

CONNECT_TIMEOUT = 2
READ_TIMEOUT = 5
ATTEMPTS = 3
"""Seconds, seconds, and calls altogether: at most some 20 s, less than the shortest Lambda's deadline in practice."""


@cache
def client(service: str) -> Any:
    """The process's client of an AWS service; its type is `types_boto3_<service>`'s. Clients are thread-safe."""
    from botocore.config import Config

    return _session().create_client(
        service,
        config=Config(
            connect_timeout=CONNECT_TIMEOUT,
            read_timeout=READ_TIMEOUT,
            retries={"total_max_attempts": ATTEMPTS, "mode": "standard"},
        ),
    )


@cache
def _session() -> Session:
    from botocore.session import Session

    return Session()


@contextmanager
def translated(what: str) -> Iterator[None]:
    """Translate AWS's errors to the product's; `what` names the resource in them."""
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        yield
    except ClientError as error:
        raise _translate(what, error) from error
    except BotoCoreError as error:
        raise TransientError(
            f"AWS cannot be reached for {what} ({type(error).__name__}). Try again; check region and network.",
            code="AWS.UNAVAILABLE",
        ) from error


def _translate(what: str, error: ClientError) -> KalendsError:
    code = str(error.response.get("Error", {}).get("Code", "Unknown"))
    status = int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
    if code in {"ResourceNotFoundException", "AWS.SimpleQueueService.NonExistentQueue", "QueueDoesNotExist"}:
        return NotFoundError(f"AWS knows no {what}: check its name and the deployment.", code="AWS.NOT_FOUND")
    if "AccessDenied" in code or "NotAuthorized" in code:
        return ForbiddenError(f"AWS refuses access to {what}: grant it in the function's needs.", code="AWS.FORBIDDEN")
    if status >= 500 or status == 429 or "Throttl" in code or "LimitExceeded" in code:
        return TransientError(f"AWS failed on {what} ({code}). Try again.", code="AWS.UNAVAILABLE")
    return KalendsError(f"AWS refused a call on {what} ({code}).", code="AWS.REFUSED")
