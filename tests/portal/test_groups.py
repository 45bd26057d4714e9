"""Calendars linked both ways, on the pages."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.portal.conftest import at_odds
from tests.portal.test_links import confirmed
from tests.sync.two_way.pair import Pair
from tests.sync.world import event

if TYPE_CHECKING:
    from uuid import UUID

    from tests.portal.browser import Browser, Page
    from tests.sync.world import World


@pytest.fixture
def pair(world: World) -> Pair:
    return Pair(world, ("home", "work"), privacy="title")


def of_group(pair: Pair, page: str = "") -> str:
    return f"/groups/{pair.group.id}{page}"


def linked_both_ways(ada: Browser, calendars: tuple[UUID, UUID], **fields: Any) -> Page:
    ends = {"source": str(calendars[0]), "target": str(calendars[1]), "two_way": "on"}
    return ada.send(ada.open("/links/new"), "/links/new", **ends, **fields)


class TestMaking:
    def test_what_a_link_both_ways_makes_is_shown_and_then_made(
        self, ada: Browser, world: World, calendars: tuple[UUID, UUID]
    ) -> None:
        world.put(calendars[0], event("dentist", title="Dentist"))
        world.put(calendars[1], event("review", title="Review", hours=30))

        seen = linked_both_ways(ada, calendars, privacy="title", on_delete="withdraw", on_conflict="ask")
        unmade = world.rows("SELECT count(*) FROM links")
        (form,) = [one for one in seen.forms if one.action.startswith("/plans/")]
        page = ada.send(seen, form.action)
        world.run()

        assert "home ⇄ work: what that makes" in seen.text
        assert "Mirrors made 2" in seen.text
        assert unmade == [(0,)]
        assert page.path.startswith("/groups/")
        assert world.rows("SELECT DISTINCT on_edit, on_delete, on_conflict, privacy FROM links") == [
            ("merge", "withdraw", "ask", "title")
        ]
        assert len(world.mirrors(calendars[0])) == len(world.mirrors(calendars[1])) == 1

    def test_what_was_chosen_by_hand_stays_chosen(
        self, ada: Browser, world: World, calendars: tuple[UUID, UUID]
    ) -> None:
        page = linked_both_ways(ada, calendars, on_edit="restore", look="on")

        kept = page.form("/links/new").fields
        assert (kept["two_way"], kept["on_edit"]) == ("on", "restore")

    def test_whoever_reads_the_first_calendar_is_told_of_as_well(
        self, ada: Browser, world: World, calendars: tuple[UUID, UUID]
    ) -> None:
        world.rows("UPDATE calendars SET readers = '{bob@example.com}' WHERE name = 'home' RETURNING 1")

        page = linked_both_ways(ada, calendars, privacy="full")

        assert page.status == 409
        assert "Others can read home" in page.text

    def test_words_that_nobody_knows_are_marked(self, ada: Browser, calendars: tuple[UUID, UUID]) -> None:
        page = linked_both_ways(ada, calendars, on_conflict="dice")

        assert (page.status, "choose who wins" in page.text) == (400, True)


class TestOneGroup:
    def test_the_overview_shows_it_as_one(self, ada: Browser, pair: Pair) -> None:
        page = ada.open("/")

        assert "⇄" in page.text
        assert "→" not in page.text
        assert page.links.count(of_group(pair)) == 1

    def test_its_page_tells_how_it_stands_and_each_link_leads_back(self, ada: Browser, pair: Pair) -> None:
        page = ada.open(of_group(pair))
        link = ada.open(f"/links/{pair.group.links[0].id}")

        assert "a changed mirror goes back to its source; where both sides changed the same, the newest" in page.text
        assert "home → work" in page.text
        assert "work → home" in page.text
        assert of_group(pair) in link.links
        assert not [one for one in link.forms if one.action.endswith("/pause")]
        assert not [one for one in link.links if one.endswith(("/edit", "/delete"))]

    def test_it_is_paused_resumed_looked_at_and_read_anew(self, ada: Browser, pair: Pair) -> None:
        page = ada.open(of_group(pair))

        paused = ada.send(page, of_group(pair, "/pause"))
        resumed = ada.send(paused, of_group(pair, "/resume"))
        asked = ada.send(resumed, of_group(pair, "/sync"))
        anew = confirmed(ada, ada.send(asked, of_group(pair, "/resync")))

        assert "The link is paused." in paused.text
        assert "The link goes on." in resumed.text
        assert "Looking for changes now." in asked.text
        assert "are being read anew" in anew.text

    def test_its_settings_come_back_and_are_changed_for_both(self, ada: Browser, pair: Pair) -> None:
        edit = ada.open(of_group(pair, "/edit"))
        kept = edit.form(of_group(pair, "/edit")).fields

        looked = ada.send(edit, of_group(pair, "/edit"), busy_title="Away", look="on")
        seen = ada.send(edit, of_group(pair, "/edit"), privacy="busy", on_conflict="source")
        untouched = pair.world.rows("SELECT DISTINCT privacy FROM links")
        changed = confirmed(ada, seen)
        stale = ada.send(edit, of_group(pair, "/edit"), privacy="full")

        assert (kept["privacy"], kept["on_edit"], kept["on_conflict"]) == ("title", "merge", "newest")
        assert "Only that you are busy Away" in looked.text
        assert "Nothing is written yet." in seen.text
        assert of_group(pair) in seen.links  # to leave it
        assert untouched == [("title",)]
        assert (changed.path, "The link is changed." in changed.text) == (of_group(pair), True)
        assert pair.world.rows("SELECT DISTINCT privacy, on_conflict FROM links") == [("busy", "source")]
        assert stale.status == 412

    def test_a_calendar_joins_and_leaves(self, ada: Browser, world: World, pair: Pair) -> None:
        club = world.calendar("club")

        joining = ada.send(ada.open(of_group(pair)), of_group(pair, "/calendars"), calendar=str(club))
        alone = world.rows("SELECT count(*) FROM links")
        grown = confirmed(ada, joining)
        leaving = of_group(pair, f"/calendars/{club}/remove")
        shrunk = confirmed(ada, ada.send(ada.open(leaving), leaving, delete_mirrors="true"))

        assert ("club" in joining.text, alone) == (True, [(2,)])
        assert leaving in grown.links
        assert "The calendar is taken out of the group." in shrunk.text
        assert world.rows("SELECT count(*) FROM links WHERE group_id IS NOT NULL") == [(2,)]
        assert ada.open(leaving).status == 404

    @pytest.mark.parametrize("answer", ["true", "false"])
    def test_it_is_deleted_with_its_mirrors_or_without(
        self, ada: Browser, world: World, pair: Pair, answer: str
    ) -> None:
        pair.put("home", event("dentist", title="Dentist"))
        asked = ada.open(of_group(pair, "/delete"))

        nobody_said = ada.send(asked, of_group(pair, "/delete"), delete_mirrors="maybe")
        seen = ada.send(asked, of_group(pair, "/delete"), delete_mirrors=answer)
        gone = confirmed(ada, seen)
        world.run()

        assert nobody_said.status == 400
        assert "Delete the group" in seen.text
        assert gone.path == "/"
        assert pair.titles() == {"home": ["Dentist"], "work": [] if answer == "true" else ["Dentist"]}
        assert ada.open(of_group(pair)).status == 404


class TestConflicts:
    def test_both_values_stand_side_by_side_and_one_is_kept(self, ada: Browser, world: World) -> None:
        pair = at_odds(world)
        ((conflict,),) = world.rows("SELECT id FROM conflicts")
        action = f"/conflicts/{conflict}/resolve"

        needed = ada.open("/attention")
        page = ada.open("/conflicts")
        choices = [one for one in page.forms if one.action == action]
        answer = ada.http.post(action, data=choices[1].fields)
        world.run()
        after = ada.open("/conflicts?resolved=yes")

        assert "1 conflict of club → choir, where both sides changed the same" in needed.text
        assert "/conflicts" in needed.links
        assert "club, the event Lunch with Bo" in page.text
        assert "choir, its mirror Lunch with Cy" in page.text
        assert [one.fields["winner"] for one in choices] == ["source", "target"]
        assert answer.status_code in (200, 303)
        assert pair.titles() == {"club": ["Lunch with Cy"], "choir": ["Lunch with Cy"]}
        assert "The mirror won, as you decided." in after.text
        assert "Nothing waits for you." in ada.open("/conflicts").text

    def test_who_wins_must_be_said(self, ada: Browser, world: World) -> None:
        at_odds(world)
        form = next(one for one in ada.open("/conflicts").forms if one.action.startswith("/conflicts/"))

        answer = ada.http.post(form.action, data={**form.fields, "winner": "nobody"})

        assert answer.status_code == 400
        assert world.rows("SELECT winner FROM conflicts") == [(None,)]
