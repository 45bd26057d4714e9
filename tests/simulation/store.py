"""The real store, in virtual time: PostgreSQL with hooks where a process may be killed and a database be gone."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg import sql

from shared.core.errors import TransientError
from shared.store.database import Database, translate
from tests import postgres

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime
    from random import Random

    from shared.store.database import Connection
    from tests.simulation.machine import Machine
    from tests.simulation.weather import Weather

SETUP = (Path(__file__).parent / "simulation.sql").read_text("utf-8")
SEARCH_PATH = "simulation, pg_catalog, public"
NOTED = sql.SQL("; SET LOCAL simulation.now = {now}; SET LOCAL simulation.actor = {who}")
"""When it is, and who acts: for the product's now(), and for the oracle's log."""
VACUUM_EVERY = 20
STALL = (5.0, 100.0)
"""Seconds that a process may stand still between two lines: as long as a lease holds, and longer."""


@dataclass(slots=True)
class Surroundings:
    """Of one history: what a transaction meets. `is_down`, `is_being_restored`: nobody reaches the database."""

    seed: int
    machine: Machine
    weather: Weather
    chance: Random
    is_down: bool = False
    is_being_restored: bool = False

    @property
    def is_out_of_reach(self) -> bool:
        """Whether nobody reaches the database."""
        return self.is_down or self.is_being_restored


@dataclass(frozen=True, slots=True, kw_only=True)
class Backup:
    """The rows of each table that has any, as COPY writes them, and where each sequence stood."""

    rows: dict[str, bytes]
    numbers: list[tuple[str, int]]


class _Cursor(psycopg.Cursor[Any]):
    """A cursor whose statements can be an actor's last."""

    def execute(self, *arguments: Any, **options: Any) -> Any:  # type: ignore[override]
        self.connection.meets.statement()  # type: ignore[attr-defined]
        return super().execute(*arguments, **options)


class VirtualDatabase(Database):
    """The product's own Database. Between transactions the actor may pause, stall or be killed; inside them it may be
    killed or lose the connection; and after the commit it may never hear of it."""

    def __init__(self, conninfo: str) -> None:
        super().__init__(conninfo)
        self.around: Surroundings | None = None

    def statement(self) -> None:
        """Before each statement."""
        around = self._around()
        weather = around.weather
        if around.is_out_of_reach:
            raise psycopg.OperationalError("the simulated database is down")
        if weather.strikes("killed in a transaction"):
            around.machine.kill("in a transaction")
        if weather.strikes("database contention"):
            raise psycopg.errors.DeadlockDetected("a simulated deadlock")

    @contextlib.contextmanager
    def _transaction(self, for_whom: sql.Composable) -> Iterator[Connection]:
        around = self._around()
        machine, weather = around.machine, around.weather
        if machine.actor is not None:
            machine.pause(0.001)
            if weather.strikes("stalled"):
                machine.pause(around.chance.uniform(*STALL))
            if weather.strikes("killed at a pause"):
                machine.kill("before a transaction")
        if around.is_out_of_reach:
            raise translate(psycopg.OperationalError("the simulated database is down"))
        who = machine.actor.name if machine.actor else "world"
        noted = NOTED.format(now=machine.time.isoformat(), who=who)
        with super()._transaction(for_whom + noted) as conn:
            yield conn
            if weather.strikes("killed before a commit"):
                machine.kill("before a commit")
        if weather.strikes("killed after a commit"):
            machine.kill("after a commit")
        if weather.strikes("commit unanswered"):
            raise TransientError("The simulated database did not answer a commit.", code="DATABASE.UNAVAILABLE")

    def _connect(self) -> Connection:
        conn = super()._connect()
        conn.prepare_threshold = 0
        conn.prepared_max = 1000
        conn.execute("SET plan_cache_mode = force_generic_plan")
        conn.cursor_factory = _Cursor
        conn.meets = self  # type: ignore[attr-defined]
        return conn

    def _around(self) -> Surroundings:
        assert self.around is not None, "this database belongs to no history"
        return self.around


class Store:
    """One database, used by one history after the other."""

    def __init__(self, logins: postgres.Logins) -> None:
        self._logins = logins
        self._idle: list[VirtualDatabase] = []
        self._used: list[VirtualDatabase] = []
        self._histories = 0
        self._root = psycopg.connect(logins.conninfo(postgres.SUPERUSER), autocommit=True)
        self._root.execute(SETUP.encode())
        name = sql.Identifier(logins.name)
        self._root.execute(sql.SQL("ALTER DATABASE {} SET search_path = {}").format(name, sql.SQL(SEARCH_PATH)))
        self._tables = [
            row[0]
            for row in self._root.execute(
                "SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'"
                " AND table_type = 'BASE TABLE' AND table_name <> 'schema_migrations' ORDER BY 1"
            )
        ]
        self._root.execute("SET session_replication_role = replica")

    def close(self) -> None:
        """Give every connection back."""
        for database in (*self._idle, *self._used):
            database.close()
        self._root.close()

    def begin(self, around: Surroundings) -> None:
        """Empty everything for a new history."""
        self._around = around
        self._idle += self._used
        self._used = []
        self._empty()
        self._root.execute("DELETE FROM simulation.log")
        self._root.execute("SELECT setval('simulation.ids', %s::bigint << 24)", (around.seed,))
        self._histories += 1
        if self._histories % VACUUM_EVERY == 0:
            self._root.execute("VACUUM")

    def knows_itself(self) -> bool:
        """Whether the product has noted which database this is: only then can it find out that it was restored."""
        return bool(self.rows("SELECT FROM database_identity"))

    def back_up(self) -> Backup:
        """Everything that is committed."""
        rows: dict[str, bytes] = {}
        for table in self._tables:
            with self._root.cursor() as cursor:
                command = sql.SQL("COPY {} TO STDOUT (FORMAT binary)").format(sql.Identifier(table))
                with cursor.copy(command) as copy:
                    rows[table] = b"".join(bytes(block) for block in copy)
        numbers = self.rows("SELECT sequencename, last_value FROM pg_sequences WHERE schemaname = 'public'")
        return Backup(rows=rows, numbers=[(name, last or 0) for name, last in numbers])

    def put_back(self, backup: Backup, *, at: datetime) -> None:
        """Everything is as it was, in a database of another timeline; the log tells what there is now."""
        self._empty()
        for table, rows in backup.rows.items():
            with self._root.cursor() as cursor:
                command = sql.SQL("COPY {} FROM STDIN (FORMAT binary)").format(sql.Identifier(table))
                with cursor.copy(command) as copy:
                    copy.write(rows)
        for name, last in backup.numbers:
            self._root.execute("SELECT setval(%s, %s, %s)", (name, max(last, 1), last > 0))
        self._root.execute("UPDATE database_identity SET timeline = timeline - 1")
        self._root.execute("SELECT simulation.note_restore(%s)", (at,))

    def _empty(self) -> None:
        deletions = sql.SQL("; ").join(
            [sql.SQL("DELETE FROM {}").format(sql.Identifier(table)) for table in self._tables]
        )
        self._root.execute(deletions)

    def tidy(self) -> None:
        """What autovacuum does for a database as time goes by: here none goes by."""
        self._root.execute("VACUUM ANALYZE")

    def database(self) -> VirtualDatabase:
        """A connection that nobody else uses."""
        database = self._idle.pop() if self._idle else VirtualDatabase(self._logins.runtime)
        database.around = self._around
        self._used.append(database)
        return database

    def give_back(self, database: VirtualDatabase) -> None:
        """The next actor may have it."""
        self._used.remove(database)
        self._idle.append(database)

    def rows(self, query: str, *parameters: Any) -> list[tuple[Any, ...]]:
        """What a query answers, whoever's rows they are."""
        return self._root.execute(query.encode(), parameters).fetchall()


@contextlib.contextmanager
def serve() -> Iterator[Store]:
    """A PostgreSQL server of one's own, with the simulation's database."""
    with postgres.serve() as server, server.database() as logins:
        store = Store(logins)
        try:
            yield store
        finally:
            store.close()
