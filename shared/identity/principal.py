"""Who a request comes from, by its session cookie or its API token, and what they may do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from shared.core.errors import ForbiddenError, UnauthenticatedError
from shared.identity import api_tokens, people, sessions

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from shared.identity.people import Role
    from shared.store.database import Database


@dataclass(frozen=True, slots=True, kw_only=True)
class Principal:
    """The person behind a request. `session_hash` is None when it came with an API token."""

    user_id: UUID
    role: Role
    session_hash: bytes | None = None
    session_renewed: bool = False

    @property
    def actor(self) -> str:
        """As the audit log names them."""
        return f"person:{self.user_id}"


def authenticate(
    database: Database, *, session_token: str | None, authorization: str | None, now: datetime
) -> Principal | None:
    """Who it is, or None when nothing was presented or the session has ended.

    `authorization` is the header's value. Raises UnauthenticatedError for a token that is unknown, expired or
    revoked: a program that presents one must hear that it is dead, whatever cookie comes along.
    """
    if authorization:
        scheme, _, token = authorization.partition(" ")
        with database.everyone() as conn:
            bearer = api_tokens.find(conn, token.strip(), now=now) if scheme.lower() == "bearer" else None
        if bearer is None:
            raise UnauthenticatedError(
                "The API token is unknown, expired or revoked. Make a new one and sign in again.",
                code="AUTH.TOKEN_REFUSED",
            )
        return Principal(user_id=bearer.user_id, role=bearer.role)
    if not session_token:
        return None
    with database.everyone() as conn:
        session = sessions.find(conn, session_token, now=now)
    if session is None:
        return None
    return Principal(
        user_id=session.user_id, role=session.role, session_hash=session.token_hash, session_renewed=session.renewed
    )


def require(principal: Principal | None) -> Principal:
    """Somebody must be signed in. Raises UnauthenticatedError."""
    if principal is None:
        raise UnauthenticatedError("Sign in first: nobody is signed in, or the session has ended.")
    return principal


def require_role(principal: Principal, role: Role) -> None:
    """The person must have `role` or a higher one. Raises ForbiddenError."""
    if people.ROLES.index(principal.role) < people.ROLES.index(role):
        raise ForbiddenError(f"Only people with the role {role} may do this.", gate=f"role:{role}", code="AUTH.ROLE")
