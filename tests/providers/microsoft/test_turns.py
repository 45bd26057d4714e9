"""Graph allows four calls at a time at a mailbox, whoever makes them: two workers share them and are never refused."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest

from shared.calendar.span import Window
from shared.control import quotas
from shared.control.quotas import Quota
from shared.core import clock
from shared.core.errors import QuotaSpentError
from shared.core.lanes import Lane
from shared.providers.microsoft.client import MicrosoftCalendar
from shared.providers.microsoft.graph import Answer, Graph, Request
from shared.providers.port import Insert, Written
from shared.store.database import Database
from tests.providers import samples
from tests.providers.microsoft import scripted
from tests.providers.microsoft.scripted import Received, Reply

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.postgres import Logins
    from tests.providers.microsoft.conftest import MicrosoftWorld


def test_two_workers_and_a_reader_at_one_mailbox_are_never_refused(world: MicrosoftWorld, logins: Logins) -> None:
    world.faults(slow={"rate": 1, "seconds": 0.02})
    token = world.tokens().access_token
    window = Window(start=datetime(2026, 3, 1, tzinfo=UTC), end=datetime(2026, 4, 1, tzinfo=UTC))
    databases: list[Database] = []

    def account(lane: Lane) -> MicrosoftCalendar:
        databases.append(Database(logins.runtime))
        quota = Quota(
            database=databases[-1],
            user_id=uuid4(),
            subject="mailbox:pat",
            limit=quotas.MAILBOX,
            lane=lane,
            now=clock.now,
        )
        quota.require_room()
        return MicrosoftCalendar(access_token=token, graph_endpoint=world.endpoints.microsoft_graph, turns=quota.turn)

    def write(lane: Lane) -> list[bool]:
        name = lane.name.lower()
        inserts = [
            Insert(key=f"{name}{number}", marker=f"{name}-{number}", appearance=samples.event()) for number in range(25)
        ]
        answers = account(lane).write(world.calendar_id, inserts)
        return [isinstance(answer, Written) for answer in answers]

    def read(_: int) -> None:
        account(Lane.LIVE).changes(world.calendar_id, cursor=None, page=None, window=window)

    with ThreadPoolExecutor(max_workers=4) as pool:
        writing = [pool.submit(write, Lane.LIVE), pool.submit(write, Lane.BACKFILL)]
        list(pool.map(read, range(6)))
        written = [one for each in writing for one in each.result()]

    for database in databases:
        database.close()
    assert written == [True] * 50
    counted = world.sim("GET", "/requests")["requests"]
    assert [one for one in counted if one["status"] == 429] == []


def test_a_batch_goes_in_parts_as_places_come_free_and_its_answers_keep_their_order() -> None:
    asked: list[tuple[int, int]] = []

    @contextmanager
    def one_by_one(calls: int, *, at_once: int) -> Iterator[int]:
        asked.append((calls, at_once))
        yield 1

    def answer(received: Received) -> Reply:
        return Reply(body={"id": received.path.rpartition("/")[2]})

    requests = [Request(method="GET", path=f"/me/events/{number}", what="an event") for number in range(6)]
    with scripted.serve(answer) as server:
        found = Graph(access_token="t", endpoint=f"{server.base}/v1.0", turns=one_by_one).batch(requests)

    assert [answer.body["id"] for answer in found if isinstance(answer, Answer)] == list("012345")
    assert asked == [(6, 4), (5, 4), (4, 4), (3, 3), (2, 2), (1, 1)]


def test_without_a_turn_nothing_is_sent() -> None:
    @contextmanager
    def spent(calls: int, *, at_once: int) -> Iterator[int]:
        raise QuotaSpentError("spent")
        yield 0

    requests = [Request(method="GET", path=f"/me/events/{number}", what="an event") for number in range(3)]
    with scripted.serve(lambda _: Reply(body={})) as server:
        graph = Graph(access_token="t", endpoint=f"{server.base}/v1.0", turns=spent)
        with pytest.raises(QuotaSpentError):
            graph.batch(requests)
        with pytest.raises(QuotaSpentError):
            graph.send(requests[0])

    assert server.received == []
