"""The same request of the same person is carried out once."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest

from shared.core.errors import ConflictError, InvalidError
from shared.store import idempotency
from shared.store.database import Database
from shared.store.idempotency import Answered

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
ANSWERED = Answered(status=201, response={"id": "1"})


@pytest.fixture
def ada(database: Database) -> UUID:
    return person(database)


def person(database: Database) -> UUID:
    user_id = uuid4()
    with database.everyone() as conn:
        conn.execute("INSERT INTO profiles (id, email) VALUES (%s, %s)", (user_id, f"{user_id}@x.example"))
    return user_id


def claim(database: Database, user_id: UUID, *, request: bytes = b"a", now: datetime = NOW) -> Answered | None:
    with database.person(user_id) as conn:
        return idempotency.claim(conn, user_id=user_id, key="k", request_hash=request, now=now)


def save(database: Database, user_id: UUID) -> None:
    with database.person(user_id) as conn:
        idempotency.save(conn, user_id=user_id, key="k", answered=ANSWERED)


def test_the_second_time_it_answers_what_the_first_did(database: Database, ada: UUID) -> None:
    first = claim(database, ada)
    save(database, ada)

    assert (first, claim(database, ada)) == (None, ANSWERED)


def test_while_the_first_is_under_way_the_second_is_told_so(database: Database, ada: UUID) -> None:
    claim(database, ada)

    with pytest.raises(ConflictError, match="under way"):
        claim(database, ada, now=NOW + timedelta(seconds=30))


def test_two_at_once_are_one(database: Database, ada: UUID) -> None:
    other = Database(database._conninfo)
    with database.person(ada) as conn:
        idempotency.claim(conn, user_id=ada, key="k", request_hash=b"a", now=NOW)
        with pytest.raises(Exception, match="gave up"), other.person(ada) as second:
            second.execute("SET LOCAL lock_timeout = '100ms'")
            idempotency.claim(second, user_id=ada, key="k", request_hash=b"a", now=NOW)
    other.close()


def test_a_claim_whose_worker_died_is_free_after_a_minute(database: Database, ada: UUID) -> None:
    claim(database, ada)

    assert claim(database, ada, now=NOW + timedelta(seconds=61)) is None


def test_a_failed_request_gives_its_key_back_and_an_answered_one_does_not(database: Database, ada: UUID) -> None:
    claim(database, ada)
    with database.person(ada) as conn:
        idempotency.release(conn, user_id=ada, key="k")
    freed = claim(database, ada)
    save(database, ada)
    with database.person(ada) as conn:
        idempotency.release(conn, user_id=ada, key="k")

    assert (freed, claim(database, ada)) == (None, ANSWERED)


def test_a_key_stands_for_one_request_of_one_person_for_a_day(database: Database, ada: UUID) -> None:
    claim(database, ada)
    save(database, ada)

    with pytest.raises(InvalidError, match="another request"):
        claim(database, ada, request=b"b")
    assert claim(database, person(database), request=b"b") is None
    assert claim(database, ada, request=b"b", now=NOW + timedelta(hours=24, seconds=1)) is None
