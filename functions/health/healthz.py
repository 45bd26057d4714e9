"""Whether this installation can serve: GET /healthz, /readyz, and /health for the runbooks."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING, Any

from functions.front import fronted
from functions.http import Response, request_id
from functions.observability import observed
from shared import wiring
from shared.core.errors import KalendsError

if TYPE_CHECKING:
    from collections.abc import Callable

    from aws_lambda_powertools.utilities.typing import LambdaContext

log = logging.getLogger(__name__)


@observed
@fronted
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """200 when every dependency answers; else 503, which names those that do not and what to do."""
    problems = {name: problem for name, check in _CHECKS.items() if (problem := _problem(check))}
    for name, problem in problems.items():
        log.error("dependency does not answer", extra={"dependency": name, "error": problem})
    states = {name: problems.get(name, "ok") for name in _CHECKS}
    body = {"status": "unavailable" if problems else "ok", "dependencies": states}
    return Response(status=503 if problems else 200, body=json.dumps(body), content_type="application/json").event(
        request_id=request_id(event)
    )


def _problem(check: Callable[[], object]) -> str:
    try:
        check()
    except KalendsError as error:
        return error.message
    return ""


def _database() -> None:
    with wiring.app().database.everyone() as conn:
        conn.execute("SELECT 1")


_CHECKS: dict[str, Callable[[], object]] = {"database": _database, "key_ring": lambda: wiring.app().keyring()}
