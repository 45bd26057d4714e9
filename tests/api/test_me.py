"""Oneself, over the API."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.api.conftest import PASSWORD

if TYPE_CHECKING:
    from collections.abc import Iterator

    import httpx

    from tests.api.conftest import Caller
    from tests.edge import Edge

NEW = "another horse entirely"


@pytest.fixture
def browser(served: Edge, ada: Caller) -> Iterator[httpx.Client]:
    """Ada, signed in with a browser."""
    with served.client() as client:
        entered = client.post("/api/session", json={"email": "ada@example.com", "password": PASSWORD})
        client.headers["x-csrf-token"] = entered.json()["csrf_token"]
        yield client


def test_name_and_time_zone_can_be_changed_as_they_were_read(ada: Caller) -> None:
    tag = ada.get("/api/me").headers["etag"]

    changed = ada.http.patch("/api/me", json={"timezone": "Europe/Berlin"}, headers={"if-match": tag})
    late = ada.http.patch("/api/me", json={"name": "Countess"}, headers={"if-match": tag})

    assert (changed.status_code, changed.json()["timezone"], changed.json()["name"]) == (200, "Europe/Berlin", "Ada")
    assert changed.headers["etag"] != tag
    assert (late.status_code, late.json()["code"]) == (412, "PRECONDITION_FAILED")


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"timezone": "Mars/Olympus"}, "timezone"),
        ({"timezone": "../etc/passwd"}, "timezone"),
        ({"name": "\u0007"}, "body.name"),
        ({"name": None}, "body"),
        ({"role": "admin"}, "body.role"),
    ],
)
def test_what_cannot_be_is_named(ada: Caller, body: dict[str, object], field: str) -> None:
    answer = ada.http.patch("/api/me", json=body)

    assert answer.status_code == 400
    assert field in answer.json()["fields"]
    assert ada.json("/api/me")["role"] == "user"


def test_the_password_is_changed_by_whoever_knows_it(browser: httpx.Client, ada: Caller) -> None:
    refused = browser.put("/api/me/password", json={"current_password": "x" * 12, "new_password": NEW})
    done = browser.put("/api/me/password", json={"current_password": PASSWORD, "new_password": NEW})
    old, new = (
        browser.post("/api/session", json={"email": "ada@example.com", "password": word}) for word in (PASSWORD, NEW)
    )

    assert (refused.status_code, refused.json()["code"]) == (400, "AUTH.WRONG_PASSWORD")
    assert (done.status_code, done.json()) == (200, {"ended_sessions": 0})
    assert (old.status_code, new.status_code) == (401, 201)
    assert ada.get("/api/me").status_code == 200


def test_sessions_are_listed_and_all_others_ended(browser: httpx.Client, served: Edge) -> None:
    with served.client() as other:
        other.post("/api/session", json={"email": "ada@example.com", "password": PASSWORD})

        before = browser.get("/api/me/sessions").json()["items"]
        ended = browser.delete("/api/me/sessions")

        assert sorted(one["current"] for one in before) == [False, True]
        assert ended.json() == {"ended_sessions": 1}
        assert other.get("/api/me").status_code == 401
    assert [one["current"] for one in browser.get("/api/me/sessions").json()["items"]] == [True]


def test_an_api_token_is_no_session_and_ends_them_all(browser: httpx.Client, ada: Caller) -> None:
    listed = ada.json("/api/me/sessions")["items"]
    ended = ada.http.delete("/api/me/sessions")

    assert [one["current"] for one in listed] == [False]
    assert ended.json() == {"ended_sessions": 1}
    assert browser.get("/api/me").status_code == 401
