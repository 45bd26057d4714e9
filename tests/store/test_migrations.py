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


def test_a_reset_asks_for_a_look_at_linked_calendars_only(logins: Logins) -> None:
    """Runbook 004, "Reset sync state"; `sync_needed` must be able to clear."""
    with psycopg.connect(logins.operator) as conn:
        person = conn.execute("INSERT INTO profiles (email) VALUES ('a@b.example') RETURNING id").fetchall()[0][0]
        app = conn.execute("INSERT INTO oauth_apps (provider, client_id) VALUES ('google', 'x') RETURNING id")
        connection = conn.execute(
            "INSERT INTO external_calendar_connections"
            " (provider_id, provider, provider_user_id, provider_email, oauth_app_id)"
            " VALUES (%s, 'google', '1', 'a@b.example', %s) RETURNING id",
            (person, app.fetchall()[0][0]),
        ).fetchall()[0][0]
        calendars = [
            conn.execute(
                "INSERT INTO calendars (user_id, connection_id, calendar_id, name, time_zone, can_write)"
                " VALUES (%s, %s, %s, '', 'UTC', true) RETURNING id",
                (person, connection, name),
            ).fetchall()[0][0]
            for name in ("source", "target", "unlinked")
        ]
        for calendar in calendars:
            conn.execute(
                "INSERT INTO calendar_sync_state (calendar_id, user_id, connection_id, sync_token, needs_full_sync)"
                " VALUES (%s, %s, %s, 'cursor', false)",
                (calendar, person, connection),
            )
        conn.execute(
            "INSERT INTO links (user_id, source_calendar_id, target_calendar_id) VALUES (%s, %s, %s)",
            (person, calendars[0], calendars[1]),
        )

        conn.execute("UPDATE external_calendar_connections SET sync_cursor = NULL")

        states = conn.execute(
            "SELECT calendar_id, sync_token, needs_full_sync, generation, requested FROM calendar_sync_state"
        ).fetchall()
        assert sorted(states) == sorted(
            [
                (calendars[0], None, True, 2, 1),
                (calendars[1], None, True, 2, 1),
                (calendars[2], None, True, 2, 0),
            ]
        )
        conn.execute("UPDATE calendar_sync_state SET done = requested")
        assert conn.execute("SELECT sync_needed FROM external_calendar_connections").fetchall() == [(False,)]
