"""A backup of a test's database, and its restore: every row of every table as it was, and another database identity."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg
from psycopg import sql

from tests.postgres import SUPERUSER

if TYPE_CHECKING:
    from tests.postgres import Logins

type Backup = dict[str, bytes]
"""The rows of each table, as COPY writes them."""


def back_up(logins: Logins) -> Backup:
    """Every row there is."""
    with psycopg.connect(logins.conninfo(SUPERUSER)) as conn, conn.cursor() as cursor:
        taken: Backup = {}
        for table in _tables(conn):
            with cursor.copy(sql.SQL("COPY {} TO STDOUT (FORMAT binary)").format(sql.Identifier(table))) as copy:
                taken[table] = b"".join(bytes(block) for block in copy)
        return taken


def restore(logins: Logins, backup: Backup) -> None:
    """Put everything back, as on a cluster of another timeline."""
    with psycopg.connect(logins.conninfo(SUPERUSER)) as conn, conn.cursor() as cursor:
        cursor.execute("SET session_replication_role = replica")  # rows as they were: no trigger makes others
        cursor.execute(sql.SQL("TRUNCATE {}").format(sql.SQL(", ").join(map(sql.Identifier, backup))))
        for table, rows in backup.items():
            with cursor.copy(sql.SQL("COPY {} FROM STDIN (FORMAT binary)").format(sql.Identifier(table))) as copy:
                copy.write(rows)
        cursor.execute("UPDATE database_identity SET timeline = timeline - 1")


def _tables(conn: psycopg.Connection) -> list[str]:
    return [
        row[0]
        for row in conn.execute(
            "SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename <> 'schema_migrations'"
        )
    ]
