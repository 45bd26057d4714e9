"""Connecting an account: the command waits while a person allows access in a browser."""

from __future__ import annotations

from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import httpx
import pytest

from shared.identity import api_tokens, people, sessions
from tests import edge, installation
from tests.installation import ALEX, SAM

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.cli.conftest import Kalends, Ran
    from tests.edge import Edge
    from tests.installation import Installation
    from tests.postgres import Logins


@pytest.fixture
def installed(logins: Logins) -> Iterator[Installation]:
    with installation.install(logins) as running:
        yield running


@pytest.fixture
def front(installed: Installation, monkeypatch: pytest.MonkeyPatch) -> Iterator[Edge]:
    with edge.serve(installed.app, monkeypatch) as running:
        yield running


@pytest.fixture
def browser(installed: Installation, front: Edge, kalends: Kalends) -> Iterator[httpx.Client]:
    """A browser in which Ada is signed in, whose command line is logged in, too."""
    now = datetime.now(UTC)
    with installed.app.database.everyone() as conn:
        ada = people.add(conn, email="ada@example.com", name="Ada", role="user", password_hash="", now=now)
        cookie = sessions.start(conn, user_id=ada.id, now=now)
        token = api_tokens.create(conn, user_id=ada.id, name="tests", actor="test", now=now)[1]
    kalends.secrets += [cookie, token]
    kalends("login", "--host", front.base, "--token", token)
    headers = {"accept": "text/html", "cookie": f"{sessions.COOKIE}={cookie}"}
    with httpx.Client(base_url=front.base, headers=headers, timeout=20) as client:
        yield client


def allow(installed: Installation, browser: httpx.Client, provider: str, address: str, **form: str) -> int:
    """Click, and follow the provider back to Kalends; answers the status there."""
    query = installed.simulators[provider].decide(address, **{"account": ALEX[provider], **form})
    return browser.get(f"/oauth/{provider}/callback", params=query).status_code


@contextmanager
def connecting(kalends: Kalends, provider: str, *arguments: str) -> Iterator[tuple[str, list[Ran]]]:
    """Start the command; gives the address it prints, and later what it did."""
    done: list[Ran] = []
    process = kalends.start("connect", provider, *arguments)
    assert process.stdout is not None
    yield process.stdout.readline().strip(), done
    done.append(kalends.end(process))


@pytest.mark.parametrize("provider", ["google", "microsoft"])
def test_it_prints_the_address_waits_and_tells_who_came(
    kalends: Kalends, installed: Installation, browser: httpx.Client, provider: str
) -> None:
    with connecting(kalends, provider) as (address, done):
        status = allow(installed, browser, provider, address)

    (ran,) = done
    count = len(kalends("calendars", "list", "--json").json)
    assert status == 303
    assert ran.out == f"Connected {ALEX[provider]} with {count} calendars.\n"
    assert f"Waiting for the {provider.title()} account" in ran.err
    assert count >= 2
    assert kalends("connections", "list", "--json").json[0]["status"] == "active"


def test_another_account_and_the_same_account_again(
    kalends: Kalends, installed: Installation, browser: httpx.Client
) -> None:
    with connecting(kalends, "google") as (address, first):
        allow(installed, browser, "google", address)
    with connecting(kalends, "google", "--account", SAM["google"]) as (address, second):
        allow(installed, browser, "google", address, account=SAM["google"])
    with connecting(kalends, "google") as (again, third):
        allow(installed, browser, "google", again)

    assert httpx.URL(address).params["login_hint"] == SAM["google"]
    assert [ran[0].out.split()[1] for ran in (first, second, third)] == [
        ALEX["google"],
        SAM["google"],
        ALEX["google"],
    ]
    assert len(kalends("connections", "list", "--json").json) == 2


def test_a_disconnected_account_comes_back(kalends: Kalends, installed: Installation, browser: httpx.Client) -> None:
    with connecting(kalends, "google") as (address, _):
        allow(installed, browser, "google", address)
    disconnected = kalends("connections", "disconnect", ALEX["google"], "--yes")
    with connecting(kalends, "google") as (address, done):
        allow(installed, browser, "google", address)

    assert disconnected.err == ""  # the provider took its permission back, so there is nothing more to do
    assert done[0].out.startswith(f"Connected {ALEX['google']}")


def test_it_does_not_wait_for_ever(kalends: Kalends, browser: httpx.Client) -> None:
    ran = kalends("connect", "microsoft", "--timeout", "1", code=1)

    assert ran.out.startswith("http")
    assert "No Microsoft account was connected within 1 second. (CONNECT.TIMEOUT)" in ran.err
    assert "kalends connect microsoft" in ran.err


def test_a_provider_that_is_not_there_is_misuse(kalends: Kalends) -> None:
    assert "google" in kalends("connect", "yahoo", code=2).err
