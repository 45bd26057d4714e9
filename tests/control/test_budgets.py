"""Google's budgets: no minute sees more than is allowed, live work goes first, every call counts towards the day."""

from __future__ import annotations

from contextlib import contextmanager, nullcontext, suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from uuid import UUID, uuid4

import pytest

from shared.control import budgets
from shared.control.budgets import PER_PROJECT, PER_USER, Budget, Rate
from shared.core.errors import QuotaSpentError
from shared.core.lanes import Lane
from shared.store.database import Database

if TYPE_CHECKING:
    from collections.abc import Iterator

    from shared.store.database import Connection
    from tests.postgres import Logins

NOW = datetime(2026, 6, 1, 6, 59, tzinfo=UTC)  # a minute before midnight in California
RATE = Rate(burst=100, per_second=10, kept=40)


@pytest.fixture
def app_id(database: Database) -> UUID:
    with database.everyone() as conn:
        ((found,),) = conn.execute(
            "INSERT INTO oauth_apps (provider, client_id) VALUES ('google', 'app-1') RETURNING id"
        ).fetchall()
    assert isinstance(found, UUID)
    return found


@pytest.fixture
def budget(database: Database, app_id: UUID, monkeypatch: pytest.MonkeyPatch) -> Budget:
    """An account that nobody has called yet, as live work sees it; whoever finds no room gives up at once."""
    monkeypatch.setattr(budgets, "PATIENCE", 0)
    made = Budget(
        database=database,
        user_id=uuid4(),
        app_id=app_id,
        account="ada",
        lane=Lane.LIVE,
        now=lambda: NOW,
        per_user=RATE,
        per_project=replace(RATE, burst=150, kept=50),
    )
    made.require_room()
    return made


def backfill(budget: Budget) -> Budget:
    return replace(budget, lane=Lane.BACKFILL)


def repair(budget: Budget) -> Budget:
    return replace(budget, lane=Lane.REPAIR)


def later(budget: Budget, seconds: float) -> Budget:
    return replace(budget, now=lambda: NOW + timedelta(seconds=seconds))


def spend(budget: Budget, calls: int) -> None:
    budget.require_room()
    with budget.turn(calls, at_once=1) as granted:
        assert granted == calls


def today(budget: Budget, at: datetime = NOW) -> dict[str, int]:
    with budget.database.everyone() as conn:
        return budgets.of_today(conn, now=at)


def test_no_minute_sees_more_than_google_allows() -> None:
    assert PER_USER.burst + 60 * PER_USER.per_second <= 600
    assert PER_PROJECT.burst + 60 * PER_PROJECT.per_second <= 10_000
    assert PER_USER.burst - PER_USER.kept >= 3 * 50  # fifty patches


def test_what_is_spent_fills_up_again_and_no_further_than_the_burst(budget: Budget) -> None:
    spend(budget, 100)

    with pytest.raises(QuotaSpentError):
        spend(budget, 1)
    spend(later(budget, 1), 10)
    with pytest.raises(QuotaSpentError):
        spend(later(budget, 1), 1)
    rested = later(budget, 3_600)
    spend(rested, 100)
    with pytest.raises(QuotaSpentError):
        spend(rested, 1)


def test_people_have_budgets_of_their_own_and_share_the_projects(budget: Budget) -> None:
    bob = replace(budget, account="bob", user_id=uuid4())
    spend(budget, 100)

    spend(bob, 50)

    with pytest.raises(QuotaSpentError):
        spend(bob, 1)


def test_another_app_is_another_project(budget: Budget, database: Database) -> None:
    spend(budget, 100)

    spend(replace(budget, app_id=uuid4()), 100)


def test_a_backfill_leaves_what_is_kept_for_live_work(budget: Budget) -> None:
    spend(backfill(budget), 60)

    with pytest.raises(QuotaSpentError):
        backfill(budget).require_room()
    spend(budget, 40)


def test_a_repair_leaves_half_as_much_for_live_work(budget: Budget) -> None:
    spend(repair(budget), 80)

    with pytest.raises(QuotaSpentError):
        repair(budget).require_room()
    spend(budget, 20)


def test_what_a_backfill_leaves_a_repair_may_take_half_of(budget: Budget) -> None:
    spend(backfill(budget), 60)

    spend(repair(budget), 20)

    with pytest.raises(QuotaSpentError):
        repair(budget).require_room()


@pytest.mark.parametrize(
    ("waiting", "held_up", "goes_on"),
    [
        (Lane.LIVE, [Lane.REPAIR, Lane.BACKFILL], [Lane.LIVE]),
        (Lane.REPAIR, [Lane.BACKFILL], [Lane.LIVE, Lane.REPAIR]),
        (Lane.BACKFILL, [], [Lane.LIVE, Lane.REPAIR, Lane.BACKFILL]),
    ],
)
def test_while_work_waits_nothing_that_goes_after_it_begins(
    budget: Budget, waiting: Lane, held_up: list[Lane], goes_on: list[Lane]
) -> None:
    spend(budget, 90)
    with pytest.raises(QuotaSpentError), replace(budget, lane=waiting).turn(20, at_once=1):
        pass
    with budget.database.everyone() as conn:
        conn.execute("UPDATE quotas SET calls = 100")

    for lane in held_up:
        with pytest.raises(QuotaSpentError):
            spend(replace(budget, lane=lane), 1)
    for lane in goes_on:
        spend(replace(budget, lane=lane), 1)


@pytest.mark.parametrize("lane", [Lane.LIVE, Lane.REPAIR])
def test_beside_a_backfill_that_never_ends_even_the_largest_batch_is_made_once_it_has_come_back(
    budget: Budget, lane: Lane
) -> None:
    real = replace(budget, account="bob", per_user=PER_USER, per_project=PER_PROJECT)
    made: list[int] = []

    for second in range(300):
        for calls in (150, 30, 6, 1):
            with suppress(QuotaSpentError):
                spend(later(backfill(real), second), calls)
        if second % 60 == 30:  # dispatch looks each minute
            with suppress(QuotaSpentError):
                spend(later(replace(real, lane=lane), second), 150)
                made.append(second)

    assert made[0] <= 90
    assert len(made) >= 2


def test_a_backfill_goes_on_soon_after_nothing_waits_before_it_any_more(budget: Budget) -> None:
    spend(budget, 90)
    with pytest.raises(QuotaSpentError), repair(budget).turn(20, at_once=1):
        pass

    spend(later(backfill(budget), 80), 1)


def test_more_than_a_bucket_ever_holds_waits_until_it_is_full_and_is_then_owed(budget: Budget) -> None:
    spend(budget, 130)

    with pytest.raises(QuotaSpentError):
        spend(later(budget, 3), 1)
    spend(later(budget, 4), 1)


def test_every_call_counts_towards_the_day_which_begins_at_midnight_in_california(budget: Budget) -> None:
    spend(budget, 7)
    spend(replace(budget, account="bob"), 5)
    spend(later(budget, 120), 3)

    assert today(budget) == {"app-1": 12}
    assert today(budget, NOW + timedelta(minutes=2)) == {"app-1": 3}


@pytest.mark.parametrize(
    ("calls", "goes_on"),
    [
        (899_990, [Lane.LIVE, Lane.REPAIR, Lane.BACKFILL]),
        (900_000, [Lane.LIVE, Lane.REPAIR]),
        (950_000, [Lane.LIVE]),
        (1_000_000, [Lane.LIVE]),
    ],
)
def test_near_the_daily_line_backfills_stop_then_repairs_and_live_work_goes_on(
    budget: Budget, calls: int, goes_on: list[Lane]
) -> None:
    spend(budget, 1)
    with budget.database.everyone() as conn:
        conn.execute("UPDATE quota_days SET calls = %s", (calls,))

    for lane in Lane:
        with nullcontext() if lane in goes_on else pytest.raises(QuotaSpentError):
            spend(replace(budget, lane=lane), 1)


def test_days_are_forgotten(budget: Budget) -> None:
    spend(budget, 1)

    with budget.database.everyone() as conn:
        budgets.forget_days(conn, before=NOW)
        kept = budgets.of_today(conn, now=NOW)
        budgets.forget_days(conn, before=NOW + timedelta(days=2))
        gone = budgets.of_today(conn, now=NOW)

    assert (kept, gone) == ({"app-1": 1}, {"app-1": 0})


def test_counting_a_call_costs_one_transaction_of_one_statement(budget: Budget, logins: Logins) -> None:
    begun: list[UUID] = []

    class Counted(Database):
        @contextmanager
        def person(self, user_id: UUID) -> Iterator[Connection]:
            begun.append(user_id)
            with super().person(user_id) as conn:
                yield conn

    database = Counted(logins.runtime)
    counted = replace(budget, database=database)
    counted.require_room()
    begun.clear()

    with counted.turn(1, at_once=1):
        pass

    database.close()
    assert begun == [budget.user_id]
