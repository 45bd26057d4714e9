"""Dead letters of an outage clear themselves; whatever keeps failing, and what nobody can read, stays to be seen."""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from uuid import UUID, uuid4

import pytest

from shared.aws.queues import DeadLetter
from shared.core import clock
from shared.sync import dead_letters
from shared.sync.dead_letters import Cleared
from tests.sync.world import World, event

if TYPE_CHECKING:
    from collections.abc import Sequence

    from shared.store.database import Database

SECRET = "Dentist with Kim"


@dataclass
class Letters:
    """A dead-letter queue that keeps its letters here."""

    name: str = "pull-dead"
    seen: list[DeadLetter] = field(default_factory=list)
    hidden: list[DeadLetter] = field(default_factory=list)

    def add(self, body: str) -> None:
        self.seen.append(DeadLetter(id=str(uuid4()), body=body, receipt=str(uuid4())))

    def read(self, most: int) -> list[DeadLetter]:
        taken, self.seen = self.seen[:most], self.seen[most:]
        self.hidden += taken
        return taken

    def delete(self, letters: Sequence[DeadLetter]) -> None:
        self.hidden = [one for one in self.hidden if one not in letters]

    def put_back(self, letters: Sequence[DeadLetter]) -> None:
        self.delete(letters)
        self.seen += letters


@pytest.fixture
def world(database: Database) -> World:
    return World(database)


@pytest.fixture
def letters() -> Letters:
    return Letters()


def body(world: World, task: str, calendar_id: UUID) -> str:
    fields = {"task": task, "calendar_id": calendar_id, "user_id": world.user_id, "correlation_id": "outage"}
    return json.dumps(fields, default=str)


def clear(world: World, letters: Letters) -> Cleared:
    return dead_letters.clear(world.database, [letters], now=clock.now())


def linked(world: World) -> tuple[UUID, UUID]:
    source, target = world.calendar("source"), world.calendar("target")
    world.link(source, target)
    return source, target


@pytest.mark.parametrize("task", ["pull", "push"])
def test_a_letter_whose_work_was_done_by_another_message_goes(world: World, letters: Letters, task: str) -> None:
    for calendar_id in linked(world):
        letters.add(body(world, task, calendar_id))

    cleared = clear(world, letters)

    assert cleared == Cleared(cleared=2)
    assert (letters.seen, letters.hidden) == ([], [])


def test_a_letter_stays_to_be_seen_until_its_calendar_has_been_read(world: World, letters: Letters) -> None:
    source, _ = linked(world)
    world.look(source)
    letters.add(body(world, "pull", source))

    before = clear(world, letters)
    stayed = len(letters.seen)
    world.run()
    after = clear(world, letters)

    assert (before, stayed) == (Cleared(waiting=1), 1)
    assert after == Cleared(cleared=1)


def test_a_letter_stays_until_its_mirrors_are_written(world: World, letters: Letters) -> None:
    source, target = linked(world)
    world.put(source, event("one"))
    world.look(source)
    world.pull(source)
    letters.add(body(world, "push", target))

    before = clear(world, letters)
    world.run()
    after = clear(world, letters)

    assert (before, after) == (Cleared(waiting=1), Cleared(cleared=1))


@pytest.mark.parametrize("status", ["needs_reauth", "disabled", "disconnected"])
def test_a_letter_that_nothing_can_be_done_about_goes(world: World, letters: Letters, status: str) -> None:
    source, _ = linked(world)
    world.look(source)
    letters.add(body(world, "pull", source))
    with world.database.everyone() as conn:
        conn.execute("UPDATE external_calendar_connections SET status = %s", (status,))

    assert clear(world, letters) == Cleared(cleared=1)


def test_a_letter_about_a_calendar_that_is_gone_goes(world: World, letters: Letters) -> None:
    letters.add(body(world, "pull", uuid4()))
    letters.add(body(world, "push", uuid4()))

    assert clear(world, letters) == Cleared(cleared=2)


@pytest.mark.parametrize("nonsense", ["", SECRET, "[]", '{"task": "dance"}', f'{{"task": "pull", "x": "{SECRET}"}}'])
def test_nonsense_stays_and_is_told_without_its_text(
    world: World, letters: Letters, caplog: pytest.LogCaptureFixture, nonsense: str
) -> None:
    letters.add(nonsense)
    letters.add(body(world, "pull", uuid4()))

    with caplog.at_level(logging.INFO):
        cleared = clear(world, letters)

    assert cleared == Cleared(cleared=1, unreadable=1)
    assert [one.body for one in letters.seen] == [nonsense]
    assert [(record.message, vars(record)["message_id"]) for record in caplog.records] == [
        ("dead letter cannot be read", letters.seen[0].id)
    ]
    assert SECRET not in str([vars(record) for record in caplog.records])


def test_an_empty_queue_asks_nothing_of_the_database(letters: Letters) -> None:
    assert dead_letters.clear(None, [letters], now=clock.now()) == Cleared()  # type: ignore[arg-type]
