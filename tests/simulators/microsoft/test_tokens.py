"""The token endpoint, discovery and keys; authlib and joserfc as independent clients."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from authlib.integrations.httpx_client import AsyncOAuth2Client
from joserfc import jwt
from joserfc.jwk import KeySet

from infra.local.simulators import microsoft
from tests.simulators.microsoft.api import ALEX, KIM, REDIRECT, SCOPES, authorize, parameter, sign_in, token

if TYPE_CHECKING:
    from tests.simulators.microsoft.api import Api, Reply
    from tests.simulators.running import Simulator


def code_of(reply: Reply) -> int:
    """The AADSTS number of an error."""
    assert reply.body["error_description"].startswith(f"AADSTS{reply.body['error_codes'][0]}: ")
    assert {"timestamp", "trace_id", "correlation_id", "error_uri"} < set(reply.body)
    return int(reply.body["error_codes"][0])


async def code(simulator: Simulator, **parameters: str) -> str:
    """A fresh authorization code."""
    _, address = await authorize(simulator, **parameters)
    return parameter(address, "code")


async def exchange(simulator: Simulator, value: str, **form: str) -> Reply:
    """Exchange a code."""
    return await token(simulator, grant_type="authorization_code", code=value, **{"redirect_uri": REDIRECT, **form})


async def refresh(simulator: Simulator, value: str, **form: str) -> Reply:
    """Use a refresh token."""
    return await token(simulator, grant_type="refresh_token", refresh_token=value, **form)


async def test_authlib_signs_in_with_pkce_and_refreshes(simulator: Simulator) -> None:
    base = f"{simulator.base}/common/oauth2/v2.0"
    options: dict[str, Any] = {"scope": SCOPES, "redirect_uri": REDIRECT, "code_challenge_method": "S256"}
    async with AsyncOAuth2Client(microsoft.CLIENT_ID, microsoft.CLIENT_SECRET, **options) as client:
        verifier = "v" * 64
        address, state = client.create_authorization_url(f"{base}/authorize", code_verifier=verifier)
        form = {"account": ALEX, "decision": "allow"}
        async with simulator.session.post(address, data=form, allow_redirects=False) as answer:
            back = answer.headers["Location"]

        first = await client.fetch_token(
            f"{base}/token", authorization_response=back, state=state, code_verifier=verifier
        )
        second = await client.refresh_token(f"{base}/token", first["refresh_token"])
        me = await client.get(f"{simulator.base}/v1.0/me")

    assert second["refresh_token"] != first["refresh_token"]
    assert me.json()["mail"] == ALEX


async def test_the_id_token_is_signed_by_a_published_key_and_names_person_and_tenant(simulator: Simulator) -> None:
    client = await sign_in(simulator, nonce="n1")
    async with simulator.session.get(
        f"{simulator.base}/contoso.example/v2.0/.well-known/openid-configuration"
    ) as answer:
        discovery = await answer.json()
    async with simulator.session.get(discovery["jwks_uri"]) as answer:
        keys = KeySet.import_key_set(await answer.json())

    claims = jwt.decode(client.id_token, keys, algorithms=["RS256"]).claims

    assert claims["iss"] == discovery["issuer"]
    assert (claims["aud"], claims["nonce"], claims["email"]) == (microsoft.CLIENT_ID, "n1", ALEX)
    assert claims["iss"] == f"{simulator.base}/{claims['tid']}/v2.0"
    assert claims["exp"] > claims["iat"]


async def test_personal_accounts_are_in_microsofts_own_tenant(simulator: Simulator) -> None:
    client = await sign_in(simulator, KIM)
    async with simulator.session.get(f"{simulator.base}/common/discovery/v2.0/keys") as answer:
        keys = KeySet.import_key_set(await answer.json())

    claims = jwt.decode(client.id_token, keys, algorithms=["RS256"]).claims

    assert claims["tid"] == "9188040d-6c67-4c5b-b112-36a304b66dad"


@pytest.mark.parametrize(("scope", "given"), [(SCOPES, True), ("openid Calendars.Read", False)])
async def test_a_refresh_token_needs_offline_access(simulator: Simulator, scope: str, given: bool) -> None:
    reply = await exchange(simulator, await code(simulator, scope=scope))

    assert ("refresh_token" in reply.body) == given
    assert "offline_access" not in reply.body["scope"]


async def test_a_code_is_good_once(simulator: Simulator) -> None:
    value = await code(simulator)

    first, second = await exchange(simulator, value), await exchange(simulator, value)

    assert first.status == 200
    assert (second.status, second.body["error"], code_of(second)) == (400, "invalid_grant", 54005)


@pytest.mark.parametrize(
    ("form", "status", "error", "number"),
    [
        ({"client_secret": "wrong"}, 401, "invalid_client", 7000215),
        ({"client_id": "stranger"}, 400, "unauthorized_client", 700016),
        ({"redirect_uri": REDIRECT + "x"}, 400, "invalid_grant", 500112),
        ({"code": "made up"}, 400, "invalid_grant", 70008),
        ({"grant_type": "password"}, 400, "unsupported_grant_type", 70003),
    ],
)
async def test_a_wrong_exchange_is_refused(
    simulator: Simulator, form: dict[str, str], status: int, error: str, number: int
) -> None:
    sent = {"grant_type": "authorization_code", "code": await code(simulator), "redirect_uri": REDIRECT, **form}

    reply = await token(simulator, **sent)

    assert (reply.status, reply.body["error"], code_of(reply)) == (status, error, number)


@pytest.mark.parametrize("verifier", ["", "x" * 50])
async def test_pkce_is_checked(simulator: Simulator, verifier: str) -> None:
    value = await code(
        simulator, code_challenge="E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM", code_challenge_method="S256"
    )

    reply = await exchange(simulator, value, code_verifier=verifier)

    assert (reply.body["error"], code_of(reply)) == ("invalid_grant", 501481)


async def test_a_code_of_ten_minutes_is_too_old(simulator: Simulator) -> None:
    value = await code(simulator)
    await simulator.faults(clock_skew=601)

    reply = await exchange(simulator, value)

    assert code_of(reply) == 70008


@pytest.mark.parametrize(("rotate", "status"), [(False, 200), (True, 400)])
async def test_an_old_refresh_token_stays_good_unless_rotation_ends_it(
    alex: Api, simulator: Simulator, rotate: bool, status: int
) -> None:
    await simulator.faults(rotate_refresh_tokens=rotate)

    first = await refresh(simulator, alex.refresh_token)
    again = await refresh(simulator, alex.refresh_token)
    newest = await refresh(simulator, first.body["refresh_token"])

    assert [first.status, again.status, newest.status] == [200, status, 200]


async def test_a_revoked_grant_is_invalid_and_says_so(alex: Api, simulator: Simulator) -> None:
    await simulator.sim("POST", "/tokens/revoke", {"email": ALEX})

    reply = await refresh(simulator, alex.refresh_token)

    assert (reply.status, reply.body["error"], code_of(reply)) == (400, "invalid_grant", 50173)
    assert (await alex.call("GET", "/me")).status == 401


async def test_a_refresh_token_of_a_testing_account_ends_after_seven_days(simulator: Simulator) -> None:
    await simulator.sim("POST", "/accounts", {"email": "kit@contoso.example", "name": "Kit", "testing_mode": True})
    client = await sign_in(simulator, "kit@contoso.example")
    await simulator.faults(clock_skew=8 * 86_400)

    reply = await refresh(simulator, client.refresh_token)

    assert (reply.body["error"], code_of(reply)) == ("invalid_grant", 700082)


async def test_a_refresh_may_ask_for_fewer_scopes_but_not_for_more(alex: Api, simulator: Simulator) -> None:
    fewer = await refresh(simulator, alex.refresh_token, scope="https://graph.microsoft.com/User.Read")
    more = await refresh(simulator, alex.refresh_token, scope="Mail.Send")

    assert fewer.body["scope"] == "https://graph.microsoft.com/User.Read"
    assert (more.body["error"], code_of(more)) == ("invalid_scope", 70011)


async def test_access_tokens_live_as_long_as_the_switch_says(simulator: Simulator) -> None:
    await simulator.faults(token_lifetime=60)
    client = await sign_in(simulator)

    before = await client.call("GET", "/me")
    await simulator.faults(clock_skew=61)
    after = await client.call("GET", "/me")

    assert [before.status, after.status] == [200, 401]


async def test_an_unknown_tenant_has_no_tokens_and_no_discovery(simulator: Simulator) -> None:
    reply = await token(simulator, tenant="nowhere.example", grant_type="refresh_token")
    async with simulator.session.get(
        f"{simulator.base}/nowhere.example/v2.0/.well-known/openid-configuration"
    ) as answer:
        status = answer.status

    assert (reply.status, code_of(reply), status) == (400, 90002, 400)
