"""Connecting a CalDAV account from the command line; the password comes from standard input, never as an argument."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from tests import radicale
from tests.cli.test_connect import browser, front, installed

if TYPE_CHECKING:
    import httpx

    from tests.cli.conftest import Kalends

__all__ = ["browser", "front", "installed"]


def test_an_account_is_connected_and_the_password_is_never_said(
    kalends: Kalends, browser: httpx.Client, radicale_base: str
) -> None:
    radicale.make_calendar(radicale_base, radicale.USER, f"k{datetime.now(UTC).timestamp():.6f}")
    kalends.secrets.append(radicale.PASSWORD)
    where = ("--server", radicale_base, "--user", radicale.USER)

    made = kalends("connections", "add-caldav", *where, input=f"{radicale.PASSWORD}\n")
    listed = kalends("connections", "list")
    gone = kalends("connections", "disconnect", radicale.USER, "--yes")

    assert (made.code, f"Connected {radicale.USER}" in made.out) == (0, True)
    assert "caldav" in listed.out
    assert "delete it there" in gone.err


def test_a_refused_password_says_what_to_use_instead(
    kalends: Kalends, browser: httpx.Client, radicale_base: str
) -> None:
    where = ("--server", radicale_base, "--user", radicale.USER)

    refused = kalends("connections", "add-caldav", *where, input="wrong-one\n", code=1)

    assert "app password" in refused.err
    assert "wrong-one" not in refused.err
