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
from shared.operations import checks

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

log = logging.getLogger(__name__)


@observed
@fronted
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """200 when every dependency answers; else 503, which names those that do not and what to do."""
    states = _states()
    problems = {name: problem for name, problem in states.items() if problem != "ok"}
    for name, problem in problems.items():
        log.error("dependency does not answer", extra={"dependency": name, "error": problem})
    body = {"status": "unavailable" if problems else "ok", "dependencies": states}
    return Response(status=503 if problems else 200, body=json.dumps(body), content_type="application/json").event(
        request_id=request_id(event)
    )


def _states() -> dict[str, str]:
    """ "ok", or what is wrong, by dependency."""
    try:
        findings = checks.examine(wiring.app(), only=checks.VITAL)
    except KalendsError as error:  # not even the settings can be read
        return {"settings": error.message}
    return {one.name: "ok" if one.ok else one.detail for one in findings}
