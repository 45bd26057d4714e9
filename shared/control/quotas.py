"""What providers let one account do, counted across all workers, so that they never have to refuse us.

One row for each subject that a provider counts: the calls that are on their way, and a bucket of calls that fills up
again steadily. Live work may empty the bucket; a backfill stops at what is kept for what goes before it, a repair at
half of that, and none starts anything while what goes before it waits for its turn. Whatever is turned away stays due
and is never a failure of the account.
"""

from __future__ import annotations

import random
import time
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from shared.core.errors import QuotaSpentError
from shared.core.lanes import Lane

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime
    from uuid import UUID

    from shared.store.database import Connection, Database

LONGEST_CALL = timedelta(seconds=20)
"""A call on its way for longer belongs to a worker that was killed; longer than any adapter's time-out."""
PATIENCE = 10.0
"""Seconds that one call waits for its turn, well inside a lease."""
LOOK_AGAIN = 0.03
"""Seconds between two looks whether it is one's turn."""
_YIELD = timedelta(seconds=0.1)
"""So long nothing later starts a call after live work or a repair has looked in vain; it looks again before."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """`at_once` calls at a time; `burst` calls and `per_second` more each second, of which a backfill leaves `kept`."""

    at_once: int
    burst: int
    per_second: float
    kept: int


MAILBOX = Limit(at_once=4, burst=2_500, per_second=12.5, kept=1_000)
"""An application at one Outlook mailbox: 4 calls at a time, 10,000 in any ten minutes (Graph, "Throttling limits",
Outlook service limits). A full bucket and ten minutes of filling are exactly those."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Quota:
    """One subject's quota as work in one lane sees it. `now` is the clock."""

    database: Database
    user_id: UUID
    subject: str
    limit: Limit
    lane: Lane
    now: Callable[[], datetime]

    def require_room(self) -> None:
        """Go on if this work may make calls now. Raises QuotaSpentError."""
        with self.database.person(self.user_id) as conn:
            row = conn.execute(
                """
                INSERT INTO quotas AS q (subject, calls, counted_at) VALUES (%(subject)s, %(burst)s, %(now)s)
                ON CONFLICT (subject) DO UPDATE
                   SET counted_at = greatest(q.counted_at, %(now)s),
                       calls = least(%(burst)s, q.calls + %(per_second)s
                                     * extract(epoch FROM greatest(%(now)s - q.counted_at, interval '0')))
                RETURNING calls
                """,
                {
                    "subject": self.subject,
                    "now": self.now(),
                    "burst": self.limit.burst,
                    "per_second": self.limit.per_second,
                },
            ).fetchone()
        if row is None or row[0] <= self.lane.leaves(self.limit.kept):
            raise self._spent()

    @contextmanager
    def turn(self, calls: int, *, at_once: int) -> Iterator[int]:
        """Wait until some of `calls` may be made, of which the provider carries out up to `at_once` at a time.

        Gives how many may be made while this context lasts: all of them, or one for each place that is free. Raises
        QuotaSpentError when there is none for PATIENCE.
        """
        began = time.monotonic()
        while not (granted := self._take(calls, at_once=at_once, until=(until := self.now() + LONGEST_CALL))):
            if time.monotonic() - began > PATIENCE:
                raise self._spent()
            time.sleep(LOOK_AGAIN * random.uniform(0.5, 1.5))  # noqa: S311 - spreads load, hides nothing
        try:
            yield granted
        finally:
            # Two calls that began in the same microsecond would end together: the provider may then refuse one.
            with self.database.person(self.user_id) as conn:
                conn.execute(
                    "UPDATE quotas SET running = array_remove(running, %s) WHERE subject = %s", (until, self.subject)
                )

    def _take(self, calls: int, *, at_once: int, until: datetime) -> int:
        now = until - LONGEST_CALL
        asked = {
            "subject": self.subject,
            "calls": calls,
            "at_once": at_once,
            "most": self.limit.at_once,
            "after_live": self.lane > Lane.LIVE,
            "after_repair": self.lane > Lane.REPAIR,
            "now": now,
            "until": until,
        }
        with self.database.person(self.user_id) as conn:
            row = conn.execute(
                """
                WITH free AS (
                  SELECT subject, alive, least(%(at_once)s, %(most)s - cardinality(alive)) AS places
                    FROM (SELECT subject, ARRAY(SELECT u FROM unnest(running) u WHERE u > %(now)s) AS alive
                            FROM quotas WHERE subject = %(subject)s AND (NOT %(after_live)s OR live_until <= %(now)s)
                                            AND (NOT %(after_repair)s OR repair_until <= %(now)s)
                             FOR UPDATE) q
                ), granted AS (
                  SELECT *, CASE WHEN places = %(at_once)s THEN %(calls)s ELSE places END AS number
                    FROM free WHERE places > 0
                )
                UPDATE quotas q
                   SET running = g.alive || array_fill(%(until)s, ARRAY[g.places]), calls = q.calls - g.number
                  FROM granted g WHERE q.subject = g.subject
                RETURNING g.number
                """,
                asked,
            ).fetchone()
            if row is None:
                wait_in(conn, self.lane, self.subject, until=now + _YIELD)
        return int(row[0]) if row else 0

    def _spent(self) -> QuotaSpentError:
        whose = "that the provider allows" if self.lane is Lane.LIVE else f"that a {self.lane.name.lower()} may take"
        return QuotaSpentError(f"The calls to {self.subject} {whose} are spent: the work goes on when there are more.")


def wait_in(conn: Connection, lane: Lane, subject: str, *, until: datetime) -> None:
    """Let no later lane begin a call to `subject` before that: work in this one has looked in vain."""
    match lane:
        case Lane.LIVE:
            conn.execute("UPDATE quotas SET live_until = %s WHERE subject = %s", (until, subject))
        case Lane.REPAIR:
            conn.execute("UPDATE quotas SET repair_until = %s WHERE subject = %s", (until, subject))
