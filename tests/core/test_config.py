"""Settings: everything that is wrong is told at once, by name, and no value is repeated."""

from __future__ import annotations

from typing import ClassVar

import pytest

from shared.core.config import read_settings
from shared.core.errors import InvalidError


@pytest.fixture(autouse=True)
def bare(monkeypatch: pytest.MonkeyPatch) -> None:
    """An environment with nothing of ours in it."""
    for name in (
        "STAGE",
        "APP_BASE_URL",
        "MICROSOFT_AUTHORITY",
        "CALENDAR_SYNC_ENABLED",
        "GOOGLE_REDIRECT_URI",
        "EGRESS_ALLOWED_HOSTS",
    ):
        monkeypatch.delenv(name, raising=False)


def test_one_message_names_every_missing_or_malformed_variable_and_none_of_their_values(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("APP_BASE_URL", "secret-host.example")
    monkeypatch.setenv("MICROSOFT_AUTHORITY", "ftp://secret-host.example")

    with pytest.raises(InvalidError) as caught:
        read_settings()

    assert caught.value.error_code == "CONFIG.INVALID"
    assert set(caught.value.fields) == {"STAGE", "APP_BASE_URL", "MICROSOFT_AUTHORITY"}
    for name in caught.value.fields:
        assert name in caught.value.message
    assert "secret-host" not in caught.value.message


@pytest.mark.parametrize(
    ("value", "opened"), [("true", True), ("True", False), ("1", False), ("yes", False), ("", False), (None, False)]
)
def test_only_the_literal_true_opens_a_gate(monkeypatch: pytest.MonkeyPatch, value: str | None, opened: bool) -> None:
    monkeypatch.setenv("STAGE", "local")
    monkeypatch.setenv("APP_BASE_URL", "http://localhost:3001/")
    if value is not None:
        monkeypatch.setenv("CALENDAR_SYNC_ENABLED", value)

    assert read_settings().calendar_sync_enabled is opened


def test_private_hosts_are_allowed_by_name_and_none_by_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STAGE", "local")
    monkeypatch.setenv("APP_BASE_URL", "http://localhost:3001/")
    assert read_settings().allowed_hosts == ()

    monkeypatch.setenv("EGRESS_ALLOWED_HOSTS", "NAS.example, 10.0.0.2,")

    assert read_settings().allowed_hosts == ("nas.example", "10.0.0.2")


@pytest.mark.parametrize("stage", ["dev", "staging", "prod"])
@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "[::1]", "169.254.169.254"])
def test_only_a_laptop_may_allow_itself(monkeypatch: pytest.MonkeyPatch, stage: str, host: str) -> None:
    monkeypatch.setenv("STAGE", stage)
    monkeypatch.setenv("APP_BASE_URL", "https://kalends.example")
    monkeypatch.setenv("EGRESS_ALLOWED_HOSTS", f"nas.example,{host}")

    with pytest.raises(InvalidError) as caught:
        read_settings()

    assert set(caught.value.fields) == {"EGRESS_ALLOWED_HOSTS"}


def test_the_redirect_uri_is_the_installations_own_unless_it_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STAGE", "local")
    monkeypatch.setenv("APP_BASE_URL", "http://localhost:3001/")
    monkeypatch.setenv("GOOGLE_REDIRECT_URI", "https://kalends.example/auth/google/callback")

    settings = read_settings()

    assert settings.redirect_uri("google") == "https://kalends.example/auth/google/callback"
    assert settings.redirect_uri("microsoft") == "http://localhost:3001/oauth/microsoft/callback"


class TestReach:
    REAL: ClassVar = {"STAGE": "local", "APP_BASE_URL": "http://localhost:3001"}
    SIMULATED: ClassVar = {
        **REAL,
        "GOOGLE_API_ENDPOINT": "http://localhost:3002/",
        "GOOGLE_AUTH_URL": "http://localhost:3002/o/oauth2/v2/auth",
        "GOOGLE_TOKEN_URL": "http://localhost:3002/token",
        "GOOGLE_REVOKE_URL": "http://127.0.0.1:3002/revoke",
        "MICROSOFT_GRAPH_ENDPOINT": "http://localhost:3003/v1.0",
        "MICROSOFT_AUTHORITY": "http://[::1]:3003",
    }

    @pytest.mark.parametrize(
        ("variables", "address", "warns"),
        [
            (SIMULATED, "http://localhost:3001/webhooks/google", False),
            (REAL, None, True),
            ({**REAL, "APP_BASE_URL": "https://k.example"}, "https://k.example/webhooks/google", True),
            ({**SIMULATED, "MICROSOFT_AUTHORITY": "https://login.microsoftonline.com"}, None, True),
            (
                {**REAL, "STAGE": "prod", "APP_BASE_URL": "https://k.example"},
                "https://k.example/webhooks/google",
                False,
            ),
        ],
        ids=["simulated", "real", "real behind a tunnel", "half real", "prod"],
    )
    def test_real_providers_on_a_laptop_warn_and_reach_only_https(
        self, monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], address: str | None, warns: bool
    ) -> None:
        for name in self.SIMULATED:
            monkeypatch.delenv(name, raising=False)
        for name, value in variables.items():
            monkeypatch.setenv(name, value)

        settings = read_settings()

        assert (settings.webhook_address("google"), settings.warns_of_real_accounts) == (address, warns)
