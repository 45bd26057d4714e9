"""Writes that a provider forbids: for a moment by mistake, or because a right was withdrawn."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from shared.core import clock
from shared.core.errors import ForbiddenError
from shared.providers.port import Failed
from shared.sync import dispatch
from shared.sync.settle import REMOVAL_ATTEMPTS
from tests.sync.world import World, event

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from shared.providers.port import Write, Written
    from shared.store.database import Database


@pytest.fixture
def world(database: Database) -> World:
    return World(database)


class Rights:
    """May take away the right to write, and give it back."""

    def __init__(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        self.given = True
        self._write = world.provider.write
        monkeypatch.setattr(world.provider, "write", self.write)

    def write(self, calendar_id: str, writes: Sequence[Write]) -> list[Written | Failed]:
        if self.given:
            return self._write(calendar_id, writes)
        return [Failed(error=ForbiddenError("The account may not do this.", gate="google")) for _ in writes]


@pytest.fixture
def rights(world: World, monkeypatch: pytest.MonkeyPatch) -> Rights:
    return Rights(world, monkeypatch)


def linked(world: World, **options: Any) -> tuple[UUID, UUID]:
    source, target = world.calendar("source"), world.calendar("target")
    world.link(source, target, **options)
    return source, target


def waits(world: World) -> list[timedelta]:
    return [
        due - clock.now() for (due,) in world.rows("SELECT next_attempt_at FROM event_mappings WHERE done < requested")
    ]


def let_the_wait_pass(world: World) -> None:
    with world.database.everyone() as conn:
        conn.execute("UPDATE event_mappings SET next_attempt_at = now() - interval '1 second'")
    dispatch.dispatch(world.engine, correlation_id="test", now=clock.now() + timedelta(minutes=2))
    world.run()


def test_a_mirror_that_may_not_be_written_is_written_when_it_may(world: World, rights: Rights) -> None:
    source, target = linked(world)
    rights.given = False
    world.put(source, event("one"))
    world.look(source)
    world.run()
    ((waiting),) = waits(world)

    rights.given = True
    let_the_wait_pass(world)

    assert timedelta(seconds=30) < waiting <= timedelta(minutes=2)
    assert len(world.mirrors(target)) == 1


def test_a_mirror_that_may_not_be_removed_is_left_alone_in_the_end(world: World, rights: Rights) -> None:
    source, _ = linked(world)
    world.put(source, event("one"))
    world.look(source)
    world.run()

    rights.given = False
    world.server.remove("source", "one")
    world.look(source)
    world.run()
    first = len(waits(world))
    for _ in range(REMOVAL_ATTEMPTS):
        let_the_wait_pass(world)

    assert first == 1
    assert waits(world) == []
