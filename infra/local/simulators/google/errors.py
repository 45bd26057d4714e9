"""Google's error bodies: `{"error": {"errors": [{domain, reason, message, ...}], "code", "message"}}`.

Shapes, reasons and messages are those of "Handle API errors" in the Calendar API guide, unless behaviours.md names
another source for one.
"""

import json
from typing import Any, Literal

from infra.local.simulators.exchange import Answer, Refusal, Refused


def answer(
    code: int,
    reason: str,
    message: str,
    *,
    domain: Literal["global", "calendar", "usageLimits"] = "global",
    location_type: Literal["parameter", "header"] | None = None,
    location: str | None = None,
    retry_after: int = 0,
    status: str | None = None,
    outer_message: str | None = None,
) -> Answer:
    """An error as an answer. What fails before the Calendar backend has a `status` and a message of its own."""
    error = {"domain": domain, "reason": reason, "message": message}
    if location_type and location:
        error |= {"locationType": location_type, "location": location}
    outer: dict[str, Any] = {"errors": [error], "code": code, "message": outer_message or message}
    body = {"error": outer | ({"status": status} if status else {})}
    headers = {"Retry-After": str(retry_after)} if retry_after else {}
    return Answer(status=code, body=json.dumps(body).encode(), headers=headers)


def invalid(message: str, parameter: str | None = None) -> Refused:
    """400: a field or parameter has a value that cannot be used."""
    return Refused(
        answer(400, "invalid", message, location_type="parameter" if parameter else None, location=parameter)
    )


def bad_request() -> Refused:
    """400 without saying why, which is Google's answer to a malformed time in a parameter."""
    return Refused(answer(400, "badRequest", "Bad Request"))


def in_calendar(reason: str, message: str) -> Refused:
    """400 from the rules of calendars."""
    return Refused(answer(400, reason, message, domain="calendar"))


def ordering_not_available() -> Refused:
    """400: an order that needs single events."""
    return Refused(answer(400, "badRequest", "The requested ordering is not available for the particular query."))


def insufficient_scopes() -> Refused:
    """403: the token was not granted what the method needs."""
    return Refused(
        answer(
            403,
            "insufficientPermissions",
            "Insufficient Permission",
            status="PERMISSION_DENIED",
            outer_message="Request had insufficient authentication scopes.",
        )
    )


def parse_error() -> Refused:
    """400: the body is not JSON of the expected shape."""
    return Refused(answer(400, "parseError", "Parse Error"))


def required(message: str) -> Refused:
    """400: a required field is missing."""
    return Refused(answer(400, "required", message))


def time_range_empty() -> Refused:
    """400: an end before its start."""
    return Refused(
        answer(
            400,
            "timeRangeEmpty",
            "The specified time range is empty.",
            domain="calendar",
            location_type="parameter",
            location="timeMax",
        )
    )


def not_found() -> Refused:
    """404: it never existed, or this user cannot see it."""
    return Refused(answer(404, "notFound", "Not Found"))


def deleted() -> Refused:
    """410: the event has been deleted already."""
    return Refused(answer(410, "deleted", "Resource has been deleted"))


def duplicate() -> Refused:
    """409: the id is taken, be it by a deleted event."""
    return Refused(answer(409, "duplicate", "The requested identifier already exists."))


def condition_not_met() -> Refused:
    """412: the If-Match header does not name the current version."""
    return Refused(answer(412, "conditionNotMet", "Precondition Failed", location_type="header", location="If-Match"))


def full_sync_required() -> Refused:
    """410: the sync token is too old."""
    return Refused(
        answer(
            410,
            "fullSyncRequired",
            "Sync token is no longer valid, a full sync is required.",
            domain="calendar",
            location_type="parameter",
            location="syncToken",
        )
    )


def updated_min_too_long_ago() -> Refused:
    """410: changes are not kept for that long."""
    return Refused(
        answer(
            410,
            "updatedMinTooLongAgo",
            "The requested minimum modification time lies too far in the past.",
            domain="calendar",
            location_type="parameter",
            location="updatedMin",
        )
    )


def forbidden(message: str = "Forbidden", reason: str = "forbidden", *, in_calendar: bool = False) -> Refused:
    """403 that no retry cures."""
    return Refused(answer(403, reason, message, domain="calendar" if in_calendar else "global"))


def refuse(refusal: Refusal, retry_after: int) -> Answer:
    """What Google answers when a call is refused around its handler."""
    match refusal:
        case Refusal.NO_ROUTE:
            return answer(404, "notFound", "Not Found")
        case Refusal.NO_CREDENTIALS:
            return _unauthenticated(
                "required", "Login Required.", "Request is missing required authentication credential."
            )
        case Refusal.BAD_CREDENTIALS:
            return _unauthenticated(
                "authError", "Invalid Credentials", "Request had invalid authentication credentials."
            )
        case Refusal.RATE_429 | Refusal.PER_MAILBOX_10MIN | Refusal.CONCURRENT_PER_MAILBOX:
            return answer(
                429, "rateLimitExceeded", "Rate Limit Exceeded", domain="usageLimits", retry_after=retry_after
            )
        case Refusal.RATE_403 | Refusal.PER_PROJECT_MINUTE:
            return answer(403, "rateLimitExceeded", "Rate Limit Exceeded", domain="usageLimits")
        case Refusal.PER_USER_MINUTE:
            return answer(403, "userRateLimitExceeded", "User Rate Limit Exceeded", domain="usageLimits")
        case Refusal.SERVER_ERROR:
            return answer(503, "backendError", "Backend Error")
        case Refusal.GATEWAY_TIMEOUT:
            return answer(504, "backendError", "Gateway Timeout")


def _unauthenticated(reason: str, message: str, outer_message: str) -> Answer:
    return answer(
        401,
        reason,
        message,
        location_type="header",
        location="Authorization",
        status="UNAUTHENTICATED",
        outer_message=f"{outer_message} Expected OAuth 2 access token, login cookie or other valid authentication "
        "credential.",
    )
