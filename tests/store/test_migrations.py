"""The migrations go up, down and up again, and leave what they promise."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg

from shared.store import migrate

if TYPE_CHECKING:
    from tests.postgres import Logins, Server

ALL = [step.version for step in migrate.read()]


def objects(owner: str) -> set[tuple[str, str]]:
    """Everything in the schema that a migration can make, by kind and name."""
    with psycopg.connect(owner) as conn:
        return set(
            conn.execute(
                """
                SELECT 'relation', relname::text FROM pg_class WHERE relnamespace = 'public'::regnamespace
                UNION SELECT 'function', proname FROM pg_proc WHERE pronamespace = 'public'::regnamespace
                UNION SELECT 'type', typname FROM pg_type WHERE typnamespace = 'public'::regnamespace
                """
            )
        )


def test_down_takes_everything_back_and_up_restores_it(server: Server) -> None:
    with server.database(template=None) as empty:
        assert migrate.up(empty.owner) == ALL
        after_up = objects(empty.owner)

        assert migrate.down(empty.owner, to=0) == ALL[::-1]
        after_down = objects(empty.owner)
        assert migrate.up(empty.owner) == ALL

        assert {name for kind, name in after_down if kind == "relation"} == {
            "schema_migrations",
            "schema_migrations_pkey",
        }
        assert {name for kind, name in after_down if kind == "function"} == set()
        assert objects(empty.owner) == after_up


def test_each_step_goes_down_and_up_by_itself(logins: Logins) -> None:
    for version in reversed(ALL):
        migrate.down(logins.owner, to=version - 1)

        assert migrate.up(logins.owner) == ALL[version - 1 :]


def test_up_twice_does_nothing(logins: Logins) -> None:
    assert migrate.up(logins.owner) == []
