"""Who asks: their profile, password and sessions."""

from datetime import datetime
from typing import Annotated, Literal, Self
from uuid import UUID

from aws_lambda_powertools.event_handler import Response, content_types
from pydantic import Field, model_validator

from functions.api.guard import Here
from functions.api.routing import new_router
from functions.api.shapes import AfterId, IfMatch, In, Limit, OneLine, Out, Page, etag, page_of_list, version
from functions.visit import Visit
from shared.identity import password, people, sessions
from shared.identity.people import Person

router = new_router()
TAGS = ["me"]


class Me(Out):
    """Who asks. `csrf_token` is null for an API token, which needs none."""

    id: UUID
    email: str
    name: str
    role: Literal["user", "operator", "admin"]
    timezone: str
    csrf_token: str | None = None


class ProfileChanges(In):
    """What shall be different; what is left out stays. `timezone` is an IANA name such as Europe/Berlin."""

    name: Annotated[str | None, OneLine] = None
    timezone: Annotated[str | None, Field(max_length=100)] = None

    @model_validator(mode="after")
    def _nothing_may_be_null(self) -> Self:
        nulls = [field for field in self.model_fields_set if getattr(self, field) is None]
        if nulls:
            raise ValueError(f"{', '.join(sorted(nulls))} must not be null")
        return self


class NewPassword(In):
    """The present password proves that it is you."""

    current_password: Annotated[str, Field(max_length=people.PASSWORD_LENGTH.stop)]
    new_password: Annotated[str, Field(max_length=people.PASSWORD_LENGTH.stop)]


class Session(Out):
    """A browser that is signed in. `current`: the one that asks."""

    id: UUID
    current: bool
    created_at: datetime
    last_seen_at: datetime
    expires_at: datetime


class Ended(Out):
    """How many other sessions ended."""

    ended_sessions: int


@router.get("/api/me", tags=TAGS)
def who_am_i(visit: Here) -> Response[Me]:
    """Who is signed in."""
    with visit.mine() as conn:
        return _tagged(visit, people.get(conn, visit.principal.user_id))


@router.patch("/api/me", tags=TAGS)
def change_me(visit: Here, body: ProfileChanges, if_match: IfMatch = None) -> Response[Me]:
    """Change your name or time zone."""
    somebody = visit.principal
    with visit.mine() as conn:
        person = people.change(
            conn,
            somebody.user_id,
            **body.model_dump(exclude_unset=True),
            version=version(if_match),
            actor=somebody.actor,
            now=visit.now,
        )
    return _tagged(visit, person)


@router.put("/api/me/password", tags=TAGS)
def change_password(visit: Here, body: NewPassword) -> Ended:
    """Change your password. Your other sessions end; API tokens go on until they are revoked."""
    application = visit.application
    ended = password.change(
        application.database,
        visit.principal,
        current=body.current_password,
        new=body.new_password,
        secrets=application.session_secrets(),
        now=visit.now,
    )
    return Ended(ended_sessions=ended)


@router.get("/api/me/sessions", tags=TAGS)
def list_sessions(visit: Here, after: AfterId = None, limit: Limit = 50) -> Page[Session]:
    """Where you are signed in, last seen first. API tokens are a list of their own."""
    here = visit.principal.session_hash
    with visit.mine() as conn:
        found = sessions.list_sessions(conn, user_id=visit.principal.user_id, now=visit.now)

    def shape(one: sessions.Listed) -> Session:
        return Session(
            id=one.id,
            current=one.token_hash == here,
            created_at=one.created_at,
            last_seen_at=one.last_seen_at,
            expires_at=one.expires_at,
        )

    return page_of_list(found, limit, after, shape, lambda one: one.id)


@router.delete("/api/me/sessions", tags=TAGS)
def end_other_sessions(visit: Here) -> Ended:
    """Sign out everywhere else: every session but the one that asks ends; asked with an API token, all of them."""
    somebody = visit.principal
    with visit.mine() as conn:
        ended = sessions.end_others(
            conn, user_id=somebody.user_id, keep=somebody.session_hash, actor=somebody.actor, now=visit.now
        )
    return Ended(ended_sessions=ended)


def _tagged(visit: Visit, person: Person) -> Response[Me]:
    body = Me.model_validate(person).model_copy(update={"csrf_token": visit.csrf_token()})
    headers = {"ETag": etag(person.version)}
    return Response(status_code=200, content_type=content_types.APPLICATION_JSON, body=body, headers={**headers})
