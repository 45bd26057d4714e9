"""Reconciling by the API, the command line and the page."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from shared.control import gates
from shared.control.gates import Operation
from shared.core import clock
from shared.sync.store import orphans
from tests.sync.world import event

if TYPE_CHECKING:
    from uuid import UUID

    from tests.api.conftest import Caller
    from tests.sync.world import World


@pytest.fixture
def forsaken(world: World) -> UUID:
    """A calendar with seven mirrors that no link knows."""
    source, target = world.calendar("a"), world.calendar("b")
    for number in range(7):
        world.put(source, event(f"e{number}", hours=24 + number))
    world.link(source, target)
    with world.database.everyone() as conn:
        conn.execute("DELETE FROM links")
    return target


def test_mirrors_without_a_link_are_found_listed_and_purged(ada: Caller, world: World, forsaken: UUID) -> None:
    asked = ada.post("/api/reconcile", {"calendar_id": str(forsaken)})
    world.run()
    listed = ada.json(f"/api/calendars/{forsaken}/orphans")["items"]
    told = [one for one in ada.json("/api/status")["attention"] if one["code"] == "CALENDAR.ORPHANS"]

    purged = ada.post(f"/api/calendars/{forsaken}/orphans/purge")
    world.run()

    assert asked.status_code == 202
    assert asked.json() == {"calendar_ids": [str(forsaken)]}
    assert {one["state"] for one in listed} == {"waiting"}
    assert len(listed) == 7
    assert told[0]["id"] == str(forsaken)
    assert purged.json() == {"mirrors": 7}
    assert world.mirrors(forsaken) == []
    assert ada.json(f"/api/calendars/{forsaken}/orphans")["items"] == []


def test_without_a_calendar_all_are_reconciled_for_a_lost_link_may_have_written_to_any(
    ada: Caller, world: World
) -> None:
    a, b, unlinked = world.calendar("a"), world.calendar("b"), world.calendar("c")
    world.link(a, b)

    begun = ada.post("/api/reconcile", {}).json()["calendar_ids"]

    assert sorted(begun) == sorted([str(a), str(b), str(unlinked)])


def test_purging_again_removes_nothing(ada: Caller, world: World, forsaken: UUID) -> None:
    assert ada.post(f"/api/calendars/{forsaken}/orphans/purge").json() == {"mirrors": 0}
    with world.database.everyone() as conn:
        assert orphans.kept(conn, forsaken) == set()


def test_while_syncing_is_switched_off_nobody_asks_for_a_reconciliation(
    ada: Caller, world: World, forsaken: UUID
) -> None:
    with world.database.everyone() as conn:
        gates.set_gate(conn, Operation.SYNC, opened=False, actor="test", reason="test", now=clock.now())

    refused = ada.post("/api/reconcile", {"calendar_id": str(forsaken)})
    asked = world.rows("SELECT count(*) FROM calendar_sync_state WHERE reconcile_since IS NOT NULL")
    with world.database.everyone() as conn:
        gates.set_gate(conn, Operation.SYNC, opened=True, actor="test", reason="test", now=clock.now())

    assert (refused.status_code, refused.json()["code"]) == (403, "GATE.CLOSED")
    assert asked == [(0,)]
    assert ada.post("/api/reconcile", {"calendar_id": str(forsaken)}).status_code == 202
