"""Subscribing to a feed from the command line; its address comes from standard input, never as an argument."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests import feed
from tests.cli.test_connect import browser, front, installed

if TYPE_CHECKING:
    import httpx

    from tests.cli.conftest import Kalends

__all__ = ["browser", "front", "installed"]


def test_a_feed_is_subscribed_to_moved_and_left(kalends: Kalends, browser: httpx.Client) -> None:
    kalends.secrets.append("private-secret")
    with feed.published() as server:
        made = kalends("connections", "add-ics", input=f"{server.url(feed.PATH)}\n")
        moved = kalends("connections", "add-ics", "--moved", "localhost", input=f"{server.url(feed.MOVED)}\n")
    listed = kalends("connections", "list")
    gone = kalends("connections", "disconnect", "localhost", "--yes")

    assert (made.code, "feed at localhost" in made.out) == (0, True)
    assert moved.code == 0
    assert listed.out.count("localhost") == 1
    assert "erased here" in gone.err


def test_what_is_no_feed_says_what_to_use_instead(kalends: Kalends, browser: httpx.Client) -> None:
    with feed.published() as server:
        refused = kalends("connections", "add-ics", input=f"{server.url('/nowhere')}\n", code=1)

    assert "copy it again" in refused.err
