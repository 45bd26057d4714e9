"""Subscribing to a feed by clicking."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests import feed
from tests.net.server import say
from tests.portal.test_connecting import ada, installed, served

if TYPE_CHECKING:
    from tests.portal.browser import Browser

__all__ = ["ada", "installed", "served"]


def test_a_feed_is_subscribed_to_and_given_its_new_address(ada: Browser) -> None:
    with feed.published() as server:
        form = ada.open("/connections/ics")
        connected = ada.send(form, "/connections/ics", address=f" {server.url(feed.PATH)} ")
        (again,) = [link for link in ada.open("/connections").links if "again=" in link]
        moved = ada.send(ada.open(again), "/connections/ics", address=server.url(feed.MOVED))

    accounts = ada.open("/connections")
    assert "The feed at localhost is connected" in connected.text
    assert "The feed at localhost is connected" in moved.text
    assert len([link for link in accounts.links if "again=" in link]) == 1
    assert "private-secret" not in connected.text + moved.text + accounts.text


def test_a_bad_feed_is_told_on_the_form_without_its_address(ada: Browser) -> None:
    with feed.published() as server:
        server.answers[feed.PATH] = say(b"<html/>")
        form = ada.open("/connections/ics")

        refused = ada.send(form, "/connections/ics", address=server.url(feed.PATH))
        private = ada.send(form, "/connections/ics", address="https://10.1.2.3/private-secret")

    assert (refused.status, "shows no calendar" in refused.text) == (400, True)
    assert (private.status, "private network" in private.text) == (400, True)
    assert "private-secret" not in refused.text + private.text
