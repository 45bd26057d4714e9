"""Silent channels: found by what they leave unsaid, and opened again, within an hour and for little (pain 10)."""

from __future__ import annotations

import logging
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from shared.calendar.event import Text
from shared.control.gates import Operation
from shared.operations import switches
from shared.sync.listening import silence
from tests.sync.ringing import Ringing
from tests.sync.world import event

if TYPE_CHECKING:
    from uuid import UUID

    from shared.store.database import Database

HOUR = 60


class Linked(Ringing):
    """A calendar that is only a source, and one that is only a target, both watched and quiet for an hour."""

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self.source, self.target = self.calendar("a"), self.calendar("b")
        self.put(self.source, event("e1"))
        self.link(self.source, self.target, privacy="title")
        self.pass_minutes(70)
        self.server.looks.clear()
        self.server.opened.clear()

    def edit(self, title: str) -> None:
        """Somebody renames the event."""
        self.put(self.source, event("e1", title=title))

    def titles(self) -> set[str]:
        """What the mirrors say."""
        return {one.text.title for one in self.mirrors(self.target) if one.text}

    def has_new_channel(self, calendar_id: UUID, *, instead_of: set[str]) -> bool:
        """Whether another channel is open and the old ones are stopped."""
        now_open = self.open_channels(calendar_id)
        return bool(now_open) and not now_open & instead_of


@pytest.fixture
def world(database: Database) -> Linked:
    return Linked(database)


@pytest.mark.pain(10)
@pytest.mark.parametrize("since_the_last_look", [0, 1, 20, 49])
def test_a_source_whose_channel_fell_silent_has_another_within_an_hour_of_an_edit(
    world: Linked, since_the_last_look: int
) -> None:
    mute = world.fall_silent(world.source)
    world.minutes_until(lambda: world.server.looks["a"] > 0)
    world.pass_minutes(since_the_last_look)

    world.edit("moved")
    minutes = world.minutes_until(lambda: world.has_new_channel(world.source, instead_of=mute))

    assert minutes <= HOUR
    assert world.titles() == {"moved"}
    world.edit("moved again")
    world.pass_minutes(2)
    assert world.titles() == {"moved again"}


def test_our_own_writes_find_a_silent_channel_within_minutes(world: Linked) -> None:
    mute = world.fall_silent(world.target)

    world.edit("moved")
    minutes = world.minutes_until(lambda: world.has_new_channel(world.target, instead_of=mute))

    assert minutes <= 10
    assert world.server.looks["b"] <= 4


def test_a_channel_is_not_given_up_because_it_is_late(world: Linked) -> None:
    world.delay = silence.GRACE - timedelta(minutes=1)

    for number in range(4):
        world.edit(f"title {number}")
        world.pass_minutes(90)

    assert world.server.opened == {}
    assert world.rows("SELECT count(*) FROM webhook_channels WHERE unanswered_since IS NOT NULL") == [(0,)]


def test_one_that_speaks_after_it_was_given_up_is_trusted_again(world: Linked) -> None:
    with world.database.everyone() as conn:
        conn.execute("UPDATE webhook_channels SET status = 'silent'")

    for channel_id in list(world.server.channels):
        world.tell(channel_id)

    assert world.rows("SELECT DISTINCT status FROM webhook_channels") == [("active",)]


def test_a_quiet_calendar_costs_fewer_than_thirty_requests_a_day(world: Linked) -> None:
    world.pass_minutes(10 * HOUR)

    assert world.server.looks["a"] * 24 / 10 < 30
    assert world.server.looks["b"] * 24 / 10 < 30
    assert world.server.opened == {}


def test_a_calendar_whose_channel_speaks_is_not_looked_at_besides(world: Linked) -> None:
    for number in range(10):
        world.edit(f"title {number}")
        world.pass_minutes(40)

    assert world.server.looks["a"] == 10


def test_what_changed_before_a_channel_was_opened_is_not_held_against_it(world: Linked) -> None:
    with world.database.everyone() as conn:
        conn.execute("UPDATE webhook_channels SET status = 'expired'")
    world.silent |= set(world.server.channels)
    world.edit("moved")

    world.pass_minutes(40)

    assert world.server.opened == {"a": 1, "b": 1}


def test_nothing_is_held_against_channels_while_notifications_are_refused(world: Linked) -> None:
    def gate(*, opened: bool) -> None:
        switches.set_gate(world.database, Operation.WEBHOOK, opened=opened, actor="test", reason="test", now=world.time)

    gate(opened=False)
    world.silent |= set(world.server.channels)  # nobody hears them
    world.edit("moved")
    world.pass_minutes(2 * HOUR)
    world.silent.clear()
    gate(opened=True)
    world.pass_minutes(2 * HOUR)

    assert world.titles() == {"moved"}
    assert world.server.opened == {}


@pytest.mark.pain(10)
def test_all_notifications_lost_still_converges(world: Linked) -> None:
    for _ in range(4):
        world.silent |= set(world.server.channels)
        world.edit(f"title {_}")
        world.pass_minutes(HOUR)

        assert world.titles() == {f"title {_}"}


def test_a_deletion_that_nobody_announced_is_found_out_too(world: Linked) -> None:
    mute = world.fall_silent(world.source)

    world.server.remove("a", "e1")
    minutes = world.minutes_until(lambda: world.has_new_channel(world.source, instead_of=mute))

    assert minutes <= HOUR
    assert world.mirrors(world.target) == []


def test_operators_see_which_channel_it_was_and_when_it_last_spoke(
    world: Linked, caplog: pytest.LogCaptureFixture
) -> None:
    world.edit("moved")
    world.pass_minutes(HOUR)
    (mute,) = world.fall_silent(world.source)
    world.edit("moved again")

    with caplog.at_level(logging.WARNING):
        world.minutes_until(lambda: world.has_new_channel(world.source, instead_of={mute}))

    (line,) = [one for one in caplog.records if one.message == "channel silent"]
    assert (line.__dict__["channel_id"], line.__dict__["error_code"]) == (mute, "CHANNEL.SILENT")
    assert line.__dict__["last_notified_at"]
    told = "SELECT status, last_notified_at < unanswered_since FROM webhook_channels WHERE channel_id = %s"
    assert world.rows(told, mute) == [("stopped", True)]


def test_a_repeated_write_that_changes_nothing_is_no_question(world: Linked) -> None:
    world.fall_silent(world.target)
    (mirror,) = world.mirrors(world.target)
    world.server.calendars["b"].events[mirror.id] = replace(mirror, text=Text(title="e1"))
    with world.database.everyone() as conn:
        conn.execute("UPDATE event_mappings SET requested = requested + 1")

    world.pass_minutes(10)

    assert world.server.opened == {}
