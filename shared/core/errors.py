"""Errors, typed by what the caller must do.

Every error that leaves a room is one of these. `code` is stable and documented; `status` is what the HTTP edge
answers; `retryable` says whether the same call may succeed later without anybody doing anything. A message says
what happened, to which id, and what to do next. It never holds a secret or an event's text: it is logged, stored
in error columns and shown to people.
"""

from __future__ import annotations

from typing import ClassVar


class KalendsError(Exception):
    """What every error of the product has in common."""

    code: ClassVar[str] = "INTERNAL"
    status: ClassVar[int] = 500
    retryable: ClassVar[bool] = False

    def __init__(self, message: str, *, code: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self._code = code

    @property
    def error_code(self) -> str:
        """The stable, documented code: the one given at the raise, or the class's own."""
        return self._code or self.code


class NotFoundError(KalendsError):
    """There is no such thing, or not for this person."""

    code = "NOT_FOUND"
    status = 404


class ConflictError(KalendsError):
    """The request contradicts the state that is there: read it again and decide anew."""

    code = "CONFLICT"
    status = 409


class InvalidError(KalendsError):
    """The request, setting or item cannot be understood or held: change it before trying again."""

    code = "INVALID"
    status = 400

    def __init__(self, message: str, *, code: str | None = None, fields: dict[str, str] | None = None) -> None:
        super().__init__(message, code=code)
        self.fields = fields or {}


class UnauthenticatedError(KalendsError):
    """Nobody is signed in, or the proof of who it is was refused."""

    code = "AUTH.UNAUTHENTICATED"
    status = 401


class ForbiddenError(KalendsError):
    """A gate or a role says no; `gate` names which one."""

    code = "FORBIDDEN"
    status = 403

    def __init__(self, message: str, *, gate: str = "", code: str | None = None) -> None:
        super().__init__(message, code=code)
        self.gate = gate


class PreconditionFailedError(KalendsError):
    """The thing changed since it was read (If-Match, ETag, fencing token): read it again."""

    code = "PRECONDITION_FAILED"
    status = 412


class ReauthRequiredError(KalendsError):
    """The provider no longer accepts the person's grant: only signing in there again helps."""

    code = "AUTH.INVALID_TOKEN"
    status = 401


class CursorExpiredError(KalendsError):
    """The provider forgot our cursor (410 Gone, syncStateNotFound): an ordinary event; a full sync follows."""

    code = "SYNC.CURSOR_EXPIRED"
    status = 409
    retryable = True


class TransientError(KalendsError):
    """The other side failed in a way that time mends: 5xx, a time-out, a broken connection."""

    code = "TRANSIENT"
    status = 503
    retryable = True


class RateLimitedError(TransientError):
    """Too many requests. `retry_after` is in seconds, as the other side asked, or None."""

    code = "RATE_LIMITED"
    status = 429

    def __init__(self, message: str, *, retry_after: float | None = None, code: str | None = None) -> None:
        super().__init__(message, code=code)
        self.retry_after = retry_after


class QuotaSpentError(KalendsError):
    """By our own count the provider would refuse, or live work goes first. Nothing failed: the work stays due."""

    code = "QUOTA.SPENT"
    status = 429
    retryable = True


class SuspiciousChangeError(KalendsError):
    """A change so large that a person must confirm it (promise 1)."""

    code = "SYNC.HELD"
    status = 409
