"""Double bookings by API."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from tests.sync.world import NOW, event

if TYPE_CHECKING:
    from collections.abc import Callable

    from shared.sync.links import Link
    from tests.api.conftest import Caller
    from tests.sync.world import World


@pytest.fixture
def link(world: World) -> Link:
    """Two calendars with three double bookings."""
    link = world.link(world.calendar("home"), world.calendar("work"), privacy="title")
    for number in range(3):
        world.put(link.source_calendar_id, event(f"a{number}", hours=30 + 5 * number, title=f"Dentist {number}"))
        world.put(link.target_calendar_id, event(f"b{number}", hours=30 + 5 * number, title=f"Review {number}"))
    world.look(link.source_calendar_id, link.target_calendar_id)
    world.run()
    return link


def test_they_come_in_pages_in_order_with_the_titles_that_are_kept(ada: Caller, link: Link) -> None:
    first = ada.json("/api/overlaps", limit=2)
    second = ada.json("/api/overlaps", limit=2, after=first["next"])

    assert (len(first["items"]), len(second["items"]), second["next"]) == (2, 1, None)
    titles = [{side["title"] for side in one["sides"]} for one in first["items"] + second["items"]]
    assert titles == [{f"Dentist {number}", None} for number in range(3)]
    assert ada.get("/api/overlaps", params={"after": "W10"}).json()["code"] == "REQUEST.CURSOR"


def test_one_is_ignored_and_told_again(ada: Caller, link: Link) -> None:
    one = ada.json("/api/overlaps")["items"][0]

    ignored = ada.post(f"/api/overlaps/{one['id']}/ignore").json()
    left, hidden = ada.json("/api/overlaps")["items"], ada.json("/api/overlaps", state="ignored")["items"]
    told = ada.post(f"/api/overlaps/{one['id']}/unignore").json()

    assert ignored["ignored_at"] is not None
    assert (len(left), [it["id"] for it in hidden]) == (2, [one["id"]])
    assert told["ignored_at"] is None
    assert len(ada.json("/api/overlaps")["items"]) == 3


def test_free_times_near_it_are_proposed(ada: Caller, world: World, link: Link) -> None:
    one = ada.json("/api/overlaps")["items"][0]

    found = ada.json(f"/api/overlaps/{one['id']}/proposals")
    longer = ada.json(f"/api/overlaps/{one['id']}/proposals", minutes=120)

    assert found["complete"]
    assert len(found["slots"]) == 5
    taken = [(NOW + timedelta(hours=30 + 5 * number), NOW + timedelta(hours=31 + 5 * number)) for number in range(3)]
    for slot in found["slots"]:
        start, end = datetime.fromisoformat(slot["start"]), datetime.fromisoformat(slot["end"])
        assert end - start == timedelta(hours=1)
        assert start >= datetime.now(UTC) - timedelta(minutes=1)
        assert all(end <= begins or start >= ends for begins, ends in taken)
    (first, *_) = longer["slots"]
    assert datetime.fromisoformat(first["end"]) - datetime.fromisoformat(first["start"]) == timedelta(hours=2)


def test_nothing_is_proposed_where_nothing_is_known(ada: Caller, world: World, link: Link) -> None:
    one = ada.json("/api/overlaps")["items"][0]
    world.rows("UPDATE calendar_sync_state SET last_synced_at = now() - interval '1 day' RETURNING 1")

    assert ada.json(f"/api/overlaps/{one['id']}/proposals") == {"slots": [], "complete": False}


def test_nobody_else_sees_or_ignores_them(ada: Caller, link: Link, call: Callable[..., Caller]) -> None:
    one = ada.json("/api/overlaps")["items"][0]
    eve = call(email="eve@example.com")

    assert eve.json("/api/overlaps")["items"] == []
    assert eve.post(f"/api/overlaps/{one['id']}/ignore").status_code == 404
    assert eve.get(f"/api/overlaps/{one['id']}/proposals").status_code == 404
