"""Google's quotas are kept by our own count: it never has to refuse, and a large copy keeps nobody's change waiting."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import batched
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest

from shared.control.budgets import PER_PROJECT, Budget, Rate
from shared.core import clock
from shared.core.errors import QuotaSpentError
from shared.core.lanes import Lane
from shared.providers.google.client import GoogleCalendar
from shared.providers.port import Delete, Failed, Insert, Written
from shared.store.database import Database
from tests.providers import samples

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.postgres import Logins
    from tests.providers.google.conftest import GoogleWorld


PER_USER = Rate(burst=600, per_second=90, kept=200)
"""Ten times the real one, as is the quota of the simulated Google: the test lasts a tenth of the time."""


def insert(key: str) -> Insert:
    return Insert(key=key, marker=f"marker-{key}", appearance=samples.event())


def refused(world: GoogleWorld) -> list[Any]:
    counted = world.sim("GET", "/requests")["requests"]
    return [one for one in counted if one["status"] in (403, 429)]


def test_a_copy_of_two_thousand_events_meets_no_refusal_and_live_work_does_not_wait(
    world: GoogleWorld, logins: Logins
) -> None:
    world.faults(quota={"per_user_minute": 6_000})
    token, app_id, databases = world.tokens().access_token, uuid4(), []

    def account(lane: Lane) -> GoogleCalendar:
        databases.append(Database(logins.runtime))
        budget = Budget(
            database=databases[-1],
            user_id=uuid4(),
            app_id=app_id,
            account="pat",
            lane=lane,
            now=clock.now,
            per_user=PER_USER,
            per_project=PER_PROJECT,
        )
        budget.require_room()
        return GoogleCalendar(access_token=token, api_endpoint=world.endpoints.google_api, turns=budget.turn)

    def copy() -> int:
        google, standing = account(Lane.BACKFILL), 0
        for keys in batched((f"c{number:04}" for number in range(2_000)), 20, strict=False):
            pending = list(keys)
            while pending:
                answers = google.write(world.calendar_id, [insert(key) for key in pending])
                spent = [isinstance(one, Failed) and isinstance(one.error, QuotaSpentError) for one in answers]
                standing += sum(isinstance(one, Written) for one in answers)
                pending = [key for key, again in zip(pending, spent, strict=True) if again]
        return standing

    with ThreadPoolExecutor(max_workers=1) as pool:
        copying = pool.submit(copy)
        live, written = account(Lane.LIVE), 0
        while not copying.done():
            (answer,) = live.write(world.calendar_id, [insert(f"v{written:04}")])
            assert isinstance(answer, Written)
            written += 1
            time.sleep(0.2)
        copied = copying.result()
    for database in databases:
        database.close()

    assert copied == 2_000
    assert refused(world) == []
    assert written > 1


def test_each_call_of_a_batch_counts_and_a_patch_three_times(world: GoogleWorld) -> None:
    counted: list[tuple[int, int]] = []

    @contextmanager
    def turns(calls: int, *, at_once: int) -> Iterator[int]:
        counted.append((calls, at_once))
        yield calls

    google = GoogleCalendar(
        access_token=world.tokens().access_token, api_endpoint=world.endpoints.google_api, turns=turns
    )
    google.write(world.calendar_id, [insert(f"a{number:04}") for number in range(3)])
    google.write(world.calendar_id, [insert("b0000")])
    google.list_calendars()

    assert counted == [(3, 3), (1, 1), (1, 1)]


def test_without_room_nothing_is_sent_and_each_write_says_so(world: GoogleWorld) -> None:
    @contextmanager
    def spent(calls: int, *, at_once: int) -> Iterator[int]:
        raise QuotaSpentError("spent")
        yield 0

    token = world.tokens().access_token
    before = world.sim("GET", "/requests")["requests"]
    google = GoogleCalendar(access_token=token, api_endpoint=world.endpoints.google_api, turns=spent)

    answers = google.write(world.calendar_id, [insert("a0000"), Delete(event_id="b0000", marker="x")])
    with pytest.raises(QuotaSpentError):
        google.list_calendars()

    assert [isinstance(one, Failed) and isinstance(one.error, QuotaSpentError) for one in answers] == [True, True]
    assert world.sim("GET", "/requests")["requests"] == before
