"""Calendars that are linked with each other, as one object."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from shared.core.errors import ConflictError, InvalidError, NotFoundError, PreconditionFailedError
from shared.sync.asking import requests
from shared.sync.two_way import groups
from tests.sync.two_way.pair import Pair
from tests.sync.world import by, event

if TYPE_CHECKING:
    from tests.sync.world import World


@pytest.fixture
def three(world: World) -> Pair:
    return Pair(world, names=("a", "b", "c"), privacy="full")


@pytest.mark.promise(4)
def test_every_event_stands_once_in_each_calendar_and_an_edit_anywhere_reaches_all(three: Pair):
    three.put("a", event("e1", title="of a"))
    three.put("b", event("e2", title="of b", hours=30))
    (mirror,) = [one for one in three.roots("c") if one.text and one.text.title == "of a"]

    three.world.server.put("c", event(mirror.id, title="of a, edited in c", marker=mirror.marker))
    three.sync()

    expected = ["of a, edited in c", "of b"]
    assert three.titles() == {"a": expected, "b": expected, "c": expected}
    three.quiet()


def test_a_calendar_that_is_added_gets_everything_and_gives_everything(three: Pair):
    world = three.world
    three.put("a", event("e1", title="of a"))
    late = world.calendar("d")
    world.put(late, event("e9", title="of d", hours=50))

    group = groups.add(world.engine, by(world), three.group.id, late)
    world.run()

    assert len(group.links) == 12
    assert {link.privacy for link in group.links} == {"full"}
    three.ids["d"], three.names = late, (*three.names, "d")
    three.sync()
    assert three.titles() == {name: ["of a", "of d"] for name in "abcd"}
    three.quiet()


def test_a_calendar_that_is_taken_out_keeps_its_own_and_leaves_the_others_theirs(three: Pair):
    world = three.world
    for name in "abc":
        three.put(name, event(f"of-{name}", title=f"of {name}", hours=30 + ord(name)))

    groups.remove(world.engine, by(world), three.group.id, three.ids["c"], delete_mirrors=True)
    three.sync()

    assert three.titles() == {"a": ["of a", "of b"], "b": ["of a", "of b"], "c": ["of c"]}
    with world.database.person(world.user_id) as conn:
        assert len(groups.get(conn, three.group.id).links) == 2


def test_a_deleted_group_leaves_each_calendar_its_own(three: Pair):
    world = three.world
    for name in "abc":
        three.put(name, event(f"of-{name}", title=f"of {name}", hours=30 + ord(name)))

    groups.delete(world.engine, by(world), three.group.id, delete_mirrors=True)
    three.sync()

    assert three.titles() == {"a": ["of a"], "b": ["of b"], "c": ["of c"]}
    assert world.rows("SELECT count(*) FROM links") == [(0,)]
    with world.database.person(world.user_id) as conn, pytest.raises(NotFoundError):
        groups.get(conn, three.group.id)


def test_a_group_is_deleted_with_mirrors_whose_edits_are_not_merged_yet(three: Pair):
    world = three.world
    three.put("a", event("e1"))
    groups.set_state(world.engine, by(world), three.group.id, "paused")
    (mirror,) = three.roots("b")
    world.server.put("b", event(mirror.id, title="edited", marker=mirror.marker))
    three.sync()

    groups.delete(world.engine, by(world), three.group.id, delete_mirrors=True)
    three.sync()

    assert three.titles() == {"a": ["Dentist"], "b": [], "c": []}
    assert world.rows("SELECT count(*) FROM links") == [(0,)]


def test_a_group_is_deleted_with_mirrors_that_are_edited_at_that_moment(three: Pair):
    world = three.world
    three.put("a", event("e1"))
    (mirror,) = three.roots("b")
    world.server.put("b", event(mirror.id, title="edited", marker=mirror.marker))
    with world.database.everyone() as conn:
        conn.execute("UPDATE event_mappings SET mirror_etag = NULL")  # as after a refused precondition

    groups.delete(world.engine, by(world), three.group.id, delete_mirrors=True)
    three.sync()

    assert three.titles() == {"a": ["Dentist"], "b": [], "c": []}
    assert world.rows("SELECT count(*) FROM links") == [(0,)]


def test_settings_are_changed_for_all_links_at_once_and_never_for_one(three: Pair):
    world = three.world
    three.put("a", event("e1", title="Therapy"))
    version = three.group.version

    group = groups.change(world.engine, by(world), three.group.id, version=version, changes={"privacy": "busy"})
    three.sync()

    assert {link.privacy for link in group.links} == {"busy"}
    assert three.titles() == {"a": ["Therapy"], "b": ["Busy"], "c": ["Busy"]}
    with pytest.raises(PreconditionFailedError):
        groups.change(world.engine, by(world), three.group.id, version=version, changes={"privacy": "full"})
    with pytest.raises(ConflictError, match="change, pause or delete the group"):
        requests.change_link(world.engine, by(world), group.links[0].id, version=None, changes={"privacy": "full"})
    with pytest.raises(ConflictError):
        requests.pause_link(world.engine, by(world), group.links[0].id)
    with pytest.raises(ConflictError):
        requests.delete_link(world.engine, by(world), group.links[0].id, delete_mirrors=False)


def test_a_paused_group_writes_nothing_and_catches_up(three: Pair):
    world = three.world
    three.put("a", event("e1"))
    groups.set_state(world.engine, by(world), three.group.id, "paused")
    writes = len(three.writes())
    (mirror,) = three.roots("b")
    three.world.server.put("b", event(mirror.id, title="edited", marker=mirror.marker))
    three.sync()

    assert three.writes()[writes:] == []

    groups.set_state(world.engine, by(world), three.group.id, "active")
    three.sync()

    assert three.titles() == {name: ["edited"] for name in "abc"}
    three.quiet()


def test_turning_the_merge_off_puts_edits_right_from_then_on(three: Pair):
    world = three.world
    three.put("a", event("e1"))

    groups.change(world.engine, by(world), three.group.id, version=None, changes={"on_edit": "restore"})
    three.sync()
    (mirror,) = three.roots("b")
    three.world.server.put("b", event(mirror.id, title="edited", marker=mirror.marker))
    three.sync()

    assert three.titles() == {name: ["Dentist"] for name in "abc"}
    three.quiet()


@pytest.mark.parametrize("names", [["a"], ["a", "a"], list("abcdefghi")])
def test_a_group_of_one_of_twice_the_same_or_of_too_many_is_refused(world: World, names: list[str]):
    ids = {name: world.calendar(name) for name in sorted(set(names))}

    with pytest.raises(InvalidError, match="each once"):
        groups.create(world.engine, by(world), calendar_ids=[ids[name] for name in names])


def test_calendars_that_are_linked_already_are_refused_and_nothing_is_left_behind(world: World):
    a, b = world.calendar("a"), world.calendar("b")
    world.link(a, b)

    with pytest.raises(ConflictError):
        groups.create(world.engine, by(world), calendar_ids=[b, a])

    assert world.rows("SELECT count(*) FROM link_groups") == [(0,)]
    assert world.rows("SELECT count(*) FROM links") == [(1,)]
