"""Conflicts through the API: seen with both values, and resolved."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest

from shared.calendar.event import Response
from tests.sync.two_way.pair import Pair
from tests.sync.world import event

if TYPE_CHECKING:
    from tests.api.conftest import Caller
    from tests.sync.world import World


@pytest.fixture
def pair(world: World) -> Pair:
    """Two calendars in step, that ask who wins."""
    pair = Pair(world, privacy="full", on_conflict="ask")
    pair.put("a", event("e", title="Lunch"))
    return pair


def test_both_values_are_shown_and_the_one_that_wins_stays_on_both_sides(ada: Caller, pair: Pair) -> None:
    pair.edit("a", title="Lunch with Bo")
    pair.edit("b", title="Lunch with Cy", hours=2)
    pair.sync()
    (found,) = ada.json("/api/conflicts")["items"]
    before = pair.titles()

    decided = ada.post(f"/api/conflicts/{found['id']}/resolve", {"winner": "target"})
    pair.world.run()

    assert (found["field"], found["occurrence"], found["title"]) == ("title", None, "Lunch with Bo")
    assert (found["source"]["title"], found["target"]["title"]) == ("Lunch with Bo", "Lunch with Cy")
    assert found["source"]["when"] is None
    assert (found["winner"], found["decided_by"], found["source_event_id"]) == (None, None, "e")
    assert found["source_calendar_id"] == str(pair.ids["a"])
    assert before == {"a": ["Lunch with Bo"], "b": ["Lunch with Cy"]}
    assert (decided.status_code, decided.json()["winner"], decided.json()["resolved_at"]) == (200, "target", None)
    assert pair.titles() == {"a": ["Lunch with Cy"], "b": ["Lunch with Cy"]}
    assert ada.json("/api/conflicts")["items"] == []
    assert ada.json(f"/api/conflicts/{found['id']}")["resolved_at"] is not None
    pair.quiet()


def test_what_is_resolved_is_listed_on_request_and_resolved_once(ada: Caller, pair: Pair) -> None:
    pair.edit("a", title="Lunch with Bo")
    pair.edit("b", title="Lunch with Cy")
    pair.sync()
    (found,) = ada.json("/api/conflicts")["items"]
    ada.post(f"/api/conflicts/{found['id']}/resolve", {"winner": "source"})
    pair.world.run()

    again = ada.post(f"/api/conflicts/{found['id']}/resolve", {"winner": "target"})

    (listed,) = ada.json("/api/conflicts", resolved=True)["items"]
    assert (listed["id"], listed["winner"], listed["decided_by"]) == (found["id"], "source", f"person:{ada.user_id}")
    assert (again.status_code, again.json()["code"]) == (409, "CONFLICT.RESOLVED")
    assert pair.titles() == {"a": ["Lunch with Bo"], "b": ["Lunch with Bo"]}


def test_when_place_and_text_are_shown_as_they_are_on_either_side(ada: Caller, pair: Pair) -> None:
    pair.edit("a", location="Here", description="one", hours=1)
    pair.edit("b", location="There", description="two", hours=3)
    pair.sync()

    found = {one["field"]: one for one in ada.json("/api/conflicts")["items"]}

    assert set(found) == {"location", "description", "when"}
    assert (found["location"]["source"]["location"], found["location"]["target"]["location"]) == ("Here", "There")
    assert (found["description"]["source"]["description"], found["description"]["target"]["description"]) == (
        "one",
        "two",
    )
    assert found["when"]["source"]["when"]["time_zone"] == "Europe/Berlin"
    assert found["when"]["source"]["when"]["start"] < found["when"]["target"]["when"]["start"]


def test_pages_follow_each_other_newest_first(ada: Caller, pair: Pair) -> None:
    pair.edit("a", title="x", location="Here")
    pair.edit("b", title="y", location="There")
    pair.sync()
    everything = [one["id"] for one in ada.json("/api/conflicts")["items"]]

    first = ada.json("/api/conflicts", limit=1)
    second = ada.json("/api/conflicts", limit=1, after=first["next"])

    assert [one["id"] for one in (*first["items"], *second["items"])] == everything
    assert everything == sorted(everything, reverse=True)
    assert second["next"] is None


def test_an_edit_that_the_provider_refused_is_kept_with_both_values(ada: Caller, pair: Pair) -> None:
    pair.world.server.put("a", replace(pair.one("a"), response=Response.ACCEPTED))
    pair.sync()
    pair.edit("b", title="Changed")
    pair.sync()

    (found,) = ada.json("/api/conflicts", resolved=True)["items"]

    assert (found["winner"], found["decided_by"]) == ("source", "PROVIDER.NOT_ORGANIZER")
    assert (found["source"]["title"], found["target"]["title"]) == ("Lunch", "Changed")
    assert ada.json("/api/conflicts")["items"] == []


def test_a_decision_that_the_provider_does_not_take_names_the_provider(ada: Caller, pair: Pair) -> None:
    pair.edit("a", title="Lunch with Bo")
    pair.edit("b", title="Lunch with Cy")
    pair.sync()
    (found,) = ada.json("/api/conflicts")["items"]
    pair.world.server.put("a", replace(pair.one("a"), response=Response.ACCEPTED))
    pair.sync()

    ada.post(f"/api/conflicts/{found['id']}/resolve", {"winner": "target"})
    pair.world.run()

    settled = ada.json(f"/api/conflicts/{found['id']}")
    assert (settled["winner"], settled["decided_by"]) == ("source", "PROVIDER.NOT_ORGANIZER")
    assert pair.titles() == {"a": ["Lunch with Bo"], "b": ["Lunch with Bo"]}


def test_a_conflict_whose_mirror_goes_is_overtaken(ada: Caller, pair: Pair) -> None:
    pair.edit("a", title="Lunch with Bo")
    pair.edit("b", title="Lunch with Cy")
    pair.sync()

    pair.world.server.remove("a", "e")
    pair.sync()

    (found,) = ada.json("/api/conflicts", resolved=True)["items"]
    assert (found["winner"], found["decided_by"]) == ("source", "overtaken")
    assert (found["source"]["title"], found["target"]["title"]) == ("Lunch with Bo", "Lunch with Cy")
    assert ada.json("/api/conflicts")["items"] == []


def test_bad_requests(ada: Caller, pair: Pair) -> None:
    nowhere = ada.post(f"/api/conflicts/{uuid4()}/resolve", {"winner": "source"})
    nobody = ada.post(f"/api/conflicts/{uuid4()}/resolve", {"winner": "newest"})

    assert (nowhere.status_code, nowhere.json()["code"]) == (404, "CONFLICT.NOT_FOUND")
    assert (nobody.status_code, list(nobody.json()["fields"])) == (400, ["body.winner"])
