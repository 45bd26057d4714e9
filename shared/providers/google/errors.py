"""The one translator of what goes wrong with Google into the product's errors.

Source: Calendar API, "Handle API errors"; error objects `{"error": {"code", "errors": [{"reason", "location"}]}}`.
Google's own messages may repeat what was sent, so only statuses and machine-readable reasons are used.
"""

from __future__ import annotations

import json
import re
from http.client import HTTPException
from typing import TYPE_CHECKING, Any

import httplib2
from googleapiclient.errors import BatchError, HttpError
from googleapiclient.errors import Error as ClientError

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
    from collections.abc import Mapping

NO_ANSWER = (OSError, HTTPException, httplib2.HttpLib2Error, ClientError, ValueError)
"""What the client library raises when there is no answer, or none that can be read."""

_RATE_REASONS = {
    "rateLimitExceeded",
    "userRateLimitExceeded",
    "quotaExceeded",
    "dailyLimitExceeded",
    "calendarUsageLimits",
}
_CURSOR_LOCATIONS = {"syncToken", "pageToken"}
_REASON = re.compile(r"[A-Za-z][A-Za-z0-9_.]{0,63}")


def translate(error: Exception, *, during: str) -> KalendsError:
    """The typed error for anything that a call to Google raised; `during` names the call and the ids it was about."""
    if isinstance(error, KalendsError):
        return error
    if isinstance(error, HttpError) and not isinstance(error, BatchError):  # which has no answer
        return refusal(int(error.resp.status), error.resp, error.content, during=during)
    if isinstance(error, ValueError):  # that is how the client library meets what is no JSON
        return unreadable("no JSON", during=during)
    if isinstance(error, NO_ANSWER):
        return TransientError(f"Google gave no usable answer to {during} ({type(error).__name__}). It is tried again.")
    raise error


def refusal(status: int, headers: Mapping[str, str], content: bytes, *, during: str) -> KalendsError:
    """The typed error for an answer that is not a success."""
    reason, location = _reason(content)
    said = f"Google answered {status}{f' ({reason})' if reason else ''} to {during}."
    wait = retry_after(headers)
    if status == 429 or (status == 403 and reason in _RATE_REASONS):
        return RateLimitedError(f"{said} It is tried again later.", retry_after=wait)
    if status >= 500 or status in (408, 425) or 300 <= status < 400:
        if wait is not None:
            return RateLimitedError(f"{said} It is tried again later.", retry_after=wait)
        return TransientError(f"{said} It is tried again.")
    if "webhookUrl" in reason or "pushNotSupported" in reason:
        return InvalidError(f"{said} This calendar or address cannot have a push channel.", code="PROVIDER.PUSH")
    match status:
        case 401:
            return ReauthRequiredError(f"{said} The access token is refused (invalid_token): sign in again at Google.")
        case 403:
            return ForbiddenError(f"{said} The account may not do this.", gate="google")
        case 404:
            return NotFoundError(f"{said} It is not there.")
        case 410 if during.endswith(".list"):  # in a listing the cursor is gone, elsewhere the event
            return CursorExpiredError(f"{said} A full read follows.")
        case 410:
            return NotFoundError(f"{said} It has been deleted.")
        case 400 if location in _CURSOR_LOCATIONS:
            return CursorExpiredError(f"{said} The cursor is not known: a full read follows.")
        case 409:
            return ConflictError(f"{said} Something with this id is already there.")
        case 400 if reason == "channelIdNotUnique":
            return ConflictError(f"{said} Open the channel under a new id.")
        case 412:
            return PreconditionFailedError(f"{said} It has changed since it was read: read it again.")
    return InvalidError(f"{said} It will not accept this.", code="PROVIDER.REFUSED")


def unreadable(what: str, *, during: str) -> TransientError:
    """An answer that arrived as a success but is not what the API promises."""
    return TransientError(f"Google's answer to {during} has {what}. It is tried again.", code=UNREADABLE)


def endless(*, during: str) -> TransientError:
    """A listing whose pages go round in circles, or on and on."""
    return TransientError(
        f"Google's answer to {during} does not come to an end. It is tried again.", code=ENDLESS_PAGES
    )


def json_object(content: bytes, *, during: str) -> dict[str, Any]:
    """The body of a success. Raises TransientError for HTML, truncated JSON or JSON of another type."""
    try:
        value = json.loads(content)
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise unreadable("no JSON object", during=during)
    return value


def _reason(content: bytes) -> tuple[str, str]:
    """The first machine-readable reason and the parameter it is about; empty where the body has none."""
    try:
        error = json.loads(content)["error"]
        details = error["errors"][0]
        reason, location = str(details.get("reason", "")), str(details.get("location", ""))
    except (ValueError, KeyError, IndexError, TypeError, AttributeError):
        return "", ""
    reason = reason.removeprefix("push.")
    return (reason if _REASON.fullmatch(reason) else ""), location
