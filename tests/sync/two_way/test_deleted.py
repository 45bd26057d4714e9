"""Mirrors that somebody deletes in a two-way link: made again, or taken to mean their event."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from shared.core.lanes import Lane
from shared.sync.store import calendars
from tests.sync.two_way.pair import Pair
from tests.sync.world import event

if TYPE_CHECKING:
    from shared.calendar.event import Unit
    from shared.calendar.span import Window
    from shared.providers.port import Page
    from tests.sync.world import World


def test_a_mirror_that_is_deleted_is_made_again(pair: Pair):
    pair.put("a", event("e1"))

    pair.world.server.remove("b", pair.one("b").id)
    pair.sync()

    assert pair.titles() == {"a": ["Dentist"], "b": ["Dentist"]}
    pair.quiet()


def test_a_mirror_that_is_deleted_takes_its_source_along_where_deletions_flow_back(world: World):
    pair = Pair(world, privacy="full", on_delete="withdraw")
    pair.put("a", event("e1"))
    pair.put("a", event("e2", title="stays"))
    (mirror,) = [one for one in pair.roots("b") if one.text and one.text.title == "Dentist"]

    world.server.remove("b", mirror.id)
    pair.sync()

    assert pair.titles() == {"a": ["stays"], "b": ["stays"]}
    pair.quiet()


@pytest.mark.promise(1)
def test_emptying_a_calendar_takes_no_source_along(world: World):
    pair = Pair(world, privacy="full", on_delete="withdraw")
    for number in range(8):
        world.put(pair.ids["a"], event(f"e{number}", hours=24 + number))
    pair.sync()

    for mirror in pair.roots("b"):
        world.server.remove("b", mirror.id)
    pair.sync()

    assert len(pair.roots("a")) == 8
    assert pair.roots("b") == []
    pair.quiet()


def test_a_mirror_that_is_deleted_while_an_edit_of_it_waits_is_made_again_as_edited(pair: Pair):
    pair.put("a", event("e1"))
    pair.edit("b", title="by b")
    pair.look("b")
    pair.world.server.remove("b", pair.one("b").id)
    pair.look("b")

    pair.sync()

    assert pair.titles() == {"a": ["by b"], "b": ["by b"]}
    pair.quiet()


def test_an_event_that_is_deleted_between_an_edit_of_its_mirror_and_a_full_read_is_missed(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
):
    pair.put("a", event("e1"))
    pair.edit("b", title="by b")
    pair.look("b")
    with pair.world.database.person(pair.world.user_id) as conn:
        calendars.request_full_read(conn, pair.ids["a"], lane=Lane.REPAIR)
    changes = pair.world.provider.changes

    def gone(calendar_id: str, **named: Any) -> Page:
        if calendar_id == "a":
            pair.world.server.remove("a", "e1")
        return changes(calendar_id, **named)

    with monkeypatch.context() as patch:
        patch.setattr(pair.world.provider, "changes", gone)
        pair.look("a")
    pair.sync()

    assert pair.titles() == {"a": [], "b": []}
    pair.quiet()


def test_an_event_that_is_deleted_while_its_edited_mirror_is_looked_at_takes_that_along(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
):
    pair.put("a", event("e1"))
    pair.world.rows("UPDATE event_mappings SET mirror_etag = NULL RETURNING id")
    pair.edit("b", title="by b")
    pair.edit("a", location="Side Street 2")
    pair.look("a")
    get = pair.world.provider.get

    def gone_by_then(calendar_id: str, event_id: str, *, window: Window) -> Unit | None:
        found = get(calendar_id, event_id, window=window)
        if calendar_id == "b" and pair.roots("a"):
            pair.world.server.remove("a", "e1")
            pair.look("a")
        return found

    with monkeypatch.context() as patch:
        patch.setattr(pair.world.provider, "get", gone_by_then)
        pair.world.run()
    pair.sync()

    assert pair.titles() == {"a": [], "b": []}
    pair.quiet()
