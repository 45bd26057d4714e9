"""What we wrote into a mirror without hearing the answer is nobody's edit, and what somebody adds to it is one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from shared.core.errors import TransientError
from shared.providers.port import Failed, Update, Written
from shared.sync import pull
from tests.sync.two_way.pair import Pair
from tests.sync.world import World, event, occurrence

if TYPE_CHECKING:
    from collections.abc import Sequence

    from shared.providers.port import Write

pytestmark = pytest.mark.promise(3)


@pytest.fixture(params=["newest", "target", "ask"])
def pair(world: World, request: pytest.FixtureRequest) -> Pair:
    pair = Pair(world, privacy="full", on_conflict=request.param)
    pair.put("a", event("e1"))
    return pair


def unheard(pair: Pair, monkeypatch: pytest.MonkeyPatch, **changes: str) -> None:
    """The event changes, its mirror follows, and the answer to that is lost."""
    write = pair.world.provider.write

    def lost(calendar_id: str, writes: Sequence[Write]) -> list[Failed]:
        write(calendar_id, writes)
        return [Failed(error=TransientError("no answer")) for _ in writes]

    with monkeypatch.context() as patch:
        patch.setattr(pair.world.provider, "write", lost)
        pair.edit("a", **changes)
        pair.sync("a")


def look(pair: Pair, name: str) -> None:
    pair.world.look(pair.ids[name])
    pull.pull(pair.world.engine, pair.ids[name], user_id=pair.world.user_id, correlation_id="test")


def time_passes(pair: Pair) -> None:
    with pair.world.database.everyone() as conn:
        conn.execute("UPDATE event_mappings SET next_attempt_at = NULL")
        conn.execute("UPDATE external_calendar_connections SET backoff_until = NULL")


def test_it_does_not_flow_back_where_the_event_has_changed_again(pair: Pair, monkeypatch: pytest.MonkeyPatch):
    unheard(pair, monkeypatch, title="second")
    pair.edit("a", title="third")

    time_passes(pair)
    look(pair, "b")
    pair.sync()
    time_passes(pair)
    pair.sync()

    assert pair.titles() == {"a": ["third"], "b": ["third"]}
    assert pair.world.rows("SELECT count(*) FROM conflicts") == [(0,)]
    pair.quiet()


def test_what_somebody_changes_beside_it_flows_back_alone(pair: Pair, monkeypatch: pytest.MonkeyPatch):
    unheard(pair, monkeypatch, title="second")
    pair.edit("b", location="Side Street 2")
    pair.edit("a", title="third")

    time_passes(pair)
    look(pair, "b")
    pair.sync()
    time_passes(pair)
    pair.sync()

    assert pair.titles() == {"a": ["third"], "b": ["third"]}
    assert {one.text and one.text.location for one in (pair.one("a"), pair.one("b"))} == {"Side Street 2"}
    assert pair.world.rows("SELECT count(*) FROM conflicts") == [(0,)]
    pair.quiet()


def test_the_half_of_it_that_stands_already_makes_no_edit_of_the_other(pair: Pair, monkeypatch: pytest.MonkeyPatch):
    """The title of a series shows its new words, and an occurrence that differs the old ones still."""
    series = event("series", recurrence=("RRULE:FREQ=WEEKLY;COUNT=6",))
    pair.world.server.remove("a", "e1")
    pair.put("a", series)
    pair.world.server.put("b", occurrence(pair.one("b"), 2, text=pair.one("b").text))
    pair.sync()
    write = pair.world.provider.write

    def half(calendar_id: str, writes: Sequence[Write]) -> list[Written | Failed]:
        if calendar_id != "b" or all(isinstance(one, Update) for one in writes):
            write(calendar_id, writes)
        return [Failed(error=TransientError("no answer")) for _ in writes]

    with monkeypatch.context() as patch:
        patch.setattr(pair.world.provider, "write", half)
        pair.edit("a", title="second")
        pair.sync("a")
    pair.edit("a", title="third")
    time_passes(pair)
    look(pair, "b")
    for _ in range(3):
        pair.sync()
        time_passes(pair)

    for name in "ab":
        assert {one.text.title for one in pair.all(name) if one.text} == {"third"}
    pair.quiet()
