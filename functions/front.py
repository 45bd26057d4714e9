"""Stages with CloudFront in front (infra/constructs/front.py): nobody reaches the API past its firewall.

HTTP handlers wear `@fronted`. CloudFront shows a secret in a header; where one is set, a request without it is refused,
and the address that asks is the one CloudFront names, not CloudFront's own.
"""

from __future__ import annotations

import hmac
import logging
import os
from functools import wraps
from typing import TYPE_CHECKING, Any

from functions.http import problem, request_id
from shared import wiring
from shared.core.errors import ForbiddenError, KalendsError, TransientError
from shared.crypto import signatures

if TYPE_CHECKING:
    from functions.observability import Handler

log = logging.getLogger(__name__)

ORIGIN_HEADER, VIEWER_HEADER = "x-kalends-origin", "x-kalends-viewer"
_UNKNOWN = TransientError("It cannot be told now where this request comes from. Try again.", code="ORIGIN.UNKNOWN")


def fronted(handler: Handler) -> Handler:
    """A handler that answers only what came through the front, in a stage that has one."""

    @wraps(handler)
    def run(event: dict[str, Any], context: Any) -> dict[str, Any]:
        secret_id = os.environ.get("ORIGIN_SECRET_ID")
        if not secret_id:
            return handler(event, context)
        try:
            passed = _passed(event, signatures.parse_secrets(wiring.app().secrets.get(secret_id)))
        except ForbiddenError as error:
            return problem(error).event(request_id=request_id(event))
        except KalendsError:
            log.exception("origin secret cannot be read", extra={"secret_id": secret_id})
            return problem(_UNKNOWN).event(request_id=request_id(event))
        return handler(passed, context)

    return run


def _passed(event: dict[str, Any], accepted: list[bytes]) -> dict[str, Any]:
    """The event with the viewer's address. Raises ForbiddenError for one that did not pass the front."""
    headers = {name.lower(): value for name, value in (event.get("headers") or {}).items()}
    shown = headers.pop(ORIGIN_HEADER, "").encode()
    if not any(hmac.compare_digest(shown, secret) for secret in accepted):
        raise ForbiddenError("Nobody is served here: ask at the installation's own address.", code="ORIGIN.REFUSED")
    about = event.get("requestContext") or {}
    http = {**(about.get("http") or {}), "sourceIp": headers.pop(VIEWER_HEADER, "")}
    return {**event, "headers": headers, "requestContext": {**about, "http": http}}
