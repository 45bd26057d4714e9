"""The OAuth apps of the environment and of .env: whole or refused by name, and no value is ever repeated."""

from __future__ import annotations

import os
import re
import stat
from typing import TYPE_CHECKING

import psycopg
import pytest

from infra import ROOT
from infra.local import accounts
from infra.local.console import StartError

if TYPE_CHECKING:
    from pathlib import Path

    from tests.postgres import Logins

GOOGLE = {
    "GOOGLE_CLIENT_ID": "1234-fake.apps.googleusercontent.com",
    "GOOGLE_CLIENT_SECRET": "GOCSPX-fake-${HOME}",
}
MICROSOFT = {
    "MS_CLIENT_ID": "00000000-1111-2222-3333-444444444444",
    "MS_CLIENT_SECRET": "fake~secret",
}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / ".env"


def write(file: Path, **values: str) -> Path:
    file.write_text("".join(f"{name}={value}\n" for name, value in values.items()))
    return file


def refused(file: Path, **environment: str) -> str:
    with pytest.raises(StartError) as caught:
        accounts.read(file, environment)
    message = str(caught.value)
    assert not [value for value in environment.values() if value and value in message]
    return message


def test_without_credentials_there_are_only_simulators(file: Path) -> None:
    nothing = accounts.read(file, {})
    example = accounts.read(ROOT / ".env.example", {})
    other = accounts.read(file, {"MS_TENANT_ID": "common", "APP_BASE_URL": "https://k.example"})

    assert (nothing, example, other) == (None, None, None)


def test_the_file_is_read_as_it_stands_and_the_environment_wins(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "environ", before := dict(os.environ))
    write(file, **GOOGLE, **MICROSOFT, MS_TENANT_ID="contoso.example")

    found = accounts.read(file, {"MS_TENANT_ID": "organizations", "MS_CLIENT_SECRET": "another"})

    assert found is not None
    assert found.clients == {
        "google": {"client_id": GOOGLE["GOOGLE_CLIENT_ID"], "client_secret": "GOCSPX-fake-${HOME}"},
        "microsoft": {"client_id": MICROSOFT["MS_CLIENT_ID"], "client_secret": "another"},
    }
    assert (found.tenant, found.public_url, found.missing()) == ("organizations", "", {})
    assert os.environ == before


def test_an_empty_variable_of_the_environment_takes_the_files_away(file: Path) -> None:
    write(file, **GOOGLE)

    assert accounts.read(file, dict.fromkeys(GOOGLE, "")) is None


def test_a_file_that_is_no_text_is_named(file: Path) -> None:
    file.write_bytes(b"GOOGLE_CLIENT_SECRET=\xff\xfe")

    assert "cannot be read: UnicodeDecodeError" in refused(file)


def test_a_provider_without_credentials_is_not_offered_and_says_why(file: Path) -> None:
    found = accounts.read(file, GOOGLE)

    assert found is not None
    assert found.missing() == {"microsoft": "MS_CLIENT_ID and MS_CLIENT_SECRET are not set"}


@pytest.mark.parametrize("missing", [*GOOGLE, *MICROSOFT])
def test_half_a_pair_names_the_missing_half(file: Path, missing: str) -> None:
    given = {**GOOGLE, **MICROSOFT}
    del given[missing]

    message = refused(file, **given)

    assert f"{missing} is missing" in message
    assert message.count("is missing") == 1


def test_everything_that_is_wrong_is_told_at_once(file: Path) -> None:
    message = refused(
        file,
        GOOGLE_CLIENT_ID="GOCSPX-the-secret",
        GOOGLE_CLIENT_SECRET="x",
        MS_CLIENT_ID="my app",
        MS_CLIENT_SECRET=MICROSOFT["MS_CLIENT_ID"],
        MS_TENANT_ID="../common",
        APP_BASE_URL="http://k.example:8080/path",
    )

    assert set(re.findall(r"^  (\w+)", message, re.MULTILINE)) == {
        "GOOGLE_CLIENT_ID",
        "MS_CLIENT_ID",
        "MS_CLIENT_SECRET",
        "MS_TENANT_ID",
        "APP_BASE_URL",
    }


@pytest.mark.parametrize(
    ("address", "taken"),
    [
        ("https://k.example", "https://k.example"),
        ("https://k.example/", "https://k.example"),
        ("https://k.example:8443", "https://k.example:8443"),
        ("https://k.example/path", None),
        ("https://me:pw@k.example", None),
        ("http://localhost:3001", None),
        ("https://[", None),
        ("k.example", None),
    ],
)
def test_the_public_address_is_https_and_a_host(file: Path, address: str, taken: str | None) -> None:
    if taken is None:
        assert "APP_BASE_URL" in refused(file, **GOOGLE, APP_BASE_URL=address)
        return

    found = accounts.read(file, {**GOOGLE, "APP_BASE_URL": address})

    assert found is not None
    assert found.public_url == taken


def test_secrets_are_in_no_representation(file: Path) -> None:
    found = accounts.read(file, {**GOOGLE, **MICROSOFT})

    assert "fake" not in repr(found)


def test_the_example_explains_every_variable_and_git_ignores_the_real_file() -> None:
    example = (ROOT / ".env.example").read_text()
    ignored = (ROOT / ".gitignore").read_text().splitlines()

    assert re.findall(r"^(\w+)=$", example, re.MULTILINE) == list(accounts.VARIABLES)
    assert {".env", ".local-real/"} <= set(ignored)
    assert not stat.S_IMODE((ROOT / ".env.example").stat().st_mode) & 0o111


class TestKeepingApart:
    REAL = accounts.RealAccounts(clients={"google": {"client_id": "real", "client_secret": "x"}})

    def register(self, logins: Logins, client_id: str) -> None:
        with psycopg.connect(logins.owner) as connection:
            connection.execute("INSERT INTO oauth_apps (provider, client_id) VALUES ('google', %s)", (client_id,))

    def test_a_new_database_takes_either(self, logins: Logins) -> None:
        accounts.keep_apart(logins.owner, None)
        accounts.keep_apart(logins.owner, self.REAL)

    def test_real_accounts_never_meet_simulated_ones(self, logins: Logins) -> None:
        self.register(logins, "kalends-google-local")

        accounts.keep_apart(logins.owner, None)
        with pytest.raises(StartError, match="used with simulated accounts"):
            accounts.keep_apart(logins.owner, self.REAL)

    def test_simulators_never_touch_real_accounts(self, logins: Logins) -> None:
        self.register(logins, "an-older-app.apps.googleusercontent.com")

        accounts.keep_apart(logins.owner, self.REAL)
        with pytest.raises(StartError, match="holds real accounts"):
            accounts.keep_apart(logins.owner, None)
