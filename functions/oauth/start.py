"""Begins to connect an account. Runs for GET /oauth/{provider}/start.

A program gets `{"authorization_url", "state"}`, a browser is sent there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from functions import visitor
from functions.front import fronted
from functions.http import Request, Response, json_response, respond, see_other
from functions.observability import observed
from functions.portal import problems
from shared.connections import apps, oauth
from shared.control import gates
from shared.core import clock
from shared.identity import principal
from shared.wiring import app

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext


@observed
@fronted
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """200 with the address or 303 to it; 403 while connecting is switched off, 401 for nobody, 400, 404."""
    return respond(event, _start, refuse=problems.refuse)


def _start(request: Request) -> Response:
    application, now = app(), clock.now()
    with application.database.everyone() as conn:
        gates.may(conn, gates.Operation.OAUTH, settings_flags=application.flags)
    somebody = principal.require(visitor.of(request, application, now=now))
    provider = request.path.strip("/").split("/")[1]
    with application.database.person(somebody.user_id) as conn:
        started = oauth.start(
            conn,
            principal=somebody,
            app=apps.default(conn, provider),
            authorizer_for=application.authorizer,
            keyring=application.keyring(),
            redirect_uri=application.settings.redirect_uri(provider),
            login_hint=request.query.get("login_hint"),
            now=now,
        )
    cookies = visitor.renewed_cookies(request, somebody, application)
    if request.wants_html:
        return see_other(started.authorization_url, cookies=cookies)
    return json_response({"authorization_url": started.authorization_url, "state": started.state}, cookies=cookies)
