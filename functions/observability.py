"""Powertools, configured once: every log line is JSON with the invocation's facts, and without secrets.

`shared/` logs with the standard library; what it logs comes out here. Every handler wears `@observed`.
"""

from __future__ import annotations

import json
import logging
import os
import time
from functools import cache, wraps
from typing import TYPE_CHECKING, Any

from aws_lambda_powertools.logging.formatter import LambdaPowertoolsFormatter

from shared.core.redaction import redact

if TYPE_CHECKING:
    from collections.abc import Callable

    from aws_lambda_powertools.utilities.typing import LambdaContext

    type Handler = Callable[[dict[str, Any], LambdaContext], dict[str, Any]]

log = logging.getLogger(__name__)

_CHATTY = ("botocore", "httpcore", "httpx", "urllib3")


def observed(handler: Handler) -> Handler:
    """A Lambda handler whose log lines carry its request id, whose end is logged, and its unforeseen errors once."""

    @wraps(handler)
    def run(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
        formatter = _formatter()
        formatter.clear_state()
        add_facts(
            service=os.environ.get("POWERTOOLS_SERVICE_NAME", "kalends"), function_request_id=context.aws_request_id
        )
        started = time.monotonic()
        try:
            answer = handler(event, context)
        except Exception:
            log.exception("handler failed")
            raise
        log.info("handler done", extra={"duration_ms": round(1000 * (time.monotonic() - started), 1)})
        return answer

    return run


def add_facts(**facts: str) -> None:
    """Put facts on every further log line of this invocation (`correlation_id`, `user_id`, ...)."""
    _formatter().append_keys(**facts)


@cache
def _formatter() -> LambdaPowertoolsFormatter:
    """The process's formatter, put to work when first asked for."""
    formatter = LambdaPowertoolsFormatter(
        utc=True, use_rfc3339=True, serialize_stacktrace=False, json_serializer=_serialize
    )
    output = logging.StreamHandler()
    output.setFormatter(formatter)
    root = logging.getLogger()
    root.handlers[:] = [output]  # Lambda's runtime has put its own there
    root.setLevel(os.environ.get("LOG_LEVEL", "INFO"))
    for name in _CHATTY:
        logging.getLogger(name).setLevel(logging.WARNING)
    return formatter


def _serialize(record: Any) -> str:
    return json.dumps(redact(record), default=str, ensure_ascii=False, separators=(",", ":"))
