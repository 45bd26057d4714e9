"""One request to the API: who asks, whether they may, and what a route works with.

The order of refusals is the same everywhere: 403 for a closed gate, even to strangers, so that a shutdown really is
one (runbook 004, S4-59), then 401, then 403 for a missing proof of origin or role, then the request itself.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

from aws_lambda_powertools.event_handler import Request as Resolved
from aws_lambda_powertools.event_handler.depends import Depends

from functions import visitor
from functions.http import Request
from shared.control import gates
from shared.core.errors import InvalidError
from shared.identity import principal as identity
from shared.identity import sessions
from shared.identity.principal import Principal
from shared.store.database import Connection
from shared.sync.context import Engine
from shared.sync.requests import By
from shared.wiring import App

PUBLIC = frozenset({("POST", "/api/session"), ("GET", "/openapi.json")})
"""What strangers may call."""

CALENDAR = (
    "/api/connections",
    "/api/calendars",
    "/api/links",
    "/api/sync",
    "/api/events",
    "/api/changes",
    "/api/held",
    "/api/admin/calendar",
)
"""Where calendars are worked with. Status and doctor stay open: they tell that a gate is closed."""

ADMINISTRATORS = ("/api/admin", "/api/doctor")

CSRF_HEADER = "x-csrf-token"


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """A request that may go on. `visitor` is None only on what strangers may call."""

    application: App
    request: Request
    visitor: Principal | None
    now: datetime

    @property
    def principal(self) -> Principal:
        """Who asks. Raises UnauthenticatedError."""
        return identity.require(self.visitor)

    @property
    def engine(self) -> Engine:
        """What the sync engine works with."""
        return self.application.engine()

    @property
    def by(self) -> By:
        """Who asks, for what is done in their name."""
        return By(
            user_id=self.principal.user_id, actor=self.principal.actor, correlation_id=self.request.id, now=self.now
        )

    @contextmanager
    def mine(self) -> Iterator[Connection]:
        """A transaction that sees only what belongs to whoever asks."""
        with self.application.database.person(self.principal.user_id) as conn:
            yield conn

    @property
    def session_token(self) -> str | None:
        """The session's token, if it was the session that said who asks."""
        return self.request.cookies.get(sessions.COOKIE) if self.visitor and self.visitor.session_hash else None

    def csrf_token(self) -> str | None:
        """What changes must carry in X-CSRF-Token; None for an API token, which no other site can send."""
        token = self.session_token
        return sessions.csrf_token(self.application.session_secrets(), token) if token else None


def begin(request: Request, application: App, *, now: datetime) -> Visit:
    """Let a request in. Raises ForbiddenError, UnauthenticatedError, InvalidError, in this order."""
    _check_gates(request, application)
    found = None
    if (request.method, request.path) not in PUBLIC:
        found = identity.require(visitor.of(request, application, now=now))
        visit = Visit(application=application, request=request, visitor=found, now=now)
        token = visit.session_token
        if token and not request.is_safe:
            sessions.check_csrf(application.session_secrets(), token, request.headers.get(CSRF_HEADER, ""))
        if _below(request.path, ADMINISTRATORS):
            identity.require_role(found, "admin")
    # Other sites can post forms with the cookie, but not JSON: not without asking first, and nobody answers that.
    if request.body:
        _check_media_type(request)
    return Visit(application=application, request=request, visitor=found, now=now)


def _check_gates(request: Request, application: App) -> None:
    if not _below(request.path, CALENDAR):
        return
    with application.database.everyone() as conn:
        gates.may(conn, gates.Operation.SYNC, settings_flags=application.flags)
        if _below(request.path, ("/api/admin/calendar",)):
            gates.may(conn, gates.Operation.JOBS, settings_flags=application.flags)


def _below(path: str, prefixes: tuple[str, ...]) -> bool:
    return any(path == prefix or path.startswith(f"{prefix}/") for prefix in prefixes)


def _check_media_type(request: Request) -> None:
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise InvalidError("Send JSON, with Content-Type: application/json.", code="REQUEST.MEDIA_TYPE")
    try:
        request.body.decode()
    except UnicodeDecodeError:
        raise InvalidError("JSON is written in UTF-8 (RFC 8259, 8.1).", code="REQUEST.INVALID") from None


def _current(request: Resolved) -> Visit:
    visit = request.context["visit"]
    if not isinstance(visit, Visit):
        raise TypeError("a route was resolved without a visit")
    return visit


Here = Annotated[Visit, Depends(_current)]
"""How a route asks for its visit."""
