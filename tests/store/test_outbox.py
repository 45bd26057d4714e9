"""The outbox: written with the change, published at least once, refused events wait and in the end are set aside."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest

from shared.core import clock
from shared.store import outbox

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from shared.store.database import Database
    from shared.store.outbox import Pending

NOW = clock.now()


@pytest.fixture
def person(database: Database) -> UUID:
    user_id = uuid4()
    with database.everyone() as conn:
        conn.execute("INSERT INTO profiles (id, email) VALUES (%s, 'ada@x.example')", (user_id,))
    return user_id


def tell(database: Database, person: UUID, number: int) -> None:
    with database.person(person) as conn:
        outbox.publish(
            conn,
            "connection.needs_reauth",
            user_id=person,
            aggregate_type="connection",
            aggregate_id=uuid4(),
            payload={"number": number},
            correlation_id="c-1",
        )


class Bus:
    """Takes events, or refuses them with a code."""

    def __init__(self, refusal: str | None = None) -> None:
        self.refusal = refusal
        self.taken: list[str] = []

    def put(self, pending: Sequence[Pending]) -> list[str | None]:
        self.taken += [one.detail() for one in pending]
        return [self.refusal for _ in pending]


def relay(database: Database, bus: Bus, *, seconds: float = 0) -> dict[str, int]:
    with database.everyone() as conn:
        return outbox.relay(conn, bus.put, now=NOW + timedelta(seconds=seconds))


def test_events_are_published_once_in_their_order(database: Database, person: UUID) -> None:
    for number in range(3):
        tell(database, person, number)
    bus = Bus()

    assert relay(database, bus) == {"published": 3, "failed": 0}
    assert relay(database, bus) == {"published": 0, "failed": 0}

    details = [json.loads(detail) for detail in bus.taken]
    assert [detail["data"]["number"] for detail in details] == [0, 1, 2]
    assert details[0]["type"] == "connection.needs_reauth"
    assert details[0]["metadata"] == {"correlation_id": "c-1"}


def test_an_event_whose_change_was_rolled_back_was_never_there(database: Database, person: UUID) -> None:
    with pytest.raises(ZeroDivisionError), database.person(person) as conn:
        outbox.publish(conn, "x.y", user_id=person, aggregate_type="x", aggregate_id=uuid4(), payload={})
        raise ZeroDivisionError

    assert relay(database, Bus()) == {"published": 0, "failed": 0}


def test_a_refused_event_waits_longer_each_time_and_is_dead_after_five_attempts(
    database: Database, person: UUID
) -> None:
    tell(database, person, 1)
    bus = Bus(refusal="ThrottlingException")
    at, waits = 0.0, []
    for wait in (1, 2, 4, 8, 16):
        assert relay(database, bus, seconds=at) == {"published": 0, "failed": 1}
        assert relay(database, bus, seconds=at + wait - 0.5) == {"published": 0, "failed": 0}
        waits.append(wait)
        at += wait

    assert len(bus.taken) == 5
    with database.everyone() as conn:
        rows = conn.execute("SELECT retry_count, dead_letter_reason FROM outbox WHERE dead_lettered_at IS NOT NULL")
        assert rows.fetchall() == [(5, "ThrottlingException")]
    assert relay(database, Bus(), seconds=3600) == {"published": 0, "failed": 0}
