"""Conflicts on the command line."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from tests.sync.two_way.pair import Pair
from tests.sync.world import event

if TYPE_CHECKING:
    from tests.api.conftest import Caller
    from tests.cli.conftest import Kalends
    from tests.sync.world import World


@pytest.fixture
def pair(world: World) -> Pair:
    """Home and Work, where the same lunch was called two names."""
    pair = Pair(world, ("Home", "Work"), privacy="full", on_conflict="ask")
    pair.put("Home", event("e", title="Lunch"))
    pair.edit("Home", title="Lunch with Bo")
    pair.edit("Work", title="Lunch with Cy")
    pair.sync()
    return pair


def test_they_are_listed_with_both_values_and_resolved(adas: Kalends, ada: Caller, pair: Pair) -> None:
    (line,) = adas("conflicts", "list").lines
    listed, of_api = adas("conflicts", "list", "--json").json, ada.json("/api/conflicts")["items"]
    conflict = line.split()[0]
    before = adas("conflicts", "show", conflict).out

    ran = adas("conflicts", "resolve", conflict, "target")
    pair.world.run()

    assert re.split(" {2,}", line)[1:] == [
        "Lunch with Bo",
        "title",
        "Lunch with Bo (Home)",
        "Lunch with Cy (Work)",
        "waiting",
    ]
    assert listed == of_api
    assert re.search(r"target, Work: +Lunch with Cy\n", before)
    assert ran.out == "The target wins: title of Lunch with Bo will be Lunch with Cy.\n"
    assert pair.titles() == {"Home": ["Lunch with Cy"], "Work": ["Lunch with Cy"]}
    assert "Nothing waits for you." in adas("conflicts", "list").err
    assert "target won" in adas("conflicts", "list", "--all").out
    assert adas("conflicts", "show", conflict, "--json").json["winner"] == "target"


def test_who_wins_is_one_of_two(adas: Kalends, pair: Pair) -> None:
    conflict = adas("conflicts", "list").lines[0].split()[0]

    assert "'source', 'target'" in adas("conflicts", "resolve", conflict, "newest", code=2).err
    assert "There is no conflict 'ffffffff'" in adas("conflicts", "show", "ffffffff", code=1).err


def test_times_and_occurrences_are_told_in_words(adas: Kalends, pair: Pair) -> None:
    pair.edit("Home", hours=1)
    pair.edit("Work", hours=3)
    pair.sync()

    (line,) = [one for one in adas("conflicts", "list").lines if "  when  " in one]

    assert re.search(r"\w{3} \d{4}-\d\d-\d\d \d\d:\d\d-(\w{3} [\d-]+ )?\d\d:\d\d \(Home\)", line)
