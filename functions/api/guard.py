"""Who may call what, and how a route gets its visit.

The order of refusals is the same everywhere: 403 for a closed gate, even to strangers, so that a shutdown really is
one (runbook 004, S4-59), then 401, then 403 for a missing proof of origin or role, then the request itself.
"""

from datetime import datetime
from typing import Annotated

from aws_lambda_powertools.event_handler import Request as Resolved
from aws_lambda_powertools.event_handler.depends import Depends

from functions import visitor
from functions.http import Request
from functions.visit import Visit
from shared.control import gates
from shared.core.errors import InvalidError
from shared.identity import principal as identity
from shared.wiring import App

PUBLIC = frozenset({("POST", "/api/session"), ("GET", "/openapi.json")})
"""What strangers may call."""

CALENDAR = (
    "/api/connections",
    "/api/calendars",
    "/api/links",
    "/api/link-groups",
    "/api/plans",
    "/api/runs",
    "/api/sync",
    "/api/events",
    "/api/availability",
    "/api/overlaps",
    "/api/changes",
    "/api/held",
    "/api/conflicts",
    "/api/feeds",
    "/api/reconcile",
    "/api/admin/calendar",
)
"""Where calendars are worked with. Status and doctor stay open: they tell that a gate is closed."""

ADMINISTRATORS = ("/api/admin", "/api/doctor")

CSRF_HEADER = "x-csrf-token"


def begin(request: Request, application: App, *, now: datetime) -> Visit:
    """Let a request in. Raises ForbiddenError, UnauthenticatedError, InvalidError, in this order."""
    _check_gates(request, application)
    found = None
    if (request.method, request.path) not in PUBLIC:
        found = identity.require(visitor.of(request, application, now=now))
        if not request.is_safe:
            visit = Visit(application=application, request=request, visitor=found, now=now)
            visit.check_csrf(request.headers.get(CSRF_HEADER, ""))
        if _below(request.path, ADMINISTRATORS):
            identity.require_role(found, "admin")
    # Other sites can post forms with the cookie, but not JSON: not without asking first, and nobody answers that.
    if request.body:
        _check_media_type(request)
    return Visit(application=application, request=request, visitor=found, now=now)


def _check_gates(request: Request, application: App) -> None:
    if not _below(request.path, CALENDAR) or _revokes_a_feed(request):
        return
    with application.database.everyone() as conn:
        gates.may(conn, gates.Operation.SYNC, settings_flags=application.flags)
        if _below(request.path, ("/api/admin/calendar",)):
            gates.may(conn, gates.Operation.JOBS, settings_flags=application.flags)


def _revokes_a_feed(request: Request) -> bool:
    """What nobody is kept from, here as on the page: an address in the wrong hands is closed at once, and no calendar
    is touched."""
    return request.method == "DELETE" and _below(request.path, ("/api/feeds",))


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
