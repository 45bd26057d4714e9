from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, parse_qsl, urlsplit

import pytest

from shared import providers
from shared.core.errors import InvalidError, RateLimitedError, ReauthRequiredError, TransientError
from shared.providers import OAuthClient
from shared.providers.microsoft.oauth import SCOPES, MicrosoftAuthorizer
from tests.providers.microsoft import scripted
from tests.providers.microsoft.conftest import VERIFIER, endpoints
from tests.providers.microsoft.scripted import Reply
from tests.providers.simulated import REDIRECT

if TYPE_CHECKING:
    from tests.providers.microsoft.conftest import MicrosoftWorld

NOW = datetime(2026, 3, 2, 8, tzinfo=UTC)
# RFC 7636, appendix B
CHALLENGE = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
TOKEN = {
    "token_type": "Bearer",
    "scope": "Calendars.ReadWrite User.Read openid email",
    "expires_in": 3599,
    "ext_expires_in": 3599,
    "access_token": "EwBI.secret-access",
    "refresh_token": "M.C5.secret-refresh",
}


def authorizer(base: str = "http://127.0.0.1:9", tenant: str = "common") -> MicrosoftAuthorizer:
    client = OAuthClient(client_id="app", client_secret="hush", tenant=tenant)
    return MicrosoftAuthorizer(client=client, endpoints=endpoints(base))


def refused(error: str, aadsts: str = "", status: int = 400) -> Reply:
    """The identity platform's refusal, with words that must not travel further."""
    description = f"{aadsts}: The grant of alex@contoso.example was issued on 2026-01-01. Trace ID: 1" if aadsts else ""
    codes = [int(aadsts.removeprefix("AADSTS"))] if aadsts else []
    return Reply(status=status, body={"error": error, "error_description": description, "error_codes": codes})


def exchange(reply: Reply) -> Any:
    with scripted.serve(lambda _: reply) as server:
        return authorizer(server.base).exchange(code="c", code_verifier=VERIFIER, redirect_uri="https://x/cb", now=NOW)


def refresh(reply: Reply) -> Any:
    with scripted.serve(lambda _: reply) as server:
        return authorizer(server.base).refresh(refresh_token="M.C5.old", now=NOW)


# The sign-in page


@pytest.mark.parametrize(
    ("hint", "asked"), [(None, {"prompt": ["select_account"]}), ("a@b.test", {"login_hint": ["a@b.test"]})]
)
def test_the_sign_in_page_is_the_tenants_and_asks_for_a_lasting_grant_with_pkce(
    hint: str | None, asked: dict[str, list[str]]
) -> None:
    url = authorizer(tenant="contoso.example").authorization_url(
        state="s & t", code_verifier=VERIFIER, redirect_uri="https://x/cb?a=b", login_hint=hint
    )

    assert url.startswith("http://127.0.0.1:9/contoso.example/oauth2/v2.0/authorize?")
    assert parse_qs(urlsplit(url).query) == {
        "response_type": ["code"],
        "response_mode": ["query"],
        "client_id": ["app"],
        "redirect_uri": ["https://x/cb?a=b"],
        "scope": ["offline_access openid email Calendars.ReadWrite User.Read"],
        "state": ["s & t"],
        "code_challenge": [CHALLENGE],
        "code_challenge_method": ["S256"],
        **asked,
    }


# The grant


def test_a_code_is_redeemed_for_a_grant(world: MicrosoftWorld) -> None:
    tokens = world.tokens(now=NOW)

    provider = providers.connect("microsoft", access_token=tokens.access_token, endpoints=world.endpoints)
    assert provider.account().email == world.email
    assert tokens.refresh_token
    assert tokens.expires_at > NOW + timedelta(minutes=30)
    assert {"Calendars.ReadWrite", "User.Read"} <= {scope.rpartition("/")[2] for scope in tokens.scopes}


def test_a_grant_is_renewed_and_the_new_refresh_token_is_kept(world: MicrosoftWorld) -> None:
    world.faults(rotate_refresh_tokens=True)
    first = world.tokens()
    assert first.refresh_token

    second = world.authorizer().refresh(refresh_token=first.refresh_token, now=NOW)
    assert second.refresh_token
    third = world.authorizer().refresh(refresh_token=second.refresh_token, now=NOW)

    assert second.refresh_token != first.refresh_token
    provider = providers.connect("microsoft", access_token=third.access_token, endpoints=world.endpoints)
    assert provider.account().email == world.email


def test_the_request_is_what_microsoft_documents() -> None:
    with scripted.serve(lambda _: Reply(body=TOKEN)) as server:
        authorizer(server.base).exchange(code="c", code_verifier=VERIFIER, redirect_uri="https://x/cb", now=NOW)
        authorizer(server.base).refresh(refresh_token="M.C5.old", now=NOW)

    code, renewal = (dict(parse_qsl(request.body)) for request in server.received)
    app = {"client_id": "app", "client_secret": "hush", "scope": " ".join(SCOPES)}
    assert {request.path for request in server.received} == {"/common/oauth2/v2.0/token"}
    assert code == app | {
        "grant_type": "authorization_code",
        "code": "c",
        "code_verifier": VERIFIER,
        "redirect_uri": "https://x/cb",
    }
    assert renewal == app | {"grant_type": "refresh_token", "refresh_token": "M.C5.old"}
    assert not any("authorization" in request.headers for request in server.received)


def test_an_answer_without_a_refresh_token_leaves_the_old_one_valid() -> None:
    without = {name: value for name, value in TOKEN.items() if name != "refresh_token"}

    assert refresh(Reply(body=without)).refresh_token is None
    assert refresh(Reply(body=TOKEN)).refresh_token == "M.C5.secret-refresh"


def test_the_life_of_a_token_counts_from_now() -> None:
    assert refresh(Reply(body=TOKEN)).expires_at == NOW + timedelta(seconds=3599)


def test_tokens_do_not_show_themselves() -> None:
    assert "secret" not in repr(refresh(Reply(body=TOKEN)))


def test_giving_a_grant_back_asks_nobody() -> None:
    authorizer().revoke(token="M.C5.old")


# Refusals


def test_a_revoked_grant_asks_for_signing_in_again(world: MicrosoftWorld) -> None:
    tokens = world.tokens()
    assert tokens.refresh_token
    world.sim("POST", "/tokens/revoke", {"email": world.email})

    with pytest.raises(ReauthRequiredError, match=r"invalid_token, AADSTS\d+"):
        world.authorizer().refresh(refresh_token=tokens.refresh_token, now=NOW)


@pytest.mark.parametrize(
    ("error", "aadsts", "advice"),
    [
        ("invalid_grant", "AADSTS70008", "not used"),
        ("invalid_grant", "AADSTS700082", "90 days"),
        ("invalid_grant", "AADSTS700084", "end of its life"),
        ("invalid_grant", "AADSTS50173", "password"),
        ("invalid_grant", "AADSTS65001", "Consent"),
        ("interaction_required", "AADSTS50076", "multi-factor"),
        ("interaction_required", "AADSTS50079", "multi-factor"),
        ("invalid_grant", "AADSTS53003", "administrator"),
        ("invalid_grant", "AADSTS123456", "Connect the account again"),
    ],
)
def test_a_grant_that_is_over_names_its_reason_and_what_to_do(error: str, aadsts: str, advice: str) -> None:
    with pytest.raises(ReauthRequiredError) as over:
        refresh(refused(error, aadsts))

    assert f"invalid_token, {aadsts})" in over.value.message
    assert advice in over.value.message
    assert "alex@" not in over.value.message


def test_a_refusal_without_a_number_names_the_error() -> None:
    with pytest.raises(ReauthRequiredError, match="invalid_token, invalid_grant"):
        refresh(refused("invalid_grant"))


@pytest.mark.parametrize("aadsts", ["AADSTS70008", "AADSTS54005", "AADSTS501481"])
def test_a_code_that_is_refused_is_not_a_lost_grant(aadsts: str) -> None:
    with pytest.raises(InvalidError, match=aadsts) as invalid:
        exchange(refused("invalid_grant", aadsts))

    assert invalid.value.error_code == "OAUTH.CODE_REFUSED"


def test_a_code_is_good_once(world: MicrosoftWorld) -> None:
    side = world.authorizer()
    url = side.authorization_url(state="s", code_verifier=VERIFIER, redirect_uri=REDIRECT, login_hint=world.email)
    code = world.consent(url)["code"]
    side.exchange(code=code, code_verifier=VERIFIER, redirect_uri=REDIRECT, now=NOW)

    with pytest.raises(InvalidError, match="AADSTS"):
        side.exchange(code=code, code_verifier=VERIFIER, redirect_uri=REDIRECT, now=NOW)


def test_another_verifier_does_not_redeem_a_code(world: MicrosoftWorld) -> None:
    side = world.authorizer()
    url = side.authorization_url(state="s", code_verifier=VERIFIER, redirect_uri=REDIRECT, login_hint=world.email)
    code = world.consent(url)["code"]

    with pytest.raises(InvalidError):
        side.exchange(code=code, code_verifier=VERIFIER[::-1], redirect_uri=REDIRECT, now=NOW)


def test_a_wrong_secret_is_the_operators_matter_not_the_persons(world: MicrosoftWorld) -> None:
    tokens = world.tokens()
    assert tokens.refresh_token

    with pytest.raises(InvalidError, match="MS_CLIENT_SECRET") as wrong:
        world.authorizer(client_secret="hush").refresh(refresh_token=tokens.refresh_token, now=NOW)

    assert wrong.value.error_code == "OAUTH.APP_REFUSED"
    assert "hush" not in wrong.value.message


@pytest.mark.parametrize(
    "reply",
    [
        Reply(status=500, body=b"<html>Service unavailable</html>"),
        Reply(status=503, body={"error": "invalid_grant"}),
        Reply(status=400, body=b"<html>Sign in to the hotel's network</html>"),
        Reply(status=400, body={"error": {"code": "x"}}),
        Reply(status=400, body=[]),
        refused("temporarily_unavailable"),
        Reply(body=b"<html>"),
        Reply(body=b'{"access_token": "x'),
        Reply(body=None),
        Reply(body=[]),
        Reply(body={}),
        Reply(body=TOKEN | {"access_token": 7}),
        Reply(body=TOKEN | {"expires_in": "soon"}),
        Reply(status=302, headers={"Location": "https://elsewhere.test/"}, body=b""),
    ],
)
def test_an_answer_that_is_none_is_passing_and_never_a_lost_grant(reply: Reply) -> None:
    for ask in (refresh, exchange):
        with pytest.raises(TransientError):
            ask(reply)


def test_a_sign_in_out_of_reach_is_passing() -> None:
    with pytest.raises(TransientError):
        authorizer().refresh(refresh_token="M.C5.old", now=NOW)


def test_too_many_sign_ins_say_when_to_come_back() -> None:
    with pytest.raises(RateLimitedError) as limited:
        refresh(Reply(status=429, body={"error": "slow_down"}, headers={"Retry-After": "9"}))

    assert limited.value.retry_after == 9


def test_any_other_refusal_is_told_by_its_code() -> None:
    with pytest.raises(InvalidError, match="invalid_scope"):
        refresh(refused("invalid_scope"))
