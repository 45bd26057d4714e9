"""CalDAV accounts through the front door: the API, the page and the command."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from shared.control import gates
from shared.core import clock
from tests import radicale
from tests.api.test_connections import ada, installed, served

if TYPE_CHECKING:
    import httpx

    from tests.installation import Installation

__all__ = ["ada", "installed", "served"]


@pytest.fixture
def account(radicale_base: str) -> dict[str, str]:
    """What a person enters, for an account with one more calendar."""
    radicale.make_calendar(radicale_base, radicale.USER, f"a{datetime.now(UTC).timestamp():.6f}")
    return {"server": radicale_base, "username": radicale.USER, "password": radicale.PASSWORD}


def test_an_account_is_connected_listed_and_disconnected(ada: httpx.Client, account: dict[str, str]) -> None:
    made = ada.put("/api/connections/caldav", json=account)
    again = ada.put("/api/connections/caldav", json=account)

    (listed,) = ada.get("/api/connections").json()["items"]
    calendars = ada.get("/api/calendars", params={"connection_id": listed["id"]}).json()["items"]
    gone = ada.delete(f"/api/connections/{listed['id']}")
    assert (made.status_code, again.status_code) == (200, 200)
    assert made.json()["id"] == again.json()["id"] == listed["id"]
    assert (listed["provider"], listed["status"], listed["server_address"]) == ("caldav", "active", account["server"])
    assert calendars
    assert gone.json() == {"revoked": False}
    assert radicale.PASSWORD not in made.text + gone.text


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"password": "wrong-secret"}, "AUTH.PASSWORD_REFUSED"),
        ({"server": "http://caldav.example.com"}, "EGRESS.INSECURE"),
        ({"server": "caldav"}, "CALDAV.ADDRESS"),
        ({"password": ""}, "REQUEST.INVALID"),
    ],
)
def test_mistakes_are_named_and_nothing_is_repeated(
    ada: httpx.Client, account: dict[str, str], changes: dict[str, str], code: str
) -> None:
    answer = ada.put("/api/connections/caldav", json=account | changes)

    assert (answer.status_code, answer.json()["code"]) == (400, code)
    assert "secret" not in answer.text
    assert ada.get("/api/connections").json()["items"] == []


def test_while_connecting_is_switched_off_nothing_is_asked(
    installed: Installation, ada: httpx.Client, account: dict[str, str]
) -> None:
    with installed.app.database.everyone() as conn:
        gates.set_gate(conn, gates.Operation.OAUTH, opened=False, actor="test", reason="test", now=clock.now())

    answer = ada.put("/api/connections/caldav", json=account)

    assert answer.status_code == 403
