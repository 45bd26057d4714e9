from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import pytest

from shared import providers
from shared.core.errors import InvalidError, RateLimitedError, ReauthRequiredError, TransientError
from shared.providers import Endpoints, OAuthClient
from shared.providers.google.oauth import SCOPES, GoogleAuthorizer
from tests.providers.google.conftest import VERIFIER
from tests.providers.scripted import Say, scripted
from tests.providers.simulated import REDIRECT

if TYPE_CHECKING:
    from tests.providers.google.conftest import GoogleWorld

NOW = datetime(2026, 3, 2, 8, tzinfo=UTC)
# RFC 7636, appendix B
CHALLENGE = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
TOKEN = {"access_token": "ya29.secret", "expires_in": 3599, "scope": "openid email", "token_type": "Bearer"}


def authorizer(base: str = "http://127.0.0.1:9") -> GoogleAuthorizer:
    endpoints = Endpoints(
        google_api=f"{base}/",
        google_auth=f"{base}/auth",
        google_token=f"{base}/token",
        google_revoke=f"{base}/revoke",
        microsoft_graph="",
        microsoft_authority="",
    )
    return GoogleAuthorizer(client=OAuthClient(client_id="app", client_secret="hush"), endpoints=endpoints)


@pytest.mark.parametrize("hint", [None, "alex@example.com"])
def test_the_consent_page_is_asked_for_a_lasting_grant_with_pkce(hint: str | None) -> None:
    url = authorizer().authorization_url(
        state="s & t", code_verifier=VERIFIER, redirect_uri="https://x/callback?a=b", login_hint=hint
    )

    query = parse_qs(urlsplit(url).query)
    assert query == {
        "response_type": ["code"],
        "client_id": ["app"],
        "redirect_uri": ["https://x/callback?a=b"],
        "scope": [" ".join(SCOPES)],
        "state": ["s & t"],
        "code_challenge": [CHALLENGE],
        "code_challenge_method": ["S256"],
        "access_type": ["offline"],
        "prompt": ["consent"],
        "include_granted_scopes": ["true"],
        **({"login_hint": [hint]} if hint else {}),
    }


def test_a_code_is_redeemed_for_a_grant(world: GoogleWorld) -> None:
    tokens = world.tokens(now=NOW)

    assert tokens.access_token
    assert tokens.refresh_token
    assert tokens.expires_at == NOW + timedelta(seconds=3600)
    assert set(SCOPES) & set(tokens.scopes) >= set(SCOPES[2:])
    assert tokens.access_token not in repr(tokens)
    assert providers.connect("google", access_token=tokens.access_token, endpoints=world.endpoints).account()


@pytest.mark.parametrize("changes", [{"code": "made up"}, {"code_verifier": "x" * 43}, {"redirect_uri": "http://x/"}])
def test_a_code_that_does_not_fit_is_refused(world: GoogleWorld, changes: dict[str, str]) -> None:
    url = world.authorizer().authorization_url(
        state="s", code_verifier=VERIFIER, redirect_uri=REDIRECT, login_hint=None
    )
    given = {"code": world.consent(url)["code"], "code_verifier": VERIFIER, "redirect_uri": REDIRECT} | changes

    with pytest.raises(InvalidError) as refused:
        world.authorizer().exchange(**given, now=NOW)

    assert refused.value.error_code == "OAUTH.CODE_REFUSED"
    assert given["code"] not in refused.value.message


def test_a_code_is_redeemed_once(world: GoogleWorld) -> None:
    url = world.authorizer().authorization_url(
        state="s", code_verifier=VERIFIER, redirect_uri=REDIRECT, login_hint=None
    )
    given = {"code": world.consent(url)["code"], "code_verifier": VERIFIER, "redirect_uri": REDIRECT}
    world.authorizer().exchange(**given, now=NOW)

    with pytest.raises(InvalidError):
        world.authorizer().exchange(**given, now=NOW)


def test_a_refused_app_is_not_the_persons_fault(world: GoogleWorld) -> None:
    grant = world.tokens()
    assert grant.refresh_token

    with pytest.raises(InvalidError) as refused:
        world.authorizer(client_secret="wrong").refresh(refresh_token=grant.refresh_token, now=NOW)

    assert refused.value.error_code == "OAUTH.APP_REFUSED"
    assert "wrong" not in refused.value.message


def test_a_grant_without_a_new_refresh_token_keeps_the_old(world: GoogleWorld) -> None:
    grant = world.tokens()
    assert grant.refresh_token

    renewed = [world.authorizer().refresh(refresh_token=grant.refresh_token, now=NOW) for _ in range(2)]

    assert [tokens.refresh_token for tokens in renewed] == [None, None]
    assert renewed[1].expires_at == NOW + timedelta(seconds=3600)
    connected = providers.connect("google", access_token=renewed[1].access_token, endpoints=world.endpoints)
    assert connected.account().email == world.email


def test_a_refresh_token_that_rotates_is_handed_over(world: GoogleWorld) -> None:
    grant = world.tokens()
    assert grant.refresh_token
    world.faults(rotate_refresh_tokens=True)

    first = world.authorizer().refresh(refresh_token=grant.refresh_token, now=NOW)
    assert first.refresh_token
    second = world.authorizer().refresh(refresh_token=first.refresh_token, now=NOW)

    assert first.refresh_token != grant.refresh_token
    assert second.access_token


def test_a_revoked_grant_asks_for_signing_in_again(world: GoogleWorld) -> None:
    grant = world.tokens()
    assert grant.refresh_token
    world.sim("POST", "/tokens/revoke", {"email": world.email})

    with pytest.raises(ReauthRequiredError, match="invalid_token") as over:
        world.authorizer().refresh(refresh_token=grant.refresh_token, now=NOW)

    assert grant.refresh_token not in over.value.message


def test_a_grant_is_given_back_and_giving_it_back_again_is_success(world: GoogleWorld) -> None:
    grant = world.tokens()
    assert grant.refresh_token

    for _ in range(2):
        world.authorizer().revoke(token=grant.refresh_token)

    with pytest.raises(ReauthRequiredError):
        world.authorizer().refresh(refresh_token=grant.refresh_token, now=NOW)


@pytest.mark.parametrize(
    "said",
    [
        Say(500, {"error": "internal_failure"}),
        Say(503, b"<html>"),
        Say(403, b"<html>"),
        Say(400, {"error": {"code": 400}}),
        Say(200, b"<html>"),
        Say(200, b'{"access_token": "x'),
        Say(200, []),
        Say(200, {}),
        Say(200, TOKEN | {"access_token": None}),
        Say(200, TOKEN | {"expires_in": "soon"}),
        Say(200, TOKEN | {"scope": 7}),
        Say(200, TOKEN, cut=True),
    ],
)
def test_an_answer_that_is_none_is_transient(said: Say) -> None:
    with scripted(said) as server:
        google = authorizer(server.base)
        with pytest.raises(TransientError) as not_renewed:
            google.refresh(refresh_token="1//secret", now=NOW)
        with pytest.raises(TransientError) as not_redeemed:
            google.exchange(code="4/secret", code_verifier=VERIFIER, redirect_uri=REDIRECT, now=NOW)

    assert "secret" not in not_renewed.value.message + not_redeemed.value.message


def test_nobody_listening_is_transient() -> None:
    with pytest.raises(TransientError):
        authorizer().refresh(refresh_token="1//secret", now=NOW)
    with pytest.raises(TransientError):
        authorizer().revoke(token="1//secret")


@pytest.mark.parametrize(
    ("headers", "seconds"), [({"retry-after": "9"}, 9.0), ({}, None), ({"retry-after": "x"}, None)]
)
def test_too_many_requests_say_when_to_come_back(headers: dict[str, str], seconds: float | None) -> None:
    with (
        scripted(Say(429, {"error": "rate_limit_exceeded"}, headers)) as server,
        pytest.raises(RateLimitedError) as late,
    ):
        authorizer(server.base).refresh(refresh_token="1//secret", now=NOW)

    assert late.value.retry_after == seconds


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        ({"error": "invalid_client", "error_description": "Nö, »hush«"}, "OAUTH.APP_REFUSED"),
        ({"error": "invalid_scope"}, "OAUTH.REFRESH_REFUSED"),
        ({"error": "Nö, »hush«"}, "OAUTH.REFRESH_REFUSED"),
    ],
)
def test_refusals_name_their_code_and_repeat_nothing_else(answer: Any, code: str) -> None:
    with scripted(Say(401, answer)) as server, pytest.raises(InvalidError) as refused:
        authorizer(server.base).refresh(refresh_token="1//secret", now=NOW)

    assert refused.value.error_code == code
    assert "hush" not in refused.value.message


def test_revoking_that_is_refused_says_so() -> None:
    with scripted(Say(400, {"error": "invalid_request"})) as server, pytest.raises(InvalidError) as refused:
        authorizer(server.base).revoke(token="1//secret")

    assert refused.value.error_code == "OAUTH.REVOKE_REFUSED"
