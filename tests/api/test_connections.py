"""Accounts at simulated providers, connected, listed, discovered and disconnected through the front door."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import pytest

from shared.core import clock
from shared.identity import api_tokens
from tests import edge, installation
from tests.installation import ALEX

if TYPE_CHECKING:
    from collections.abc import Iterator

    import httpx

    from tests.edge import Edge
    from tests.installation import Installation
    from tests.postgres import Logins


@pytest.fixture
def installed(logins: Logins) -> Iterator[Installation]:
    with installation.install(logins) as running:
        yield running


@pytest.fixture
def served(installed: Installation, monkeypatch: pytest.MonkeyPatch) -> Iterator[Edge]:
    app = installed.another()
    for name in ("pull_queue", "push_queue", "repair_queue", "backfill_queue"):
        setattr(app, name, edge.Lane())
    with edge.serve(app, monkeypatch) as running:
        yield running
    app.database.close()


@pytest.fixture
def ada(installed: Installation, served: Edge) -> Iterator[httpx.Client]:
    """A program of Ada's."""
    person = installed.person("ada@example.com", now=clock.now())
    with installed.app.database.person(person.user_id) as conn:
        _, token = api_tokens.create(conn, user_id=person.user_id, name="t", actor="test", now=clock.now())
    with served.client(headers={"authorization": f"Bearer {token}"}) as client:
        yield client


def connect(installed: Installation, ada: httpx.Client, provider: str) -> dict[str, Any]:
    started = ada.get(f"/oauth/{provider}/start").json()
    query = installed.simulators[provider].decide(started["authorization_url"], account=ALEX[provider])
    answer = ada.get(f"/oauth/{provider}/callback?{urlencode(query)}")
    assert answer.status_code == 200, answer.text
    return dict(answer.json()["connection"])


@pytest.mark.parametrize("provider", ["google", "microsoft"])
def test_an_account_with_its_calendars(installed: Installation, ada: httpx.Client, provider: str) -> None:
    made = connect(installed, ada, provider)

    (listed,) = ada.get("/api/connections").json()["items"]
    one = ada.get(f"/api/connections/{made['id']}").json()
    calendars = ada.get("/api/calendars", params={"connection_id": made["id"]}).json()["items"]
    discovered = ada.post(f"/api/connections/{made['id']}/discover").json()["items"]

    assert listed == one
    assert (one["provider"], one["email"], one["status"]) == (provider, ALEX[provider], "active")
    assert calendars == discovered
    assert calendars[0]["is_primary"]
    assert calendars[0]["can_write"]


def test_disconnecting_gives_the_permission_back_and_keeps_the_history(
    installed: Installation, ada: httpx.Client
) -> None:
    made = connect(installed, ada, "google")

    answer = ada.delete(f"/api/connections/{made['id']}")

    again = ada.post(f"/api/connections/{made['id']}/discover")
    (listed,) = ada.get("/api/connections").json()["items"]
    assert (answer.status_code, answer.json()) == (200, {"revoked": True})
    assert (listed["status"], listed["sync_enabled"]) == ("disconnected", False)
    assert (again.status_code, again.json()["code"]) == (409, "CONNECTION.DISCONNECTED")


def test_calendars_of_a_disconnected_account_cannot_be_linked(installed: Installation, ada: httpx.Client) -> None:
    google, microsoft = connect(installed, ada, "google"), connect(installed, ada, "microsoft")
    source, target = (
        ada.get("/api/calendars", params={"connection_id": made["id"]}).json()["items"][0]["id"]
        for made in (google, microsoft)
    )
    ada.delete(f"/api/connections/{google['id']}")

    answer = ada.post("/api/links", json={"source_calendar_id": source, "target_calendar_id": target})

    assert (answer.status_code, answer.json()["code"]) == (409, "CONNECTION.DISCONNECTED")


def test_a_permission_that_is_gone_asks_for_a_new_one(installed: Installation, ada: httpx.Client) -> None:
    made = connect(installed, ada, "google")
    with installed.app.database.everyone() as conn:
        conn.execute("UPDATE external_calendar_connections SET status = 'needs_reauth'")

    answer = ada.post(f"/api/connections/{made['id']}/discover")

    assert (answer.status_code, answer.json()["code"]) == (409, "CONNECTION.NEEDS_REAUTH")


def test_pages_of_calendars(installed: Installation, ada: httpx.Client) -> None:
    connect(installed, ada, "google")
    whole = ada.get("/api/calendars").json()["items"]

    first = ada.get("/api/calendars", params={"limit": 1}).json()
    second = ada.get("/api/calendars", params={"limit": 200, "after": first["next"]}).json()

    assert len(whole) > 1
    assert first["items"] + second["items"] == whole
    assert second["next"] is None


def test_a_calendar_that_is_shared_after_it_was_linked_asks_its_person(
    installed: Installation, ada: httpx.Client
) -> None:
    made, microsoft = connect(installed, ada, "microsoft"), installed.simulators["microsoft"]
    source, target = ada.get("/api/calendars", params={"connection_id": made["id"]}).json()["items"]
    ends = {"source_calendar_id": source["id"], "target_calendar_id": target["id"]}
    link = ada.post("/api/links", json={**ends, "privacy": "title"}).json()
    (team,) = (one["id"] for one in microsoft.sim("GET", f"/accounts/{ALEX['microsoft']}/calendars")["calendars"][1:])

    def shared(**roles: str) -> list[str]:
        """What needs Ada once discovery has seen that they have these roles."""
        for name, role in roles.items():
            body = {"address": f"{name}@contoso.example", "role": role}
            microsoft.sim("POST", f"/calendars/{team}/share", body)
        assert ada.post(f"/api/connections/{made['id']}/discover").status_code == 200
        items = ada.get("/api/attention").json()["items"]
        return [one["message"].partition(" can ")[0] for one in items if one["code"] == "LINK.NEW_READERS"]

    private, busy, more = shared(), shared(sam="freeBusyRead"), shared(sam="read")
    ada.post(f"/api/links/{link['id']}/readers", json={"may_read": True})
    accepted, other, nobody, again = (
        shared(),
        shared(kim="limitedRead"),
        shared(sam="none", kim="none"),
        shared(sam="read"),
    )

    sam, kim = "sam@contoso.example", "kim@contoso.example (titles and places)"
    assert ((source["is_shared"], target["is_shared"]), link["warnings"]) == ((False, False), [])
    assert (private, busy, more) == ([], [], [sam])
    assert (accepted, other, nobody, again) == ([], [kim], [], [sam])


def test_google_does_not_say_with_whom_a_person_shares(installed: Installation, ada: httpx.Client) -> None:
    made = connect(installed, ada, "google")

    calendars = ada.get("/api/calendars", params={"connection_id": made["id"]}).json()["items"]

    own = [one for one in calendars if one["can_write"]]
    assert {one["is_shared"] for one in own} == {None}
