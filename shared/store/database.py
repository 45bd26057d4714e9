"""PostgreSQL: one connection per execution environment, checked and reused; every transaction says for whom it works.

`person(user_id)` works for one person: row-level security shows that person's rows and no others. `everyone()` works
across people (dispatch, webhooks, workers that must first find out whose work it is) as role `kalends_operator`.
"""

from __future__ import annotations

from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg import errors as pg
from psycopg import sql

from shared.core.errors import ConflictError, KalendsError, TransientError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from uuid import UUID

type Connection = psycopg.Connection[tuple[Any, ...]]

CONNECT_TIMEOUT = 5
STATEMENT_TIMEOUT = 30_000
"""Milliseconds; a Lambda's request deadline is longer, so the message names the statement and not the time-out."""


class Database:
    """A lazily opened, reused connection. Not thread-safe: one per thread.

    `conninfo` may be asked for at each connection: a rotated password is then known as soon as it is needed.
    """

    def __init__(self, conninfo: str | Callable[[], str]) -> None:
        self._conninfo = conninfo
        self._connection: Connection | None = None

    @contextmanager
    def person(self, user_id: UUID) -> Iterator[Connection]:
        """A transaction that sees and changes only this person's rows."""
        with self._transaction(sql.SQL("SET LOCAL app.user_id = {}").format(str(user_id))) as conn:
            yield conn

    @contextmanager
    def everyone(self) -> Iterator[Connection]:
        """A transaction across people, as the operator role."""
        with self._transaction(sql.SQL("SET LOCAL ROLE kalends_operator")) as conn:
            yield conn

    def close(self) -> None:
        """Close the connection; the next transaction opens another."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    @contextmanager
    def _transaction(self, for_whom: sql.Composable) -> Iterator[Connection]:
        conn, outermost = self._open()
        if not outermost:
            raise RuntimeError("A transaction is already open: pass its connection on instead of opening another.")
        try:
            # In one round trip, which psycopg's own transaction() cannot: a small piece of work has five transactions.
            conn.execute(sql.SQL("BEGIN; ") + for_whom, prepare=False)
            try:
                yield conn
            except BaseException:
                with suppress(psycopg.Error):  # a connection that is lost has rolled back, and tells so itself
                    conn.rollback()
                raise
            conn.commit()
        except psycopg.Error as error:
            raise translate(error) from error

    def _open(self) -> tuple[Connection, bool]:
        conn = self._connection
        if conn is None or conn.closed or conn.broken:
            self._connection = conn = self._connect()
        elif conn.info.transaction_status is not psycopg.pq.TransactionStatus.IDLE:
            return conn, False
        elif not self._answers(conn):
            conn.close()
            self._connection = conn = self._connect()
        return conn, True

    def _connect(self) -> Connection:
        conninfo = self._conninfo if isinstance(self._conninfo, str) else self._conninfo()
        try:
            # No pooler stands in between, so what is repeated is prepared: planning was a third of a small pull's time.
            return psycopg.connect(
                conninfo,
                autocommit=True,
                connect_timeout=CONNECT_TIMEOUT,
                options=f"-c statement_timeout={STATEMENT_TIMEOUT} -c timezone=UTC",
                application_name="kalends",
            )
        except psycopg.Error as error:
            raise translate(error) from error

    @staticmethod
    def _answers(conn: Connection) -> bool:
        """Whether the other side still holds the connection; costs no round trip: only a look at the socket."""
        try:
            for _ in range(2):  # a server that stops says so before it hangs up: the first look sees only the words
                conn.pgconn.consume_input()
        except psycopg.OperationalError:
            return False
        return conn.pgconn.status == psycopg.pq.ConnStatus.OK


def translate(error: psycopg.Error) -> KalendsError:
    """The one translator of driver errors. Messages carry the SQLSTATE and constraint, never SQL or row values."""
    state = error.sqlstate or "none"
    match error:
        case pg.UniqueViolation() | pg.ExclusionViolation() | pg.ForeignKeyViolation():
            name = error.diag.constraint_name or "unknown"
            return ConflictError(f"The database refused the change: it contradicts {name}. Read again and decide anew.")
        case pg.SerializationFailure() | pg.DeadlockDetected() | pg.LockNotAvailable() | pg.QueryCanceled():
            return TransientError(
                f"The database gave up on a transaction (SQLSTATE {state}). Try again.", code="DATABASE.CONTENTION"
            )
        case psycopg.OperationalError() | psycopg.InterfaceError():
            return TransientError(
                f"The database cannot be reached (SQLSTATE {state}). Work waits and continues when it is back.",
                code="DATABASE.UNAVAILABLE",
            )
        case _:
            return KalendsError(
                f"The database refused a statement ({type(error).__name__}, SQLSTATE {state}). "
                "Check that the migrations are applied: kalends ops migrate.",
                code="DATABASE.ERROR",
            )
