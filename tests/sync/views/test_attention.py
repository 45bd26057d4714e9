"""What the person is told of an account that fails, rests, or will end; and when each calendar was proved current."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from shared.connections import grants
from shared.connections import store as connections
from shared.core.errors import ReauthRequiredError, TransientError
from shared.sync.views import status
from tests.sync.ringing import Ringing
from tests.sync.world import event

if TYPE_CHECKING:
    from shared.core.errors import KalendsError
    from shared.store.database import Database


@pytest.fixture
def world(database: Database) -> Ringing:
    made = Ringing(database)
    source, target = made.calendar("a"), made.calendar("b")
    made.calendar("nobody links it")
    made.put(source, event("e1"))
    made.link(source, target)
    made.pass_minutes(1)
    return made


def read(world: Ringing) -> status.Status:
    with world.database.person(world.user_id) as conn:
        return status.read(conn, user_id=world.user_id, flags=world.engine.flags, now=world.time)


def told(world: Ringing) -> dict[str, str]:
    """The messages about the account, by code."""
    return {one.code: one.message for one in read(world).attention if one.kind == "connection"}


def fail(world: Ringing, error: KalendsError) -> None:
    with world.database.person(world.user_id) as conn:
        conn.execute("UPDATE external_calendar_connections SET backoff_until = NULL")
        connections.mark_failure(conn, world.connection_id, error, world.time)


def granted(world: Ringing, *, ends_after: timedelta | None) -> None:
    """The grant is new, and ends then."""
    with world.database.everyone() as conn:
        conn.execute(
            "UPDATE external_calendar_connections SET granted_at = %s, grant_ends_at = %s",
            (world.time, ends_after and world.time + ends_after),
        )


@pytest.mark.pain(9)
def test_an_open_circuit_is_told_with_its_cause_and_its_end(world: Ringing) -> None:
    for _ in range(4):
        fail(world, TransientError("No.", code="PROVIDER.UNREADABLE"))
    resting = set(told(world))
    fail(world, TransientError("No.", code="PROVIDER.UNREADABLE"))

    message = told(world)["CONNECTION.CIRCUIT_OPEN"]

    assert resting == {"CONNECTION.BACKING_OFF"}
    assert "5 times in a row (PROVIDER.UNREADABLE)" in message
    assert f"{world.time + timedelta(minutes=31):%H:}" in message


def test_testing_mode_is_told_before_it_ends_the_grant(world: Ringing) -> None:
    granted(world, ends_after=timedelta(days=7))

    assert "Publish app" in told(world)["CONNECTION.TESTING_MODE"]


def test_a_grant_without_an_end_is_nothing_to_tell(world: Ringing) -> None:
    granted(world, ends_after=None)

    assert told(world) == {}


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (ReauthRequiredError("Ended after seven days.", code=grants.TESTING_MODE), "Ended after seven days."),
        (ReauthRequiredError("Withdrawn."), "Connect it again"),
    ],
)
def test_why_an_account_must_be_connected_again_is_told_where_it_is_known(
    world: Ringing, error: KalendsError, words: str
) -> None:
    fail(world, error)

    assert words in told(world)["CONNECTION.NEEDS_REAUTH"]


@pytest.mark.pain(9)
def test_each_linked_calendar_was_proved_current_within_the_hour_however_quiet_it_is(world: Ringing) -> None:
    ages = []
    for _ in range(6):
        world.pass_minutes(37)
        ages += [world.time - one.proven_at for one in read(world).calendars if one.proven_at is not None]

    assert len(ages) == 12  # one that nobody links is not read, and says so
    assert max(ages) <= timedelta(minutes=52)
    assert {one.state for one in read(world).calendars} == {"current", "unlinked"}
