"""API tokens: what programs and the command line sign in with."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from aws_lambda_powertools.event_handler import Response

from functions.api.guard import Here
from functions.api.once import once
from functions.api.routing import new_router
from functions.api.shapes import AfterId, IdempotencyKey, In, Limit, OneLine, Out, Page, page_of_list
from shared.identity import api_tokens

router = new_router()
TAGS = ["tokens"]


class NewToken(In):
    """What to call it, and when it ends by itself; without an end it lasts until it is revoked."""

    name: Annotated[str, OneLine]
    expires_at: datetime | None = None


class Token(Out):
    """A token as it can be recognised later: `hint` is its beginning."""

    id: UUID
    name: str
    hint: str
    created_at: datetime
    last_used_at: datetime | None
    expires_at: datetime | None
    revoked_at: datetime | None


class MadeToken(Token):
    """A new token. `token` is shown this once; null where the request is answered again (Idempotency-Key)."""

    token: str | None


@router.get("/api/tokens", tags=TAGS)
def list_tokens(visit: Here, after: AfterId = None, limit: Limit = 50) -> Page[Token]:
    """Your API tokens, newest first, revoked ones included."""
    with visit.mine() as conn:
        found = api_tokens.list_tokens(conn, user_id=visit.principal.user_id)
    return page_of_list(found, limit, after, Token.model_validate, lambda one: one.id)


@router.post("/api/tokens", status_code=201, tags=TAGS)
def create_token(visit: Here, body: NewToken, idempotency_key: IdempotencyKey = None) -> Response[MadeToken]:
    """Make an API token. It can do everything you can: keep it like your password."""

    def make() -> MadeToken:
        with visit.mine() as conn:
            made, token = api_tokens.create(
                conn,
                user_id=visit.principal.user_id,
                name=body.name,
                actor=visit.principal.actor,
                now=visit.now,
                expires_at=body.expires_at,
            )
        return MadeToken(**Token.model_validate(made).model_dump(), token=token)

    return once(
        visit,
        idempotency_key,
        make,
        shape=MadeToken,
        kept=lambda made: made.model_copy(update={"token": None}),
    )


@router.delete("/api/tokens/<token_id>", status_code=204, tags=TAGS)
def revoke_token(visit: Here, token_id: UUID) -> Response[None]:
    """Revoke an API token: it is dead at once."""
    with visit.mine() as conn:
        api_tokens.revoke(conn, token_id, user_id=visit.principal.user_id, actor=visit.principal.actor, now=visit.now)
    return Response(status_code=204)
