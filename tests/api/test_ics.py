"""Feeds that a person subscribes to, through the API."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import pytest

from shared.control import gates
from shared.core import clock
from tests import feed
from tests.api.test_connections import ada, installed, served
from tests.net.server import say

if TYPE_CHECKING:
    from collections.abc import Iterator

    import httpx

    from tests.installation import Installation
    from tests.net.server import Server

__all__ = ["ada", "installed", "served"]


@pytest.fixture
def site() -> Iterator[Server]:
    with feed.published() as site:
        yield site


def test_a_feed_is_connected_listed_and_disconnected_and_its_address_never_said(
    ada: httpx.Client, site: Server, caplog: pytest.LogCaptureFixture
) -> None:
    body = {"address": site.url(feed.PATH)}
    with caplog.at_level(logging.INFO):
        made = ada.put("/api/connections/ics", json=body)
        again = ada.put("/api/connections/ics", json=body)

    (listed,) = ada.get("/api/connections").json()["items"]
    (calendar,) = ada.get("/api/calendars", params={"connection_id": listed["id"]}).json()["items"]
    gone = ada.delete(f"/api/connections/{listed['id']}")
    assert (made.status_code, again.status_code) == (200, 200)
    assert made.json()["id"] == again.json()["id"] == listed["id"]
    assert (listed["provider"], listed["status"], listed["server_address"]) == ("ics", "active", None)
    assert (calendar["name"], calendar["can_write"]) == ("Team", False)
    assert gone.json() == {"revoked": False}
    assert "private-secret" not in made.text + again.text + caplog.text


def test_a_feed_that_moved_is_given_its_new_address(ada: httpx.Client, site: Server) -> None:
    made = ada.put("/api/connections/ics", json={"address": site.url(feed.PATH)}).json()

    moved = ada.put("/api/connections/ics", json={"address": site.url(feed.MOVED), "connection_id": made["id"]})

    assert moved.json()["id"] == made["id"]
    assert len(ada.get("/api/connections").json()["items"]) == 1


def test_a_feed_is_no_target_of_a_link(ada: httpx.Client, site: Server) -> None:
    for path in (feed.PATH, feed.MOVED):
        ada.put("/api/connections/ics", json={"address": site.url(path)})
    source, target = (one["id"] for one in ada.get("/api/calendars").json()["items"])

    answer = ada.post(
        "/api/links",
        json={"source_calendar_id": source, "target_calendar_id": target},
        headers={"idempotency-key": "link"},
    )

    assert (answer.status_code, answer.json()["code"]) == (400, "LINK.TARGET_READ_ONLY")


@pytest.mark.parametrize(
    ("address", "code"),
    [
        ("", "REQUEST.INVALID"),
        ("webcal://", "FEED.BAD_ADDRESS"),
        ("https://169.254.169.254/private-secret", "EGRESS.PRIVATE_ADDRESS"),
    ],
)
def test_mistakes_are_named_and_nothing_is_repeated(ada: httpx.Client, address: str, code: str) -> None:
    answer = ada.put("/api/connections/ics", json={"address": address})

    assert (answer.status_code, answer.json()["code"]) == (400, code)
    assert "private-secret" not in answer.text
    assert ada.get("/api/connections").json()["items"] == []


def test_a_web_page_is_no_feed(ada: httpx.Client, site: Server) -> None:
    site.answers[feed.PATH] = say(b"<html>Sign in</html>")

    answer = ada.put("/api/connections/ics", json={"address": site.url(feed.PATH)})

    assert (answer.status_code, answer.json()["code"]) == (400, "FEED.NOT_A_CALENDAR")


def test_while_connecting_is_switched_off_nothing_is_asked(
    installed: Installation, ada: httpx.Client, site: Server
) -> None:
    with installed.app.database.everyone() as conn:
        gates.set_gate(conn, gates.Operation.OAUTH, opened=False, actor="test", reason="test", now=clock.now())

    answer = ada.put("/api/connections/ics", json={"address": site.url(feed.PATH)})

    assert answer.status_code == 403
    assert site.asked == []
