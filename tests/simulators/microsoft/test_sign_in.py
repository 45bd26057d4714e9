"""Signing in: tenants, consent, refusals, and an administrator's approval."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import urlencode

import pytest

from infra.local.simulators import microsoft
from tests.simulators.microsoft.api import ALEX, KIM, REDIRECT, SCOPES, authorize, parameter, sign_in

if TYPE_CHECKING:
    from tests.simulators.running import Simulator

TENANTS = ["common", "organizations", "consumers", "contoso.example"]


async def page(simulator: Simulator, path: str, **parameters: str) -> tuple[int, str]:
    """A page by GET."""
    async with simulator.session.get(
        f"{simulator.base}{path}?{urlencode(parameters)}", allow_redirects=False
    ) as answer:
        return answer.status, answer.headers.get("Location") or await answer.text()


def request(**more: str) -> dict[str, str]:
    """An authorization request's parameters."""
    known = {"client_id": microsoft.CLIENT_ID, "redirect_uri": REDIRECT, "response_type": "code", "state": "s1"}
    return {**known, "scope": SCOPES, **more}


async def test_the_consent_page_lets_choose_an_account_and_says_what_is_allowed(simulator: Simulator) -> None:
    status, text = await page(simulator, "/common/oauth2/v2.0/authorize", **request())

    assert status == 200
    assert ALEX in text
    assert "Have full access to your calendars" in text
    assert "checkbox" not in text


async def test_accepting_leads_back_with_a_code_and_the_state(simulator: Simulator) -> None:
    status, address = await authorize(simulator)

    assert status == 302
    assert address.startswith(REDIRECT)
    assert (bool(parameter(address, "code")), parameter(address, "state")) == (True, "s1")


async def test_cancelling_leads_back_with_access_denied(simulator: Simulator) -> None:
    _, address = await authorize(simulator, decision="deny")

    assert (parameter(address, "error"), parameter(address, "state")) == ("access_denied", "s1")
    assert parameter(address, "error_subcode") == "cancel"
    assert parameter(address, "error_description").startswith("AADSTS65004")


@pytest.mark.parametrize(
    ("email", "admitted"),
    [(ALEX, {"common", "organizations", "contoso.example"}), (KIM, {"common", "consumers"})],
)
@pytest.mark.parametrize("tenant", TENANTS)
async def test_a_tenant_admits_its_own_accounts(
    simulator: Simulator, email: str, admitted: set[str], tenant: str
) -> None:
    status, answer = await authorize(simulator, account=email, tenant=tenant)

    assert (status == 302) == (tenant in admitted)
    assert ("AADSTS50020" in answer) == (tenant not in admitted)


async def test_a_wrong_tenant_leads_back_when_switched_so(simulator: Simulator) -> None:
    await simulator.faults(wrong_tenant="redirect")

    status, address = await authorize(simulator, account=KIM, tenant="contoso.example")

    assert status == 302
    assert parameter(address, "error_description").startswith("AADSTS50020")


@pytest.mark.parametrize("path", ["/nowhere.example/oauth2/v2.0/authorize", "/nowhere.example/adminconsent"])
async def test_an_unknown_tenant_is_told_on_a_page(simulator: Simulator, path: str) -> None:
    status, text = await page(simulator, path, **request())

    assert status == 400
    assert "AADSTS90002" in text


@pytest.mark.parametrize(
    ("change", "code"),
    [({"redirect_uri": REDIRECT + "/"}, "AADSTS50011"), ({"client_id": "stranger"}, "AADSTS700016")],
)
async def test_an_untrusted_request_is_told_on_a_page_and_never_sent_back(
    simulator: Simulator, change: dict[str, str], code: str
) -> None:
    status, text = await page(simulator, "/common/oauth2/v2.0/authorize", **request(**change))

    assert status == 400
    assert code in text


@pytest.mark.parametrize(
    "change",
    [{"response_type": "token"}, {"scope": ""}, {"code_challenge": "x", "code_challenge_method": "plain"}],
)
async def test_a_wrong_request_of_a_known_client_is_sent_back(simulator: Simulator, change: dict[str, str]) -> None:
    status, address = await page(simulator, "/common/oauth2/v2.0/authorize", **request(**change))

    assert status == 302
    assert parameter(address, "error")
    assert parameter(address, "error_description")


async def test_no_prompt_needs_a_known_person_and_their_consent(simulator: Simulator) -> None:
    path, silent = "/common/oauth2/v2.0/authorize", {"prompt": "none"}

    _, nobody = await page(simulator, path, **request(**silent))
    _, before = await page(simulator, path, **request(**silent, login_hint=ALEX))
    await sign_in(simulator)
    _, after = await page(simulator, path, **request(**silent, login_hint=ALEX))

    assert parameter(nobody, "error") == "login_required"
    assert parameter(before, "error_description").startswith("AADSTS65001")
    assert parameter(after, "code")


async def strict(simulator: Simulator) -> str:
    """An account that may not consent for itself."""
    body = {"email": "pat@fabrikam.example", "name": "Pat", "needs_admin_consent": True}
    await simulator.sim("POST", "/accounts", body)
    return "pat@fabrikam.example"


async def test_who_may_not_consent_sees_a_page_that_leads_back(simulator: Simulator) -> None:
    email = await strict(simulator)

    status, text = await authorize(simulator, account=email)

    found = re.search(r'href="([^"]+)"', text)
    assert status == 400
    assert "Need admin approval" in text
    assert found
    address = found[1].replace("&amp;", "&")
    assert parameter(address, "error") == "access_denied"
    assert parameter(address, "error_description").startswith("AADSTS90094")


async def test_who_may_not_consent_is_sent_back_when_switched_so(simulator: Simulator) -> None:
    email = await strict(simulator)
    await simulator.faults(needs_approval="redirect")

    status, address = await authorize(simulator, account=email)

    assert (status, parameter(address, "error")) == (302, "access_denied")


@pytest.mark.parametrize("path", ["adminconsent", "v2.0/adminconsent"])
async def test_an_administrators_approval_lets_the_tenants_people_in(simulator: Simulator, path: str) -> None:
    email = await strict(simulator)
    address = f"{simulator.base}/fabrikam.example/{path}?{urlencode(request())}"

    async with simulator.session.get(address) as shown:
        text = await shown.text()
    form = {"account": email, "decision": "allow"}
    async with simulator.session.post(address, data=form, allow_redirects=False) as answer:
        back = answer.headers["Location"]

    status, _ = await authorize(simulator, account=email)
    assert email in text
    assert ALEX not in text
    assert (parameter(back, "admin_consent"), parameter(back, "state")) == ("True", "s1")
    assert parameter(back, "tenant")
    assert status == 302


async def test_an_administrator_may_say_no(simulator: Simulator) -> None:
    email = await strict(simulator)
    address = f"{simulator.base}/fabrikam.example/adminconsent?{urlencode(request())}"

    form = {"account": email, "decision": "deny"}
    async with simulator.session.post(address, data=form, allow_redirects=False) as answer:
        back = answer.headers["Location"]

    status, _ = await authorize(simulator, account=email)
    assert parameter(back, "error") == "permission_denied"
    assert status == 400


async def test_signing_out_leads_only_to_registered_addresses(simulator: Simulator) -> None:
    path = "/common/oauth2/v2.0/logout"

    known = await page(simulator, path, post_logout_redirect_uri=REDIRECT)
    unknown = await page(simulator, path, post_logout_redirect_uri="http://elsewhere.example/")

    assert known == (302, REDIRECT)
    assert unknown[0] == 200
