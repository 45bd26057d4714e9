"""Whoever starts real accounts is told what is at stake, and what the providers' consoles must know."""

from __future__ import annotations

from typing import TYPE_CHECKING

from infra.local import banner
from infra.local.accounts import RealAccounts

if TYPE_CHECKING:
    import pytest

APPS = {
    "google": {"client_id": "1.apps.googleusercontent.com", "client_secret": "planted"},
    "microsoft": {"client_id": "0000", "client_secret": "planted"},
}


def rows(*providers: str, public_url: str = "") -> dict[str, str]:
    accounts = RealAccounts(
        clients={name: APPS[name] for name in providers}, tenant="contoso.example", public_url=public_url
    )
    here = "http://localhost:3001"
    return banner.rows(accounts, base_url=public_url or here, here=here)


def test_redirect_uris_stand_alone_as_the_consoles_want_them() -> None:
    found = rows("google", "microsoft")

    assert found["Google redirect URI"] == "http://localhost:3001/oauth/google/callback"
    assert found["Microsoft redirect URI"] == "http://localhost:3001/oauth/microsoft/callback"
    assert found["Microsoft"] == "client 0000, tenant contoso.example"
    assert "planted" not in str(found)


def test_a_provider_without_credentials_is_not_offered_with_the_reason() -> None:
    found = rows("microsoft")

    assert found["Google"] == "not offered: GOOGLE_CLIENT_ID and GOOGLE_CLIENT_SECRET are not set"
    assert "Google redirect URI" not in found


def test_without_a_public_address_it_says_how_often_it_looks_and_how_to_change_that() -> None:
    found = rows("google")

    assert "every 5 minutes" in found["Changes"]
    assert "APP_BASE_URL" in found["Changes"]


def test_with_a_public_address_providers_notify_and_redirect_there() -> None:
    found = rows("google", public_url="https://k.example")

    assert found["Google redirect URI"] == "https://k.example/oauth/google/callback"
    assert found["Changes"] == "notified at https://k.example, which must lead to http://localhost:3001"


def test_the_warning_cannot_be_overlooked(capsys: pytest.CaptureFixture[str]) -> None:
    banner.warn()

    assert "| REAL ACCOUNTS: changes here change your real calendars. |" in capsys.readouterr().out
