"""Quotas: never more calls than a provider allows, live work before repairs before backfill, and nothing lost with a
killed worker."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest

from shared.control import quotas
from shared.control.quotas import Limit, Quota
from shared.core import clock
from shared.core.errors import QuotaSpentError
from shared.core.lanes import Lane
from shared.store.database import Database

if TYPE_CHECKING:
    from tests.postgres import Logins

NOW = datetime(2026, 3, 1, tzinfo=UTC)
LIMIT = Limit(at_once=4, burst=100, per_second=10, kept=40)


@pytest.fixture
def quota(database: Database) -> Quota:
    """A mailbox that nobody has called yet, as live work sees it, at a time that stands still."""
    made = Quota(database=database, user_id=uuid4(), subject="mailbox:x", limit=LIMIT, lane=Lane.LIVE, now=lambda: NOW)
    made.require_room()
    return made


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who finds no turn gives up at once."""
    monkeypatch.setattr(quotas, "PATIENCE", 0)


def backfill(quota: Quota) -> Quota:
    return replace(quota, lane=Lane.BACKFILL)


def repair(quota: Quota) -> Quota:
    return replace(quota, lane=Lane.REPAIR)


def later(quota: Quota, seconds: float) -> Quota:
    return replace(quota, now=lambda: NOW + timedelta(seconds=seconds))


def spend(quota: Quota, calls: int) -> None:
    with quota.turn(calls, at_once=quota.limit.at_once):
        pass


def test_however_many_workers_call_no_more_are_on_their_way_than_allowed(logins: Logins, quota: Quota) -> None:
    running, most, counting = 0, 0, threading.Lock()

    def work(number: int) -> None:
        nonlocal running, most
        own = Database(logins.runtime)
        mine = replace(quota, database=own, lane=Lane(number % 3), now=clock.now, limit=replace(LIMIT, burst=1_000))
        for at_once in (1, 4, 2, 4):
            with mine.turn(at_once, at_once=at_once) as granted:
                with counting:
                    running += granted
                    most = max(most, running)
                time.sleep(0.005)
                with counting:
                    running -= granted
        own.close()

    with ThreadPoolExecutor(max_workers=6) as pool:
        list(pool.map(work, range(6)))

    assert most == LIMIT.at_once


def test_a_batch_takes_all_places_or_as_many_calls_as_places_are_free(quota: Quota) -> None:
    with quota.turn(20, at_once=4) as alone:
        pass
    with quota.turn(1, at_once=1), quota.turn(20, at_once=4) as beside_one:
        pass

    assert (alone, beside_one) == (20, 3)


def test_calls_that_run_one_after_the_other_take_one_place(quota: Quota) -> None:
    with quota.turn(20, at_once=1) as chain, quota.turn(3, at_once=3) as beside:
        pass

    assert (chain, beside) == (20, 3)


@pytest.mark.parametrize(
    ("waiting", "held_up", "goes_on"),
    [
        (Lane.LIVE, [Lane.REPAIR, Lane.BACKFILL], [Lane.LIVE]),
        (Lane.REPAIR, [Lane.BACKFILL], [Lane.LIVE, Lane.REPAIR]),
        (Lane.BACKFILL, [], [Lane.LIVE, Lane.REPAIR, Lane.BACKFILL]),
    ],
)
def test_while_work_waits_nothing_that_goes_after_it_begins_a_call(
    quota: Quota, impatient: None, waiting: Lane, held_up: list[Lane], goes_on: list[Lane]
) -> None:
    with quota.turn(20, at_once=4), pytest.raises(QuotaSpentError), replace(quota, lane=waiting).turn(1, at_once=1):
        pass

    for lane in goes_on:
        with replace(quota, lane=lane).turn(1, at_once=1) as granted:
            assert granted == 1
    for lane in reversed(held_up):
        with pytest.raises(QuotaSpentError), replace(quota, lane=lane).turn(1, at_once=1):
            pass
    for number, lane in enumerate(held_up, start=1):
        with later(replace(quota, lane=lane), number).turn(1, at_once=1) as granted:
            assert granted == 1


def test_a_backfill_stops_first_and_then_a_repair_and_each_goes_on_when_there_is_more(quota: Quota) -> None:
    spend(quota, 60)

    with pytest.raises(QuotaSpentError):
        backfill(quota).require_room()
    repair(quota).require_room()
    spend(quota, 20)
    with pytest.raises(QuotaSpentError):
        repair(quota).require_room()
    quota.require_room()
    later(repair(quota), 1).require_room()
    later(backfill(quota), 3).require_room()


def test_live_work_stops_only_when_everything_is_spent(quota: Quota) -> None:
    spend(quota, 99)
    quota.require_room()
    spend(quota, 1)

    with pytest.raises(QuotaSpentError):
        quota.require_room()


def test_a_bucket_fills_up_to_its_burst_and_no_further(quota: Quota) -> None:
    spend(quota, 50)
    rested = later(quota, 3_600)

    rested.require_room()
    spend(rested, 100)

    with pytest.raises(QuotaSpentError):
        rested.require_room()


def test_the_calls_of_a_killed_worker_are_over_when_no_call_can_last_longer(quota: Quota, impatient: None) -> None:
    never_left = quota.turn(20, at_once=4)
    never_left.__enter__()

    with pytest.raises(QuotaSpentError), quota.turn(1, at_once=1):
        pass

    with later(quota, quotas.LONGEST_CALL.total_seconds() + 1).turn(4, at_once=4) as granted:
        assert granted == 4


def test_a_mailbox_may_not_be_called_more_often_than_graph_documents() -> None:
    in_ten_minutes = quotas.MAILBOX.burst + 600 * quotas.MAILBOX.per_second

    assert in_ten_minutes <= 10_000
    assert quotas.MAILBOX.at_once == 4
