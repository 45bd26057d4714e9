"""Leases: one writer per resource, and nobody waits for one."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from shared.core.errors import PreconditionFailedError
from shared.store import leases
from shared.store.database import Database

if TYPE_CHECKING:
    from collections.abc import Iterator

    from shared.store.leases import Lease
    from tests.postgres import Logins

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


@pytest.fixture
def another(logins: Logins) -> Iterator[Database]:
    """A second worker's connection."""
    opened = Database(logins.runtime)
    yield opened
    opened.close()


def claim(database: Database, *, now: datetime = NOW) -> Lease | None:
    """Claim in a transaction of its own, which must not wait."""
    with database.everyone() as conn:
        conn.execute("SET LOCAL lock_timeout = '2s'")
        return leases.claim(conn, "pull:one", holder="somebody", now=now, duration=MINUTE)


@pytest.mark.promise(6)
def test_lease_has_one_holder_until_it_is_over_and_then_a_higher_token(database: Database) -> None:
    first = claim(database)

    assert first is not None
    assert claim(database) is None
    later = claim(database, now=NOW + MINUTE)
    assert later is not None
    assert later.token > first.token


def test_lease_that_was_given_back_can_be_claimed_at_once(database: Database) -> None:
    first = claim(database)
    assert first is not None

    with database.everyone() as conn:
        leases.release(conn, first)

    # by whoever read the clock a moment before it was given back, too
    assert claim(database, now=NOW - timedelta(seconds=1)) is not None


def test_claim_does_not_wait_for_the_transaction_that_uses_the_lease(database: Database, another: Database) -> None:
    held = claim(database)
    assert held is not None

    with database.everyone() as conn:
        leases.guard(conn, held, now=NOW, duration=MINUTE)
        refused = claim(another, now=NOW + timedelta(hours=1))

    assert refused is None


@pytest.mark.promise(6)
def test_lease_that_was_taken_over_guards_nothing_any_more(database: Database) -> None:
    first = claim(database)
    assert first is not None
    claim(database, now=NOW + MINUTE)

    with pytest.raises(PreconditionFailedError), database.everyone() as conn:
        leases.guard(conn, first, now=NOW + MINUTE, duration=MINUTE)
