"""What both sides changed and nobody may decide but their person: it waits, and nothing else waits with it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from shared.calendar.two_way import Winner
from shared.core.errors import ConflictError, TransientError
from shared.providers.port import Update
from shared.sync.two_way import conflicts, flow_back
from tests.sync.two_way.pair import Pair
from tests.sync.world import as_json, event

if TYPE_CHECKING:
    from shared.sync.two_way.conflicts import Listed
    from tests.sync.world import World


@pytest.fixture
def pair(world: World) -> Pair:
    pair = Pair(world, privacy="full", on_conflict="ask")
    pair.put("a", event("e1"))
    return pair


def waiting(pair: Pair) -> list[Listed]:
    with pair.world.database.person(pair.world.user_id) as conn:
        return conflicts.list_page(conn, with_resolved=False, before=None, limit=10)


def decide(pair: Pair, winner: Winner) -> None:
    (conflict,) = waiting(pair)
    with pair.world.database.person(pair.world.user_id) as conn:
        conflicts.decide(conn, conflict.id, winner=winner, user_id=pair.world.user_id, actor="ada")
    pair.sync()


def contest(pair: Pair) -> None:
    pair.edit("a", title="by a")
    pair.edit("b", title="by b", location="Side Street 2")
    pair.sync()


def test_a_conflict_waits_with_both_values_while_the_other_fields_go_on(pair: Pair):
    contest(pair)
    pair.edit("a", hours=3)
    pair.sync()

    (conflict,) = waiting(pair)
    assert (conflict.field, conflict.occurrence, conflict.winner) == ("title", "", None)
    assert pair.titles() == {"a": ["by a"], "b": ["by b"]}
    mine, theirs = pair.one("a"), pair.one("b")
    assert mine.text is not None
    assert theirs.text is not None
    assert mine.text.location == theirs.text.location == "Side Street 2"
    assert mine.span == theirs.span == event("e1", hours=27).span
    with pair.world.database.person(pair.world.user_id) as conn:
        values = conflicts.values(conn, pair.world.engine, [conflict])[conflict.id]
    assert values.source is not None
    assert values.target is not None
    assert (values.source.title, values.target.title) == ("by a", "by b")


@pytest.mark.parametrize(("winner", "title"), [(Winner.SOURCE, "by a"), (Winner.TARGET, "by b")])
def test_what_was_decided_is_carried_out_on_both_sides(pair: Pair, winner: Winner, title: str):
    contest(pair)

    decide(pair, winner)

    assert pair.titles() == {"a": [title], "b": [title]}
    assert waiting(pair) == []
    assert pair.world.rows("SELECT winner, decided_by, resolved_at IS NOT NULL FROM conflicts") == [
        (winner.value, "ada", True)
    ]
    pair.quiet()


def test_what_is_decided_is_nobodys_rewriting(pair: Pair, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(flow_back, "EDITS_LIMIT", 2)
    contest(pair)

    decide(pair, Winner.SOURCE)

    assert pair.world.rows("SELECT state, rewrites FROM event_mappings WHERE rewrites > 0") == [("open", 1)]
    pair.quiet()


def test_a_conflict_that_both_sides_end_themselves_is_over(pair: Pair):
    contest(pair)

    pair.edit("a", title="by b")
    pair.sync()

    assert waiting(pair) == []
    assert pair.titles() == {"a": ["by b"], "b": ["by b"]}
    pair.quiet()


def test_a_decision_about_something_newer_by_then_is_not_carried_out_blindly(pair: Pair):
    contest(pair)
    pair.edit("b", title="by b, again")
    pair.sync()

    (conflict,) = waiting(pair)
    with pair.world.database.person(pair.world.user_id) as conn:
        values = conflicts.values(conn, pair.world.engine, [conflict])[conflict.id]
    assert values.target is not None
    assert values.target.title == "by b, again"


def test_a_conflict_is_decided_once(pair: Pair):
    contest(pair)
    (conflict,) = waiting(pair)
    decide(pair, Winner.SOURCE)

    with (
        pair.world.database.person(pair.world.user_id) as conn,
        pytest.raises(ConflictError, match="resolved"),
    ):
        conflicts.decide(conn, conflict.id, winner=Winner.TARGET, user_id=pair.world.user_id, actor="ada")


def test_a_source_that_is_deleted_takes_its_conflict_along(pair: Pair):
    contest(pair)

    pair.world.server.remove("a", "e1")
    pair.sync()

    assert pair.titles() == {"a": [], "b": []}
    assert waiting(pair) == []
    pair.quiet()


@pytest.mark.promise(8)
def test_no_value_of_a_conflict_stands_anywhere_in_the_open(pair: Pair):
    contest(pair)

    everything = as_json(
        [
            pair.world.rows(query)
            for query in (
                "SELECT * FROM conflicts",
                "SELECT * FROM event_mappings",
                "SELECT * FROM sync_journal",
                "SELECT * FROM source_writes",
                "SELECT * FROM audit_log",
                "SELECT * FROM outbox",
            )
        ]
    )
    assert "by a" not in everything
    assert "by b" not in everything


def test_what_waits_to_be_written_beside_a_conflict_is_not_taken_back_by_the_next_edit(pair: Pair):
    """The mirror does not show it yet, and whoever edits it then has not removed it."""

    def refuse(write: object) -> None:
        if isinstance(write, Update):
            raise TransientError("503 for this one", code="PROVIDER.UNAVAILABLE")

    pair.edit("b", title="by b")
    pair.edit("a", title="by a", location="Side Street 2")
    pair.world.server.refuse = refuse
    pair.sync()

    pair.edit("b", description="bring the papers")
    pair.sync()
    pair.world.server.refuse = lambda write: None
    pair.world.time_passes()
    decide(pair, Winner.SOURCE)

    for name in ("a", "b"):
        text = pair.one(name).text
        assert text is not None
        assert (text.title, text.location, text.description) == ("by a", "Side Street 2", "bring the papers")
    pair.quiet()


def test_what_was_written_beside_a_conflict_is_nobodys_edit_once_that_is_decided(pair: Pair):
    contest(pair)
    pair.edit("a", location="Main Street 1")
    pair.sync()
    decide(pair, Winner.TARGET)
    merged = pair.world.rows("SELECT rewrites FROM event_mappings")

    pair.world.server.expire_cursors()

    pair.quiet()
    assert pair.world.rows("SELECT rewrites FROM event_mappings") == merged
