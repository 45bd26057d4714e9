"""How much of an event shows is each link's own, and a change of it reaches every mirror that stands."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from shared.calendar.event import Text
from shared.core.errors import InvalidError
from shared.sync.asking import requests
from shared.sync.asking.requests import By
from shared.sync.views import status
from tests.sync.world import NOW, World, event

if TYPE_CHECKING:
    from shared.sync.links import Link
    from shared.sync.views.status import Counts


@pytest.fixture
def world(database):
    return World(database)


def change(world: World, link: Link, **changes: Any) -> Link:
    by = By(user_id=world.user_id, actor="person:ada", correlation_id="test", now=NOW)
    return requests.change_link(world.engine, by, link.id, version=None, changes=changes)


def counts(world: World) -> Counts:
    with world.database.person(world.user_id) as conn:
        (one,) = status.read(conn, user_id=world.user_id, flags=world.engine.flags, now=NOW).links
    return one.counts


def texts(world: World, calendar) -> list[Text]:
    return sorted((one.text for one in world.mirrors(calendar)), key=lambda text: text.title)


def test_fields_and_template_are_those_of_the_link_and_not_of_the_calendar(world):
    a, b, c = (world.calendar(name) for name in "abc")
    world.put(a, event("e1"))

    world.link(a, b, show={"location": True}, title_template="Busy ({calendar})")
    world.link(a, c, privacy="full", show={"description": False}, title_template="[{account}] {title}")

    assert texts(world, b) == [Text(title="Busy (a)", location="Main Street 1")]
    assert texts(world, c) == [Text(title="[someone@x.example] Dentist", location="Main Street 1")]


def test_tightening_rewrites_every_mirror_past_and_frozen_ones_included_and_counts_them(world):
    a, b = world.calendar("a"), world.calendar("b")
    for name, hours in (("past", -20 * 24), ("soon", 24), ("later", 48)):
        world.put(a, event(name, hours=hours, title=f"Secret {name}"))
    link = world.link(a, b, privacy="full", days_behind=60)
    change(world, link, days_behind=1)
    world.run()
    world.rows("UPDATE event_mappings SET state = 'frozen' WHERE source_event_id = 'soon' RETURNING 1")

    change(world, link, privacy="busy")
    before = counts(world)
    world.run()
    after = counts(world)

    assert (before.rewritten, before.mirrors) == (0, 3)
    assert (after.rewritten, after.mirrors) == (3, 3)
    assert texts(world, b) == [Text(title="Busy")] * 3
    assert world.rows("SELECT count(*) FROM external_calendar_events WHERE raw_payload IS NOT NULL") == [(0,)]


def test_a_change_keeps_the_fields_it_does_not_name(world):
    a, b = world.calendar("a"), world.calendar("b")
    link = world.link(a, b, show={"title": True, "location": True})

    changed = change(world, link, show={"title": None, "description": True})

    assert changed.show == {"location": True, "description": True}


def test_hiding_the_title_under_a_template_that_has_it_is_refused_and_changes_nothing(world):
    a, b = world.calendar("a"), world.calendar("b")
    world.put(a, event("e1"))
    link = world.link(a, b, privacy="title", title_template="! {title}")

    with pytest.raises(InvalidError, match="would show the title"):
        change(world, link, privacy="busy")
    world.run()

    assert texts(world, b) == [Text(title="! Dentist")]
    assert counts(world).rewritten == 1


def test_an_occurrence_that_differs_only_in_a_hidden_field_is_not_written(world):
    a, b = world.calendar("a"), world.calendar("b")
    series = event("s", recurrence=("RRULE:FREQ=DAILY;COUNT=3",))
    world.put(a, series)
    second = replace(
        event("s_2", hours=48), series_id="s", original_start=event("s", hours=48).span.start, text=Text(title="Other")
    )
    world.put(a, second)

    world.link(a, b)

    assert [operation for _, operation, _ in world.server.writes] == ["insert"]
