"""Graph's refusals, in our terms: the one translator of this adapter.

Only the status and Graph's error code are repeated, never its message: that can quote an event.
Source: Graph v1.0, "Microsoft Graph error responses and resource types", throttling, delta query.
"""

from __future__ import annotations

import re
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

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

if TYPE_CHECKING:
    from collections.abc import Mapping

ITEM_NOT_FOUND = "ErrorItemNotFound"
"""The only proof that an event is gone: any other 404 may mean a mailbox that moves or an address that is wrong."""
ID_MALFORMED = "ErrorInvalidIdMalformed"
DUPLICATE_TRANSACTION = "ErrorDuplicateTransactionId"

_NOT_FOUND = {ITEM_NOT_FOUND, "itemNotFound", "ErrorFolderNotFound", "ResourceNotFound", "ExtensionError"}
_NO_MAILBOX = {"MailboxNotEnabledForRESTAPI", "MailboxNotSupportedForRESTAPI", "ErrorNonExistentMailbox"}
_CURSOR = {"syncStateNotFound", "syncStateInvalid", "resyncRequired", "ErrorInvalidSyncStateData"}
_STALE = {"ErrorIrresolvableConflict", "ErrorStaleObject"}
_CODE = re.compile(r"[\w.]{1,100}", re.ASCII)


def code_of(answer: Any) -> str:
    """Graph's error code in an answer, or empty."""
    error = answer.get("error") if isinstance(answer, dict) else None
    code = error.get("code") if isinstance(error, dict) else None
    return code if isinstance(code, str) and _CODE.fullmatch(code) else ""


def translate(status: int, headers: Mapping[str, str], answer: Any, *, what: str) -> KalendsError:
    """The error behind a refusal of `what` (ids only, e.g. `event AAMk...`)."""
    code = code_of(answer)
    told = f"Microsoft Graph answered {status}{f' {code}' if code else ''} for {what}."
    wait = retry_after(headers)
    if status == HTTPStatus.UNAUTHORIZED:
        return ReauthRequiredError(f"{told} The access token is no longer accepted (invalid_token).")
    if status == HTTPStatus.TOO_MANY_REQUESTS or (status == HTTPStatus.SERVICE_UNAVAILABLE and wait is not None):
        return RateLimitedError(f"{told} It asks to wait.", retry_after=wait)
    if status == HTTPStatus.GONE or code in _CURSOR:
        return CursorExpiredError(f"{told} A full read follows.")
    if status == HTTPStatus.PRECONDITION_FAILED or code in _STALE:
        return PreconditionFailedError(f"{told} It changed meanwhile: read it again.")
    if status == HTTPStatus.FORBIDDEN or code in _NO_MAILBOX:
        return ForbiddenError(f"{told} The account may not do this.", gate="microsoft")
    if status == HTTPStatus.NOT_FOUND and code in _NOT_FOUND:
        return NotFoundError(told)
    if status == HTTPStatus.CONFLICT or code == DUPLICATE_TRANSACTION:
        return ConflictError(f"{told} Read it again.")
    if _is_permanent(status) and isinstance(answer, dict):
        return InvalidError(f"{told} Repeating it will not help.")
    return TransientError(f"{told} Try again later.")


def _is_permanent(status: int) -> bool:
    """Whether the request itself is refused. A 404 without one of Graph's codes comes from something before Graph."""
    passing = {HTTPStatus.NOT_FOUND, HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.LOCKED, HTTPStatus.FAILED_DEPENDENCY}
    return HTTPStatus.BAD_REQUEST <= status < HTTPStatus.INTERNAL_SERVER_ERROR and status not in passing
