"""Signing in and out."""

from typing import Annotated
from uuid import UUID

from aws_lambda_powertools.event_handler import Response, content_types
from pydantic import Field

from functions import visitor
from functions.api.guard import Here
from functions.api.routing import new_router
from functions.api.shapes import In, Out
from functions.visit import Visit
from shared.core.errors import ConflictError
from shared.identity import people, sessions
from shared.identity import sign_in as gatekeeper

router = new_router()
TAGS = ["session"]


class Credentials(In):
    """Who signs in."""

    email: Annotated[str, Field(max_length=people.EMAIL_LENGTH)]
    password: Annotated[str, Field(max_length=people.PASSWORD_LENGTH.stop)]


class SignedIn(Out):
    """Changes of this session must carry `csrf_token` in the header X-CSRF-Token."""

    user_id: UUID
    csrf_token: str


@router.post("/api/session", status_code=201, tags=TAGS)
def sign_in(visit: Here, body: Credentials) -> Response[SignedIn]:
    """Sign in with e-mail address and password; the session comes in a cookie."""
    application = visit.application
    secrets = application.session_secrets()
    entered = gatekeeper.sign_in(
        application.database,
        email=body.email,
        password=body.password,
        address=visit.request.address,
        secrets=secrets,
        now=visit.now,
    )
    return Response(
        status_code=201,
        content_type=content_types.APPLICATION_JSON,
        body=SignedIn(user_id=entered.user_id, csrf_token=sessions.csrf_token(secrets, entered.token)),
        headers={"Set-Cookie": visitor.session_cookie(entered.token, application)},
    )


@router.delete("/api/session", status_code=204, tags=TAGS)
def sign_out(visit: Here) -> Response[None]:
    """Sign out: the session ends at once, everywhere."""
    end(visit)
    return Response(status_code=204, headers={"Set-Cookie": visitor.no_session_cookie(visit.application)})


def end(visit: Visit) -> None:
    """End the visit's session. Raises ConflictError when it came with an API token."""
    token = visit.session_token
    if token is None:
        raise ConflictError(
            "This request came with an API token, not a session: revoke the token instead.", code="SESSION.NONE"
        )
    with visit.application.database.everyone() as conn:
        sessions.end(conn, token)
