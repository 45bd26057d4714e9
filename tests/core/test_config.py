"""Settings: everything that is wrong is told at once, by name, and no value is repeated."""

from __future__ import annotations

import pytest

from shared.core.config import read_settings
from shared.core.errors import InvalidError


@pytest.fixture(autouse=True)
def bare(monkeypatch: pytest.MonkeyPatch) -> None:
    """An environment with nothing of ours in it."""
    for name in ("STAGE", "APP_BASE_URL", "MICROSOFT_AUTHORITY", "CALENDAR_SYNC_ENABLED", "GOOGLE_REDIRECT_URI"):
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


def test_the_redirect_uri_is_the_installations_own_unless_it_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STAGE", "local")
    monkeypatch.setenv("APP_BASE_URL", "http://localhost:3001/")
    monkeypatch.setenv("GOOGLE_REDIRECT_URI", "https://kalends.example/auth/google/callback")

    settings = read_settings()

    assert settings.redirect_uri("google") == "https://kalends.example/auth/google/callback"
    assert settings.redirect_uri("microsoft") == "http://localhost:3001/oauth/microsoft/callback"
