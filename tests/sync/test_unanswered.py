"""Writes and removals whose answers nobody heard, and what is wanted before they are tried again."""

from __future__ import annotations

from dataclasses import replace

import pytest

from shared.calendar.event import Text
from shared.core.errors import InvalidError, TransientError
from shared.providers.port import Failed
from shared.sync import links
from shared.sync.asking import requests
from tests.sync.world import World, by, event


@pytest.fixture
def world(database):
    return World(database)


@pytest.mark.parametrize("on_delete", [links.RESTORE, links.IGNORE, links.DECLINE])
def test_a_mirror_that_went_unheard_is_made_again_when_its_event_comes_back(world, on_delete):
    a, b = world.calendar("a"), world.calendar("b")
    world.put(a, event("e1"))
    world.link(a, b, on_delete=on_delete)
    with world.unheard():
        world.server.remove("a", "e1")
        world.look(a)
        world.run()
    assert world.mirrors(b) == []

    world.time_passes()
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
    world.time_passes()
    world.look(b)
    world.put(a, event("e1"))
    world.look(a)
    world.run()

    assert [one.text for one in world.mirrors(b)] == [mirror.text]


def test_what_was_written_unheard_does_not_stay_when_its_event_is_as_before(world):
    a, b = world.calendar("a"), world.calendar("b")
    world.put(a, event("e1"))
    world.link(a, b, privacy="full")
    (mirror,) = world.mirrors(b)
    with world.unheard():
        world.put(a, event("e1", title="a word too many"))
        world.look(a)
        world.run()

    world.time_passes()
    world.put(a, event("e1"))
    world.look(a)
    world.run()

    assert [one.text for one in world.mirrors(b)] == [mirror.text]


@pytest.mark.promise(8)
def test_what_a_looser_link_showed_unheard_is_hidden_again_though_its_event_is_gone(world):
    a, b = world.calendar("a"), world.calendar("b")
    for number in range(12):
        world.put(a, event(f"e{number}", title="Dentist"))
    link = world.link(a, b)
    with world.unheard():
        requests.change_link(world.engine, by(world), link.id, version=None, changes={"privacy": "full"})
        world.run()
    world.time_passes()
    for number in range(12):
        world.server.remove("a", f"e{number}")
    world.look(a)
    world.run()

    requests.change_link(world.engine, by(world), link.id, version=None, changes={"privacy": "busy"})
    world.run()

    assert world.rows("SELECT DISTINCT state FROM event_mappings") == [("held",)]
    assert {one.text and one.text.title for one in world.mirrors(b)} == {"Busy"}


def kept_unheard(world):
    """Twelve mirrors that nobody recorded, of events that are gone: their deletion was held, and they are kept."""
    a, b = world.calendar("a"), world.calendar("b")
    for number in range(12):
        world.put(a, event(f"e{number}", title="Dentist"))
    with world.unheard():
        link = world.link(a, b, privacy="full")
    world.time_passes()
    for number in range(12):
        world.server.remove("a", f"e{number}")
    world.look(a)
    world.run()
    ((hold_id,),) = world.rows("SELECT id FROM held_changes")
    requests.resolve_held(world.engine, by(world), hold_id, approved=False)
    world.look(b)
    world.run()
    return link


@pytest.mark.promise(8)
def test_a_mirror_made_unheard_of_an_event_that_is_gone_shows_no_more_than_its_link(world):
    link = kept_unheard(world)
    shown = {one.text and one.text.title for one in world.mirrors(link.target_calendar_id)}

    requests.change_link(world.engine, by(world), link.id, version=None, changes={"privacy": "busy"})
    world.run()

    assert shown == {"Dentist"}
    assert {one.text and one.text.title for one in world.mirrors(link.target_calendar_id)} == {"Busy"}
    assert world.rows("SELECT DISTINCT state, remask FROM event_mappings") == [("discarded", False)]


def test_a_mirror_made_unheard_that_nobody_can_read_holds_up_no_other(world, monkeypatch):
    link = kept_unheard(world)

    def unreadable(calendar_id, event_id, **_):
        raise InvalidError(f"nobody understands {event_id}")

    monkeypatch.setattr(world.provider, "get", unreadable)
    world.put(link.source_calendar_id, event("new", title="Lunch"))
    world.look(link.source_calendar_id)
    requests.change_link(world.engine, by(world), link.id, version=None, changes={"privacy": "busy"})
    world.run()

    assert "Busy" in {one.text and one.text.title for one in world.mirrors(link.target_calendar_id)}
    assert world.rows("SELECT error_count, last_error FROM external_calendar_connections") == [(0, None)]
    assert world.rows("SELECT count(*) FROM event_mappings WHERE last_error IS NOT NULL") == [(12,)]
