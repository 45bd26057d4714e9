"""Connecting a CalDAV account by clicking."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from tests import radicale
from tests.portal.test_connecting import ada, installed, served

if TYPE_CHECKING:
    from tests.installation import Installation
    from tests.portal.browser import Browser

__all__ = ["ada", "installed", "served"]


@pytest.mark.parametrize("provider", ["icloud", "fastmail", "nextcloud"])
def test_known_providers_bring_their_address_and_say_where_app_passwords_are_made(ada: Browser, provider: str) -> None:
    page = ada.open(f"/connections/caldav?at={provider}")

    assert "app" in page.text
    assert "password" in page.text
    assert "/connections/caldav?at=icloud" in page.links


def test_an_account_is_connected_and_its_password_replaced(
    ada: Browser, installed: Installation, radicale_base: str
) -> None:
    radicale.make_calendar(radicale_base, radicale.USER, f"p{datetime.now(UTC).timestamp():.6f}")
    entered = {"server": radicale_base, "username": radicale.USER, "password": radicale.PASSWORD}
    form = ada.open("/connections/caldav")

    refused = ada.send(form, "/connections/caldav", **(entered | {"password": "wrong-one"}))
    connected = ada.send(form, "/connections/caldav", **entered)
    with installed.app.database.everyone() as conn:
        conn.execute("UPDATE external_calendar_connections SET status = 'needs_reauth'")
    (again,) = [link for link in ada.open("/connections").links if "again=" in link]
    filled = ada.open(again)
    renewed = ada.send(filled, "/connections/caldav", **entered)

    assert (refused.status, "does not accept" in refused.text, "wrong-one" in refused.text) == (400, True, False)
    assert f"CalDAV account {radicale.USER} is connected" in connected.text
    assert "New app password" not in renewed.text
    assert radicale.PASSWORD not in connected.text + filled.text
