"""OAuth: the pages, the codes, the tokens, and their end; driven by authlib and google-auth as well."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING
from urllib.parse import urlencode

import google.auth.exceptions
import google.auth.transport.requests
import google.oauth2.credentials
import pytest
from authlib.integrations.httpx_client import AsyncOAuth2Client
from authlib.oidc.core import CodeIDToken
from joserfc import jwt
from joserfc.jwk import KeySet

from infra.local.simulators import google as google_simulator
from tests.simulators.google.api import (
    ALEX,
    CALENDAR_SCOPE,
    REDIRECT,
    Api,
    authorization_url,
    consent,
    exchange,
    sign_in,
    token_endpoint,
)

if TYPE_CHECKING:
    from tests.simulators.running import Simulator

EMAIL_SCOPE = "https://www.googleapis.com/auth/userinfo.email"
VERIFIER = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
CHALLENGE = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"  # RFC 7636, appendix B


async def test_authlib_signs_in_with_pkce_and_reads_the_id_token(simulator: Simulator) -> None:
    client = AsyncOAuth2Client(
        google_simulator.CLIENT_ID,
        google_simulator.CLIENT_SECRET,
        redirect_uri=REDIRECT,
        scope=f"openid email {CALENDAR_SCOPE}",
        code_challenge_method="S256",
    )
    async with client:
        address = f"{simulator.base}/.well-known/openid-configuration"
        metadata = (await client.request("GET", address, withhold_token=True)).json()
        url, state = client.create_authorization_url(
            metadata["authorization_endpoint"], code_verifier=VERIFIER, access_type="offline", nonce="n-1"
        )
        form = {"account": ALEX, "decision": "allow", "scope": CALENDAR_SCOPE}
        redirect = await client.request("POST", url, data=form, withhold_token=True)
        token = await client.fetch_token(
            metadata["token_endpoint"],
            authorization_response=redirect.headers["Location"],
            state=state,
            code_verifier=VERIFIER,
        )
        keys = (await client.get(metadata["jwks_uri"])).json()
        info = (await client.get(metadata["userinfo_endpoint"])).json()
        refreshed = await client.refresh_token(metadata["token_endpoint"])

    claims = jwt.decode(token["id_token"], KeySet.import_key_set(keys), algorithms=["RS256"]).claims
    options = {"iss": {"value": metadata["issuer"]}, "aud": {"value": google_simulator.CLIENT_ID}}
    CodeIDToken(claims, {}, options=options, params={"nonce": "n-1"}).validate()
    assert claims["email"] == info["email"] == ALEX
    assert info == {"sub": claims["sub"], "email": ALEX, "email_verified": True}
    assert token["refresh_token"]
    assert set(token["scope"].split()) == {"openid", EMAIL_SCOPE, CALENDAR_SCOPE}
    assert refreshed["access_token"] != token["access_token"]


async def test_google_auth_refreshes_and_hears_of_revocation(simulator: Simulator) -> None:
    code = (await consent(simulator, access_type="offline"))["code"]
    tokens = await exchange(simulator, code)
    credentials = google.oauth2.credentials.Credentials(  # type: ignore[no-untyped-call]
        tokens["access_token"],
        refresh_token=tokens["refresh_token"],
        token_uri=f"{simulator.base}/token",
        client_id=google_simulator.CLIENT_ID,
        client_secret=google_simulator.CLIENT_SECRET,
    )
    request = google.auth.transport.requests.Request()

    await asyncio.to_thread(credentials.refresh, request)
    works = await Api(simulator=simulator, token=credentials.token).call("GET", "/colors")
    await simulator.sim("POST", "/tokens/revoke", {"email": ALEX})

    assert credentials.token != tokens["access_token"]
    assert works.status == 200
    with pytest.raises(google.auth.exceptions.RefreshError, match="invalid_grant"):
        await asyncio.to_thread(credentials.refresh, request)


async def test_the_consent_page_has_accounts_scopes_and_two_buttons(simulator: Simulator) -> None:
    url = authorization_url(simulator, scope=f"openid email {CALENDAR_SCOPE}", login_hint="sam@example.com")

    async with simulator.session.get(url) as answer:
        page = await answer.text()

    assert answer.status == 200
    assert 'value="alex@example.com"' in page
    assert 'value="sam@example.com" required checked' in page
    assert f'name="scope" value="{CALENDAR_SCOPE}"' in page
    assert EMAIL_SCOPE not in page
    assert 'value="allow">Allow' in page
    assert 'value="deny"' in page


async def test_denying_answers_access_denied_with_the_state(simulator: Simulator) -> None:
    answered = await consent(simulator, decision="deny")

    assert answered == {"error": "access_denied", "state": "the-state"}


@pytest.mark.parametrize(
    ("parameters", "status", "error"),
    [
        ({"client_id": "nobody"}, 401, "invalid_client"),
        ({"redirect_uri": REDIRECT + "/"}, 400, "redirect_uri_mismatch"),
        ({"redirect_uri": ""}, 400, "redirect_uri_mismatch"),
        ({"scope": "https://www.googleapis.com/auth/nonsense"}, 400, "invalid_scope"),
        ({"access_type": "sometimes"}, 400, "invalid_request"),
    ],
)
async def test_what_cannot_go_back_to_the_client_is_an_error_page(
    simulator: Simulator, parameters: dict[str, str], status: int, error: str
) -> None:
    async with simulator.session.get(authorization_url(simulator, **parameters), allow_redirects=False) as answer:
        page = await answer.text()

    assert answer.status == status
    assert error in page


@pytest.mark.parametrize(
    ("parameters", "error"),
    [
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"scope": " "}, "invalid_request"),
        ({"code_challenge": CHALLENGE, "code_challenge_method": "plain"}, "invalid_request"),
    ],
)
async def test_other_mistakes_go_back_to_the_client(
    simulator: Simulator, parameters: dict[str, str], error: str
) -> None:
    async with simulator.session.get(authorization_url(simulator, **parameters), allow_redirects=False) as answer:
        location = answer.headers["Location"]

    assert answer.status == 302
    assert location == f"{REDIRECT}?{urlencode({'error': error, 'state': 'the-state'})}"


async def test_an_administrators_policy_blocks_with_a_page(simulator: Simulator) -> None:
    account = {"email": "kim@school.example", "needs_admin_consent": True}
    await simulator.sim("POST", "/accounts", account)
    form = {"account": account["email"], "decision": "allow"}

    async with simulator.session.post(authorization_url(simulator), data=form, allow_redirects=False) as answer:
        page = await answer.text()

    assert answer.status == 400
    assert "admin_policy_enforced" in page


async def test_a_code_is_good_once_and_for_its_client_redirect_and_verifier(simulator: Simulator) -> None:
    challenge = {"code_challenge": CHALLENGE, "code_challenge_method": "S256"}

    async def code() -> str:
        return (await consent(simulator, **challenge))["code"]

    missing = await exchange(simulator, await code(), expect=400)
    wrong = await exchange(simulator, await code(), code_verifier="x" * 43, expect=400)
    elsewhere = await exchange(
        simulator, await code(), code_verifier=VERIFIER, redirect_uri="http://127.0.0.1:9/", expect=400
    )
    stranger = await exchange(simulator, await code(), code_verifier=VERIFIER, client_secret="guess", expect=401)
    good = await code()
    await exchange(simulator, good, code_verifier=VERIFIER)
    twice = await exchange(simulator, good, code_verifier=VERIFIER, expect=400)

    assert [answer["error"] for answer in (missing, wrong, elsewhere, stranger, twice)] == [
        "invalid_grant",
        "invalid_grant",
        "redirect_uri_mismatch",
        "invalid_client",
        "invalid_grant",
    ]


async def test_a_code_expires_after_ten_minutes(simulator: Simulator) -> None:
    code = (await consent(simulator))["code"]

    await simulator.faults(clock_skew=601)

    assert (await exchange(simulator, code, expect=400))["error"] == "invalid_grant"


async def test_a_refresh_token_comes_offline_at_the_first_consent_or_when_asked_again(simulator: Simulator) -> None:
    async def refresh_token(**parameters: str) -> bool:
        code = (await consent(simulator, **parameters))["code"]
        return "refresh_token" in await exchange(simulator, code)

    assert not await refresh_token()
    await simulator.sim("POST", "/tokens/revoke", {"email": ALEX})
    assert await refresh_token(access_type="offline")
    assert not await refresh_token(access_type="offline")
    assert await refresh_token(access_type="offline", prompt="consent")


async def test_scopes_are_those_ticked_and_earlier_ones_on_request(simulator: Simulator) -> None:
    readonly = CALENDAR_SCOPE + ".readonly"
    both = f"openid email {CALENDAR_SCOPE} {readonly}"

    some = await consent(simulator, scope=both, ticked=[readonly])
    token = (await exchange(simulator, some["code"]))["access_token"]
    write = await Api(simulator=simulator, token=token).call("POST", "/calendars", {"summary": "x"})
    read = await Api(simulator=simulator, token=token).call("GET", "/users/me/calendarList")
    incremental = await consent(simulator, scope=CALENDAR_SCOPE, include_granted_scopes="true")

    assert some["scope"] == f"openid {EMAIL_SCOPE} {readonly}"
    assert (write.status, write.reason) == (403, "insufficientPermissions")
    assert read.status == 200
    assert set(incremental["scope"].split()) == {CALENDAR_SCOPE, readonly, "openid", EMAIL_SCOPE}


async def test_prompt_none_answers_without_a_page_once_consent_is_given(simulator: Simulator) -> None:
    async def silent(**parameters: str) -> str:
        url = authorization_url(simulator, prompt="none", **parameters)
        async with simulator.session.get(url, allow_redirects=False) as answer:
            return answer.headers["Location"]

    nobody = await silent()
    before = await silent(login_hint=ALEX)
    await consent(simulator)
    after = await silent(login_hint=ALEX)

    assert "error=interaction_required" in nobody
    assert "error=consent_required" in before
    assert "code=" in after


async def test_access_tokens_expire_and_refresh_tokens_stay(simulator: Simulator) -> None:
    await simulator.faults(token_lifetime=60)
    tokens = await exchange(simulator, (await consent(simulator, access_type="offline"))["code"])
    api = Api(simulator=simulator, token=tokens["access_token"])

    fresh = await api.call("GET", "/colors")
    await simulator.faults(clock_skew=61)
    expired = await api.call("GET", "/colors")
    refresh = {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"]}
    renewed = await token_endpoint(simulator, refresh)

    assert (tokens["expires_in"], fresh.status) == (60, 200)
    assert (expired.status, expired.reason) == (401, "authError")
    assert "refresh_token" not in renewed
    assert (await Api(simulator=simulator, token=renewed["access_token"]).call("GET", "/colors")).status == 200


async def test_access_tokens_can_be_ended_by_hand(simulator: Simulator, alex: Api) -> None:
    ended = await simulator.sim("POST", "/tokens/expire", {"email": ALEX})

    assert ended == {"expired": 1}
    assert (await alex.call("GET", "/colors")).status == 401


async def test_a_rotated_refresh_token_replaces_the_old_one(simulator: Simulator) -> None:
    await simulator.faults(rotate_refresh_tokens=True)
    tokens = await exchange(simulator, (await consent(simulator, access_type="offline"))["code"])

    old = {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"]}
    renewed = await token_endpoint(simulator, old)
    again = await token_endpoint(simulator, old, expect=400)

    assert renewed["refresh_token"] != tokens["refresh_token"]
    assert again["error"] == "invalid_grant"


async def test_testing_mode_ends_refresh_tokens_after_seven_days(simulator: Simulator) -> None:
    await simulator.sim("POST", "/accounts", {"email": "dev@example.com", "testing_mode": True})
    tokens = await exchange(simulator, (await consent(simulator, "dev@example.com", access_type="offline"))["code"])
    refresh = {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"]}

    await simulator.faults(clock_skew=7 * 86400 - 60)
    before = await token_endpoint(simulator, refresh)
    await simulator.faults(clock_skew=7 * 86400 + 60)
    after = await token_endpoint(simulator, refresh, expect=400)

    assert tokens["refresh_token_expires_in"] == 604799
    assert before["access_token"]
    assert after["error"] == "invalid_grant"


async def test_revoking_ends_the_grant(simulator: Simulator) -> None:
    tokens = await exchange(simulator, (await consent(simulator, access_type="offline"))["code"])
    url = f"{simulator.base}/revoke"

    async with simulator.session.post(url, data={"token": tokens["refresh_token"]}) as answer:
        first = answer.status
    async with simulator.session.post(f"{url}?token={tokens['refresh_token']}") as answer:
        second, body = answer.status, await answer.json()
    refresh = {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"]}

    assert (first, second, body["error"]) == (200, 400, "invalid_token")
    assert (await token_endpoint(simulator, refresh, expect=400))["error"] == "invalid_grant"
    assert (await Api(simulator=simulator, token=tokens["access_token"]).call("GET", "/colors")).status == 401


async def test_other_grants_are_not_supported(simulator: Simulator) -> None:
    answer = await token_endpoint(simulator, {"grant_type": "password"}, expect=400)

    assert answer["error"] == "unsupported_grant_type"


async def test_no_bearer_is_login_required_and_a_wrong_one_invalid(simulator: Simulator) -> None:
    url = f"{simulator.base}/calendar/v3/colors"

    async with simulator.session.get(url) as answer:
        without = (await answer.json())["error"]["errors"][0]
    wrong = await Api(simulator=simulator, token="ya29.guess").call("GET", "/colors")

    assert (answer.status, without["reason"], without["location"]) == (401, "required", "Authorization")
    assert (wrong.status, wrong.reason) == (401, "authError")


async def test_user_info_needs_a_good_bearer(simulator: Simulator) -> None:
    for headers in ({}, {"Authorization": "Bearer guess"}):
        async with simulator.session.get(f"{simulator.base}/oauth2/v3/userinfo", headers=headers) as answer:
            assert (answer.status, (await answer.json())["error"]) == (401, "invalid_request")


async def test_profile_adds_the_name(simulator: Simulator) -> None:
    api = await sign_in(simulator, scopes="openid profile")
    headers = {"Authorization": f"Bearer {api.token}"}

    async with simulator.session.get(f"{simulator.base}/oauth2/v3/userinfo", headers=headers) as answer:
        info = await answer.json()

    assert info["name"] == "Alex"
    assert "email" not in info
