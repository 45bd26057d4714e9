"""Making a link with its privacy seen beforehand, and everything that can be done with it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from uuid import UUID, uuid4

import pytest

from tests.sync.world import event

if TYPE_CHECKING:
    from shared.sync.links import Link
    from tests.portal.browser import Browser, Page
    from tests.sync.world import World


def confirmed(ada: Browser, seen: Page) -> Page:
    """Yes to what was shown."""
    (form,) = [one for one in seen.forms if one.action.startswith("/plans/")]
    return ada.send(seen, form.action)


class TestSettings:
    def test_fields_template_filters_and_hands_arrive_and_come_back(
        self, ada: Browser, world: World, calendars: tuple[UUID, UUID]
    ) -> None:
        form = ada.open("/links/new")
        hours = {"day_MO": "on", "day_FR": "on", "start": "08:30", "end": "16:00", "zone": "Europe/Zurich"}

        seen = ada.send(
            form,
            "/links/new",
            source=str(calendars[0]),
            target=str(calendars[1]),
            show_location="yes",
            title_template="Busy ({calendar})",
            title_exclude="lunch",
            skip_categories="Travel, Tomato",
            type_focus_time="on",
            skip_private="on",
            on_edit="leave",
            on_delete="ignore",
            unanswered="free",
            understood="on",
            **hours,
        )
        made = confirmed(ada, seen)
        edit = ada.open(f"{made.path}/edit")

        kept = edit.form(f"{made.path}/edit").fields
        assert (kept["show_location"], kept["title_template"]) == ("yes", "Busy ({calendar})")
        assert (kept["title_exclude"], kept["skip_categories"]) == ("lunch", "Travel, Tomato")
        assert {name: kept[name] for name in hours} == hours
        assert {"type_focus_time", "type_birthday", "skip_private", "skip_invited"} <= kept.keys()
        assert "day_TU" not in kept
        assert (kept["on_edit"], kept["on_delete"], kept["unanswered"]) == ("leave", "ignore", "free")
        assert "Busy (home)" in edit.text

    def test_what_makes_no_sense_is_marked_and_kept(self, ada: Browser, calendars: tuple[UUID, UUID]) -> None:
        form = ada.open("/links/new")

        page = ada.send(
            form,
            "/links/new",
            title_template="{title}",
            title_include="(",
            day_MO="on",
            zone="Atlantis",
            source=str(calendars[0]),
            target=str(calendars[1]),
        )

        assert page.status == 400
        assert "would show the title" in page.text
        assert "is no regular expression" in page.text
        assert "is not the name of a time zone" in page.text
        assert page.form("/links/new").fields["title_include"] == "("


class TestLinking:
    def test_three_previews_show_exactly_what_others_will_see(self, ada: Browser, calendars: tuple[UUID, UUID]) -> None:
        page = ada.open("/links/new")

        assert [one["value"] for one in page.of("input") if one.get("name") == "privacy"] == ["busy", "title", "full"]
        shown = page.text.partition("How much do others see?")[2]
        busy, title, full = (
            shown.partition(name)[2] for name in ("Only that you are busy", "Also the title", "Everything written")
        )
        assert busy.startswith(" Busy")
        assert title.startswith(" Second opinion with Prof. Lindqvist")
        assert "St. Mary" not in title.partition("Everything written")[0]
        assert "St. Mary's Hospital, Room 4.12" in full
        assert "Never shown, whatever you choose: guests, reminders" in page.text

    def test_another_word_is_shown_before_it_is_used(
        self, ada: Browser, world: World, calendars: tuple[UUID, UUID]
    ) -> None:
        form = ada.open(f"/links/new?source={calendars[0]}")

        page = ada.send(form, "/links/new", busy_title="Engaged", privacy="title", skip_free=None, look="on")

        kept = page.form("/links/new").fields
        assert (page.status, "Only that you are busy Engaged" in page.text) == (200, True)
        assert (kept["source"], kept["privacy"], "skip_free" in kept) == (str(calendars[0]), "title", False)
        assert world.rows("SELECT count(*) FROM links") == [(0,)]

    def test_what_a_link_makes_is_shown_and_then_it_is_made_and_copies(
        self, ada: Browser, world: World, calendars: tuple[UUID, UUID]
    ) -> None:
        world.put(calendars[0], event("dentist", title="Dentist"))
        form = ada.open("/links/new")

        seen = ada.send(
            form, "/links/new", source=str(calendars[0]), target=str(calendars[1]), busy_title="Taken", days_ahead=""
        )
        unmade = world.rows("SELECT count(*) FROM links")
        page = confirmed(ada, seen)
        before = page.text
        world.run()
        after = ada.open(page.path)

        assert unmade == [(0,)]
        assert "home → work: what that makes" in seen.text
        assert "Mirrors made 1" in seen.text
        assert "Taken" in seen.text
        assert "Dentist" not in seen.answer.text
        assert "The link is made" in before
        assert "First copy under way" in before
        assert "Up to date" in after.text
        assert "Made “Taken”" in after.text
        assert "without end" in after.text
        assert "Dentist" not in after.answer.text

    def test_what_is_missing_is_marked_and_what_was_chosen_stays(
        self, ada: Browser, calendars: tuple[UUID, UUID]
    ) -> None:
        form = ada.open("/links/new")

        unchosen = ada.send(form, "/links/new", source=str(calendars[0]), privacy="full")
        odd = ada.send(form, "/links/new", days_ahead="0", busy_title="", days_behind="x", privacy="naked")
        same = ada.send(form, "/links/new", source=str(calendars[0]), target=str(calendars[0]))
        gone = ada.send(form, "/links/new", source=str(uuid4()), target=str(calendars[0]))

        assert [page.status for page in (unchosen, odd, same, gone)] == [400, 400, 400, 404]
        kept = unchosen.form("/links/new").fields
        assert (kept["source"], kept["privacy"]) == (str(calendars[0]), "full")
        marked = {one.get("name") for tag in ("input", "select") for one in odd.of(tag) if "aria-invalid" in one}
        assert marked == {"days_ahead", "days_behind", "busy_title"}
        assert "cannot be linked to itself" in same.text

    def test_a_target_that_others_can_read_must_be_understood_first(
        self, ada: Browser, world: World, calendars: tuple[UUID, UUID]
    ) -> None:
        world.rows("UPDATE calendars SET readers = '{bob@example.com}' WHERE name = 'work' RETURNING 1")
        chosen = {"source": str(calendars[0]), "target": str(calendars[1]), "privacy": "full"}

        warned = ada.send(ada.open("/links/new"), "/links/new", **chosen)
        seen = ada.send(warned, "/links/new", understood="on")
        made = confirmed(ada, seen)

        assert (warned.status, "they would read there: title, description, location" in warned.text) == (409, True)
        assert "Others can read work. There they see: title, description, location" in seen.text
        assert made.path.startswith("/links/")
        assert world.rows("SELECT privacy FROM links") == [("full",)]


class TestLink:
    def test_its_page_says_how_it_stands_and_what_comes(self, ada: Browser, world: World, link: Link) -> None:
        world.put(link.source_calendar_id, event("odd", title="Odd", recurrence=("RRULE:FREQ=SECONDLY",)))
        world.look(link.source_calendar_id)
        world.run()

        page = ada.open(f"/links/{link.id}")

        assert "Also the title (“Busy”)" in page.text
        assert "Skipped, and why" in page.text
        assert "Odd" in page.text
        assert page.text.count("Dentist") == 3  # the change, and both sides of what comes

    def test_pause_and_resume(self, ada: Browser, link: Link) -> None:
        address = f"/links/{link.id}"

        paused = ada.send(ada.open(address), f"{address}/pause")
        resumed = ada.send(paused, f"{address}/resume")

        assert (paused.path, "Paused" in paused.text) == (address, True)
        assert "The link goes on" in resumed.text

    def test_sync_now(self, ada: Browser, world: World, link: Link) -> None:
        world.put(link.source_calendar_id, event("lunch"))

        page = ada.send(ada.open(f"/links/{link.id}"), f"/links/{link.id}/sync")
        world.run()

        assert "Looking for changes now" in page.text
        assert len(world.mirrors(link.target_calendar_id)) == 2

    def test_changing_it_rewrites_the_mirrors(self, ada: Browser, world: World, link: Link) -> None:
        address = f"/links/{link.id}/edit"

        looked = ada.send(ada.open(address), address, privacy="busy", busy_title="Taken", look="on")
        planned = ada.send(looked, address)
        before = [mirror.text and mirror.text.title for mirror in world.mirrors(link.target_calendar_id)]
        page = ada.send(planned, planned.forms[-1].action)
        world.run()

        assert "Only that you are busy Taken" in looked.text
        assert "Rewritten 1" in planned.text
        assert re.search("Rewritten Dentist .* Taken", planned.text)
        assert before == ["Dentist"]
        assert "The link is changed" in page.text
        assert [mirror.text and mirror.text.title for mirror in world.mirrors(link.target_calendar_id)] == ["Taken"]

    def test_whoever_changes_an_older_state_is_told(self, ada: Browser, link: Link) -> None:
        address = f"/links/{link.id}/edit"
        form = ada.open(address)
        planned = ada.send(form, address, busy_title="Taken")
        again = ada.send(form, address, busy_title="Engaged")
        ada.send(planned, planned.forms[-1].action)

        page = ada.send(form, address, busy_title="Engaged")
        outdated = ada.send(again, again.forms[-1].action)
        bad = ada.send(ada.open(address), address, busy_title="")

        assert (page.status, "Somebody changed this meanwhile" in page.text) == (412, True)
        assert (outdated.status, "Preview again" in outdated.text) == (409, True)
        assert (bad.status, "must have 1 to 200" in bad.text) == (400, True)

    def test_reading_it_anew_is_shown_before_it_is_done(self, ada: Browser, link: Link) -> None:
        planned = ada.send(ada.open(f"/links/{link.id}"), f"/links/{link.id}/resync")
        page = ada.send(planned, planned.forms[-1].action)

        assert "Left as they are 1" in planned.text
        assert "read anew" in page.text

    @pytest.mark.parametrize(("answer", "left", "told"), [("true", 0, "being removed"), ("false", 1, "is deleted")])
    def test_deleting_asks_what_becomes_of_the_mirrors(
        self, ada: Browser, world: World, link: Link, answer: str, left: int, told: str
    ) -> None:
        address = f"/links/{link.id}/delete"
        asked = ada.open(address)

        unsaid = ada.send(asked, address)
        seen = ada.send(asked, address, delete_mirrors=answer)
        stood = len(world.mirrors(link.target_calendar_id))
        page = confirmed(ada, seen)
        world.run()

        assert "1 mirror of this link stands in work" in asked.text
        assert asked.form(address).buttons == [("delete_mirrors", "true"), ("delete_mirrors", "false")]
        assert unsaid.status == 400
        assert (stood, ("Removed 1" if answer == "true" else "Left as they are 1") in seen.text) == (1, True)
        assert (page.path, told in page.text) == ("/", True)
        assert len(world.mirrors(link.target_calendar_id)) == left
        assert ada.open(f"/links/{link.id}").status == 404


class TestReaders:
    def share(self, world: World, *readers: str) -> None:
        world.rows("UPDATE calendars SET readers = %s WHERE name = 'work' RETURNING 1", list(readers))

    def test_somebody_who_can_read_it_since_is_asked_about_until_they_may(
        self, ada: Browser, world: World, link: Link
    ) -> None:
        address = f"/links/{link.id}"
        self.share(world, "bob@example.com")

        told = ada.open("/attention")
        asked = ada.open(address)
        allowed = ada.send(asked, f"{address}/readers", may_read="true")

        assert address in told.links
        assert "bob@example.com can now read work" in told.text
        assert "Others can now read work: bob@example.com" in asked.text
        assert (allowed.path, "They may read this." in allowed.text) == (address, True)
        assert "Others can now read" not in allowed.text
        assert "can now read" not in ada.open("/attention").text

    def test_or_what_hiding_it_would_write_is_shown_and_done(self, ada: Browser, world: World, link: Link) -> None:
        address = f"/links/{link.id}"
        self.share(world, "bob@example.com")

        seen = ada.send(ada.open(address), f"{address}/readers", may_read="false")
        changed = confirmed(ada, seen)

        assert "Rewritten" in seen.text
        assert "Others can now read" not in changed.text
        assert world.rows("SELECT privacy FROM links") == [("busy",)]

    def test_of_a_group_it_is_hidden_in_the_group(self, ada: Browser, world: World, link: Link) -> None:
        world.rows(
            """
            WITH made AS (INSERT INTO link_groups (user_id, name) VALUES (%s, 'g') RETURNING id)
            UPDATE links SET group_id = made.id FROM made RETURNING 1
            """,
            world.user_id,
        )
        self.share(world, "bob@example.com")

        page = ada.open(f"/links/{link.id}")

        assert "Change the group" in page.text
        assert "Show only when I am busy" not in page.text
