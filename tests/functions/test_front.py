"""In a stage with CloudFront in front, nobody is answered who came past it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest

from functions.front import ORIGIN_HEADER, VIEWER_HEADER, fronted
from functions.http import Request
from infra.local import aws
from shared import wiring
from tests.functions.conftest import Context

if TYPE_CHECKING:
    from tests.installation import Installation

EVENT: dict[str, Any] = {
    "rawPath": "/",
    "requestContext": {"requestId": "r1", "http": {"method": "GET", "sourceIp": "130.176.1.1"}},
}


@fronted
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Answers with what it was given."""
    request = Request.of(event)
    return {"statusCode": 200, "address": request.address, "headers": dict(request.headers)}


def ask(**headers: str) -> dict[str, Any]:
    return handler({**EVENT, "headers": headers}, Context())  # type: ignore[arg-type]


@pytest.fixture
def _front(deployed: Installation, embedded_aws: str, monkeypatch: pytest.MonkeyPatch) -> None:
    name = f"kalends/test/{uuid4().hex}/origin"
    text = json.dumps({"current": "new", "previous": "old"})
    aws.client("secretsmanager", embedded_aws).create_secret(Name=name, SecretString=text)
    monkeypatch.setenv("ORIGIN_SECRET_ID", name)


@pytest.mark.usefixtures("_front")
@pytest.mark.parametrize("shown", ["new", "old"])
def test_what_came_through_is_answered_under_the_viewers_address(shown: str) -> None:
    answer = ask(**{ORIGIN_HEADER.title(): shown, VIEWER_HEADER: "203.0.113.7", "accept": "text/html"})

    assert answer == {"statusCode": 200, "address": "203.0.113.7", "headers": {"accept": "text/html"}}


@pytest.mark.usefixtures("_front")
@pytest.mark.parametrize("headers", [{}, {ORIGIN_HEADER: ""}, {ORIGIN_HEADER: "wrong"}, {ORIGIN_HEADER: "né"}], ids=str)
def test_what_came_another_way_is_refused(headers: dict[str, str]) -> None:
    answer = ask(**headers)

    assert answer["statusCode"] == 403
    assert json.loads(answer["body"])["code"] == "ORIGIN.REFUSED"


@pytest.mark.usefixtures("_front")
def test_nobody_is_answered_while_the_secret_cannot_be_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ORIGIN_SECRET_ID", "kalends/test/none")

    answer = ask(**{ORIGIN_HEADER: "new"})

    assert answer["statusCode"] == 503
    assert json.loads(answer["body"])["code"] == "ORIGIN.UNKNOWN"
    assert "kalends/test" not in answer["body"]


def test_without_a_front_the_headers_mean_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ORIGIN_SECRET_ID", raising=False)
    wiring.app.cache_clear()

    answer = ask(**{VIEWER_HEADER: "203.0.113.7"})

    assert answer["address"] == "130.176.1.1"
