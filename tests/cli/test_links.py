"""Links, from their making to their end."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from tests.sync.world import event

if TYPE_CHECKING:
    from uuid import UUID

    from shared.sync.links import Link
    from tests.api.conftest import Caller
    from tests.cli.conftest import Kalends
    from tests.sync.world import World


class TestCreate:
    def test_calendars_are_named_and_the_first_copy_begins(
        self, adas: Kalends, world: World, calendars: tuple[UUID, UUID]
    ) -> None:
        world.put(calendars[0], event("dentist"))

        ran = adas("links", "create", "--source", "home", "--target", "someone@x.example/Work")
        world.run()

        assert re.fullmatch(r"Linked Home to Work \(busy\): [0-9a-f-]{36}\n", ran.out)
        (mirror,) = world.mirrors(calendars[1])
        assert mirror.text is not None
        assert mirror.text.title == "Busy"

    def test_every_setting_arrives(self, adas: Kalends, calendars: tuple[UUID, UUID]) -> None:
        ends = ("--from", str(calendars[0]), "--to", str(calendars[1]).upper())
        filters = ("--skip-all-day", "--include-free", "--days-ahead", "all", "--days-behind", "7")

        made = adas("links", "create", *ends, "--busy-title", "Away", *filters, "--json").json

        assert made["source_calendar_id"] == str(calendars[0])
        assert (made["privacy"], made["busy_title"]) == ("busy", "Away")
        assert (made["skip_all_day"], made["skip_free"]) == (True, False)
        assert (made["days_ahead"], made["days_behind"]) == (None, 7)

    def test_a_preview_shows_what_others_would_see_and_creates_nothing(
        self, adas: Kalends, ada: Caller, calendars: tuple[UUID, UUID]
    ) -> None:
        mask = {"privacy": "busy", "busy_title": "Away"}
        ends = ("--source", "Home", "--target", "Work")

        ran = adas("links", "create", *ends, "--busy-title", "Away", "--preview")

        shown = ada.post("/api/links/preview", mask).json()
        title = next(line for line in ran.lines if line.startswith("title"))
        assert "READERS OF WORK SEE" in ran.out
        assert re.split(" {2,}", title) == ["title", shown["original"]["title"], "Away"]
        assert shown["never_shown"][0] in ran.err
        assert adas("links", "create", *ends, "--preview", "--json").json["original"] == shown["original"]
        assert adas("links", "list", "--json").json == []

    @pytest.mark.parametrize("days", ["0", "-1", "many"])
    def test_a_window_without_sense_is_refused(self, adas: Kalends, calendars: tuple[UUID, UUID], days: str) -> None:
        ran = adas("links", "create", "--source", "Home", "--target", "Work", "--days-ahead", days, code=2)

        assert "neither a number of days nor 'all'" in " ".join(ran.err.split())

    def test_what_the_api_refuses_is_told_with_its_code(self, adas: Kalends, link: Link) -> None:
        ran = adas("links", "create", "--source", "Home", "--target", "Work", code=1)

        assert "(LINK.EXISTS)" in ran.err

    def test_calendars_of_one_name_are_told_apart(self, adas: Kalends, world: World) -> None:
        twins = [world.calendar("Home"), world.calendar("Home too")]
        world.rows("UPDATE calendars SET name = 'Home' RETURNING 1")

        ran = adas("links", "create", "--source", "Home", "--target", "Home", code=1)

        assert "'Home' may be any of 2: say more of the id. (CLI.AMBIGUOUS)" in ran.err
        assert all(f"{one}  Home (someone@x.example)" in ran.err for one in twins)
        assert "kalends calendars list" in ran.err

    def test_a_beginning_that_fits_many_lists_some_of_them(self, adas: Kalends, world: World) -> None:
        for number in range(50):
            world.calendar(f"Calendar {number}")
        every = adas("calendars", "list", "--json").json
        digit = max("0123456789abcdef", key=lambda one: sum(item["id"].startswith(one) for item in every))
        count = sum(item["id"].startswith(digit) for item in every)

        ran = adas("events", "--calendar", digit, code=1)

        assert f"may be any of {count}" in ran.err
        assert len(re.findall(r"[0-9a-f-]{36}", ran.err)) == min(count, 10)


def test_a_target_that_others_can_read_is_warned_of_and_shows_more_only_if_one_insists(
    adas: Kalends, world: World, calendars: tuple[UUID, UUID]
) -> None:
    world.rows("UPDATE calendars SET readers = '{bob@example.com}' WHERE name = 'Work' RETURNING 1")
    ends = ("--source", "Home", "--target", "Work", "--privacy", "full")

    shown = adas("links", "preview", *ends)
    busy = adas("links", "create", *ends)
    adas("links", "delete", busy.out.split()[-1], "--keep-mirrors")
    full = adas("links", "create", *ends, "--others-may-read")

    assert "the link starts as busy" in " ".join(shown.err.split())
    assert "(busy)" in busy.out
    assert "the link starts as busy" in " ".join(busy.err.split())
    assert "(full)" in full.out
    assert "they see: title, description, location" in " ".join(full.err.split())


class TestReaders:
    def test_who_reads_a_target_is_shown_and_decided(self, adas: Kalends, world: World, link: Link) -> None:
        private = adas("links", "readers", str(link.id))
        world.rows("UPDATE calendars SET readers = '{bob@example.com}' WHERE name = 'Work' RETURNING 1")

        told = adas("attention")
        asked = adas("links", "readers", str(link.id))
        allowed = adas("links", "readers", str(link.id), "--may-read")
        hidden = adas("links", "readers", str(link.id), "--only-busy", "--json").json

        assert "nobody" in private.out
        assert f"Next: kalends links readers {link.id}" in told.out
        assert "not yet allowed" in asked.out
        assert "--may-read, or --only-busy" in asked.err
        assert "not yet allowed" not in allowed.out
        assert hidden == {"readers": ["bob@example.com"], "new": [], "see": []}

    def test_what_nobody_knows_is_said(self, adas: Kalends, world: World, link: Link) -> None:
        world.rows("UPDATE calendars SET readers = NULL RETURNING 1")

        ran = adas("links", "readers", str(link.id))

        assert "not known: its provider does not say it" in ran.out
        assert "is not known" in " ".join(adas("links", "show", str(link.id)).err.split())


class TestLook:
    def test_they_are_listed_by_name(self, adas: Kalends, ada: Caller, link: Link) -> None:
        (line,) = adas("links", "list").lines

        assert re.split(" {2,}", line)[:5] == [str(link.id), "Home", "Work", "title", "active"]
        assert adas("links", "list", "--json").json == ada.json("/api/links")["items"]

    def test_without_any_the_next_step_is_told(self, adas: Kalends) -> None:
        assert "kalends links create" in adas("links", "list").err

    def test_one_is_shown_with_what_it_skips(self, adas: Kalends, ada: Caller, world: World, link: Link) -> None:
        world.put(link.source_calendar_id, event("odd", title="Odd", recurrence=("RRULE:FREQ=SECONDLY",)))
        world.look(link.source_calendar_id)
        world.run()

        shown = adas("links", "show", str(link.id)[:18])

        facts = dict(re.split(": +", line, maxsplit=1) for line in shown.out.splitlines() if ": " in line)
        assert (facts["source"], facts["target"], facts["privacy"]) == ("Home", "Work", "title")
        assert (facts["left out"], facts["window"]) == ("free events", "1 day back, 365 days ahead")
        assert "Odd" in shown.out
        assert adas("links", "show", str(link.id), "--json").json == ada.json(f"/api/links/{link.id}")

    def test_one_of_somebody_else_is_not_there(self, adas: Kalends) -> None:
        ran = adas("links", "show", "0198f2a1-0000-7000-8000-000000000000", code=1)

        assert "(LINK.NOT_FOUND)" in ran.err
        assert "kalends links list" in ran.err


def test_one_is_paused_and_resumed(adas: Kalends, link: Link) -> None:
    paused = adas("links", "pause", str(link.id))
    between = adas("links", "list", "--json").json[0]["state"]
    resumed = adas("links", "resume", str(link.id))

    assert (paused.out, resumed.out) == ("Paused Home → Work.\n", "Resumed Home → Work.\n")
    assert between == "paused"
    assert adas("links", "list", "--json").json[0]["state"] == "active"


class TestDelete:
    @pytest.fixture(autouse=True)
    def _mirrored(self, world: World, link: Link) -> None:
        world.put(link.source_calendar_id, event("dentist"))
        world.look(link.source_calendar_id)
        world.run()

    @pytest.mark.parametrize(
        ("option", "answer", "left", "says"),
        [
            ("--delete-mirrors", "", 0, "Deleted Home → Work, with 1 mirror.\n"),
            ("--keep-mirrors", "", 1, "Deleted Home → Work, but not its mirrors.\n"),
            (None, "yes\n", 0, "Deleted Home → Work, with 1 mirror.\n"),
            (None, "n\n", 1, "Deleted Home → Work, but not its mirrors.\n"),
        ],
    )
    def test_its_mirrors_go_or_stay_as_it_was_said(
        self, adas: Kalends, world: World, link: Link, option: str | None, answer: str, left: int, says: str
    ) -> None:
        ran = adas("links", "delete", str(link.id), *([option] if option else []), input=answer)
        world.run()

        assert ran.out == says
        assert len(world.mirrors(link.target_calendar_id)) == left
        assert adas("links", "list", "--json").json == []

    @pytest.mark.parametrize("answer", ["", "perhaps\n"])
    def test_nothing_is_deleted_without_an_answer(self, adas: Kalends, link: Link, answer: str) -> None:
        ran = adas("links", "delete", str(link.id), input=answer, code=2)

        assert "--delete-mirrors or --keep-mirrors" in ran.err
        assert len(adas("links", "list", "--json").json) == 1


class TestChange:
    def test_only_what_is_named_changes_and_mirrors_follow(
        self, adas: Kalends, world: World, calendars: tuple[UUID, UUID], link: Link
    ) -> None:
        world.put(calendars[0], event("dentist"))
        world.put(calendars[0], event("lunch", title="Lunch"))
        world.look(calendars[0])
        world.run()

        options = ("--title-template", "({calendar})", "--show", "location", "--on-delete", "ignore")
        hours = "working_hours=MO,TU,WE,TH,FR,SA,SU 00:00-23:59 UTC"
        ran = adas("links", "change", str(link.id), *options, "--filter", "title_exclude=lunch", "--filter", hours)
        world.run()
        seen = adas("links", "show", str(link.id)).out

        assert "Changed Home" in ran.out
        assert [one.text and (one.text.title, one.text.location) for one in world.mirrors(calendars[1])] == [
            ("(Home)", "Main Street 1")
        ]
        assert "title_exclude=lunch" in seen
        assert hours in " ".join(seen.split())
        assert "deleted: ignore" in seen
        assert "1, 1 of them as the link is set now" in seen

    @pytest.mark.parametrize(
        ("options", "told"),
        [
            (("--title-template", "{guests}"), "LINK.TITLE_TEMPLATE"),
            (("--filter", "title_include=("), "REQUEST.INVALID"),
        ],
    )
    def test_what_the_host_refuses_is_told(
        self, adas: Kalends, link: Link, options: tuple[str, str], told: str
    ) -> None:
        assert told in adas("links", "change", str(link.id), *options, code=1).err

    @pytest.mark.parametrize(
        "options",
        [(), ("--filter", "colour=red"), ("--filter", "working_hours=always"), ("--show", "title", "--hide", "title")],
    )
    def test_what_makes_no_sense_is_refused_before_anything_is_sent(
        self, adas: Kalends, link: Link, options: tuple[str, ...]
    ) -> None:
        adas("links", "change", str(link.id), *options, code=2)


class TestPreview:
    @pytest.fixture(autouse=True)
    def _mirrored(self, world: World, link: Link) -> None:
        world.put(link.source_calendar_id, event("dentist"))
        world.look(link.source_calendar_id)
        world.run()

    def test_a_change_is_shown_and_carried_out_by_its_id(self, adas: Kalends, world: World, link: Link) -> None:
        ran = adas("links", "preview", str(link.id), "--privacy", "busy", "--busy-title", "Taken")
        plan = next(line.split()[1] for line in ran.out.splitlines() if line.startswith("plan "))
        done = adas("links", "apply", plan)
        world.run()
        again = adas("links", "apply", plan, code=1)

        assert re.search(r"rewrite: +1", ran.out)
        assert re.search(r"rewrite +Dentist +Taken", ran.out)
        assert f"kalends links apply {plan}" in ran.err
        assert done.out == f"Carried out: change of link {link.id}.\n"
        assert "(PLAN.APPLIED)" in again.err
        assert [one.text and one.text.title for one in world.mirrors(link.target_calendar_id)] == ["Taken"]

    def test_a_new_link_a_deletion_and_reading_anew_are_shown(self, adas: Kalends, world: World, link: Link) -> None:
        world.calendar("Other")

        new = adas("links", "preview", "--source", "Home", "--target", "Other", "--json").json
        gone = adas("links", "preview", str(link.id), "--delete-mirrors", "--json").json
        anew = adas("links", "preview", str(link.id), "--resync", "--json").json

        assert [new["counts"]["create"], gone["counts"]["remove"], anew["counts"]["leave"]] == [1, 1, 1]

    @pytest.mark.parametrize("words", [(), ("LINK",), ("LINK", "--resync", "--keep-mirrors"), ("--source", "Home")])
    def test_what_is_not_one_thing_is_refused(self, adas: Kalends, link: Link, words: tuple[str, ...]) -> None:
        said = [str(link.id) if word == "LINK" else word for word in words]

        assert "(CLI.USAGE)" in adas("links", "preview", *said, code=2).err


def test_one_is_read_anew(adas: Kalends, link: Link) -> None:
    assert adas("links", "resync", str(link.id)).out == "Reading anew: Home → Work.\n"
