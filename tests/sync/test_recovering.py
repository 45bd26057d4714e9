"""What the simulation found: rare meetings of edits, failures and kills; everything must still come right."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from shared.calendar import recurrence
from shared.calendar.event import Event, Status, Text, Unit
from shared.calendar.span import Window
from shared.core import clock
from shared.core.errors import TransientError
from shared.providers.port import Skipped, Upserted
from shared.sync import dispatch, requests
from shared.sync.requests import By
from tests.sync.world import NOW, World, event


@pytest.fixture
def world(database):
    return World(database)


def by(world) -> By:
    return By(user_id=world.user_id, actor="test", correlation_id="test", now=clock.now())


def unreadable(world, monkeypatch, *event_ids):
    """From now on the provider cannot make sense of these events."""
    listing = world.provider.changes

    def changes(calendar_id, **arguments):
        page = listing(calendar_id, **arguments)
        bad = {one.event.id for one in page.changes if isinstance(one, Upserted) and one.event.id in event_ids}
        kept = [one for one in page.changes if not (isinstance(one, Upserted) and one.event.id in bad)]
        skipped = [Skipped(event_id=one, reason="not understood") for one in sorted(bad)]
        return replace(page, changes=tuple(kept), skipped=tuple(skipped))

    monkeypatch.setattr(world.provider, "changes", changes)


def occurrence(series: Event, place: int, **fields) -> Event:
    found = recurrence.occurrences(Unit(root=series), Window(start=None, end=None))[place]
    return Event(
        id=f"{series.id}_{found.key}",
        series_id=series.id,
        original_start=found.original_start,
        **({"span": found.span, "text": Text(title="differs")} | fields),
    )


def test_an_event_that_could_never_be_read_may_be_deleted(world, monkeypatch):
    a, b = world.calendar("a"), world.calendar("b")
    world.put(a, event("good"))
    world.link(a, b)
    unreadable(world, monkeypatch, "bad")
    world.put(a, event("bad"))
    world.look(a)
    world.run()

    world.server.remove("a", "bad")
    world.look(a)
    world.run()

    assert len(world.mirrors(b)) == 1
    assert world.rows("SELECT requested = done FROM calendar_sync_state WHERE calendar_id = %s", a) == [(True,)]


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


def test_a_link_whose_last_mirror_went_unseen_is_gone_all_the_same(world):
    a, b = world.calendar("a"), world.calendar("b")
    world.put(a, event("e1"))
    link = world.link(a, b)

    def lose_the_answer(write):
        raise TransientError("504")

    world.server.after_write = lose_the_answer
    requests.delete_link(world.engine, by(world), link.id, delete_mirrors=True)
    world.run()
    world.look(b)
    with world.database.everyone() as conn:
        conn.execute("UPDATE external_calendar_connections SET backoff_until = NULL")
    world.look(b)
    world.run()
    dispatch.dispatch(world.engine, correlation_id="test", now=NOW + timedelta(hours=2))

    assert world.mirrors(b) == []
    assert world.rows("SELECT state FROM links") == []
