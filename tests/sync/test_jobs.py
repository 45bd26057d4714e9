"""The job runner on demand: the runbook's summary (S4-32 to S4-34)."""

from __future__ import annotations

from uuid import uuid4

import pytest

from shared.calendar.span import Window
from shared.control.gates import Operation, set_gate
from shared.core import clock
from shared.core.errors import InvalidError, TransientError
from shared.providers.port import Failed
from shared.sync import jobs
from tests.sync.world import World, event


@pytest.fixture
def world(database):
    made = World(database)
    made.source, made.target = made.calendar("a"), made.calendar("b")
    made.put(made.source, event("e1"))
    made.link(made.source, made.target)
    return made


def run(world: World, **chosen):
    chosen = {"provider_id": None, "connection_id": None} | chosen
    return jobs.run(world.engine, **chosen, correlation_id=str(uuid4()), now=clock.now())


def test_a_run_reads_and_writes_what_is_due_and_sums_it_up(world):
    world.put(world.source, event("e2", hours=30))

    summary = run(world)
    world.run()

    assert summary["connections_processed"] == summary["connections_succeeded"] == 1
    assert (summary["connections_failed"], summary["errors"]) == (0, [])
    assert summary["items_ingested"] >= 1
    assert summary["duration_ms"] >= 0
    assert len(world.mirrors(world.target)) == 2


def test_only_the_person_or_connection_asked_for_is_run(world):
    assert run(world, provider_id=uuid4())["connections_processed"] == 0
    assert run(world, connection_id=uuid4())["connections_processed"] == 0
    assert run(world, provider_id=world.user_id)["connections_processed"] == 1
    assert run(world, connection_id=world.connection_id)["connections_processed"] == 1


def test_a_failing_connection_is_named_with_its_code_and_one_in_backoff_is_left_alone(world):
    def refuse(*arguments, **named):
        raise TransientError("The provider is down.")

    world.provider.changes = refuse

    summary = run(world)

    assert summary["connections_failed"] == 1
    assert summary["errors"] == [{"connection_id": str(world.connection_id), "error": "TRANSIENT"}]
    assert run(world)["connections_processed"] == 0


def test_switched_off_jobs_do_nothing_and_say_so(world):
    with world.database.everyone() as conn:
        set_gate(conn, Operation.JOBS, opened=False, actor="test", reason="drill", now=clock.now())
    runs = world.rows("SELECT count(*) FROM sync_runs")

    summary = run(world)

    assert summary["errors"] == [{"connection_id": None, "error": "CALENDAR_JOBS_DISABLED"}]
    assert world.rows("SELECT count(*) FROM sync_runs") == runs


def test_what_does_not_fit_into_the_time_is_queued(world, monkeypatch):
    monkeypatch.setattr(jobs, "BUDGET", 0.0)
    world.put(world.source, event("e2", hours=30))

    run(world)
    assert len(world.mirrors(world.target)) == 1
    world.run()

    assert len(world.mirrors(world.target)) == 2


def test_with_a_window_what_failed_in_it_is_tried_at_once_and_the_rest_waits(world):
    def refuse(calendar_id, writes):
        return [Failed(error=InvalidError("The provider will never accept this.")) for _ in writes]

    write = world.provider.write
    soon = world.put(world.source, event("e2", hours=30))
    late = world.put(world.source, event("e3", hours=24 * 20))
    world.provider.write = refuse
    world.look(world.source)
    world.run()
    world.provider.write = write
    assert len(world.mirrors(world.target)) == 1

    run(world, window=Window(start=soon.span.start, end=late.span.start))
    world.run()

    assert {one.span for one in world.mirrors(world.target)} == {event("e1").span, soon.span}

    run(world, window=Window(start=late.span.start, end=late.span.end))
    world.run()

    assert len(world.mirrors(world.target)) == 3


def test_with_a_window_nothing_is_written_that_stands_already(world):
    world.server.writes.clear()

    run(world, window=Window(start=event("e1").span.start, end=event("e1").span.end))
    world.run()

    assert world.server.writes == []
