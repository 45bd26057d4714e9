"""Filters through the whole engine: for occurrences as well, after a change of them, and without doubles."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from shared.calendar.event import Availability, EventType, Response, Status, Text, Visibility
from shared.sync.asking import requests
from shared.sync.asking.requests import By
from tests.sync.world import NOW, World, event

if TYPE_CHECKING:
    from shared.sync.links import Link


@pytest.fixture
def world(database):
    return World(database)


def change(world: World, link: Link, **changes: Any) -> None:
    by = By(user_id=world.user_id, actor="person:ada", correlation_id="test", now=NOW)
    requests.change_link(world.engine, by, link.id, version=None, changes=changes)
    world.run()


def override(number: int, **fields: Any):
    place = event("s", hours=24 * number).span.start
    return replace(event(f"s_{number}", hours=24 * number, **fields), series_id="s", original_start=place)


@pytest.mark.pain(14)
@pytest.mark.parametrize(
    ("filters", "hidden"),
    [
        ({"title_exclude": "secret"}, {"title": "Top secret"}),
        ({"skip_private": True}, {"visibility": Visibility.PRIVATE}),
        ({"skip_categories": ["Tomato"]}, {"text": Text(title="Dentist", categories=("Tomato",))}),
        ({"unanswered": "hidden"}, {"response": Response.NEEDS_ACTION}),
        ({}, {"response": Response.DECLINED}),
        ({}, {"event_type": EventType.WORKING_LOCATION}),
    ],
)
def test_pain_14_a_filter_also_holds_for_an_overridden_occurrence(world, filters, hidden):
    a, b = world.calendar("a"), world.calendar("b")
    text = hidden.pop("text", None)
    one = override(2, **hidden)
    world.put(a, event("s", recurrence=("RRULE:FREQ=DAILY;COUNT=4",)))
    world.put(a, one if text is None else replace(one, text=text))

    world.link(a, b, filters=filters)

    mirrors = world.server.visible("b")
    assert [one.status for one in mirrors if one.is_override] == [Status.CANCELLED]
    assert len([one for one in mirrors if not one.is_override]) == 1


def test_a_changed_filter_looks_at_everything_again_past_mirrors_included_and_holds_nothing(world):
    a, b = world.calendar("a"), world.calendar("b")
    for n in range(12):
        world.put(a, event(f"private{n}", hours=24 + n, visibility=Visibility.PRIVATE))
    world.put(a, event("past", hours=-20 * 24, visibility=Visibility.PRIVATE))
    world.put(a, event("open"))
    link = world.link(a, b, days_behind=60)
    change(world, link, days_behind=1)
    world.rows("UPDATE external_calendar_events SET seen_generation = -1 WHERE external_event_id = 'past' RETURNING 1")
    world.server.calendars["a"].changed_at.pop("past")  # a full read shows nothing so old any more

    before = len(world.mirrors(b))
    change(world, link, filters={"skip_private": True})
    after = len(world.mirrors(b))
    change(world, link, filters={"skip_private": False})

    assert (before, after) == (14, 1)
    assert world.rows("SELECT count(*) FROM held_changes") == [(0,)]
    assert len(world.mirrors(b)) == 13


def test_a_title_filter_on_a_masked_link_loads_the_text_and_is_not_taken_for_a_mass_deletion(world):
    a, b = world.calendar("a"), world.calendar("b")
    for n in range(12):
        world.put(a, event(f"lunch{n}", title=f"Lunch {n}", hours=24 + n))
    world.put(a, event("dentist"))
    link = world.link(a, b)

    change(world, link, filters={"title_exclude": "lunch"})
    kept = world.rows("SELECT count(*) FROM external_calendar_events WHERE raw_payload IS NOT NULL")
    shown = [one.text for one in world.mirrors(b)]
    change(world, link, filters={"title_exclude": None})

    assert shown == [Text(title="Busy")]
    assert kept == [(13,)]
    assert world.rows("SELECT count(*) FROM external_calendar_events WHERE raw_payload IS NOT NULL") == [(0,)]
    assert len(world.mirrors(b)) == 13


@pytest.mark.promise(1)
@pytest.mark.pain(1)
def test_what_others_do_to_many_events_at_once_is_held_though_a_filter_leaves_them_out(world):
    a, b = world.calendar("a"), world.calendar("b")
    for n in range(12):
        world.put(a, event(f"e{n}", hours=24 + n))
    world.link(a, b)

    for n in range(12):
        world.put(a, event(f"e{n}", hours=24 + n, availability=Availability.FREE))
    world.look(a)
    world.run()

    assert len(world.mirrors(b)) == 12
    assert world.rows("SELECT deletions FROM held_changes") == [(12,)]


def test_an_unanswered_invitation_shows_as_the_link_says(world):
    a, b, c = (world.calendar(name) for name in "abc")
    world.put(a, event("e1", response=Response.NEEDS_ACTION))

    world.link(a, b)
    world.link(a, c, filters={"unanswered": "free"})

    assert [one.availability for one in world.mirrors(b)] == [Availability.TENTATIVE]
    assert [one.availability for one in world.mirrors(c)] == [Availability.FREE]


class TestInvited:
    """The same meeting in both calendars (pain 13)."""

    def test_there_is_no_double_whichever_calendar_is_read_first(self, world):
        a, b = world.calendar("a"), world.calendar("b")
        world.put(a, event("e1", ical_uid="meeting@x.example"))
        world.put(b, event("other-id", ical_uid="meeting@x.example"))

        world.link(a, b)
        world.link(b, a)

        assert world.mirrors(b) == world.mirrors(a) == []

    def test_a_mirror_goes_when_the_invitation_arrives_and_comes_back_when_it_is_withdrawn(self, world):
        a, b = world.calendar("a"), world.calendar("b")
        world.put(a, event("e1", ical_uid="meeting@x.example"))
        world.link(a, b)
        at_first = len(world.mirrors(b))

        world.put(b, event("invitation", ical_uid="meeting@x.example"))
        world.look(b)
        world.run()
        invited = world.mirrors(b)
        world.server.remove("b", "invitation")
        world.look(b)
        world.run()

        assert (at_first, invited) == (1, [])
        assert len(world.mirrors(b)) == 1

    def test_twenty_invitations_at_once_are_no_mass_deletion(self, world):
        a, b = world.calendar("a"), world.calendar("b")
        for n in range(20):
            world.put(a, event(f"e{n}", hours=24 + n, ical_uid=f"{n}@x.example"))
        world.link(a, b)

        for n in range(20):
            world.put(b, event(f"i{n}", hours=24 + n, ical_uid=f"{n}@x.example"))
        world.look(b)
        world.run()

        assert world.mirrors(b) == []
        assert world.rows("SELECT count(*) FROM held_changes") == [(0,)]

    def test_a_link_may_mirror_it_all_the_same(self, world):
        a, b = world.calendar("a"), world.calendar("b")
        world.put(a, event("e1", ical_uid="meeting@x.example"))
        world.put(b, event("other-id", ical_uid="meeting@x.example"))

        world.link(a, b, filters={"skip_invited": False})

        assert len(world.mirrors(b)) == 1
