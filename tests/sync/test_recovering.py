"""What the simulation found: rare meetings of edits, failures and kills; everything must still come right."""

from __future__ import annotations

import copy
from dataclasses import replace

import pytest

from shared.calendar.event import Availability, Text
from shared.core.errors import InvalidError, RateLimitedError
from shared.providers.memory import MemoryCalendar
from shared.providers.port import Failed, Skipped, Upserted
from shared.store.database import Database
from shared.sync import links, pull
from shared.sync.asking import requests
from shared.sync.run import Outcome
from shared.sync.store import mappings, written
from tests.sync.world import World, by, event, occurrence

STANDING = "SELECT sync_status FROM external_calendar_events WHERE booking_id IS NOT NULL"


@pytest.fixture
def world(database):
    return World(database)


def limited(*arguments, **named):
    raise RateLimitedError("Too many channels.", retry_after=600)


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


def paged(world, monkeypatch):
    """From now on a listing has one event per page, and all its pages show what there was at the first."""
    world.server.page_size = 1
    begun = {}

    def changes(calendar_id, *, page, **arguments):
        if page is None:
            begun[calendar_id] = MemoryCalendar(copy.deepcopy(world.server))
        return begun[calendar_id].changes(calendar_id, page=page, **arguments)

    monkeypatch.setattr(world.provider, "changes", changes)


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


@pytest.mark.promise(10)
@pytest.mark.pain(19)
def test_an_event_that_becomes_unreadable_keeps_its_mirror_and_follows_its_link(world, monkeypatch):
    a, b = world.calendar("a"), world.calendar("b")
    series = world.put(a, event("s", recurrence=("RRULE:FREQ=DAILY;COUNT=5",)))
    link = world.link(a, b, privacy="full")

    with monkeypatch.context() as failing:
        unreadable(world, failing, "s")
        world.put(a, series)
        world.put(a, occurrence(series, 2, text=Text(title="moved")))
        world.look(a)
        world.run()
        requests.change_link(world.engine, by(world), link.id, version=None, changes={"privacy": "busy"})
        world.run()

    (mirror,) = world.mirrors(b)
    assert mirror.text == Text(title="Busy")


def test_an_event_that_can_be_read_again_is_mirrored_as_it_is_now(world, monkeypatch):
    a, b = world.calendar("a"), world.calendar("b")
    one = world.put(a, event("e1", availability=Availability.FREE))
    link = world.link(a, b)

    with monkeypatch.context() as failing:
        unreadable(world, failing, "e1")
        world.put(a, one)
        world.look(a)
        world.run()
        requests.change_link(world.engine, by(world), link.id, version=None, changes={"skip_free": False})
        world.run()
    world.put(a, one)
    world.look(a)
    world.run()

    assert len(world.mirrors(b)) == 1


def test_an_unreadable_event_that_is_deleted_unseen_takes_its_mirror_along(world, monkeypatch):
    a, b = world.calendar("a"), world.calendar("b")
    one = world.put(a, event("e1"))
    world.link(a, b)
    with monkeypatch.context() as failing:
        unreadable(world, failing, "e1")
        world.put(a, one)
        world.look(a)
        world.run()

    world.server.remove("a", "e1")
    world.server.expire_cursors()
    world.look(a)
    world.run()

    assert world.mirrors(b) == []


def test_a_mirror_changed_while_its_link_rests_is_put_right_when_the_link_goes_on(world):
    a, b = world.calendar("a"), world.calendar("b")
    world.put(a, event("s", recurrence=("RRULE:FREQ=DAILY;COUNT=5",)))
    link = world.link(a, b)
    (mirror,) = world.mirrors(b)
    requests.pause_link(world.engine, by(world), link.id)
    world.put(a, event("s", recurrence=("RRULE:FREQ=DAILY;COUNT=5",), title="Another title"))
    world.look(a)
    world.run()

    world.put(b, replace(mirror, text=Text(title="mine")))
    world.put(b, occurrence(mirror, 1))
    world.look(b)
    world.run()
    requests.resume_link(world.engine, by(world), link.id)
    world.run()

    assert {one.text.title for one in world.server.visible("b")} == {"Busy"}


@pytest.mark.parametrize("gone", [False, True])
def test_a_mirror_changed_while_it_is_written_is_put_right(world, logins, gone):
    a, b = world.calendar("a"), world.calendar("b")
    world.put(a, event("e1"))
    world.link(a, b)
    other = World.beside(world, Database(logins.runtime))

    def meddle(write):
        world.server.after_write = lambda write: None
        (mirror,) = world.mirrors(b)
        if gone:
            world.server.remove("b", mirror.id)
        else:
            world.put(b, replace(mirror, text=Text(title="mine")))
        other.look(b)
        pull.pull(other.engine, b, user_id=world.user_id, correlation_id="test")

    world.server.after_write = meddle
    world.put(a, event("e1", hours=30))
    world.look(a)
    world.run()
    other.database.close()

    (mirror,) = world.mirrors(b)
    assert mirror.text == Text(title="Busy")
    assert mirror.span == event("e1", hours=30).span


def test_what_a_pull_sees_of_a_write_under_way_is_not_written_again(world, logins):
    a, b = world.calendar("a"), world.calendar("b")
    world.put(a, event("e1"))
    world.link(a, b)
    world.server.writes.clear()
    other = World.beside(world, Database(logins.runtime))

    def look(write):
        world.server.after_write = lambda write: None
        other.look(b)
        pull.pull(other.engine, b, user_id=world.user_id, correlation_id="test")

    world.server.after_write = look
    world.put(a, event("e1", hours=30))
    world.look(a)
    world.run()
    other.database.close()

    assert [one for _, one, _ in world.server.writes] == ["update"]
    assert world.rows("SELECT requested = done FROM event_mappings") == [(True,)]


def test_a_refused_channel_keeps_the_connection_waiting_as_long_as_the_provider_asks(world, monkeypatch):
    a, b = world.calendar("a"), world.calendar("b")
    monkeypatch.setattr(world.provider, "watch", limited)

    world.link(a, b)

    ((waits,),) = world.rows("SELECT backoff_until > now() + interval '9 minutes' FROM external_calendar_connections")
    assert waits


@pytest.mark.promise(5, 7)
@pytest.mark.parametrize("full", [True, False])
def test_a_change_notified_between_two_pages_is_read_after_the_last(world, monkeypatch, full):
    a, b = world.calendar("a"), world.calendar("b")
    world.link(a, b)
    paged(world, monkeypatch)
    monkeypatch.setattr(pull, "PAGES_PER_CALL", 1)
    world.put(a, event("e1"))
    world.put(a, event("e2"))
    if full:
        world.server.expire_cursors()
        world.look(a)
        assert world.pull(a) is Outcome.MORE

    world.look(a)
    assert world.pull(a) is Outcome.MORE
    world.put(a, event("late"))
    world.look(a)
    world.run()

    assert len(world.mirrors(b)) == 3
    assert world.rows("SELECT requested = done, page_token FROM calendar_sync_state WHERE calendar_id = %s", a) == [
        (True, None)
    ]


def test_a_mirror_that_full_reads_show_as_it_was_again_and_again_is_not_frozen(world):
    a, b = world.calendar("a"), world.calendar("b")
    world.put(a, event("e1"))
    world.link(a, b)
    (mirror,) = world.mirrors(b)

    for number in range(4):
        world.put(b, replace(mirror, text=Text(title=f"mine {number}")))
        world.server.expire_cursors()
        world.look(b)
        world.run()

    assert world.rows("SELECT state FROM event_mappings") == [("open",)]
    assert [one.text for one in world.mirrors(b)] == [Text(title="Busy")]


def refused_move(world, monkeypatch, a):
    """The event moves, and its mirror cannot follow."""
    with monkeypatch.context() as patch:
        patch.setattr(world.provider, "write", lambda _, writes: [Failed(error=InvalidError("no")) for _ in writes])
        world.put(a, event("e1", hours=30))
        world.look(a)
        world.run()
    assert world.rows(STANDING) == [("FAILED",)]


def test_a_mirror_whose_last_write_failed_is_missed_by_a_full_read(world, monkeypatch):
    a, b = world.calendar("a"), world.calendar("b")
    world.put(a, event("e1"))
    world.link(a, b)
    (mirror,) = world.mirrors(b)
    refused_move(world, monkeypatch, a)

    world.server.remove("b", mirror.id)
    world.server.expire_cursors()
    world.look(b)
    world.run()

    assert [one.span for one in world.mirrors(b)] == [event("e1", hours=30).span]


def test_a_mirror_that_needs_no_write_any_more_no_longer_counts_as_failed(world, monkeypatch):
    a, b = world.calendar("a"), world.calendar("b")
    world.put(a, event("e1"))
    world.link(a, b)
    refused_move(world, monkeypatch, a)

    world.put(a, event("e1"))
    world.look(a)
    world.run()

    assert world.rows(STANDING) == [("UPDATED",)]


def test_a_mirror_found_gone_while_it_is_written_is_made_again(world, logins):
    """As after a restore that has forgotten its removal: what a pull says of it stays."""
    a, b = world.calendar("a"), world.calendar("b")
    series = world.put(a, event("s", recurrence=("RRULE:FREQ=DAILY;COUNT=5",)))
    world.link(a, b, on_delete=links.IGNORE)
    (mirror,) = world.mirrors(b)
    other = Database(logins.runtime)

    def gone(write):
        world.server.before_write = lambda write: None
        world.server.remove("b", mirror.id)
        with other.person(world.user_id) as conn:
            (mapping,) = mappings.of_mirrors(conn, b, [mirror.id]).values()
            written.save_gone(conn, mapping, done=False)

    world.server.before_write = gone
    world.put(a, occurrence(series, 2, text=Text(title="differs"), availability=Availability.TENTATIVE))
    world.look(a)
    world.run()
    other.close()
    world.look(b)
    world.run()

    assert [one.recurrence for one in world.mirrors(b) if not one.is_override] == [series.recurrence]
    assert world.rows("SELECT state FROM event_mappings") == [("open",)]
