"""The HTTP shape: requests as API Gateway and the embedded AWS write them, errors as problem details (RFC 9457)."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from functions.http import Request, Response, json_response, problem, respond, set_cookie
from shared.core import errors
from shared.core.errors import ForbiddenError, InvalidError, KalendsError, NotFoundError, RateLimitedError


def subclasses(of: type[KalendsError]) -> list[type[KalendsError]]:
    return [of, *(below for each in of.__subclasses__() for below in subclasses(each))]


def answered(raised: Exception, **event: Any) -> dict[str, Any]:
    def answer(request: Request) -> Response:
        raise raised

    return respond(event, answer)


@pytest.mark.parametrize("error", subclasses(KalendsError), ids=lambda error: error.__name__)
def test_every_error_becomes_a_problem_with_its_status_and_code(error: type[KalendsError]) -> None:
    answer = answered(error("What happened."))

    body = json.loads(answer["body"])
    assert answer["statusCode"] == body["status"] == error.status
    assert (body["code"], body["detail"], body["type"]) == (error.code, "What happened.", "about:blank")
    assert answer["headers"]["content-type"] == "application/problem+json"


def test_a_problem_says_which_fields_and_which_gate_and_when() -> None:
    fields = json.loads(problem(InvalidError("x", fields={"name": "is empty"})).body)["fields"]
    gate = json.loads(problem(ForbiddenError("x", gate="CALENDAR_SYNC_ENABLED")).body)["gate"]
    after = problem(RateLimitedError("x", retry_after=1.2)).headers["retry-after"]

    assert (fields, gate, after) == ({"name": "is empty"}, "CALENDAR_SYNC_ENABLED", "2")


def test_what_nobody_foresaw_is_logged_and_says_nothing(caplog: pytest.LogCaptureFixture) -> None:
    answer = answered(ZeroDivisionError("planted"))

    assert answer["statusCode"] == 500
    assert "planted" not in answer["body"]
    assert json.loads(answer["body"])["code"] == "INTERNAL"
    assert "request failed" in caplog.text


def test_an_edge_may_refuse_in_its_own_words() -> None:
    def answer(request: Request) -> Response:
        raise NotFoundError("no such thing")

    answered = respond({}, answer, refuse=lambda request, error: Response(status=418, body=error.message))

    assert (answered["statusCode"], answered["body"]) == (418, "no such thing")


def test_a_body_that_is_not_what_it_says_is_refused() -> None:
    answer = respond({"body": "%%%", "isBase64Encoded": True}, lambda request: Response(status=200))

    assert json.loads(answer["body"])["code"] == "REQUEST.MALFORMED"


@given(given_id=st.text(max_size=200))
def test_a_callers_request_id_comes_back_only_if_it_is_fit_to_be_logged(given_id: str) -> None:
    event = {"headers": {"X-Request-ID": given_id}, "requestContext": {"requestId": "gateway"}}

    answer = respond(event, lambda request: Response(status=200))["headers"]["x-request-id"]

    fit = given_id.isascii() and 1 <= len(given_id) <= 128 and all(c.isalnum() or c in "._:=-" for c in given_id)
    assert answer == (given_id if fit else "gateway")


@pytest.mark.parametrize(
    "event",
    [
        {"cookies": ["a=1", "kalends_session=token"]},
        {"headers": {"Cookie": "a=1; kalends_session=token"}},
        {"cookies": ["kalends_session=token"], "headers": {"cookie": "kalends_session=another"}},
    ],
)
def test_cookies_are_read_from_the_list_and_from_the_header(event: dict[str, Any]) -> None:
    assert Request.of(event).cookies["kalends_session"] == "token"


def test_an_event_with_nothing_in_it_is_a_request() -> None:
    request = Request.of({})

    assert (request.method, request.path, request.body, request.is_safe) == ("GET", "/", b"", True)


def test_bodies_come_as_text_or_in_base64() -> None:
    encoded = {"body": base64.b64encode(b"\xff\x00").decode(), "isBase64Encoded": True}

    assert Request.of({"body": "täxt"}).body == "täxt".encode()
    assert Request.of(encoded).body == b"\xff\x00"


class TestForm:
    def form(self, body: bytes, content_type: str = "application/x-www-form-urlencoded") -> dict[str, str]:
        return Request(method="POST", path="/", headers={"content-type": content_type}, body=body).form()

    def test_fields_are_read(self) -> None:
        assert self.form(b"name=Ada+L&empty=&name=Ada") == {"name": "Ada", "empty": ""}

    @pytest.mark.parametrize("body", [b"\xff\xfe", b"&".join([b"a=1"] * 101)])
    def test_what_cannot_be_read_is_refused(self, body: bytes) -> None:
        with pytest.raises(InvalidError):
            self.form(body)

    def test_json_is_not_a_form(self) -> None:
        with pytest.raises(InvalidError):
            self.form(b"{}", "application/json")


def test_answers_are_for_one_person_and_no_frame() -> None:
    headers = json_response({"a": 1}).event(request_id="r")["headers"]

    assert headers["cache-control"] == "no-store"
    assert headers["x-content-type-options"] == "nosniff"
    assert "frame-ancestors 'none'" in headers["content-security-policy"]


@pytest.mark.parametrize(("secure", "end"), [(True, "; Secure"), (False, "SameSite=Lax")])
def test_the_session_cookie_is_out_of_reach_of_scripts_and_of_other_sites(secure: bool, end: str) -> None:
    cookie = set_cookie("kalends_session", "token", max_age=60, secure=secure)

    assert "; HttpOnly" in cookie
    assert "SameSite=Lax" in cookie
    assert cookie.endswith(end)


def test_every_status_of_an_error_is_one_that_http_knows() -> None:
    assert {error.status for error in subclasses(errors.KalendsError)} <= {400, 401, 403, 404, 409, 412, 429, 500, 503}
