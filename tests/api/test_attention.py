"""One list of what needs somebody, the same by API, command line and page, each with the way to mend it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from shared.calendar.event import Response
from shared.connections import store as connections
from shared.core import clock
from shared.core.errors import ReauthRequiredError, TransientError
from tests.sync.two_way.pair import Pair
from tests.sync.world import event

if TYPE_CHECKING:
    from shared.sync.links import Link
    from tests.api.conftest import Caller
    from tests.sync.world import World


@pytest.fixture
def link(world: World) -> Link:
    return world.link(world.calendar("home"), world.calendar("work"), privacy="title")


def items(ada: Caller) -> dict[str, dict[str, Any]]:
    return {one["code"]: one for one in ada.json("/api/attention")["items"]}


def skip(world: World, link: Link) -> None:
    world.put(link.source_calendar_id, event("odd", title="Odd", recurrence=("RRULE:FREQ=SECONDLY",)))
    world.look(link.source_calendar_id)
    world.run()


def freeze(world: World, link: Link) -> None:
    world.put(link.source_calendar_id, event("fought over", title="Ours"))
    world.look(link.source_calendar_id)
    world.run()
    world.rows("UPDATE event_mappings SET state = 'frozen' WHERE source_event_id = 'fought over' RETURNING 1")


def hold(world: World, link: Link) -> None:
    for number in range(20):
        world.put(link.source_calendar_id, event(f"e{number}", hours=24 + number))
    world.look(link.source_calendar_id)
    world.run()
    for number in range(15):
        world.server.remove("home", f"e{number}")
    world.look(link.source_calendar_id)
    world.run()


def test_a_quiet_person_is_asked_for_nothing(ada: Caller, link: Link) -> None:
    assert ada.json("/api/attention")["items"] == []


def test_skipped_frozen_and_held_are_one_list_with_the_way_to_each(ada: Caller, world: World, link: Link) -> None:
    skip(world, link)
    freeze(world, link)
    hold(world, link)

    found = items(ada)

    assert set(found) == {"LINK.SKIPPED", "LINK.FROZEN", "LINK.DELETIONS_HELD"}
    assert "1 events of home → work cannot be mirrored" in found["LINK.SKIPPED"]["message"]
    assert found["LINK.SKIPPED"]["command"] == f"kalends links show {link.id}"
    assert found["LINK.FROZEN"]["page"] == f"/links/{link.id}"
    assert (found["LINK.DELETIONS_HELD"]["page"], found["LINK.DELETIONS_HELD"]["action"]) == ("/held", "Decide")
    assert ada.json("/api/status")["attention"] == list(found.values())
    assert "Odd" not in str(found)


def test_the_items_behind_it_can_be_listed_frozen_ones_too(ada: Caller, world: World, link: Link) -> None:
    skip(world, link)
    freeze(world, link)

    listed = ada.json(f"/api/links/{link.id}/skipped")["items"]

    assert [(one["title"], one["has_mirror"]) for one in listed] == [("Ours", True), ("Odd", False)]
    assert listed[0]["reason"] == "MIRROR.FROZEN"


@pytest.mark.parametrize(
    ("failures", "error", "code"),
    [
        (1, ReauthRequiredError("revoked"), "CONNECTION.NEEDS_REAUTH"),
        (5, TransientError("down"), "CONNECTION.CIRCUIT_OPEN"),
    ],
)
def test_an_account_that_is_shut_leads_to_the_accounts(
    ada: Caller, world: World, link: Link, failures: int, error: Exception, code: str
) -> None:
    for _ in range(failures):
        with world.database.person(world.user_id) as conn:
            conn.execute("UPDATE external_calendar_connections SET backoff_until = NULL")
            assert isinstance(error, ReauthRequiredError | TransientError)
            connections.mark_failure(conn, world.connection_id, error, clock.now())

    (found,) = items(ada).values()

    assert (found["code"], found["page"], found["command"]) == (code, "/connections", "kalends connections list")


def test_a_closed_gate_is_told_although_nothing_can_be_done(ada: Caller, world: World, link: Link) -> None:
    world.rows("INSERT INTO gates (name, open, changed_by) VALUES ('CALENDAR_SYNC_ENABLED', false, 'test') RETURNING 1")

    found = items(ada)["CALENDAR_SYNC_ENABLED"]

    assert (found["kind"], found["page"], found["action"], found["command"]) == ("gate", None, None, None)


class TestEdits:
    @pytest.fixture
    def pair(self, world: World) -> Pair:
        pair = Pair(world, ("home", "work"), privacy="full", on_conflict="ask")
        pair.put("home", event("e", title="Lunch"))
        return pair

    def test_conflicts_are_counted_for_their_link_and_lead_to_the_decision(self, ada: Caller, pair: Pair) -> None:
        pair.edit("home", title="Lunch with Bo", location="Here")
        pair.edit("work", title="Lunch with Cy", location="There")
        pair.sync()

        (found,) = items(ada).values()

        assert (found["kind"], found["code"]) == ("conflict", "LINK.CONFLICTS")
        assert found["message"].startswith("2 conflicts of home → work, where both sides changed the same: say")
        assert (found["page"], found["action"], found["command"]) == ("/conflicts", "Decide", "kalends conflicts list")
        assert "Bo" not in str(found)
        states = {one["source_name"]: one for one in ada.json("/api/status")["links"]}
        assert (states["home"]["state"], states["home"]["counts"]["conflicts"]) == ("attention", 2)
        assert (states["work"]["state"], states["work"]["counts"]["conflicts"]) == ("current", 0)

    def test_an_edit_that_a_provider_refused_is_told_for_a_day_with_the_reason_in_words(
        self, ada: Caller, pair: Pair
    ) -> None:
        pair.world.server.put("home", replace(pair.one("home"), response=Response.ACCEPTED))
        pair.sync()
        pair.edit("work", title="Mine", location="There")
        pair.sync()

        (found,) = items(ada).values()
        pair.world.rows("UPDATE conflicts SET resolved_at = now() - interval '25 hours' RETURNING 1")

        assert (found["kind"], found["code"]) == ("conflict", "LINK.EDITS_REFUSED")
        assert found["message"].startswith("1 edit of mirrors of home → work could not be taken over: somebody else")
        assert found["page"] == "/conflicts?resolved=yes"
        assert ada.json("/api/attention")["items"] == []
