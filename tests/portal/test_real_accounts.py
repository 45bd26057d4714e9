"""Real accounts on a laptop: pages warn, and consent is asked for at the real addresses. Nothing is sent there."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import pytest

from shared.connections import apps
from shared.core.config import Settings
from shared.providers.google.oauth import SCOPES as GOOGLE_SCOPES
from shared.providers.microsoft.oauth import SCOPES as MICROSOFT_SCOPES
from tests.api.conftest import NOWHERE, PASSWORD
from tests.installation import settings_for

if TYPE_CHECKING:
    from collections.abc import Callable

    from shared.wiring import App
    from tests.portal.browser import Browser
    from tests.sync.world import World

ENDPOINTS = (
    "google_api_endpoint",
    "google_auth_url",
    "google_token_url",
    "google_revoke_url",
    "microsoft_graph_endpoint",
    "microsoft_authority",
)
WARNING = "Real accounts: changes here change your real calendars."


@pytest.fixture(autouse=True)
def only_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of this process gets further than the loopback interface."""
    connect = socket.socket.connect

    def guarded(self: socket.socket, address: Any) -> None:
        if self.family != socket.AF_UNIX and address[0] not in ("127.0.0.1", "::1"):
            raise AssertionError(f"a request was about to leave this machine: {address}")
        connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", guarded)


@pytest.fixture
def app(app: App) -> App:
    """With the providers' real addresses, for one tenant."""
    real = {name: Settings.model_fields[name].default for name in ENDPOINTS}
    app.settings = settings_for(NOWHERE, NOWHERE, **real, ms_tenant_id="contoso.example")
    with app.database.everyone() as conn:
        apps.save_defaults(conn, app.oauth_clients(), microsoft_tenant=app.settings.ms_tenant_id)
    return app


def asked(ada: Browser, provider: str) -> tuple[str, dict[str, str]]:
    """Where a click on Connect leads: the address without its query, and the query."""
    answer = ada.http.get(f"/oauth/{provider}/start", follow_redirects=False)
    assert answer.status_code == 303, answer.text
    address = urlsplit(answer.headers["location"])
    query = parse_qs(address.query, strict_parsing=True)
    assert all(len(values) == 1 for values in query.values())
    return f"{address.scheme}://{address.netloc}{address.path}", {name: values[0] for name, values in query.items()}


def test_every_page_warns_also_before_somebody_signs_in(
    stranger: Browser, app: App, world: World, person: Callable[..., str]
) -> None:
    before = stranger.open("/signin")
    stranger.sign_in(person(world.user_id), PASSWORD)

    for page in (before, *stranger.everything_linked("/")):
        assert WARNING in page.text, page.path


def test_google_is_asked_at_its_real_address(ada: Browser) -> None:
    address, query = asked(ada, "google")

    assert address == "https://accounts.google.com/o/oauth2/v2/auth"
    assert query["client_id"] == "kalends-google-local"
    assert query["redirect_uri"] == "http://localhost:3001/oauth/google/callback"
    assert query["scope"].split() == list(GOOGLE_SCOPES)
    assert (query["response_type"], query["access_type"], query["prompt"]) == ("code", "offline", "consent")


def test_microsoft_is_asked_at_its_real_address_and_for_the_tenant(ada: Browser) -> None:
    address, query = asked(ada, "microsoft")

    assert address == "https://login.microsoftonline.com/contoso.example/oauth2/v2.0/authorize"
    assert query["client_id"] == "kalends-microsoft-local"
    assert query["redirect_uri"] == "http://localhost:3001/oauth/microsoft/callback"
    assert query["scope"].split() == list(MICROSOFT_SCOPES)
    assert query["response_type"] == "code"


@pytest.mark.parametrize("provider", ["google", "microsoft"])
def test_the_answer_is_bound_to_who_asked_and_no_secret_travels(ada: Browser, app: App, provider: str) -> None:
    (_, first), (_, second) = asked(ada, provider), asked(ada, provider)

    for query in (first, second):
        assert query["code_challenge_method"] == "S256"
        assert len(query["code_challenge"]) == 43
        assert len(query["state"]) >= 43
        assert "client_secret" not in query
        assert "code_verifier" not in query
    assert first["state"] != second["state"]
    assert first["code_challenge"] != second["code_challenge"]
