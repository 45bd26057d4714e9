"""The REST API. Runs for every request to /api/... and for GET /openapi.json."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from functions import visitor
from functions.api import guard
from functions.api.routes import (
    admin,
    availability,
    calendars,
    changes,
    conflicts,
    connections,
    document,
    events,
    feeds,
    held,
    link_groups,
    links,
    me,
    overlaps,
    plans,
    readers,
    reconciliation,
    runs,
    session,
    status,
    sync,
    tokens,
)
from functions.api.routing import new_resolver
from functions.front import fronted
from functions.http import Request, Response, respond
from functions.observability import add_facts, observed
from shared.core import clock
from shared.wiring import app

if TYPE_CHECKING:
    from aws_lambda_powertools.event_handler import APIGatewayHttpResolver
    from aws_lambda_powertools.utilities.typing import LambdaContext

ROUTERS = (
    session,
    me,
    tokens,
    connections,
    calendars,
    links,
    readers,
    link_groups,
    plans,
    sync,
    status,
    events,
    availability,
    overlaps,
    feeds,
    changes,
    runs,
    held,
    conflicts,
    reconciliation,
    admin,
    document,
)


@observed
@fronted
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """JSON, or a problem (RFC 9457) with a stable `code`."""
    return respond(event, lambda request: _answer(request, event, context))


@cache
def resolver() -> APIGatewayHttpResolver:
    """Every route of the API."""
    return new_resolver(*(module.router for module in ROUTERS))


def _answer(request: Request, event: dict[str, Any], context: LambdaContext) -> Response:
    application = app()
    add_facts(correlation_id=request.id)
    visit = guard.begin(request, application, now=clock.now())
    api = resolver()
    api.append_context(visit=visit)  # type: ignore[no-untyped-call]
    answer = api.resolve(event, context)
    headers = {name.lower(): value for name, value in answer.get("headers", {}).items()}
    return Response(
        status=answer["statusCode"],
        body=answer["body"] or "",
        content_type=headers.pop("content-type", "application/json"),
        headers=headers,
        cookies=(*answer.get("cookies", ()), *visitor.renewed_cookies(request, visit.visitor, application)),
    )
