"""What a pull and a push have in common: one worker at a time, a line in the journal of runs, and what failures mean.

A failure is recorded on the connection and the run, and not raised: time mends it, and not another delivery of the
message. Errors of the database are raised, for then nothing can be recorded.
"""

from __future__ import annotations

import logging
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import TYPE_CHECKING

from shared.connections import store as connections
from shared.control import gates
from shared.core.errors import (
    CursorExpiredError,
    KalendsError,
    PreconditionFailedError,
    QuotaSpentError,
    RateLimitedError,
    ReauthRequiredError,
)
from shared.core.lanes import Lane
from shared.store import leases
from shared.sync.store import calendars, runs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime
    from typing import Literal
    from uuid import UUID

    from shared.connections.store import Connection
    from shared.crypto.keyring import DataKey
    from shared.providers.port import CalendarProvider
    from shared.store.database import Connection as DatabaseConnection
    from shared.store.leases import Lease
    from shared.sync.context import Engine
    from shared.sync.store.calendars import SyncedCalendar

log = logging.getLogger(__name__)

LEASE = timedelta(seconds=60)
OF_ACCOUNT = (RateLimitedError, ReauthRequiredError, QuotaSpentError)
"""Errors after which the provider need not be asked anything more."""
AT_DISPATCH = 60.0
"""Seconds until dispatch looks again. What is not live and is told to wait no longer keeps nobody else waiting."""


class Outcome(StrEnum):
    """How a pull or a push ended."""

    DONE = "done"
    MORE = "more"
    BUSY = "busy"
    PARKED = "parked"
    FAILED = "failed"


@dataclass(slots=True, kw_only=True)
class Run:
    """One pull or push of a calendar, under its lease; counts what it has done so far.

    `lane` is that of the work at hand. `processed` and `failed` count events or mirrors, `requests` the provider's
    calls as far as they are known.
    """

    engine: Engine
    task: Literal["pull", "push"]
    calendar: SyncedCalendar
    connection: Connection
    lease: Lease
    id: UUID
    correlation_id: str
    key: DataKey
    lane: Lane
    processed: int = 0
    failed: int = 0
    requests: int = 0

    @property
    def is_live(self) -> bool:
        """Whether a person waits for this."""
        return self.lane is Lane.LIVE

    @contextmanager
    def transaction(self, now: datetime) -> Iterator[DatabaseConnection]:
        """A transaction that holds only as long as the lease does, and extends it. Raises PreconditionFailedError."""
        with self.engine.database.person(self.calendar.user_id) as conn:
            leases.guard(conn, self.lease, now=now, duration=LEASE)
            yield conn

    def finish(self, conn: DatabaseConnection, *, outcome: str | None = None, error: str | None = None) -> None:
        """Close the run's line: a success, or `partial` if something failed, unless `outcome` says otherwise."""
        runs.finish(
            conn,
            self.id,
            outcome=outcome or ("partial" if self.failed else "success"),
            processed=self.processed,
            failed=self.failed,
            requests=self.requests,
            now=self.engine.now(),
            error=error,
        )

    def with_provider[Answer](self, work: Callable[[CalendarProvider], Answer]) -> Answer:
        """Do repeatable work with the connection's account, in the lane at hand."""
        return self.engine.with_provider(self.connection, work, lane=self.lane)

    def source_keys(self, conn: DatabaseConnection) -> Callable[[UUID], DataKey]:
        """Gives the data key of a source calendar's connection, by the calendar's id."""
        return lambda calendar_id: self.engine.data_key(conn, calendars.get(conn, calendar_id).connection_id)

    def guarded(self, work: Callable[[], Outcome]) -> Outcome:
        """Do `work`, and record what goes wrong."""
        try:
            return work()
        except PreconditionFailedError:
            return Outcome.BUSY
        except QuotaSpentError as error:
            return self._park(error)
        except CursorExpiredError as error:
            with self.engine.database.person(self.calendar.user_id) as conn:
                calendars.forget_cursor(conn, self.calendar)
                self.finish(conn, outcome="partial", error=error.error_code)
            return Outcome.MORE
        except KalendsError as error:
            if error.error_code.startswith("DATABASE."):
                raise
            if not self.is_live and isinstance(error, RateLimitedError) and (error.retry_after or 0) <= AT_DISPATCH:
                return self._park(error)
            self._record(error)
            return Outcome.FAILED

    def _park(self, error: KalendsError) -> Outcome:
        """Nothing is wrong with the account: what is left waits for dispatch, and other work goes on meanwhile, as soon
        as the provider wants to be asked again."""
        with self.engine.database.person(self.calendar.user_id) as conn:
            if isinstance(error, RateLimitedError) and error.retry_after:
                until = self.engine.now() + timedelta(seconds=error.retry_after)
                connections.rest(conn, self.connection.id, until=until)
            self.finish(conn, outcome="partial", error=f"{error.error_code}: {error.message}")
        return Outcome.PARKED

    def _record(self, error: KalendsError) -> None:
        with self.engine.database.person(self.calendar.user_id) as conn:
            connections.mark_failure(conn, self.connection.id, error, now=self.engine.now())
            if self.task == "pull":
                calendars.mark_error(conn, self.calendar.id, code=error.error_code)
            self.finish(conn, outcome="failure", error=f"{error.error_code}: {error.message}")
        log.warning(
            "run failed",
            extra={
                "category": "calendar_sync",
                "task": self.task,
                "error_code": error.error_code,
                "calendar_id": str(self.calendar.id),
                "connection_id": str(self.connection.id),
                "provider_id": str(self.calendar.user_id),
                "correlation_id": self.correlation_id,
            },
        )


def may_start(conn: DatabaseConnection, engine: Engine, connection: Connection, *, now: datetime) -> bool:
    """Whether work for a connection may start; while it may not, it stays due."""
    return connection.may_sync(now) and gates.is_open(conn, gates.Operation.SYNC, settings_flags=engine.flags)


def start(
    conn: DatabaseConnection,
    engine: Engine,
    *,
    task: Literal["pull", "push"],
    lane: Lane,
    calendar: SyncedCalendar,
    connection: Connection,
    correlation_id: str,
    now: datetime,
) -> Run | None:
    """Begin a run of `task`; None while another worker has the calendar."""
    lease = leases.claim(conn, f"{task}:{calendar.id}", holder=engine.holder, now=now, duration=LEASE)
    if lease is None:
        return None
    run_id = runs.start(
        conn,
        kind="full" if task == "pull" and calendar.needs_full_sync else task,
        user_id=calendar.user_id,
        calendar_id=calendar.id,
        correlation_id=correlation_id,
        now=now,
    )
    return Run(
        engine=engine,
        task=task,
        calendar=calendar,
        connection=connection,
        lease=lease,
        id=run_id,
        correlation_id=correlation_id,
        key=engine.data_key(conn, connection.id),
        lane=lane,
    )
