"""Writes and removals whose answers nobody heard, and what is wanted before they are tried again."""

from __future__ import annotations

from dataclasses import replace

import pytest

from shared.calendar.event import Text
from shared.core.errors import TransientError
from shared.providers.port import Failed
from shared.sync import links
from shared.sync.asking import requests
from tests.sync.world import World, by, event


@pytest.fixture
def world(database):
    return World(database)


def unheard(world, monkeypatch):
    """From here on the provider does what it is asked to, and its answers are lost."""
    write = world.provider.write

    def lost(calendar_id, writes):
        write(calendar_id, writes)
        return [Failed(error=TransientError("no answer")) for _ in writes]

    monkeypatch.setattr(world.provider, "write", lost)


def time_passes(world):
    """What waits for another attempt is due."""
    with world.database.everyone() as conn:
        conn.execute("UPDATE event_mappings SET next_attempt_at = NULL")
        conn.execute("UPDATE external_calendar_connections SET backoff_until = NULL")


@pytest.mark.parametrize("on_delete", [links.RESTORE, links.IGNORE, links.DECLINE])
def test_a_mirror_that_went_unheard_is_made_again_when_its_event_comes_back(world, monkeypatch, on_delete):
    a, b = world.calendar("a"), world.calendar("b")
    world.put(a, event("e1"))
    world.link(a, b, on_delete=on_delete)
    with monkeypatch.context() as patch:
        unheard(world, patch)
        world.server.remove("a", "e1")
        world.look(a)
        world.run()
    assert world.mirrors(b) == []

    time_passes(world)
    world.look(b)
    world.put(a, event("e1"))
    world.look(a)
    world.run()

    assert len(world.mirrors(b)) == 1
    assert world.rows("SELECT state FROM event_mappings") == [("open",)]


def test_a_mirror_changed_while_it_was_to_go_is_put_right_when_its_event_comes_back(world, monkeypatch):
    a, b = world.calendar("a"), world.calendar("b")
    world.put(a, event("e1"))
    world.link(a, b)
    (mirror,) = world.mirrors(b)
    with monkeypatch.context() as patch:
        patch.setattr(world.provider, "write", lambda _, writes: [Failed(error=TransientError("no")) for _ in writes])
        world.server.remove("a", "e1")
        world.look(a)
        world.run()

    world.put(b, replace(mirror, text=Text(title="mine")))
    time_passes(world)
    world.look(b)
    world.put(a, event("e1"))
    world.look(a)
    world.run()

    assert [one.text for one in world.mirrors(b)] == [mirror.text]


def test_what_was_written_unheard_does_not_stay_when_its_event_is_as_before(world, monkeypatch):
    a, b = world.calendar("a"), world.calendar("b")
    world.put(a, event("e1"))
    world.link(a, b, privacy="full")
    (mirror,) = world.mirrors(b)
    with monkeypatch.context() as patch:
        unheard(world, patch)
        world.put(a, event("e1", title="a word too many"))
        world.look(a)
        world.run()

    time_passes(world)
    world.put(a, event("e1"))
    world.look(a)
    world.run()

    assert [one.text for one in world.mirrors(b)] == [mirror.text]


@pytest.mark.promise(8)
def test_what_a_looser_link_showed_unheard_is_hidden_again_though_its_event_is_gone(world, monkeypatch):
    a, b = world.calendar("a"), world.calendar("b")
    for number in range(12):
        world.put(a, event(f"e{number}", title="Dentist"))
    link = world.link(a, b)
    with monkeypatch.context() as patch:
        unheard(world, patch)
        requests.change_link(world.engine, by(world), link.id, version=None, changes={"privacy": "full"})
        world.run()
    time_passes(world)
    for number in range(12):
        world.server.remove("a", f"e{number}")
    world.look(a)
    world.run()

    requests.change_link(world.engine, by(world), link.id, version=None, changes={"privacy": "busy"})
    world.run()

    assert world.rows("SELECT DISTINCT state FROM event_mappings") == [("held",)]
    assert {one.text and one.text.title for one in world.mirrors(b)} == {"Busy"}


@pytest.mark.promise(8)
def test_a_mirror_made_unheard_of_an_event_that_is_gone_shows_no_more_than_its_link(world, monkeypatch):
    a, b = world.calendar("a"), world.calendar("b")
    for number in range(12):
        world.put(a, event(f"e{number}", title="Dentist"))
    with monkeypatch.context() as patch:
        unheard(world, patch)
        link = world.link(a, b, privacy="full")
    time_passes(world)
    for number in range(12):
        world.server.remove("a", f"e{number}")
    world.look(a)
    world.run()
    ((hold_id,),) = world.rows("SELECT id FROM held_changes")
    requests.resolve_held(world.engine, by(world), hold_id, approved=False)
    world.look(b)
    world.run()
    shown = {one.text and one.text.title for one in world.mirrors(b)}

    requests.change_link(world.engine, by(world), link.id, version=None, changes={"privacy": "busy"})
    world.run()

    assert shown == {"Dentist"}
    assert {one.text and one.text.title for one in world.mirrors(b)} == {"Busy"}
    assert world.rows("SELECT DISTINCT state, remask FROM event_mappings") == [("discarded", False)]
