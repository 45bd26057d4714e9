from __future__ import annotations

import http.client
import json
import ssl
from typing import Any

import httplib2
import pytest
from googleapiclient.errors import BatchError, HttpError

from shared.core import errors as kinds
from shared.providers.google import errors
from tests.providers.google import payloads

CASES = {
    "timeRangeEmpty": kinds.InvalidError,
    "invalidSyncToken": kinds.CursorExpiredError,
    "channelIdNotUnique": kinds.ConflictError,
    "pushNotSupported": kinds.InvalidError,
    "webhookUrlUnauthorized": kinds.InvalidError,
    "authError": kinds.ReauthRequiredError,
    "userRateLimitExceeded": kinds.RateLimitedError,
    "rateLimitExceeded": kinds.RateLimitedError,
    "quotaExceeded": kinds.RateLimitedError,
    "forbiddenForNonOrganizer": kinds.ForbiddenError,
    "notFound": kinds.NotFoundError,
    "duplicate": kinds.ConflictError,
    "fullSyncRequired": kinds.CursorExpiredError,
    "updatedMinTooLongAgo": kinds.CursorExpiredError,
    "conditionNotMet": kinds.PreconditionFailedError,
    "tooMany": kinds.RateLimitedError,
    "backendError": kinds.TransientError,
}
LISTING, DELETION = "calendar.events.list", "calendar.events.delete"


def answered(name: str, *, during: str = LISTING, **headers: str) -> kinds.KalendsError:
    status, body = payloads.load("errors")[name]
    response = httplib2.Response({"status": str(status), **headers})
    return errors.translate(HttpError(response, json.dumps(body).encode()), during=during)


@pytest.mark.parametrize(("name", "kind"), CASES.items())
def test_every_documented_refusal_has_its_kind(name: str, kind: type[kinds.KalendsError]) -> None:
    error = answered(name)

    assert type(error) is kind
    assert LISTING in error.message


@pytest.mark.parametrize("name", payloads.load("errors"))
def test_googles_own_words_are_not_repeated(name: str) -> None:
    _, body = payloads.load("errors")[name]

    assert body["error"]["message"] not in answered(name).message


def test_gone_means_the_event_outside_listings() -> None:
    assert type(answered("deleted", during=DELETION)) is kinds.NotFoundError


def test_a_refused_token_is_named_as_runbook_004_looks_for_it() -> None:
    assert "invalid_token" in answered("authError").message


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "7"}, 7.0),
        ({"retry-after": "Fri, 02 Jan 2026 10:00:30 GMT", "date": "Fri, 02 Jan 2026 10:00:00 GMT"}, 30.0),
        ({"retry-after": "Fri, 02 Jan 2026 09:00:00 GMT", "date": "Fri, 02 Jan 2026 10:00:00 GMT"}, 0.0),
        ({"retry-after": "Fri, 02 Jan 2026 10:00:30 GMT"}, None),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "-5"}, None),
    ],
)
def test_retry_after_is_seconds_or_a_date(headers: dict[str, str], seconds: float | None) -> None:
    error = answered("userRateLimitExceeded", **headers)

    assert isinstance(error, kinds.RateLimitedError)
    assert error.retry_after == seconds


def test_a_server_error_that_says_when_to_come_back_is_a_limit() -> None:
    error = answered("backendError", **{"retry-after": "9"})

    assert isinstance(error, kinds.RateLimitedError)
    assert error.retry_after == 9


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (302, kinds.TransientError),
        (403, kinds.ForbiddenError),
        (404, kinds.NotFoundError),
        (410, kinds.CursorExpiredError),
        (418, kinds.InvalidError),
        (429, kinds.RateLimitedError),
        (503, kinds.TransientError),
    ],
)
@pytest.mark.parametrize(
    "body",
    [b"", b"<html>Sorry</html>", b"{", b"null", b"[]", b'{"error": "x"}', b'{"error": {"errors": [7]}}', b"\xff"],
)
def test_a_refusal_without_googles_body_is_told_by_its_status(
    status: int, kind: type[kinds.KalendsError], body: bytes
) -> None:
    assert type(errors.refusal(status, {}, body, during=LISTING)) is kind


def test_a_reason_that_is_no_word_is_not_repeated() -> None:
    body = json.dumps({"error": {"errors": [{"reason": "lunch with Ada"}]}}).encode()

    assert "Ada" not in errors.refusal(400, {}, body, during=LISTING).message


@pytest.mark.parametrize(
    "error",
    [
        TimeoutError(),
        ConnectionResetError(),
        ssl.SSLError(),
        http.client.IncompleteRead(b""),
        http.client.BadStatusLine(""),
        httplib2.ServerNotFoundError(),
        BatchError("Response not in multipart/mixed format."),
        json.JSONDecodeError("", "", 0),
        UnicodeDecodeError("utf-8", b"\xff", 0, 1, ""),
    ],
)
def test_no_usable_answer_is_transient(error: Exception) -> None:
    assert type(errors.translate(error, during=LISTING)) is kinds.TransientError


def test_what_is_nobodys_fault_but_ours_is_not_translated() -> None:
    with pytest.raises(ZeroDivisionError):
        errors.translate(ZeroDivisionError(), during=LISTING)


@pytest.mark.parametrize("content", [b"<html>", b'{"id": ', b"null", b"[]", b"7", b"\xff"])
def test_a_success_that_is_no_object_is_transient(content: bytes) -> None:
    with pytest.raises(kinds.TransientError):
        errors.json_object(content, during=LISTING)


def test_an_object_is_read() -> None:
    value: Any = errors.json_object(b'{"sub": "1"}', during=LISTING)

    assert value == {"sub": "1"}
