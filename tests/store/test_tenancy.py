"""Row-level security, proved for every table the catalogue knows, so that a new one cannot be forgotten."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import UUID

import psycopg
import pytest
from psycopg import sql

from shared.core.errors import KalendsError
from tests.postgres import SUPERUSER

if TYPE_CHECKING:
    from collections.abc import Iterator

    from shared.store.database import Database
    from tests.postgres import Logins

A, B = UUID(int=0xA), UUID(int=0xB)

SHARED_BY_ALL = {
    *("schema_migrations", "oauth_apps", "gates", "heartbeats", "leases", "quotas", "quota_days"),
    *("invitations", "sign_in_attempts", "database_identity"),
}
"""Tables that hold nothing of one person. Everything else must be behind the second wall."""

APPEND_ONLY = {"audit_log"}


@dataclass(frozen=True, slots=True, kw_only=True)
class TenantTable:
    name: str
    person: str


@pytest.fixture
def superuser(logins: Logins) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(logins.conninfo(SUPERUSER), autocommit=True) as conn:
        yield conn


@pytest.fixture
def tables(superuser: psycopg.Connection[Any]) -> list[TenantTable]:
    """Every tenant table, with one row of A and one of B in each."""
    found = [
        TenantTable(name=name, person=person)
        for name, person in superuser.execute(
            """
            SELECT t.relname, coalesce(min(a.attname), 'id')
              FROM pg_class t
              LEFT JOIN pg_constraint k ON k.conrelid = t.oid AND k.contype = 'f' AND k.confrelid = 'profiles'::regclass
              LEFT JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum = k.conkey[1]
             WHERE t.relnamespace = 'public'::regnamespace AND t.relkind IN ('r', 'p')
               AND t.relname <> ALL (%s)
             GROUP BY t.relname ORDER BY t.relname
            """,
            (sorted(SHARED_BY_ALL),),
        )
    ]
    superuser.execute("SET session_replication_role = replica")  # rows need no parents here, only an owner
    drop_checks(superuser)
    for table in found:
        for person in (A, B):
            insert_row(superuser, table, person)
    return found


def drop_checks(conn: psycopg.Connection[Any]) -> None:
    for table, name in conn.execute(
        "SELECT conrelid::regclass::text, conname FROM pg_constraint"
        " WHERE contype = 'c' AND connamespace = 'public'::regnamespace AND conrelid <> 0"
    ).fetchall():
        conn.execute(sql.SQL("ALTER TABLE {} DROP CONSTRAINT {}").format(sql.Identifier(table), sql.Identifier(name)))


def insert_row(conn: psycopg.Connection[Any], table: TenantTable, person: UUID) -> None:
    """A row of `person` with some value in every column that needs one."""
    any_value = {
        "uuid": "gen_random_uuid()",
        "text": "gen_random_uuid()::text",
        "bytea": "uuid_send(gen_random_uuid())",
        "jsonb": "'{}'",
        "timestamp with time zone": "now()",
        "date": "current_date",
        "boolean": "false",
        "ARRAY": "'{}'",
    }
    needed = conn.execute(
        """
        SELECT column_name, data_type FROM information_schema.columns
         WHERE table_schema = 'public' AND table_name = %s AND column_name <> %s
           AND is_nullable = 'NO' AND column_default IS NULL AND is_identity = 'NO' AND is_generated = 'NEVER'
        """,
        (table.name, table.person),
    ).fetchall()
    columns = [sql.Identifier(table.person), *(sql.Identifier(name) for name, _ in needed)]
    values = [sql.Literal(person), *(sql.SQL(any_value.get(kind, "1")) for _, kind in needed)]
    conn.execute(
        sql.SQL("INSERT INTO {} ({}) VALUES ({})").format(
            sql.Identifier(table.name), sql.SQL(", ").join(columns), sql.SQL(", ").join(values)
        )
    )


def owners(conn: psycopg.Connection[Any], table: TenantTable) -> list[UUID]:
    query = sql.SQL("SELECT {} FROM {} ORDER BY 1").format(sql.Identifier(table.person), sql.Identifier(table.name))
    return [row[0] for row in conn.execute(query)]


def test_a_person_sees_their_rows_and_nobody_elses(database: Database, tables: list[TenantTable]) -> None:
    with database.person(A) as conn:
        seen = {table.name: owners(conn, table) for table in tables}

    assert seen == {table.name: [A] for table in tables}
    assert len(seen) > 15


def test_nobody_sees_nothing(logins: Logins, tables: list[TenantTable]) -> None:
    with psycopg.connect(logins.runtime) as conn:
        seen = {table.name: owners(conn, table) for table in tables}

    assert seen == {table.name: [] for table in tables}


def test_the_person_of_a_transaction_ends_with_it(database: Database, tables: list[TenantTable]) -> None:
    with database.person(A):
        pass

    with database._open()[0].transaction():  # the same connection, as a later transaction finds it
        assert owners(database._open()[0], tables[0]) == []


def test_work_across_people_sees_everybody(database: Database, tables: list[TenantTable]) -> None:
    with database.everyone() as conn:
        assert {table.name: owners(conn, table) for table in tables} == {table.name: [A, B] for table in tables}


def test_a_person_can_neither_change_nor_delete_anothers_rows(database: Database, tables: list[TenantTable]) -> None:
    for table in [table for table in tables if table.name not in APPEND_ONLY]:
        name, person = sql.Identifier(table.name), sql.Identifier(table.person)
        with database.person(A) as conn:
            changed = conn.execute(sql.SQL("UPDATE {n} SET {p} = {p} WHERE {p} = {b}").format(n=name, p=person, b=B))
            deleted = conn.execute(sql.SQL("DELETE FROM {n} WHERE {p} = {b}").format(n=name, p=person, b=B))

        assert (table.name, changed.rowcount, deleted.rowcount) == (table.name, 0, 0)


def test_a_person_cannot_give_rows_away(database: Database, tables: list[TenantTable]) -> None:
    for table in [table for table in tables if table.name not in APPEND_ONLY]:
        give_away = sql.SQL("UPDATE {} SET {} = {}").format(sql.Identifier(table.name), sql.Identifier(table.person), B)

        with pytest.raises(KalendsError, match="InsufficientPrivilege"), database.person(A) as conn:
            conn.execute(give_away)


def test_nobody_changes_or_deletes_the_audit_log(database: Database, tables: list[TenantTable]) -> None:
    for statement in ("UPDATE audit_log SET actor = 'x'", "DELETE FROM audit_log"):
        with pytest.raises(KalendsError, match="InsufficientPrivilege"), database.person(A) as conn:
            conn.execute(statement.encode())
        with pytest.raises(KalendsError, match="InsufficientPrivilege"), database.everyone() as conn:
            conn.execute(statement.encode())


def test_the_runtime_reads_no_invitation_and_no_failed_sign_in(database: Database, logins: Logins) -> None:
    for table in ("invitations", "sign_in_attempts"):
        with pytest.raises(KalendsError, match="InsufficientPrivilege"), database.person(A) as conn:
            conn.execute(sql.SQL("SELECT 1 FROM {}").format(sql.Identifier(table)))


def test_the_wall_also_stands_for_the_owner_and_in_every_view(superuser: psycopg.Connection[Any]) -> None:
    unforced = superuser.execute(
        """
        SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p')
           AND relname <> ALL (%s) AND NOT (relrowsecurity AND relforcerowsecurity)
        """,
        (sorted(SHARED_BY_ALL),),
    ).fetchall()
    leaky_views = superuser.execute(
        """
        SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('v', 'm')
           AND NOT coalesce(reloptions @> ARRAY['security_invoker=true'], false)
        """
    ).fetchall()

    assert (unforced, leaky_views) == ([], [])
