"""Failures climb the ladder, successes clear it, and what an operator set by hand stays (runbook 004)."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from uuid import UUID

import pytest
from psycopg import sql

from shared.connections import store
from shared.connections.store import LADDER
from shared.core.errors import (
    KalendsError,
    NotFoundError,
    RateLimitedError,
    ReauthRequiredError,
    TransientError,
)

if TYPE_CHECKING:
    from typing import LiteralString

    from shared.connections.store import Connection
    from shared.store.database import Database

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
OUTAGE = TransientError("Google answered 503 for calendar 17. It is tried again.")


@pytest.fixture
def connection(database: Database) -> Connection:
    """A connection that works."""
    with database.everyone() as conn:
        person = conn.execute("INSERT INTO profiles (email) VALUES ('ada@example.com') RETURNING id").fetchall()[0][0]
        app = conn.execute("INSERT INTO oauth_apps (provider, client_id) VALUES ('google', 'x') RETURNING id")
        made = conn.execute(
            """
            INSERT INTO external_calendar_connections
                   (provider_id, provider, provider_user_id, provider_email, oauth_app_id, status)
            VALUES (%s, 'google', '1', 'ada@example.com', %s, 'active') RETURNING id
            """,
            (person, app.fetchall()[0][0]),
        )
        return store.get(conn, made.fetchall()[0][0])


def fail(
    database: Database, connection: Connection, error: KalendsError = OUTAGE, *, now: datetime = NOW
) -> Connection:
    with database.person(connection.user_id) as conn:
        store.mark_failure(conn, connection.id, error, now)
        return store.get(conn, connection.id)


def succeed(database: Database, connection: Connection, *, now: datetime = NOW) -> Connection:
    with database.person(connection.user_id) as conn:
        store.mark_success(conn, connection.id, now)
        return store.get(conn, connection.id)


def by_hand(database: Database, change: LiteralString) -> None:
    with database.everyone() as conn:
        conn.execute(sql.SQL("UPDATE external_calendar_connections SET {}").format(sql.SQL(change)))


def wait(failed: Connection, now: datetime) -> float:
    """Minutes until it is tried again."""
    assert failed.backoff_until is not None
    return (failed.backoff_until - now).total_seconds() / 60


def test_failures_in_a_row_wait_longer_each_time_and_the_fifth_opens_the_circuit(
    database: Database, connection: Connection
) -> None:
    now = NOW
    for number, minutes in enumerate([*LADDER[:4], 30, 30, 30], start=1):
        failed = fail(database, connection, now=now)

        assert minutes * 0.9 <= wait(failed, now) <= minutes * 1.1
        assert (failed.error_count, failed.status, failed.last_attempt_at) == (number, "error", now)
        assert failed.circuit_is_open(now) == (number >= 5)
        assert failed.backoff_until is not None
        now = failed.backoff_until

    with database.everyone() as conn:
        events = conn.execute("SELECT event_type, payload ->> 'code' FROM outbox").fetchall()
    assert events == [("connection.circuit_opened", "TRANSIENT")]
    assert succeed(database, connection, now=now).error_count == 0


def test_an_open_circuit_rests_for_at_least_half_an_hour(database: Database, connection: Connection) -> None:
    by_hand(database, "error_count = 4")

    waits = []
    for _ in range(5):
        waits.append(wait(fail(database, connection), NOW))
        by_hand(database, "backoff_until = NULL, error_count = 4")

    assert all(30 <= one <= 33 for one in waits)


def test_waits_differ_so_that_an_outage_does_not_end_in_a_stampede(database: Database, connection: Connection) -> None:
    waits = set()
    for _ in range(5):
        waits.add(wait(fail(database, connection), NOW))
        by_hand(database, "backoff_until = NULL, error_count = 0")

    assert len(waits) == 5


def test_calendars_that_fail_together_climb_once(database: Database, connection: Connection) -> None:
    for second in range(20):
        failed = fail(database, connection, now=NOW + timedelta(seconds=second))

    assert failed.error_count == 1
    assert wait(failed, NOW) <= 1.1


def test_a_provider_that_names_a_time_is_given_it(database: Database, connection: Connection) -> None:
    failed = fail(database, connection, RateLimitedError("Slow down.", retry_after=3600))

    assert wait(failed, NOW) == 60


def test_a_short_retry_after_does_not_shorten_the_ladder(database: Database, connection: Connection) -> None:
    failed = fail(database, connection, RateLimitedError("Slow down.", retry_after=1))

    assert wait(failed, NOW) >= 0.9


def test_a_longer_retry_after_counts_while_it_backs_off_already(database: Database, connection: Connection) -> None:
    fail(database, connection)

    failed = fail(database, connection, RateLimitedError("Slow down.", retry_after=3600))

    assert wait(failed, NOW) == 60


def test_neither_failure_nor_success_shortens_a_backoff_set_by_hand(database: Database, connection: Connection) -> None:
    by_hand(database, "backoff_until = '2026-03-01 14:00Z'")

    failed, succeeded = fail(database, connection), succeed(database, connection)

    assert failed.backoff_until == succeeded.backoff_until == datetime(2026, 3, 1, 14, tzinfo=UTC)
    assert not succeeded.may_sync(NOW)


def test_success_clears_everything(database: Database, connection: Connection) -> None:
    failed = fail(database, connection)
    assert failed.backoff_until is not None

    again = succeed(database, connection, now=failed.backoff_until)

    assert (again.status, again.error_count, again.last_error, again.backoff_until) == ("active", 0, None, None)
    assert again.last_synced_at == again.last_attempt_at == failed.backoff_until
    assert again.may_sync(failed.backoff_until)


def test_the_error_is_json_with_code_and_message(database: Database, connection: Connection) -> None:
    failed = fail(database, connection)

    assert json.loads(failed.last_error or "") == {"code": "TRANSIENT", "message": OUTAGE.message}


def test_a_very_long_message_is_cut(database: Database, connection: Connection) -> None:
    failed = fail(database, connection, TransientError("x" * 10_000))

    assert len(failed.last_error or "") < 600


@pytest.mark.parametrize("status", ["needs_reauth", "disabled", "disconnected"])
def test_a_late_success_does_not_wake_what_waits_for_a_person(
    database: Database, connection: Connection, status: LiteralString
) -> None:
    by_hand(database, f"status = '{status}', error_count = 3, last_error = '{{}}'")

    after = succeed(database, connection)

    assert (after.status, after.error_count, after.last_error) == (status, 3, "{}")


@pytest.mark.parametrize("status", ["needs_reauth", "disabled", "disconnected"])
def test_a_late_failure_does_not_hide_what_waits_for_a_person(
    database: Database, connection: Connection, status: LiteralString
) -> None:
    by_hand(database, f"status = '{status}'")

    assert fail(database, connection).status == status


def test_a_refused_grant_waits_for_the_person_and_is_published_once(database: Database, connection: Connection) -> None:
    for _ in range(3):
        failed = fail(database, connection, ReauthRequiredError("Google no longer accepts the grant."))

    with database.everyone() as conn:
        events = conn.execute("SELECT event_type, payload ->> 'provider' FROM outbox").fetchall()
    assert events == [("connection.needs_reauth", "google")]
    assert (failed.status, failed.backoff_until) == ("needs_reauth", None)
    assert "invalid_token" in (failed.last_error or "")
    assert not failed.may_sync(NOW)


def test_what_is_not_there_is_not_found(database: Database) -> None:
    with database.person(UUID(int=1)) as conn:
        assert store.find(conn, UUID(int=2)) is None
        assert store.list_connections(conn, user_id=UUID(int=1)) == []
    with pytest.raises(NotFoundError), database.person(UUID(int=1)) as conn:
        store.get(conn, UUID(int=2))


def test_people_list_their_own(database: Database, connection: Connection) -> None:
    with database.person(connection.user_id) as conn:
        assert store.list_connections(conn, user_id=connection.user_id) == [connection]
    with database.everyone() as conn:
        assert store.list_connections(conn, user_id=UUID(int=7)) == []


def test_the_wrapped_key_is_not_printed(connection: Connection) -> None:
    assert "data_key_enc" not in repr(connection)
