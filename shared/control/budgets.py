"""What Google lets one OAuth app do, counted across all workers: by the minute, for an account and for the project, and
by the day.

A bucket fills up steadily, so that no minute, wherever it begins, sees more than `burst` and what fills up in it. Live
work may empty the buckets; a backfill stops at what is kept for what goes before it, a repair at half of that, and none
starts anything while what goes before it waits. One statement counts a whole batch in all buckets.
"""

from __future__ import annotations

import random
import time
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from shared.control.quotas import LOOK_AGAIN, PATIENCE, wait_in
from shared.core.errors import QuotaSpentError
from shared.core.lanes import Lane

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import date, datetime
    from uuid import UUID

    from shared.store.database import Connection, Database

DAILY_LINE = 1_000_000
"""Requests a day of one project (Calendar API, "Usage limits", since May 2026)."""
KEPT_DAILY = 100_000
"""Of these, a backfill leaves the last ones, and a repair half of them. Live work is not stopped by the line: only
Google can say no."""
WARNED_AT = 0.8
_YIELD = timedelta(seconds=0.5)
"""So long nothing later begins a call after live work or a repair has looked in vain; it looks again before."""
_COMES_BACK = timedelta(seconds=75)
"""So long if it gave up: it comes back with the next dispatch, and by then the bucket holds even a large batch. Else
later work would keep the bucket just below that for ever."""
_DAY_OF = ZoneInfo("America/Los_Angeles")


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """`burst` calls and `per_second` more each second, of which a backfill leaves `kept`."""

    burst: int
    per_second: float
    kept: int


PER_USER = Rate(burst=240, per_second=6, kept=80)
"""600 a minute. The burst holds the largest batch of a backfill: 50 patches, which count three times each."""
PER_PROJECT = Rate(burst=2_000, per_second=133, kept=500)
"""10,000 a minute."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """The budget of an account at an OAuth app, as work in one lane sees it. `now` is the clock."""

    database: Database
    user_id: UUID
    app_id: UUID
    account: str
    lane: Lane
    now: Callable[[], datetime]
    per_user: Rate = PER_USER
    per_project: Rate = PER_PROJECT

    def require_room(self) -> None:
        """Go on if this work may make a call now. Raises QuotaSpentError."""
        with self.database.person(self.user_id) as conn:
            conn.execute(
                """
                INSERT INTO quotas (subject, calls, counted_at)
                SELECT s, b, %(now)s FROM unnest(%(subjects)s::text[], %(bursts)s::float8[]) u(s, b) ORDER BY s
                ON CONFLICT (subject) DO NOTHING
                """,
                self._asked(0),
            )
            granted = self._take(conn, 0)
        if not granted:
            raise self._spent()

    @contextmanager
    def turn(self, calls: int, *, at_once: int) -> Iterator[int]:
        """Wait until all of `calls` may be made, and count them. Google does not mind how many run `at_once`.

        Raises QuotaSpentError when they may not for PATIENCE; then none is counted.
        """
        began = time.monotonic()
        while True:
            gives_up = time.monotonic() - began > PATIENCE
            with self.database.person(self.user_id) as conn:
                if self._take(conn, calls):
                    break
                until = self.now() + (_COMES_BACK if gives_up else _YIELD)
                wait_in(conn, self.lane, self._user_subject, until=until)
            if gives_up:
                raise self._spent()
            time.sleep(LOOK_AGAIN * random.uniform(1, 3))  # noqa: S311 - spreads load, hides nothing
        yield calls

    def _take(self, conn: Connection, calls: int) -> bool:
        """Count the calls if there is room for them everywhere; of more than a bucket ever holds, if it is full."""
        row = conn.execute(
            """
            WITH filled AS MATERIALIZED (
              SELECT q.subject, q.live_until, q.repair_until,
                     least(u.burst, q.calls
                           + u.rate * extract(epoch FROM greatest(%(now)s - q.counted_at, interval '0'))) AS calls,
                     least(%(calls)s, u.burst - u.kept) AS needed, u.kept
                FROM quotas q
                JOIN unnest(%(subjects)s::text[], %(bursts)s::float8[], %(rates)s::float8[], %(kept)s::float8[])
                     AS u(subject, burst, rate, kept) ON u.subject = q.subject
               ORDER BY q.subject FOR UPDATE OF q
            ), granted AS (
              SELECT FROM filled HAVING count(*) = 2 AND bool_and(calls > kept AND calls - kept >= needed)
                 AND (NOT %(after_live)s OR (bool_and(live_until <= %(now)s) AND coalesce(
                      (SELECT calls FROM quota_days WHERE subject = %(project)s AND day = %(day)s), 0) < %(most)s))
                 AND (NOT %(after_repair)s OR bool_and(repair_until <= %(now)s))
            ), counted AS (
              INSERT INTO quota_days AS d (subject, day, calls)
              SELECT %(project)s, %(day)s, %(calls)s FROM granted WHERE %(calls)s > 0
              ON CONFLICT (subject, day) DO UPDATE SET calls = d.calls + excluded.calls
            )
            UPDATE quotas q SET calls = f.calls - %(calls)s, counted_at = greatest(q.counted_at, %(now)s)
              FROM filled f, granted g WHERE q.subject = f.subject
            RETURNING true
            """,
            self._asked(calls),
        ).fetchone()
        return row is not None

    def _asked(self, calls: int) -> dict[str, object]:
        rates = (self.per_user, self.per_project)
        now = self.now()
        return {
            "subjects": [self._user_subject, project(self.app_id)],
            "project": project(self.app_id),
            "bursts": [one.burst for one in rates],
            "rates": [one.per_second for one in rates],
            "kept": [self.lane.leaves(one.kept) for one in rates],
            "calls": calls,
            "after_live": self.lane > Lane.LIVE,
            "after_repair": self.lane > Lane.REPAIR,
            "most": DAILY_LINE - self.lane.leaves(KEPT_DAILY),
            "day": day(now),
            "now": now,
        }

    @property
    def _user_subject(self) -> str:
        return f"google-user:{self.app_id}:{self.account}"

    def _spent(self) -> QuotaSpentError:
        whose = "that Google allows" if self.lane is Lane.LIVE else f"that a {self.lane.name.lower()} may take"
        return QuotaSpentError(f"The calls {whose} are spent: the work goes on when there are more.")


def project(app_id: UUID) -> str:
    """The name under which the calls of an OAuth app are counted."""
    return f"google-project:{app_id}"


def day(now: datetime) -> date:
    """The day to which a call counts: Google's begin at midnight in California."""
    return now.astimezone(_DAY_OF).date()


def of_today(conn: Connection, *, now: datetime) -> dict[str, int]:
    """How many calls each OAuth app has made today, by its client id; those that made none have 0."""
    rows = conn.execute(
        """
        SELECT a.client_id, coalesce(d.calls, 0) FROM oauth_apps a
          LEFT JOIN quota_days d ON d.subject = 'google-project:' || a.id AND d.day = %s
         WHERE a.provider = 'google' ORDER BY a.client_id
        """,
        (day(now),),
    )
    return dict(rows.fetchall())


def forget_days(conn: Connection, *, before: datetime) -> None:
    """Drop the counts of days before that; needs a transaction across people."""
    conn.execute("DELETE FROM quota_days WHERE day < %s", (day(before),))
