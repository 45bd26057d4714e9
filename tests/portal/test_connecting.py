"""Connecting an account by clicking, at simulated providers, and every way that ends otherwise."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING
from urllib.parse import urlencode, urlsplit

import pytest

from shared.core import clock
from tests import edge, installation
from tests.api.conftest import HASHED, PASSWORD
from tests.installation import ALEX
from tests.portal.browser import Browser, Page

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.edge import Edge
    from tests.installation import Installation
    from tests.postgres import Logins


@pytest.fixture
def installed(logins: Logins) -> Iterator[Installation]:
    with installation.install(logins) as running:
        yield running


@pytest.fixture
def served(installed: Installation, monkeypatch: pytest.MonkeyPatch) -> Iterator[Edge]:
    app = installed.another()
    for name in ("pull_queue", "push_queue", "repair_queue", "backfill_queue"):
        setattr(app, name, edge.Lane())
    with edge.serve(app, monkeypatch) as running:
        yield running
    app.database.close()


@pytest.fixture
def ada(installed: Installation, served: Edge) -> Iterator[Browser]:
    person = installed.person("ada@example.com", now=clock.now())
    with installed.app.database.everyone() as conn:
        conn.execute("UPDATE profiles SET password_hash = %s WHERE id = %s", (HASHED, person.user_id))
    with served.client() as client:
        browser = Browser(client)
        browser.sign_in("ada@example.com", PASSWORD)
        yield browser


def consent_page(ada: Browser, provider: str) -> str:
    """Click on Connect; answers where the provider asks."""
    (link,) = [link for link in ada.open("/connections").links if link == f"/oauth/{provider}/start"]
    answer = ada.http.get(link, follow_redirects=False)
    assert answer.status_code == 303
    return str(answer.headers["location"])


def come_back(ada: Browser, provider: str, query: dict[str, str]) -> Page:
    return ada.open(f"/oauth/{provider}/callback?{urlencode(query)}")


def connect(
    ada: Browser, installed: Installation, provider: str, decision: str = "allow"
) -> tuple[Page, dict[str, str]]:
    asked = consent_page(ada, provider)
    query = installed.simulators[provider].decide(asked, account=ALEX[provider], decision=decision)
    return come_back(ada, provider, query), query


@pytest.mark.parametrize("provider", ["google", "microsoft"])
def test_an_account_is_connected_by_clicking(ada: Browser, installed: Installation, provider: str) -> None:
    page, _ = connect(ada, installed, provider)

    assert page.path == "/connections"
    assert f"account {ALEX[provider]} is connected" in page.text
    assert "2 calendars found" in page.text
    assert "/links/new" in page.links


def test_its_calendars_can_be_looked_for_and_it_can_be_disconnected(ada: Browser, installed: Installation) -> None:
    page, _ = connect(ada, installed, "google")
    (discover,) = [form.action for form in page.forms if form.action.endswith("/discover")]
    address = discover.replace("discover", "disconnect")

    looked = ada.send(page, discover)
    gone = ada.send(ada.open(address), address)

    assert (looked.path, "up to date" in looked.text) == ("/calendars", True)
    assert "The account is disconnected" in gone.text
    assert "Connect again" in gone.text
    assert [link for link in gone.links if link.startswith("/oauth/google/start?login_hint=")]


def test_denied_consent_changes_nothing_and_leads_back(ada: Browser, installed: Installation) -> None:
    page, _ = connect(ada, installed, "google", decision="deny")

    assert (page.status, "Nothing was connected" in page.text) == (400, True)
    assert "/connections" in page.links
    assert "No account yet" in ada.open("/connections").text


def test_a_sign_in_that_was_used_invented_or_took_too_long_says_so(ada: Browser, installed: Installation) -> None:
    _, query = connect(ada, installed, "google")
    late = installed.simulators["google"].decide(consent_page(ada, "google"), account=ALEX["google"])
    with installed.app.database.everyone() as conn:
        conn.execute("UPDATE oauth_states SET expires_at = %s WHERE used_at IS NULL", (clock.now() - timedelta(1),))

    used, invented, expired = (
        come_back(ada, "google", one) for one in (query, {"state": "invented", "code": "x"}, late)
    )

    assert "This was finished before" in used.text
    assert "This sign-in was not started here" in invented.text
    assert "That took too long" in expired.text
    for page in (used, invented, expired):
        assert page.status == 400
        assert "/connections" in page.links


def test_another_organizations_account_is_told_what_to_do(ada: Browser) -> None:
    state = dict(part.split("=", 1) for part in urlsplit(consent_page(ada, "microsoft")).query.split("&"))["state"]

    page = come_back(
        ada, "microsoft", {"state": state, "error": "access_denied", "error_description": "AADSTS50020: planted"}
    )

    assert (page.status, "This account may not be used here" in page.text) == (400, True)
    assert "another account" in page.text
    assert "planted" not in page.answer.text


def test_an_administrators_approval_comes_with_the_link_to_send(ada: Browser, installed: Installation) -> None:
    microsoft = installed.simulators["microsoft"]
    microsoft.sim("POST", "/accounts", {"email": "kim@contoso.example", "name": "Kim", "needs_admin_consent": True})
    microsoft.sim("PUT", "/faults", {"needs_approval": "redirect"})

    page = come_back(ada, "microsoft", microsoft.decide(consent_page(ada, "microsoft"), account="kim@contoso.example"))

    assert "Your administrator has to approve first" in page.text
    assert f"{microsoft.base}/organizations/adminconsent?client_id=kalends-microsoft-local" in page.text


def test_strangers_sign_in_first_and_then_go_on(ada: Browser, served: Edge) -> None:
    with served.client(follow_redirects=False, headers={"accept": "text/html"}) as stranger:
        answer = stranger.get("/oauth/google/start")

    assert (answer.status_code, answer.headers["location"]) == (303, "/signin?next=/oauth/google/start")
