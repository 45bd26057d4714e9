"""Signing in, the order of refusals, and what every answer carries."""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from functions.api import description
from functions.api.guard import ADMINISTRATORS, CALENDAR, PUBLIC
from shared.control import gates
from shared.control.gates import Operation
from shared.core import clock
from tests import edge
from tests.api.conftest import PASSWORD

if TYPE_CHECKING:
    from collections.abc import Iterator

    import httpx

    from shared.store.database import Database
    from shared.wiring import App
    from tests.api.conftest import Caller
    from tests.edge import Edge

OPERATIONS = [(method.upper(), path) for path, methods in description.document()["paths"].items() for method in methods]


def concrete(path: str) -> str:
    return path.replace("{", "").replace("}", "")


@pytest.fixture
def browser(served: Edge) -> Iterator[httpx.Client]:
    with served.client() as client:
        yield client


def enter(browser: httpx.Client, *, email: str = "ada@example.com", password: str = PASSWORD) -> httpx.Response:
    return browser.post("/api/session", json={"email": email, "password": password})


def close(database: Database, operation: Operation) -> None:
    with database.everyone() as conn:
        gates.set_gate(conn, operation, opened=False, actor="test", reason="test", now=clock.now())


class TestSession:
    def test_a_cookie_and_its_csrf_token_are_enough_for_everything(self, browser: httpx.Client, ada: Caller) -> None:
        entered = enter(browser)
        headers = {"x-csrf-token": entered.json()["csrf_token"]}

        made = browser.post("/api/tokens", json={"name": "laptop"}, headers=headers)
        me = browser.get("/api/me").json()

        assert (entered.status_code, made.status_code) == (201, 201)
        assert (me["email"], me["csrf_token"], me["id"]) == (
            "ada@example.com",
            headers["x-csrf-token"],
            str(ada.user_id),
        )
        assert "HttpOnly" in entered.headers["set-cookie"]
        assert "SameSite=Lax" in entered.headers["set-cookie"]

    def test_a_change_without_the_csrf_token_is_refused(self, browser: httpx.Client, ada: Caller) -> None:
        enter(browser)

        for headers in ({}, {"x-csrf-token": "x"}):
            answer = browser.post("/api/tokens", json={"name": "laptop"}, headers=headers)

            assert (answer.status_code, answer.json()["code"]) == (403, "AUTH.CSRF")

    def test_signing_out_ends_it(self, browser: httpx.Client, ada: Caller) -> None:
        token = enter(browser).json()["csrf_token"]
        cookie = browser.cookies["kalends_session"]

        left = browser.delete("/api/session", headers={"x-csrf-token": token})
        browser.cookies.set("kalends_session", cookie)

        assert left.status_code == 204
        assert "Max-Age=0" in left.headers["set-cookie"]
        assert browser.get("/api/me").status_code == 401

    def test_an_api_token_is_no_session_to_end(self, ada: Caller) -> None:
        answer = ada.http.delete("/api/session")

        assert (answer.status_code, answer.json()["code"]) == (409, "SESSION.NONE")

    def test_a_wrong_password_says_no_more_than_an_unknown_address(self, browser: httpx.Client, ada: Caller) -> None:
        wrong, unknown = enter(browser, password="x" * 12), enter(browser, email="eve@example.com")

        assert wrong.status_code == unknown.status_code == 401
        assert wrong.json() == unknown.json()

    def test_whoever_guesses_is_slowed_down(self, browser: httpx.Client, ada: Caller) -> None:
        for _ in range(5):
            enter(browser, password="x" * 12)

        answer = enter(browser)

        assert (answer.status_code, answer.json()["code"]) == (429, "AUTH.TOO_MANY_ATTEMPTS")
        assert 0 < int(answer.headers["retry-after"]) <= 900

    def test_another_sites_form_cannot_sign_anybody_in(self, browser: httpx.Client, ada: Caller) -> None:
        answer = browser.post("/api/session", data={"email": "ada@example.com", "password": PASSWORD})

        assert (answer.status_code, answer.json()["code"]) == (400, "REQUEST.MEDIA_TYPE")

    def test_the_cookie_is_set_again_when_the_sessions_end_moves(
        self, browser: httpx.Client, ada: Caller, database: Database
    ) -> None:
        enter(browser)
        fresh = browser.get("/api/me")
        with database.everyone() as conn:
            conn.execute("UPDATE sessions SET last_seen_at = %s", (datetime.now(UTC) - timedelta(hours=2),))

        later = browser.get("/api/me")

        assert "set-cookie" not in fresh.headers
        assert "kalends_session=" in later.headers["set-cookie"]

    def test_cookies_are_found_in_the_header_too(self, browser: httpx.Client, ada: Caller, app: App) -> None:
        enter(browser)
        made = edge.event("GET", "/api/me")
        made["headers"]["cookie"] = f"a=b; kalends_session={browser.cookies['kalends_session']}"

        from functions.api import rest

        assert rest.handler(made, edge.Context())["statusCode"] == 200  # type: ignore[arg-type]


class TestOrderOfRefusals:
    def test_strangers_are_told_to_sign_in_whatever_they_send(self, browser: httpx.Client) -> None:
        for method, path in OPERATIONS:
            answer = browser.request(method, concrete(path), content=b"{", headers={"content-type": "application/json"})

            expected = (400, "REQUEST.INVALID") if (method, path) in PUBLIC else (401, "AUTH.UNAUTHENTICATED")
            assert (answer.status_code, answer.json()["code"]) == expected, (method, path)

    def test_a_closed_gate_stops_every_calendar_route_even_for_strangers(
        self, browser: httpx.Client, database: Database
    ) -> None:
        close(database, Operation.SYNC)

        stopped = set()
        for method, path in OPERATIONS:
            answer = browser.request(method, concrete(path))
            if answer.status_code == 403:
                assert (answer.json()["code"], answer.json()["gate"]) == ("GATE.CLOSED", "CALENDAR_SYNC_ENABLED")
                stopped.add((method, path))

        gated = {(method, path) for method, path in OPERATIONS if path.startswith(CALENDAR)}
        assert gated - stopped == {("DELETE", "/api/feeds/{feed_id}")}
        assert stopped <= gated
        assert {("POST", "/api/feeds"), ("POST", "/api/feeds/{feed_id}/rotate"), ("POST", "/api/reconcile")} <= stopped
        assert len(stopped) > 15

    def test_what_stands_before_the_gate_was_put_there_by_name(self) -> None:
        families = {"/".join(path.split("/")[:3]) for _, path in OPERATIONS}

        assert families - {*CALENDAR} == {
            *("/api/admin", "/api/attention", "/api/doctor", "/api/me", "/api/session"),
            *("/api/status", "/api/tokens"),
        }

    def test_other_features_continue_to_work(self, ada: Caller, database: Database) -> None:
        for operation in Operation:
            close(database, operation)

        assert ada.json("/api/me")["email"] == "ada@example.com"
        status = ada.json("/api/status")
        assert not any(gate["open"] for gate in status["gates"])
        assert {one["code"] for one in status["attention"]} == set(Operation)

    def test_only_administrators_administer(self, ada: Caller) -> None:
        administrative = [one for one in OPERATIONS if one[1].startswith(ADMINISTRATORS)]

        answers = [ada.http.request(method, path) for method, path in administrative]

        assert {(answer.status_code, answer.json()["code"]) for answer in answers} == {(403, "AUTH.ROLE")}
        assert len(answers) > 1

    def test_a_dead_token_is_named_as_such(self, browser: httpx.Client) -> None:
        answer = browser.get("/api/me", headers={"authorization": "Bearer kal_invented"})

        assert (answer.status_code, answer.json()["code"]) == (401, "AUTH.TOKEN_REFUSED")


class TestEveryAnswer:
    def test_it_names_the_request(self, ada: Caller) -> None:
        named = ada.get("/api/me", headers={"x-request-id": "my-id.17"})
        odd = ada.get("/api/nothing", headers={"x-request-id": "a b<c>"})

        assert named.headers["x-request-id"] == "my-id.17"
        assert odd.headers["x-request-id"] not in ("", "a b<c>")

    def test_it_is_for_nobody_else(self, ada: Caller) -> None:
        headers = ada.get("/api/me").headers

        assert headers["cache-control"] == "no-store"
        assert headers["x-content-type-options"] == "nosniff"
        assert "frame-ancestors 'none'" in headers["content-security-policy"]

    def test_an_unknown_address_is_a_problem_like_any_other(self, ada: Caller) -> None:
        for answer in (ada.get("/api/nothing"), ada.http.put("/api/links")):
            assert (answer.status_code, answer.json()["code"]) == (404, "ROUTE.NOT_FOUND")
            assert answer.headers["content-type"] == "application/problem+json"

    def test_a_body_that_is_no_json_is_refused(self, ada: Caller) -> None:
        for content in (b"{", b"[]", b"null", b'"text"', b"\xff"):
            answer = ada.http.post("/api/tokens", content=content, headers={"content-type": "application/json"})

            assert (answer.status_code, answer.json()["code"]) == (400, "REQUEST.INVALID"), content

    def test_what_nobody_foresaw_is_logged_and_says_nothing(
        self, ada: Caller, app: App, caplog: pytest.LogCaptureFixture
    ) -> None:
        app.engine = lambda: 1 / 0  # type: ignore[assignment, method-assign, return-value]

        with caplog.at_level(logging.ERROR):
            answer = ada.post("/api/sync", {})

        assert (answer.status_code, answer.json()["code"]) == (500, "INTERNAL")
        assert "division" not in answer.text
        assert any(record.exc_info for record in caplog.records)

    def test_a_database_that_is_down_is_503(self, ada: Caller, app: App) -> None:
        from shared.store.database import Database

        app.database = Database("host=127.0.0.1 port=9 dbname=x user=x password=x")

        answer = ada.get("/api/links")

        assert (answer.status_code, answer.json()["code"]) == (503, "DATABASE.UNAVAILABLE")
