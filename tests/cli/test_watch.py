"""What happens: status, sync, events, changes, held."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from shared.calendar.span import AllDaySpan
from shared.connections import store as connections
from shared.core import clock
from shared.core.errors import TransientError
from tests.sync.world import NOW, event

if TYPE_CHECKING:
    from shared.sync.links import Link
    from tests.api.conftest import Caller
    from tests.cli.conftest import Kalends
    from tests.sync.world import World


@pytest.fixture
def mirrored(world: World, link: Link) -> Link:
    """A link with one mirror."""
    world.put(link.source_calendar_id, event("dentist", title="Dentist"))
    world.look(link.source_calendar_id)
    world.run()
    return link


class TestStatus:
    def test_it_shows_accounts_links_and_linked_calendars(self, adas: Kalends, world: World, mirrored: Link) -> None:
        world.calendar("Other")

        out = adas("status").out

        assert "someone@x.example" in out
        cells = re.split(" {2,}", next(line for line in out.splitlines() if line.startswith(str(mirrored.id))))
        assert cells[1:8] == ["Home", "Work", "current", "1", "0", "0", "0"]
        assert "Other" not in out

    def test_what_needs_somebody_comes_first(self, adas: Kalends, world: World, mirrored: Link) -> None:
        with world.database.person(world.user_id) as conn:
            connections.mark_failure(conn, world.connection_id, TransientError("down"), clock.now())

        lines = adas("status").out.splitlines()

        assert lines[1].startswith("! Google account someone@x.example failed and is tried again")
        assert lines[1].endswith("(CONNECTION.BACKING_OFF)")

    def test_a_full_read_tells_how_far_it_is(self, adas: Kalends, world: World, link: Link) -> None:
        world.rows("UPDATE calendar_sync_state SET needs_full_sync = true RETURNING 1")

        assert re.search(r"Home +reading +\d+ items so far", adas("status").out)

    def test_programs_get_what_the_api_answers(self, adas: Kalends, ada: Caller, mirrored: Link) -> None:
        found, answered = adas("status", "--json").json, ada.json("/api/status")

        assert {**found, "at": None} == {**answered, "at": None}

    def test_to_somebody_new_it_tells_the_next_steps(self, adas: Kalends, world: World) -> None:
        world.rows("DELETE FROM external_calendar_connections RETURNING 1")

        err = adas("status").err

        assert "kalends connect google" in err
        assert "kalends links create" in err


class TestSync:
    def test_everything_a_calendar_or_a_link_is_asked_for(self, adas: Kalends, link: Link) -> None:
        everything = adas("sync", "now", "--json").json
        one = adas("sync", "now", "--calendar", "Home", "--json").json
        both = adas("sync", "now", "--link", str(link.id))

        assert {item["calendar_id"] for item in everything} == {
            str(link.source_calendar_id),
            str(link.target_calendar_id),
        }
        assert [item["calendar_id"] for item in one] == [str(link.source_calendar_id)]
        assert both.out == "Asked to look at 2 calendars.\n"
        assert "kalends status" in both.err

    def test_waiting_shows_how_far_it_is_and_ends_when_all_is_written(
        self, adas: Kalends, world: World, link: Link
    ) -> None:
        world.put(link.source_calendar_id, event("lunch"))
        waiting = adas.start("sync", "now", "--wait", "--json")
        assert waiting.stderr is not None
        first = waiting.stderr.readline()

        world.run()
        ran = adas.end(waiting)

        assert first == "Looking at calendars, 0 mirrors to write (0/2)\n"
        assert ran.err.endswith("(2/2)\n")
        assert len(ran.json) == 2
        assert len(world.mirrors(link.target_calendar_id)) == 1

    def test_waiting_ends_in_time_and_says_that_it_goes_on(self, adas: Kalends, link: Link) -> None:
        ran = adas("sync", "now", "--wait", "--timeout", "1", code=1)

        assert "It is not done after 1 second; it goes on by itself. (SYNC.TIMEOUT)" in ran.err

    def test_what_rests_is_not_waited_for(self, adas: Kalends, world: World, link: Link) -> None:
        with world.database.person(world.user_id) as conn:
            connections.mark_failure(conn, world.connection_id, TransientError("down"), clock.now())

        ran = adas("sync", "now", "--wait")

        assert "Home was not looked at: it is waiting." in ran.err

    def test_without_links_there_is_nothing_to_do(self, adas: Kalends) -> None:
        assert "Nothing is linked" in adas("sync", "now", "--wait").out

    def test_a_calendar_and_a_link_at_once_are_misuse(self, adas: Kalends, link: Link) -> None:
        ran = adas("sync", "now", "--calendar", "Home", "--link", str(link.id), code=2)

        assert "Name a calendar or a link, not both." in ran.err


class TestEvents:
    def test_a_links_events_and_mirrors_stand_side_by_side(self, adas: Kalends, mirrored: Link) -> None:
        lines = adas("events", "--link", str(mirrored.id)).lines

        start = (NOW + timedelta(hours=24)).astimezone()
        when = f"{start:%a %Y-%m-%d %H:%M}-{start + timedelta(hours=1):%H:%M}"
        if start.hour == 23:
            when = f"{start:%a %Y-%m-%d %H:%M}-{start + timedelta(hours=1):%a %Y-%m-%d %H:%M}"
        assert [re.split(" {2,}", line) for line in lines] == [
            [when, "Dentist", "Work", "mirror", "busy", "-"],
            [when, "Dentist", "Home", "source", "busy", "Main Street 1"],
        ]

    def test_programs_get_the_apis_items(self, adas: Kalends, ada: Caller, mirrored: Link) -> None:
        start = NOW.isoformat()
        answered = ada.json("/api/events", calendar_id=str(mirrored.source_calendar_id), start=start)["items"]

        assert adas("events", "--calendar", "Home", "--start", start, "--json").json == answered
        assert len(answered) == 1

    def test_a_date_is_meant_where_one_is(self, adas: Kalends, mirrored: Link) -> None:
        day = (NOW + timedelta(hours=24)).astimezone().date()

        on_it = adas("events", "--calendar", "Home", "--start", f"{day}", "--days", "2", "--json").json
        before = adas("events", "--calendar", "Home", "--start", f"{day - timedelta(days=9)}", "--days", "1")

        assert len(on_it) == 1
        assert before.out == ""
        assert "Nothing within 1 day." in before.err

    def test_all_day_events_show_their_days(self, adas: Kalends, world: World, link: Link) -> None:
        first = (NOW + timedelta(days=3)).date()
        for length in (1, 3):
            span = AllDaySpan(start=first, end=first + timedelta(days=length))
            world.put(link.source_calendar_id, replace(event(f"trip{length}", title=f"Trip {length}"), span=span))
        world.look(link.source_calendar_id)
        world.run()

        out = adas("events", "--calendar", "Home").out

        assert re.search(rf"{first:%a %Y-%m-%d}  +Trip 1", out)
        assert re.search(rf"{first:%a %Y-%m-%d} to {first + timedelta(days=2):%a %Y-%m-%d}  +Trip 3", out)

    @pytest.mark.parametrize("arguments", [(), ("--calendar", "Home", "--link", "0")])
    def test_one_of_calendar_and_link_must_be_named(self, adas: Kalends, arguments: tuple[str, ...]) -> None:
        assert "Name a calendar or a link." in adas("events", *arguments, code=2).err

    def test_a_start_that_is_no_time_is_misuse(self, adas: Kalends, link: Link) -> None:
        ran = adas("events", "--calendar", "Home", "--start", "tomorrow", code=2)

        assert "'tomorrow' is no date or time" in " ".join(ran.err.split())

    def test_a_title_cannot_steer_the_terminal(self, adas: Kalends, world: World, link: Link) -> None:
        world.put(
            link.source_calendar_id, event("evil", title="\x1b]0;owned\x07\x1b[31mred\u202e\nline [bold]x[/bold]")
        )
        world.look(link.source_calendar_id)
        world.run()

        (line,) = [one for one in adas("events", "--calendar", "Home").lines if "source" in one]

        assert "]0;owned[31mred line [bold]x[/bold]" in line
        assert "\x1b" not in line
        assert "\u202e" not in line


class TestChanges:
    def test_writes_are_listed_newest_first(self, adas: Kalends, ada: Caller, world: World, mirrored: Link) -> None:
        world.put(mirrored.source_calendar_id, event("lunch", title="Lunch"))
        world.look(mirrored.source_calendar_id)
        world.run()

        lines = adas("changes", "--link", str(mirrored.id)).lines

        assert [re.split(" {2,}", line)[1:3] for line in lines] == [["insert", "Lunch"], ["insert", "Dentist"]]
        assert adas("changes", "--json").json == ada.json("/api/changes")["items"]
        assert len(adas("changes", "--limit", "1", "--json").json) == 1

    def test_without_any_it_says_so(self, adas: Kalends, link: Link) -> None:
        assert "Nothing was written yet." in adas("changes").err


class TestHeld:
    @pytest.fixture
    def waiting(self, world: World, link: Link) -> str:
        """Fifteen of twenty sources are gone."""
        for number in range(20):
            world.put(link.source_calendar_id, event(f"e{number}", hours=24 + number))
        world.look(link.source_calendar_id)
        world.run()
        for number in range(15):
            world.server.remove("Home", f"e{number}")
        world.look(link.source_calendar_id)
        world.run()
        ((held_id,),) = world.rows("SELECT id FROM held_changes")
        return str(held_id)

    @pytest.mark.parametrize(
        ("verb", "left", "says"),
        [
            ("approve", 5, "Approved: 15 mirrors will be deleted.\n"),
            ("discard", 20, "Discarded: 15 mirrors will stay.\n"),
        ],
    )
    def test_what_waits_is_listed_and_decided(
        self, adas: Kalends, ada: Caller, world: World, link: Link, waiting: str, verb: str, left: int, says: str
    ) -> None:
        (line,) = adas("held", "list").lines
        answered = ada.json("/api/held")["items"]
        listed = adas("held", "list", "--json").json

        decided = adas("held", verb, waiting[:20])
        world.run()

        cells = re.split(" {2,}", line)
        assert (cells[:4], cells[5]) == ([waiting, "Home → Work", "15", "20"], "waiting")
        assert listed == answered
        assert decided.out == says
        assert len(world.mirrors(link.target_calendar_id)) == left
        assert "Nothing waits for you." in adas("held", "list").err
        assert len(adas("held", "list", "--all", "--json").json) == 1
        assert adas("held", "list", "--all").lines[0].split()[-1].startswith(verb)
        assert "(HELD_CHANGE.NOT_FOUND)" in adas("held", verb, waiting, code=1).err
