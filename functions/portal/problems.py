"""What a person sees when something cannot be done: what happened, and what to do next. Never a dead end.

Every page of the product ends here when it fails; `refuse` fits `functions.http.respond`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import quote

from functions.http import problem, see_other
from functions.portal import rendering
from shared.core.errors import ForbiddenError, InvalidError, RateLimitedError, UnauthenticatedError

if TYPE_CHECKING:
    from functions.http import Request, Response
    from shared.core.errors import KalendsError


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """A title, and where the way goes on: an address and what its link says."""

    title: str
    onward: tuple[str, str] = ("/", "Back to the overview")


_CONNECT = ("/connections", "Your accounts")
_ENDINGS = {
    "AUTH.CONSENT_DENIED": Ending(title="Nothing was connected", onward=_CONNECT),
    "AUTH.ADMIN_APPROVAL": Ending(title="Your administrator has to approve first", onward=_CONNECT),
    "AUTH.WRONG_TENANT": Ending(title="This account may not be used here", onward=_CONNECT),
    "AUTH.STATE_UNKNOWN": Ending(title="This sign-in was not started here", onward=_CONNECT),
    "AUTH.STATE_EXPIRED": Ending(title="That took too long", onward=_CONNECT),
    "AUTH.STATE_REUSED": Ending(title="This was finished before", onward=_CONNECT),
    "AUTH.WRONG_SESSION": Ending(title="Another session started this", onward=("/signin", "Sign in")),
    "AUTH.CODE_REFUSED": Ending(title="The account was not connected", onward=_CONNECT),
    "AUTH.NO_REFRESH_TOKEN": Ending(title="The account was not connected", onward=_CONNECT),
    "AUTH.CSRF": Ending(title="This page was out of date"),
    "AUTH.ROLE": Ending(title="This is not for you"),
    "GATE.CLOSED": Ending(title="This is switched off"),
    "INVITATION.EXPIRED": Ending(title="This invitation is over", onward=("/signin", "Sign in")),
    "INVITATION.USED": Ending(title="This invitation was used before", onward=("/signin", "Sign in")),
    "ROUTE.NOT_FOUND": Ending(title="There is no such page"),
    "PRECONDITION_FAILED": Ending(title="Somebody changed this meanwhile"),
}
_BY_STATUS = {
    400: Ending(title="That did not work"),
    403: Ending(title="This is not allowed"),
    404: Ending(title="It is not there"),
    409: Ending(title="That is not possible as things stand"),
    429: Ending(title="Too fast"),
    503: Ending(title="Not right now"),
}
_UNFORESEEN = Ending(title="Something went wrong here")


def refuse(request: Request, error: KalendsError) -> Response:
    """A page for a browser, a problem for a program. Nobody signed in: the sign-in page, which leads back here."""
    if not request.wants_html:
        return problem(error)
    if isinstance(error, UnauthenticatedError) and error.error_code == UnauthenticatedError.code:
        back = request.path if request.is_safe else "/"
        return see_other(f"/signin?next={quote(back, safe='/')}" if back != "/" else "/signin")
    repeatable = request.is_safe and not request.query
    return render_problem(error, request_id=request.id, again=request.path if repeatable else "")


def render_problem(error: KalendsError, *, request_id: str, again: str = "") -> Response:
    """The page that says what happened and what to do next. `again` is an address worth trying again.

    An error's field `admin_consent_url` is shown as a link to copy and send.
    """
    ending = _ENDINGS.get(error.error_code) or _BY_STATUS.get(error.status, _UNFORESEEN)
    fields = error.fields if isinstance(error, InvalidError) else {}
    return rendering.page(
        "problem.html",
        None,
        status=error.status,
        title=ending.title,
        message=error.message,
        copy=fields.get("admin_consent_url", ""),
        fields={name: problem for name, problem in fields.items() if name != "admin_consent_url"},
        onward=ending.onward,
        again=again if error.status >= 500 else "",
        gate=error.gate if isinstance(error, ForbiddenError) and error.error_code == "GATE.CLOSED" else "",
        wait=round(error.retry_after) if isinstance(error, RateLimitedError) and error.retry_after else 0,
        code=error.error_code,
        request_id=request_id,
    )


def thank(title: str, message: str) -> Response:
    """The end of something that went well and leads nowhere in particular."""
    return rendering.page("thanks.html", None, title=title, message=message)
