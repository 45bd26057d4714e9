"""Our own writes, told back by a provider: what is as we left it is not asked for again."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest

from shared.core import clock
from shared.store import leases
from shared.store.database import Database
from shared.sync import echoes, pull
from shared.sync.run import LEASE
from tests.sync.world import World, event

if TYPE_CHECKING:
    from uuid import UUID

    from shared.sync.links import Link


@pytest.fixture
def world(database):
    return World(database)


@pytest.fixture
def link(world) -> Link:
    return world.link(world.calendar("a"), world.calendar("b"), privacy="full")


def told(world: World, calendar_id: UUID, monkeypatch) -> list[int]:
    """How many changes each page of a calendar tells from here on."""
    counts: list[int] = []
    changes = world.provider.changes

    def counted(remote_id, **arguments):
        page = changes(remote_id, **arguments)
        if remote_id == world.remote[calendar_id]:
            counts.append(len(page.changes))
        return page

    monkeypatch.setattr(world.provider, "changes", counted)
    return counts


def test_a_mirror_is_looked_at_once_somebody_else_has_changed_it(world, link, monkeypatch):
    counts = told(world, link.target_calendar_id, monkeypatch)
    world.put(link.source_calendar_id, event("e"))
    world.look(link.source_calendar_id)
    world.run()
    world.look(link.target_calendar_id)
    world.run()
    (mirror,) = world.mirrors(link.target_calendar_id)
    assert counts == [0]

    world.put(link.target_calendar_id, event(mirror.id, title="by hand", marker=mirror.marker))
    world.look(link.target_calendar_id)
    world.run()

    assert counts == [0, 1]
    (mirror,) = world.mirrors(link.target_calendar_id)
    assert mirror.text == event("e").text


def test_a_series_is_looked_at_whatever_its_etag_says(world, link, monkeypatch):
    counts = told(world, link.target_calendar_id, monkeypatch)
    world.put(link.source_calendar_id, event("e", recurrence=("RRULE:FREQ=DAILY;COUNT=3",)))
    world.look(link.source_calendar_id)
    world.run()
    world.look(link.target_calendar_id)
    world.run()

    assert counts == [1]


def test_a_pull_waits_for_the_push_whose_writes_it_is_told_of(world, link, logins, monkeypatch):
    """As at Graph: the notification of a write is there before its answer."""
    beside = World.beside(world, Database(logins.runtime))
    counts = told(world, link.target_calendar_id, monkeypatch)
    is_read = threading.Event()
    as_left = echoes.as_left

    def noted(run, etags):
        is_read.set()
        return as_left(run, etags)

    monkeypatch.setattr(echoes, "as_left", noted)
    with world.database.person(world.user_id) as conn:
        conn.execute("UPDATE calendar_sync_state SET requested = requested + 1")

    def look() -> None:
        pull.pull(beside.engine, link.target_calendar_id, user_id=world.user_id, correlation_id="beside")

    pulls = threading.Thread(target=look)

    def after_write(write):
        pulls.start()
        assert is_read.wait(10)

    world.server.after_write = after_write
    world.put(link.source_calendar_id, event("e"))
    world.look(link.source_calendar_id)
    world.run()
    pulls.join()
    beside.database.close()

    assert counts == [0]
    assert len(world.mirrors(link.target_calendar_id)) == 1


def test_who_was_killed_while_writing_is_not_waited_for_long(world, link, monkeypatch):
    monkeypatch.setattr(echoes, "PATIENCE", 0.2)
    counts = told(world, link.target_calendar_id, monkeypatch)
    world.put(link.source_calendar_id, event("e"))
    world.look(link.source_calendar_id)
    world.run()
    (mirror,) = world.mirrors(link.target_calendar_id)
    with world.database.person(world.user_id) as conn:
        assert leases.claim(conn, f"push:{link.target_calendar_id}", holder="killed", now=clock.now(), duration=LEASE)
        conn.execute("UPDATE event_mappings SET requested = requested + 1, mirror_etag = 'before'")

    world.put(link.target_calendar_id, event(mirror.id, title="by hand", marker=mirror.marker))
    world.look(link.target_calendar_id)
    world.pull(link.target_calendar_id)

    assert counts == [1]
