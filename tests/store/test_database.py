"""The connection that a process keeps: replaced when the other side has ended it, and nobody notices."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from psycopg import sql

if TYPE_CHECKING:
    from shared.store.database import Database
    from tests.postgres import Server


def pid(database: Database) -> int:
    with database.everyone() as conn:
        row = conn.execute("SELECT pg_backend_pid()").fetchone()
    assert row is not None
    return int(row[0])


@pytest.mark.parametrize("times", [1, 2])
def test_a_connection_that_an_administrator_has_ended_is_replaced(
    database: Database, server: Server, times: int
) -> None:
    for _ in range(times):
        before = pid(database)
        server.execute(sql.SQL("SELECT pg_terminate_backend({}, 5000)").format(before))

        assert pid(database) != before


def test_a_connection_that_lives_is_kept(database: Database) -> None:
    assert pid(database) == pid(database)
