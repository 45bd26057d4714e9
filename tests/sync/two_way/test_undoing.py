"""An edit that flowed back is journalled with its inverse, and a run that wrote it can be taken back."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING
from uuid import UUID

import pytest

from shared.sync import undo
from tests.sync.two_way.pair import Pair
from tests.sync.world import by, event

if TYPE_CHECKING:
    from shared.sync.undo import RunLine


def amending_run(pair: Pair) -> UUID:
    ((run_id,),) = pair.world.rows("SELECT run_id FROM sync_journal WHERE operation = 'amend' ORDER BY id DESC LIMIT 1")
    assert isinstance(run_id, UUID)
    return run_id


def take_back(pair: Pair, run_id: UUID) -> RunLine:
    made = undo.undo(pair.world.engine, by(pair.world, later=timedelta(minutes=1)), run_id)
    pair.sync()
    with pair.world.database.person(pair.world.user_id) as conn:
        return undo.get(conn, made.id)


@pytest.mark.promise(12)
def test_what_flowed_back_is_taken_back_on_both_sides_and_again(pair: Pair):
    pair.put("a", event("e1"))
    pair.edit("b", title="Edited", hours=2)
    pair.sync()

    undone = take_back(pair, amending_run(pair))

    assert undone.outcome == "success"
    assert pair.titles() == {"a": ["Dentist"], "b": ["Dentist"]}
    assert pair.one("a").span == pair.one("b").span == event("e1").span
    pair.quiet()

    again = take_back(pair, undone.id)

    assert again.outcome == "success"
    assert pair.titles() == {"a": ["Edited"], "b": ["Edited"]}
    pair.quiet()


@pytest.mark.promise(12)
def test_a_source_that_was_changed_since_is_left_alone(pair: Pair):
    pair.put("a", event("e1"))
    pair.edit("b", title="Edited")
    pair.sync()
    run_id = amending_run(pair)
    pair.edit("a", title="Newer")
    pair.sync()

    undone = take_back(pair, run_id)

    with pair.world.database.person(pair.world.user_id) as conn:
        (item,) = undo.items(conn, undone.id)
    assert undone.outcome == "partial"
    assert item.reason is not None
    assert item.reason.startswith("UNDO.CHANGED")
    assert pair.titles() == {"a": ["Newer"], "b": ["Newer"]}
    pair.quiet()


@pytest.mark.promise(12)
def test_what_was_deleted_at_the_source_does_not_come_back_and_says_so(pair: Pair):
    pair = Pair(pair.world, names=("c", "d"), privacy="full", on_delete="withdraw")
    pair.put("c", event("e1"))
    pair.world.server.remove("d", pair.one("d").id)
    pair.sync()
    ((run_id,),) = pair.world.rows("SELECT run_id FROM sync_journal WHERE operation = 'withdraw'")

    undone = take_back(pair, run_id)

    with pair.world.database.person(pair.world.user_id) as conn:
        (item,) = undo.items(conn, undone.id)
    assert item.reason is not None
    assert item.reason.startswith("UNDO.WITHDRAWN")
