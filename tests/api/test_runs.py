"""Runs and their undoing through the API."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import uuid4

import pytest

from tests.sync.world import event

if TYPE_CHECKING:
    from shared.sync.links import Link
    from tests.api.conftest import Caller
    from tests.sync.world import World


@pytest.fixture
def link(world: World) -> Link:
    home, work = world.calendar("home"), world.calendar("work")
    world.put(home, event("dentist", title="Dentist"))
    return world.link(home, work, privacy="title")


def test_a_run_is_listed_undone_and_followed_again(ada: Caller, world: World, link: Link) -> None:
    (run,) = ada.json("/api/runs")["items"]
    asked = ada.post(f"/api/runs/{run['id']}/undo")
    again = ada.post(f"/api/runs/{run['id']}/undo")
    world.run()
    gone = len(world.mirrors(link.target_calendar_id))
    done = ada.json(f"/api/runs/{asked.json()['id']}")
    listed = ada.json("/api/runs")["items"]
    why = ada.json("/api/events/explanation", event="dentist")["items"][0]["links"][0]
    followed = ada.post(f"/api/runs/{done['id']}/follow").json()
    world.run()

    assert (run["kind"], run["writes"], run["calendar_name"]) == ("push", 1, "work")
    assert (asked.status_code, asked.json()["items"][0]["outcome"]) == (202, "waiting")
    assert again.json()["id"] == asked.json()["id"]
    assert (gone, done["outcome"], done["undoes"]) == (0, "success", run["id"])
    assert [one["outcome"] for one in done["items"]] == ["done"]
    assert [(one["id"], one["undone_by"]) for one in listed] == [(done["id"], None), (run["id"], done["id"])]
    assert (why["verdict"], "undone" in why["sentences"][0]) == ("undone", True)
    assert (followed, len(world.mirrors(link.target_calendar_id))) == ({"mirrors": 1}, 1)


def test_what_cannot_be_undone_is_refused(ada: Caller, world: World, link: Link) -> None:
    ((pull,),) = world.rows("SELECT id FROM sync_runs WHERE kind = 'full' ORDER BY id LIMIT 1")

    nothing = ada.post(f"/api/runs/{pull}/undo")
    no_undo = ada.post(f"/api/runs/{pull}/follow")
    unknown = ada.post(f"/api/runs/{uuid4()}/undo")

    assert (nothing.status_code, nothing.json()["code"]) == (409, "UNDO.NOTHING")
    assert (no_undo.status_code, no_undo.json()["code"]) == (409, "UNDO.NOTHING")
    assert (unknown.status_code, unknown.json()["code"]) == (404, "RUN.NOT_FOUND")
