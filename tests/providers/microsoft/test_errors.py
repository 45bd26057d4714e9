from __future__ import annotations

from typing import Any

import pytest

from shared.core import errors as kinds
from shared.providers.microsoft import errors
from tests.providers.microsoft import answers

_CASES = {
    "InvalidAuthenticationToken": kinds.ReauthRequiredError,
    "ErrorAccessDenied": kinds.ForbiddenError,
    "ErrorItemNotFound": kinds.NotFoundError,
    "ErrorFolderNotFound": kinds.NotFoundError,
    "MailboxNotEnabledForRESTAPI": kinds.ForbiddenError,
    "UnknownError": kinds.TransientError,
    "ErrorDuplicateTransactionId": kinds.ConflictError,
    "syncStateNotFound": kinds.CursorExpiredError,
    "resyncRequired": kinds.CursorExpiredError,
    "SyncStateNotFoundAs400": kinds.CursorExpiredError,
    "ErrorIrresolvableConflict": kinds.PreconditionFailedError,
    "PreconditionFailed": kinds.PreconditionFailedError,
    "ErrorOccurrenceCrossingBoundary": kinds.InvalidError,
    "ErrorPropertyValidationFailure": kinds.InvalidError,
    "ApplicationThrottled": kinds.RateLimitedError,
    "ErrorMailboxStoreUnavailable": kinds.TransientError,
    "ErrorInternalServerError": kinds.TransientError,
    "GatewayTimeout": kinds.TransientError,
    "Locked": kinds.TransientError,
}


def translate(name: str, **headers: str) -> kinds.KalendsError:
    status, body = answers.load("errors")[name]
    return errors.translate(status, headers, body, what="event AAMk")


@pytest.mark.parametrize(("name", "kind"), _CASES.items())
def test_each_refusal_says_what_the_caller_must_do(name: str, kind: type[kinds.KalendsError]) -> None:
    error = translate(name)

    assert type(error) is kind
    assert "AAMk" in error.message


def test_every_refusal_of_the_payloads_is_covered() -> None:
    assert answers.load("errors").keys() == _CASES.keys()


def test_a_dead_token_is_called_invalid_token() -> None:
    assert "invalid_token" in translate("InvalidAuthenticationToken").message


@pytest.mark.parametrize("name", _CASES)
def test_microsofts_own_words_are_never_repeated(name: str) -> None:
    message = answers.load("errors")[name][1]["error"]["message"]

    assert "Dentist" not in translate(name).message
    assert not message or message not in translate(name).message


@pytest.mark.parametrize(
    ("headers", "wait"),
    [
        ({"Retry-After": "12"}, 12.0),
        ({"retry-after": "Mon, 02 Mar 2026 08:00:30 GMT", "date": "Mon, 02 Mar 2026 08:00:00 GMT"}, 30.0),
        ({"retry-after": "Mon, 02 Mar 2026 08:00:00 GMT", "date": "Mon, 02 Mar 2026 08:00:30 GMT"}, 0.0),
        ({"retry-after": "Mon, 02 Mar 2026 08:00:00 GMT"}, None),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "-5"}, None),
        ({}, None),
    ],
)
def test_retry_after_is_seconds_or_a_date(headers: dict[str, str], wait: float | None) -> None:
    error = translate("ApplicationThrottled", **headers)

    assert isinstance(error, kinds.RateLimitedError)
    assert error.retry_after == wait


def test_unavailable_with_a_time_to_wait_is_a_rate_limit() -> None:
    error = translate("ErrorMailboxStoreUnavailable", **{"Retry-After": "7"})

    assert isinstance(error, kinds.RateLimitedError)
    assert error.retry_after == 7


@pytest.mark.parametrize("body", [None, [], {}, {"error": None}, {"error": {"code": 5}}, {"error": {"code": "a b\nc"}}])
@pytest.mark.parametrize("status", [302, 404, 408, 500, 502, 504])
def test_a_refusal_that_is_not_graphs_is_passing(status: int, body: Any) -> None:
    assert type(errors.translate(status, {}, body, what="event AAMk")) is kinds.TransientError


@pytest.mark.parametrize("status", [400, 405, 413, 422])
def test_a_refusal_without_json_is_passing_even_if_it_looks_permanent(status: int) -> None:
    assert type(errors.translate(status, {}, None, what="event AAMk")) is kinds.TransientError
    assert type(errors.translate(status, {}, {"error": {"code": "BadRequest"}}, what="x")) is kinds.InvalidError
