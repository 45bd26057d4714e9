"""What we wrote into a mirror without hearing the answer is nobody's edit, and what somebody adds to it is one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from shared.core.errors import TransientError
from shared.providers.port import Failed, Update, Written
from shared.sync.two_way import groups
from tests.sync.two_way.pair import Pair
from tests.sync.world import World, by, event, occurrence

if TYPE_CHECKING:
    from collections.abc import Sequence

    from shared.providers.port import Write

pytestmark = pytest.mark.promise(3)


@pytest.fixture(params=["newest", "target", "ask"])
def pair(world: World, request: pytest.FixtureRequest) -> Pair:
    pair = Pair(world, privacy="full", on_conflict=request.param)
    pair.put("a", event("e1"))
    return pair


def unheard(pair: Pair, **changes: str) -> None:
    """The event changes, its mirror follows, and the answer to that is lost."""
    with pair.world.unheard():
        pair.edit("a", **changes)
        pair.sync("a")


def work_on(pair: Pair) -> None:
    """Its mirror is looked at before anything else; then everything follows."""
    pair.world.time_passes()
    pair.look("b")
    pair.sync()
    pair.world.time_passes()
    pair.sync()


def test_it_does_not_flow_back_where_the_event_has_changed_again(pair: Pair):
    unheard(pair, title="second")
    pair.edit("a", title="third")

    work_on(pair)

    assert pair.titles() == {"a": ["third"], "b": ["third"]}
    assert pair.world.rows("SELECT count(*) FROM conflicts") == [(0,)]
    pair.quiet()


def test_what_somebody_changes_beside_it_flows_back_alone(pair: Pair):
    unheard(pair, title="second")
    pair.edit("b", location="Side Street 2")
    pair.edit("a", title="third")

    work_on(pair)

    assert pair.titles() == {"a": ["third"], "b": ["third"]}
    assert {one.text and one.text.location for one in (pair.one("a"), pair.one("b"))} == {"Side Street 2"}
    assert pair.world.rows("SELECT count(*) FROM conflicts") == [(0,)]
    pair.quiet()


def test_what_new_settings_hide_while_an_edit_waits_is_nobodys_edit(pair: Pair):
    unheard(pair, title="second")
    pair.edit("b", location="Side Street 2")
    pair.look("b")  # the edit is noted, and the mirror written once more before it is merged
    with pair.world.unheard():
        changes = {"show": {"description": False}}
        groups.change(pair.world.engine, by(pair.world), pair.group.id, version=None, changes=changes)
        pair.world.push(pair.ids["b"])

    work_on(pair)

    assert pair.titles() == {"a": ["second"], "b": ["second"]}
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
    pair.world.time_passes()
    pair.look("b")
    for _ in range(3):
        pair.sync()
        pair.world.time_passes()

    for name in "ab":
        assert {one.text.title for one in pair.all(name) if one.text} == {"third"}
    pair.quiet()
