"""Refusals of CalDAV servers, in our terms: the one translator of this adapter.

Only the status and the names of preconditions (RFC 4918, 16) are repeated, never a server's own words.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING

from shared.core.errors import (
    ConflictError,
    CursorExpiredError,
    ForbiddenError,
    InvalidError,
    KalendsError,
    NotFoundError,
    PreconditionFailedError,
    RateLimitedError,
    ReauthRequiredError,
    TransientError,
)
from shared.providers.patience import retry_after
from shared.providers.port import ENDLESS_PAGES, UNREADABLE

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

STORAGE_FULL = "PROVIDER.STORAGE_FULL"
MOVED = "CALDAV.MOVED"
"""The code of the InvalidError for a server that sends us to a host which must not get the password unasked."""

VALID_TOKEN = "valid-sync-token"  # noqa: S105 - a precondition of RFC 6578
UID_CONFLICT = "no-uid-conflict"
_NEVER_ACCEPTED = {
    "supported-calendar-data",
    "valid-calendar-data",
    "valid-calendar-object-resource",
    "supported-calendar-component",
    "max-resource-size",
    "min-date-time",
    "max-date-time",
    "max-instances",
    "max-attendees-per-instance",
}
_GONE = (HTTPStatus.NOT_FOUND, HTTPStatus.GONE)


def translate(
    status: int, headers: Mapping[str, str], conditions: Collection[str], *, what: str, told: str = "The server"
) -> KalendsError:
    """The error behind a refusal of `what` (ids only). `conditions` are the local names of the violated ones."""
    known = sorted({VALID_TOKEN, UID_CONFLICT, *_NEVER_ACCEPTED} & set(conditions))
    answered = f"{told} answered {status}{f' ({known[0]})' if known else ''} for {what}."
    wait = retry_after(headers)
    if status == HTTPStatus.UNAUTHORIZED:
        return ReauthRequiredError(f"{answered} The password is no longer accepted (invalid_token).")
    if status == HTTPStatus.TOO_MANY_REQUESTS or (status == HTTPStatus.SERVICE_UNAVAILABLE and wait is not None):
        return RateLimitedError(f"{answered} It asks to wait.", retry_after=wait)
    if VALID_TOKEN in known:
        return CursorExpiredError(f"{answered} A full read follows.")
    if UID_CONFLICT in known or status == HTTPStatus.CONFLICT:
        return ConflictError(f"{answered} Read it again.")
    if status == HTTPStatus.PRECONDITION_FAILED and not known:
        return PreconditionFailedError(f"{answered} It changed meanwhile: read it again.")
    if known or status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
        return InvalidError(f"{answered} Repeating it will not help.")
    if status == HTTPStatus.FORBIDDEN:
        return ForbiddenError(f"{answered} The account may not do this.", gate="caldav")
    if status in _GONE:
        return NotFoundError(answered)
    if status == HTTPStatus.INSUFFICIENT_STORAGE:
        return TransientError(f"{answered} The account's storage is full.", code=STORAGE_FULL)
    if _is_permanent(status):
        return InvalidError(f"{answered} Repeating it will not help.")
    return TransientError(f"{answered} Try again later.")


def unreadable(what: str) -> TransientError:
    """A success that is none: HTML, half an answer, another shape, too much of it."""
    return TransientError(f"The server did not answer with what CalDAV promises for {what}.", code=UNREADABLE)


def endless(what: str) -> TransientError:
    """A listing whose pages go round in circles, or on and on."""
    return TransientError(f"The server did not come to an end of {what}. Try again later.", code=ENDLESS_PAGES)


def _is_permanent(status: int) -> bool:
    passing = (HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.LOCKED, HTTPStatus.FAILED_DEPENDENCY, HTTPStatus.TOO_EARLY)
    return HTTPStatus.BAD_REQUEST <= status < HTTPStatus.INTERNAL_SERVER_ERROR and status not in passing
