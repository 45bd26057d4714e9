"""Feeds by the command line, from their address to their end."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import httpx

from tests.sync.world import event

if TYPE_CHECKING:
    from uuid import UUID

    from shared.wiring import App
    from tests.cli.conftest import Kalends
    from tests.edge import Edge
    from tests.sync.world import World


def test_a_feed_is_made_looked_at_rotated_and_revoked(
    adas: Kalends, app: App, served: Edge, world: World, calendars: tuple[UUID, UUID]
) -> None:
    app.data_key = world.engine.data_key  # type: ignore[method-assign]
    world.put(calendars[0], event("dentist"))

    made = adas("feeds", "create", "My times", "--calendar", "Home", "--privacy", "title").out.strip()
    world.run()
    listed = adas("feeds", "list", "--json").json
    seen = adas("feeds", "preview", "My times")
    again = adas("feeds", "rotate", "My times").out.strip()
    statuses = [httpx.get(served.base + _path(url)).status_code for url in (made, again)]
    ended = adas("feeds", "revoke", "My times")

    assert re.search(r"/feeds/[\w-]{43}\.ics$", made)
    assert [(one["name"], one["privacy"], one["calendar_ids"]) for one in listed] == [
        ("My times", "title", [str(calendars[0])])
    ]
    assert "Dentist" in seen.out
    assert statuses == [404, 200]
    assert ended.out == "Revoked 'My times'.\n"
    assert httpx.get(served.base + _path(again)).status_code == 404
    assert "revoked" in adas("feeds", "list").out


def _path(url: str) -> str:
    return url[url.index("/feeds/") :]
