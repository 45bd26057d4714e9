"""Where a provider sends a person back. Runs for GET /oauth/{provider}/callback and the runbooks' /auth/... addresses.

A browser is sent on to its connections, or sees what went wrong and what to do; a program gets JSON.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from functions import visitor
from functions.front import fronted
from functions.http import Request, Response, json_response, respond, see_other
from functions.observability import observed
from functions.portal import problems
from shared.connections import discovery, oauth
from shared.control import gates
from shared.core import clock
from shared.core.errors import KalendsError
from shared.wiring import app

if TYPE_CHECKING:
    from datetime import datetime

    from aws_lambda_powertools.utilities.typing import LambdaContext

    from shared.connections.store import Connection
    from shared.wiring import App

log = logging.getLogger(__name__)


@observed
@fronted
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """303 to the connections, or 200 with the connection; 400 and 403 with a code that says what to do."""
    return respond(event, _finish, refuse=problems.refuse)


def _finish(request: Request) -> Response:
    application, now = app(), clock.now()
    with application.database.everyone() as conn:
        gates.may(conn, gates.Operation.OAUTH, settings_flags=application.flags)
    query = request.query
    if query.get("admin_consent", "").lower() == "true" and "code" not in query:
        return _approved(request)
    somebody = visitor.of(request, application, now=now)
    connection = oauth.finish(
        application.database,
        provider=request.path.strip("/").split("/")[1],
        answer=oauth.Answer(
            state=query.get("state", ""),
            code=query.get("code", ""),
            error=query.get("error", ""),
            error_description=query.get("error_description", ""),
        ),
        principal=somebody,
        keyring=application.keyring(),
        authorizer_for=application.authorizer,
        connect=application.connect,
        microsoft_authority=application.settings.microsoft_authority,
        now=now,
    )
    found = _discover(application, connection, now)
    if request.wants_html:
        cookies = visitor.renewed_cookies(request, somebody, application)
        return see_other(f"/connections?connected={connection.id}", cookies=cookies)
    return json_response(
        {
            "connection": {
                "id": connection.id,
                "provider": connection.provider,
                "email": connection.email,
                "status": connection.status,
            },
            "calendars": found,
        }
    )


def _discover(application: App, connection: Connection, now: datetime) -> int | None:
    """How many calendars the account has. The connection stands without: the hourly discovery finds them later."""
    try:
        provider = application.provider(connection)
        return len(discovery.discover(application.database, connection=connection, provider=provider, now=now))
    except KalendsError as error:
        log.warning(
            "calendars not discovered", extra={"connection_id": str(connection.id), "error_code": error.error_code}
        )
        return None


def _approved(request: Request) -> Response:
    """An administrator comes back from approving the app (Microsoft identity platform, "Admin consent")."""
    text = "The app is approved for your organization. Whoever asked you can connect their account now."
    if request.wants_html:
        return problems.thank("Approved", text)
    return json_response({"approved": True})
