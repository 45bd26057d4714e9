"""Groups, from their making to their end."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from tests.sync.world import event

if TYPE_CHECKING:
    from uuid import UUID

    from tests.api.conftest import Caller
    from tests.cli.conftest import Kalends
    from tests.sync.world import World


@pytest.fixture
def club(world: World, calendars: tuple[UUID, UUID]) -> UUID:
    """A third calendar."""
    return world.calendar("Club")


def cells(line: str) -> list[str]:
    return re.split(" {2,}", line)


def test_calendars_are_linked_with_each_other_and_listed(adas: Kalends, ada: Caller, world: World, club: UUID) -> None:
    options = ("--name", "Me", "--privacy", "title", "--on-conflict", "ask", "--on-delete", "withdraw")

    ran = adas("groups", "create", "Home", "Work", "Club", *options)
    (line,) = adas("groups", "list").lines
    listed = adas("groups", "list", "--json").json
    links = adas("links", "list").lines

    assert re.fullmatch(r"Linked (\w+ ⇄ ){2}\w+ \(title\): [0-9a-f-]{36}\n", ran.out)
    assert cells(line)[1:5] == ["Me", cells(line)[2], "title", "active"]
    assert sorted(cells(line)[2].split(" ⇄ ")) == ["Club", "Home", "Work"]
    assert listed == ada.json("/api/link-groups")["items"]
    assert (listed[0]["on_edit"], listed[0]["on_conflict"], listed[0]["on_delete"]) == ("merge", "ask", "withdraw")
    assert [cells(one)[-1] for one in links] == [cells(line)[0]] * 6


def test_a_group_is_shown_changed_paused_resumed_and_read_anew(adas: Kalends, world: World, club: UUID) -> None:
    adas("groups", "create", "Home", "Work", "--name", "Me")
    world.run()

    changed = adas("groups", "set", "me", "--privacy", "full", "--on-edit", "leave", "--name", "Mine")
    paused = adas("groups", "pause", "Mine")
    shown = adas("groups", "show", "Mine").out
    resumed = adas("groups", "resume", "Mine")
    anew = adas("groups", "resync", "Mine")

    assert changed.out == "Changed Mine (full).\n"
    assert (paused.out, resumed.out, anew.out) == ("Paused Mine.\n", "Resumed Mine.\n", "Reading anew: Mine.\n")
    assert re.search(r"state: +paused", shown)
    assert "changed: leave; deleted: restore" in shown
    assert len(re.findall("(?:Home → Work|Work → Home) +paused", shown)) == 2
    assert adas("groups", "show", "Mine", "--json").json["state"] == "active"
    assert "Say what shall be otherwise" in adas("groups", "set", "Mine", code=2).err


def test_calendars_come_and_go_and_so_does_the_group(adas: Kalends, world: World, club: UUID) -> None:
    adas("groups", "create", "Home", "Work", "--name", "Me")

    added = adas("groups", "add", "Me", "Club").out
    removed = adas("groups", "remove", "Me", "Home", "--keep-mirrors").out
    last = adas("groups", "remove", "Me", "Club", "--delete-mirrors", code=1).err
    gone = adas("groups", "delete", "Me", "--delete-mirrors").out

    assert added.startswith("Added Club: ")
    assert removed == "Took Home out of Me, but not its mirrors.\n"
    assert "(GROUP.TOO_SMALL)" in last
    assert gone == "Deleted Me, with 0 mirrors.\n"
    assert adas("groups", "list", "--json").json == []
    assert "There is no group 'Me'" in adas("groups", "show", "Me", code=1).err


@pytest.mark.parametrize(
    ("wish", "told", "left"),
    [
        (("--privacy", "busy"), "rewrite: +6", "busy"),
        (("--resync",), "leave: +6", "title"),
        (("--add", "Choir"), "create: +3", "Choir"),
        (("--remove", "Club", "--delete-mirrors"), "remove: +4", "Home"),
        (("--keep-mirrors",), "leave: +6", "There are no groups"),
    ],
)
def test_a_change_of_a_group_is_shown_and_then_done_by_its_plan(
    adas: Kalends, world: World, calendars: tuple[UUID, UUID], club: UUID, wish: tuple[str, ...], told: str, left: str
) -> None:
    world.calendar("Choir")
    for number, calendar_id in enumerate((*calendars, club)):
        world.put(calendar_id, event(f"e{number}", hours=24 + 2 * number))
    adas("groups", "create", "Home", "Work", "Club", "--name", "Me", "--privacy", "title")
    world.run()

    shown = adas("groups", "preview", "Me", *wish)
    unchanged = adas("groups", "list").out
    plan = shown.out.split()[-1]
    done = adas("links", "apply", plan)
    after = adas("groups", "list")

    assert re.search(told, shown.out)
    assert f"kalends links apply {plan}" in " ".join(shown.err.split())
    assert ("title" in unchanged, "Choir" in unchanged) == (True, False)
    assert "Carried out" in done.out
    assert left in after.out + after.err


@pytest.mark.parametrize(
    "wish", [(), ("--resync", "--privacy", "busy"), ("--remove", "Club"), ("--add", "Club", "--keep-mirrors")]
)
def test_a_preview_is_of_one_change(adas: Kalends, club: UUID, wish: tuple[str, ...]) -> None:
    adas("groups", "create", "Home", "Work", "Club", "--name", "Me")

    ran = adas("groups", "preview", "Me", *wish, code=2)

    assert "Name one change of the group" in ran.err


def test_what_a_group_writes_is_shown_and_then_done_by_its_plan(adas: Kalends, world: World, club: UUID) -> None:
    for calendar_id in world.remote:
        world.put(calendar_id, event(f"of-{world.remote[calendar_id]}", hours=24))

    shown = adas("groups", "create", "Home", "Work", "Club", "--preview")
    unmade = adas("groups", "list", "--json").json
    plan = next(line for line in shown.out.splitlines() if line.startswith("plan ")).split()[1]
    done = adas("links", "apply", plan)

    assert re.search(r"create: +6\n", shown.out)
    assert unmade == []
    assert re.fullmatch(r"Carried out: create of group [0-9a-f-]{36}\.\n", done.out)
    assert len(adas("links", "list", "--json").json) == 6


class TestTwoWayLinks:
    def test_a_link_both_ways_is_a_group_of_two(self, adas: Kalends, calendars: tuple[UUID, UUID]) -> None:
        ran = adas("links", "create", "--source", "Home", "--target", "Work", "--two-way", "--on-conflict", "source")

        (group,) = adas("groups", "list", "--json").json
        links = adas("links", "list", "--json").json
        assert ran.out.startswith("Linked Home with Work (busy): ")
        assert {one["group_id"] for one in links} == {group["id"]}
        assert (group["on_edit"], group["on_conflict"]) == ("merge", "source")

    def test_it_is_previewed_over_both_ways(self, adas: Kalends, world: World, calendars: tuple[UUID, UUID]) -> None:
        world.put(calendars[0], event("mine"))
        world.put(calendars[1], event("theirs", hours=30))

        shown = adas("links", "preview", "--source", "Home", "--target", "Work", "--two-way").out

        assert re.search(r"create: +2\n", shown)

    def test_one_of_its_links_is_not_changed_by_itself(self, adas: Kalends, calendars: tuple[UUID, UUID]) -> None:
        adas("links", "create", "--source", "Home", "--target", "Work", "--two-way")
        link = adas("links", "list").lines[0].split()[0]

        ran = adas("links", "change", link, "--privacy", "full", code=1)

        assert "(LINK.IN_GROUP)" in ran.err
        assert "kalends groups set GROUP" in ran.err
        assert "none: one way" not in adas("links", "show", link).out
