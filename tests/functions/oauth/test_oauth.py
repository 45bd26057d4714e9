"""The two ends of an authorization, for browsers and for programs."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

import pytest

from functions import observability
from functions.oauth import callback, start
from shared.control import gates
from shared.identity import api_tokens, people, sessions
from tests.functions.conftest import get
from tests.installation import ALEX

if TYPE_CHECKING:
    from tests.functions.conftest import Answer
    from tests.installation import Installation

HTML = "text/html,application/xhtml+xml;q=0.9,*/*;q=0.8"


@pytest.fixture
def session(deployed: Installation) -> str:
    """The cookie of somebody who has signed in."""
    now = datetime.now(UTC)
    with deployed.app.database.everyone() as conn:
        ada = people.add(conn, email="ada@example.com", name="Ada", role="user", password_hash="", now=now)
        return f"{sessions.COOKIE}={sessions.start(conn, user_id=ada.id, now=now)}"


@pytest.fixture
def bearer(deployed: Installation, session: str) -> str:
    """The Authorization header of the same person's program."""
    now = datetime.now(UTC)
    with deployed.app.database.everyone() as conn:
        ada = people.find_by_email(conn, "ada@example.com")
        assert ada is not None
        return f"Bearer {api_tokens.create(conn, user_id=ada.id, name='cli', actor='test', now=now)[1]}"


def allow(deployed: Installation, provider: str, url: str, **form: object) -> dict[str, str]:
    return deployed.simulators[provider].decide(url, account=ALEX[provider], **form)


@pytest.mark.parametrize("provider", ["google", "microsoft"])
def test_a_browser_goes_there_and_back_and_finds_its_calendars(
    deployed: Installation, session: str, provider: str
) -> None:
    there = get(start.handler, f"/oauth/{provider}/start", cookie=session, accept=HTML)
    assert there.status == 303

    query = allow(deployed, provider, there.headers["location"])
    back = get(callback.handler, f"/oauth/{provider}/callback", query, cookie=session, accept=HTML)

    assert back.status == 303
    connected = parse_qs(urlsplit(back.headers["location"]).query)["connected"][0]
    with deployed.app.database.everyone() as conn:
        listed = conn.execute("SELECT count(*) FROM calendars WHERE connection_id = %s", (connected,)).fetchall()
    assert listed[0][0] >= 2


def test_a_program_gets_the_address_and_the_connection_in_json(deployed: Installation, bearer: str) -> None:
    there = get(start.handler, "/oauth/google/start", authorization=bearer)

    back = get(
        callback.handler,
        "/auth/google/callback",
        allow(deployed, "google", there.json["authorization_url"]),
        authorization=bearer,
    )

    assert set(there.json) == {"authorization_url", "state"}
    assert parse_qs(urlsplit(there.json["authorization_url"]).query)["state"] == [there.json["state"]]
    assert back.status == 200
    assert back.json["connection"]["email"] == ALEX["google"]
    assert back.json["calendars"] >= 2


def test_what_the_command_line_began_the_browser_finishes(deployed: Installation, bearer: str, session: str) -> None:
    there = get(start.handler, "/oauth/google/start", authorization=bearer)

    query = allow(deployed, "google", there.json["authorization_url"])

    assert get(callback.handler, "/oauth/google/callback", query, cookie=session, accept=HTML).status == 303


def test_the_account_that_is_meant_is_passed_on(session: str) -> None:
    there = get(start.handler, "/oauth/google/start", {"login_hint": "sam@example.com"}, cookie=session)

    assert parse_qs(urlsplit(there.json["authorization_url"]).query)["login_hint"] == ["sam@example.com"]


def test_nobody_is_sent_to_sign_in(deployed: Installation) -> None:
    program, browser = (get(start.handler, "/oauth/google/start", accept=accept) for accept in ("*/*", HTML))

    assert (program.status, program.json["code"]) == (401, "AUTH.UNAUTHENTICATED")
    assert (browser.status, browser.headers["location"]) == (303, "/signin?next=/oauth/google/start")


def test_an_unknown_provider_is_refused_with_those_there_are(session: str) -> None:
    answer = get(start.handler, "/oauth/lotus/start", cookie=session)

    assert (answer.status, answer.json["code"]) == (400, "PROVIDER.UNKNOWN")


@pytest.mark.parametrize("path", ["/oauth/google/start", "/oauth/google/callback", "/auth/google/callback"])
def test_a_closed_gate_answers_403_before_anything_else(deployed: Installation, path: str) -> None:
    with deployed.app.database.everyone() as conn:
        gates.set_gate(conn, gates.Operation.OAUTH, opened=False, actor="test", reason="drill", now=datetime.now(UTC))

    handler = start.handler if path.endswith("start") else callback.handler
    answer = get(handler, path, authorization="Bearer kal_dead")

    assert (answer.status, answer.json["code"], answer.json["gate"]) == (403, "GATE.CLOSED", "CALENDAR_OAUTH_ENABLED")


class TestFriendlyEnds:
    def begin(self, session: str, provider: str = "google") -> str:
        there = get(start.handler, f"/oauth/{provider}/start", cookie=session)
        return str(there.json["authorization_url"])

    def end(self, session: str, query: dict[str, str], provider: str = "google", accept: str = HTML) -> Answer:
        return get(callback.handler, f"/oauth/{provider}/callback", query, cookie=session, accept=accept)

    def test_denied_consent(self, deployed: Installation, session: str) -> None:
        query = allow(deployed, "google", self.begin(session), decision="deny")

        page = self.end(session, query)

        assert page.status == 400
        assert "Nothing was connected" in page.body
        assert 'href="/connections"' in page.body

    def test_reused_state(self, deployed: Installation, session: str) -> None:
        query = allow(deployed, "google", self.begin(session))
        self.end(session, query)

        assert "This was finished before" in self.end(session, query).body

    def test_another_browser(self, deployed: Installation, session: str) -> None:
        query = allow(deployed, "google", self.begin(session))

        page = self.end("", query)

        assert page.status == 403
        assert "Another session started this" in page.body

    def test_administrator_approval_with_the_link_to_send(self, deployed: Installation, session: str) -> None:
        microsoft = deployed.simulators["microsoft"]
        microsoft.sim("POST", "/accounts", {"email": "kim@contoso.example", "name": "Kim", "needs_admin_consent": True})
        microsoft.sim("PUT", "/faults", {"needs_approval": "redirect"})
        query = microsoft.decide(self.begin(session, "microsoft"), account="kim@contoso.example")

        page = self.end(session, query, "microsoft")

        assert "Your administrator has to approve first" in page.body
        assert "/organizations/adminconsent?client_id=kalends-microsoft-local" in page.body

    def test_an_administrator_who_comes_back_is_thanked(self, deployed: Installation) -> None:
        page = get(
            callback.handler,
            "/oauth/microsoft/callback",
            {"admin_consent": "True", "tenant": "contoso.example"},
            accept=HTML,
        )

        assert page.status == 200
        assert "approved for your organization" in page.body

    def test_nothing_from_the_query_gets_onto_the_page_or_into_the_log(
        self, session: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        planted = "<script>planted</script>"
        monkeypatch.setenv("GOOGLE_TOKEN_URL", "http://127.0.0.1:9/token")
        observability._formatter.cache_clear()
        state = parse_qs(urlsplit(self.begin(session)).query)["state"][0]

        pages = [
            self.end(session, {"state": planted, "code": planted, "error": planted, "error_description": planted}),
            self.end(session, {"state": state, "code": planted, "scope": planted}),
        ]

        logged = capsys.readouterr().err
        assert [page.status for page in pages] == [400, 503]
        assert "request failed" in logged
        assert "planted" not in pages[0].body + pages[1].body + logged
        assert state not in logged

    def test_a_page_runs_nothing_and_is_kept_nowhere(self, session: str) -> None:
        page = self.end(session, {"state": "invented"})

        assert page.headers["content-security-policy"].startswith("default-src 'none'")
        assert "script-src" not in page.headers["content-security-policy"]
        assert page.headers["cache-control"] == "no-store"


def test_a_connection_stands_though_its_calendars_cannot_be_listed_yet(deployed: Installation, bearer: str) -> None:
    there = get(start.handler, "/oauth/google/start", authorization=bearer)
    query = allow(deployed, "google", there.json["authorization_url"])
    deployed.simulators["google"].sim("PUT", "/faults", {"rate_5xx": 1.0})

    back = get(callback.handler, "/oauth/google/callback", query, authorization=bearer)

    assert back.status == 200
    assert back.json["calendars"] is None


def test_the_request_id_of_the_caller_comes_back(session: str) -> None:
    given = get(start.handler, "/oauth/google/start", cookie=session, X_Request_Id="mine-1")
    made = get(start.handler, "/oauth/google/start", cookie=session)

    assert (given.headers["x-request-id"], made.headers["x-request-id"]) == ("mine-1", "gateway-1")


def test_a_session_whose_end_has_moved_gets_its_cookie_again(deployed: Installation, session: str) -> None:
    with deployed.app.database.everyone() as conn:
        conn.execute("UPDATE sessions SET last_seen_at = now() - interval '2 hours'")

    answer = get(start.handler, "/oauth/google/start", cookie=session)

    assert len(answer.cookies) == 1
    assert answer.cookies[0].startswith(session)
    assert "HttpOnly; SameSite=Lax" in answer.cookies[0]
