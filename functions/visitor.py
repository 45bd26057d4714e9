"""Who sends a request, by its cookie or its Authorization header."""

from __future__ import annotations

from typing import TYPE_CHECKING

from functions.http import set_cookie
from functions.observability import add_facts
from shared.identity import principal, sessions

if TYPE_CHECKING:
    from datetime import datetime

    from functions.http import Request
    from shared.identity.principal import Principal
    from shared.wiring import App


def of(request: Request, application: App, *, now: datetime) -> Principal | None:
    """Who it is, or None for nobody. Raises UnauthenticatedError for an API token that is dead."""
    found = principal.authenticate(
        application.database,
        session_token=request.cookies.get(sessions.COOKIE),
        authorization=request.headers.get("authorization"),
        now=now,
    )
    if found is not None:
        add_facts(user_id=str(found.user_id))
    return found


def session_cookie(token: str, application: App) -> str:
    """The Set-Cookie value that keeps `token` as long as the session lives."""
    return set_cookie(
        sessions.COOKIE, token, max_age=int(sessions.LIFETIME.total_seconds()), secure=_is_https(application)
    )


def no_session_cookie(application: App) -> str:
    """The Set-Cookie value that takes the session's cookie away."""
    return set_cookie(sessions.COOKIE, "", max_age=0, secure=_is_https(application))


def renewed_cookies(request: Request, visitor: Principal | None, application: App) -> tuple[str, ...]:
    """The session's cookie again if its end has moved, for the answer to carry."""
    if visitor is None or not visitor.session_renewed:
        return ()
    return (session_cookie(request.cookies[sessions.COOKIE], application),)


def _is_https(application: App) -> bool:
    return application.settings.app_base_url.startswith("https://")
