"""Series whose occurrences are told apart from them, and mirrors of series that change or come back."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from shared.calendar import recurrence
from shared.calendar.event import Status, Text, Unit
from shared.calendar.span import Window, occurrence_key
from shared.providers.port import Update, Upserted
from shared.sync.asking import requests
from shared.sync.rules.differences import CANCELLED
from tests.sync.world import World, by, event, occurrence


@pytest.fixture
def world(database):
    return World(database)


def occurs(world, calendar_id):
    """How often the only mirror in a calendar happens."""
    (mirror,) = world.mirrors(calendar_id)
    overrides = tuple(one for one in world.server.visible(world.remote[calendar_id]) if one.series_id == mirror.id)
    return len(recurrence.occurrences(Unit(root=mirror, overrides=overrides), Window(start=None, end=None)))


def silent_of_occurrences(listing):
    """A provider's `changes` that tells of series alone."""

    def silent(calendar_id, **arguments):
        page = listing(calendar_id, **arguments)
        return replace(page, changes=[one for one in page.changes if not is_override(one)])

    return silent


def is_override(change):
    return isinstance(change, Upserted) and change.event.is_override


def test_a_mirror_series_changed_in_two_places_at_once_is_put_right_in_both(world):
    a, b = world.calendar("a"), world.calendar("b")
    world.put(a, event("s", recurrence=("RRULE:FREQ=DAILY;COUNT=5",)))
    world.link(a, b)
    (mirror,) = world.mirrors(b)

    world.put(b, occurrence(mirror, 3, span=None, status=Status.CANCELLED))
    world.put(b, replace(mirror, text=Text(title="mine")))
    world.look(b)
    world.run()

    (mirror,) = world.mirrors(b)
    overrides = tuple(one for one in world.server.visible("b") if one.series_id == mirror.id)
    assert mirror.text == Text(title="Busy")
    assert len(recurrence.occurrences(Unit(root=mirror, overrides=overrides), Window(start=None, end=None))) == 5
    assert world.rows("SELECT rewrites FROM event_mappings") == [(1,)]


def test_a_series_that_becomes_a_single_event_is_written_once(world):
    a, b = world.calendar("a"), world.calendar("b")
    series = world.put(a, event("s", recurrence=("RRULE:FREQ=DAILY;COUNT=5",)))
    world.put(a, occurrence(series, 2))
    world.link(a, b, privacy="title")
    world.server.writes.clear()

    world.put(a, replace(series, recurrence=()))
    world.look(a)
    world.run()

    assert [one for _, one, _ in world.server.writes] == ["update"]
    assert world.rows("SELECT requested = done, last_error FROM event_mappings") == [(True, None)]


def test_an_occurrence_that_fell_back_to_its_rule_still_follows_its_link(world):
    a, b = world.calendar("a"), world.calendar("b")
    series = world.put(a, event("s", recurrence=("RRULE:FREQ=DAILY;COUNT=5",), title="private"))
    changed = world.put(a, occurrence(series, 2, text=Text(title="private, too")))
    link = world.link(a, b, privacy="full")
    world.put(a, replace(changed, text=series.text))
    world.look(a)
    world.run()

    requests.change_link(world.engine, by(world), link.id, version=None, changes={"privacy": "busy"})
    world.run()

    assert {one.text for one in world.server.visible("b")} == {Text(title="Busy")}


def test_a_cancelled_occurrence_in_a_listing_does_not_prove_that_its_series_is_there(world):
    a, b = world.calendar("a"), world.calendar("b")
    series = world.put(a, event("s", recurrence=("RRULE:FREQ=DAILY;COUNT=5",)))
    world.link(a, b)

    world.server.remove("a", "s")
    world.put(a, occurrence(series, 2, span=None, status=Status.CANCELLED))
    world.server.expire_cursors()
    world.look(a)
    world.run()

    assert world.mirrors(b) == []


@pytest.mark.parametrize("recurrence", [(), ("RRULE:FREQ=WEEKLY;COUNT=3",)])
def test_cancelled_occurrences_that_the_rule_has_no_more_are_no_change_of_the_mirror(world, recurrence):
    a, b = world.calendar("a"), world.calendar("b")
    series = world.put(a, event("s", recurrence=("RRULE:FREQ=DAILY;COUNT=5",)))
    world.link(a, b)
    (mirror,) = world.mirrors(b)
    ended = occurrence(mirror, 3, span=None, status=Status.CANCELLED)
    world.put(a, replace(series, recurrence=recurrence))
    world.look(a)
    world.run()
    world.server.writes.clear()

    for _ in range(4):
        world.put(b, ended)
        world.look(b)
        world.run()

    assert world.server.writes == []
    assert world.rows("SELECT state, rewrites <= 1 FROM event_mappings") == [("open", True)]


def test_what_was_cancelled_before_its_series_moved_is_no_change_of_the_mirror_although_a_merge_forgot_it(world):
    a, b = world.calendar("a"), world.calendar("b")
    series = world.put(a, event("s", recurrence=("RRULE:FREQ=DAILY;COUNT=5",)))
    world.link(a, b)
    (mirror,) = world.mirrors(b)
    ended = occurrence(mirror, 3, span=None, status=Status.CANCELLED)
    # As a merge leaves it that knows of the move: what has no place does not differ.
    seen = json.dumps({occurrence_key(ended.original_start): CANCELLED})
    world.rows("UPDATE event_mappings SET observed = observed || %s::jsonb RETURNING id", seen)
    world.put(a, replace(series, span=event("s", hours=26).span))
    world.look(a)
    world.run()

    for _ in range(4):
        world.put(b, ended)
        world.look(b)
        world.run()

    assert world.rows("SELECT state, rewrites FROM event_mappings") == [("open", 0)]


@pytest.mark.parametrize("told", [True, False])
def test_a_deleted_mirror_series_comes_back_whole_though_an_occurrence_had_been_changed_unseen(
    world, monkeypatch, told
):
    a, b = world.calendar("a"), world.calendar("b")
    world.put(a, event("s", recurrence=("RRULE:FREQ=DAILY;COUNT=5",)))
    world.link(a, b)
    (mirror,) = world.mirrors(b)
    write = world.provider._write

    def reviving(calendar_id, one):
        if isinstance(one, Update):  # as Google does
            world.put(b, replace(world.server.calendars["b"].events[one.event_id], status=Status.CONFIRMED))
        return write(calendar_id, replace(one, etag=None) if isinstance(one, Update) else one)

    monkeypatch.setattr(world.provider, "_write", reviving)

    world.server.remove("b", mirror.id)
    world.put(b, occurrence(mirror, 3, span=None, status=Status.CANCELLED))
    if not told:
        monkeypatch.setattr(world.provider, "changes", silent_of_occurrences(world.provider.changes))
    for _ in range(2):
        world.look(b)
        world.run()

    assert occurs(world, b) == 5


def test_a_mirror_series_made_unheard_and_deleted_comes_back_whole(world, monkeypatch):
    a, b = world.calendar("a"), world.calendar("b")
    world.put(a, event("s", recurrence=("RRULE:FREQ=DAILY;COUNT=5",)))
    with world.unheard():
        world.link(a, b)
    (mirror,) = world.mirrors(b)
    world.put(b, occurrence(mirror, 3, span=None, status=Status.CANCELLED))
    world.put(b, replace(mirror, status=Status.CANCELLED))  # what was taken out is still there when it comes back
    monkeypatch.setattr(world.provider, "changes", silent_of_occurrences(world.provider.changes))

    world.time_passes()
    world.push(b)
    for _ in range(2):
        world.run()
        world.look(b)
    world.run()

    assert occurs(world, b) == 5


@pytest.mark.promise(1)
def test_an_occurrence_told_before_its_series_is_known_deletes_nothing(world):
    """As after a restore: the mirror is known again by its marker, and its event is not. By now that is outside the
    window, and whatever is concluded of it stays."""
    a, b = world.calendar("a"), world.calendar("b")
    series = world.put(a, event("s", hours=240, recurrence=("RRULE:FREQ=DAILY;COUNT=5",)))
    world.link(a, b)
    world.rows("UPDATE links SET days_ahead = 1 RETURNING id")
    world.rows("DELETE FROM external_calendar_events WHERE calendar_id = %s RETURNING id", a)
    world.server.page_size = 1

    world.put(a, occurrence(series, 2, text=Text(title="differs")))
    world.put(a, replace(series, text=Text(title="is told behind it")))
    world.look(a)
    world.run()

    assert [write[1] for write in world.server.writes if write[0] == "b"].count("delete") == 0
    assert occurs(world, b) == 5
