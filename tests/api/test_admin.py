"""What administrators may ask: the doctor, and the job runner on demand (runbook 004, S4-32 to S4-34)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from shared.control import budgets, gates
from shared.control.gates import Operation
from shared.core import clock
from tests.sync.world import event

if TYPE_CHECKING:
    from collections.abc import Callable

    from shared.store.database import Database
    from tests.api.conftest import Caller
    from tests.sync.world import World

RUN = "/api/admin/calendar/jobs/run"


@pytest.fixture
def root(call: Callable[..., Caller]) -> Caller:
    return call(email="root@example.com", role="admin")


def test_the_doctor_names_what_is_misconfigured_and_what_to_do(root: Caller) -> None:
    answer = root.json("/api/doctor")

    checks = {one["name"]: one for one in answer["checks"]}
    assert not answer["ok"]
    assert checks["database"]["ok"]
    assert checks["key_ring"]["ok"]
    assert checks["oauth_google"]["code"] == "OAUTH_APP.MISSING"
    assert "kalends ops migrate" in checks["oauth_google"]["detail"]


@pytest.mark.parametrize(("calls", "ok"), [(0, True), (799_999, True), (800_000, False)])
def test_the_doctor_tells_todays_requests_and_warns_at_four_fifths_of_googles_line(
    root: Caller, world: World, calls: int, ok: bool
) -> None:
    world.rows(
        """
        INSERT INTO quota_days (subject, day, calls) SELECT 'google-project:' || id, %s, %s FROM oauth_apps RETURNING 1
        """,
        budgets.day(clock.now()),
        calls,
    )

    (found,) = [one for one in root.json("/api/doctor")["checks"] if one["name"] == "google_requests"]

    assert (found["ok"], found["code"]) == (ok, None if ok else "QUOTA.DAILY_LINE")
    assert f"{calls:,} by " in found["detail"]
    assert "of 1,000,000 today" in found["detail"]


@pytest.mark.parametrize("narrowed", [{}, {"provider_id": True}, {"connection_id": True}])
def test_a_run_does_what_is_due_and_sums_it_up(root: Caller, world: World, narrowed: dict[str, Any]) -> None:
    source, target = world.calendar("home"), world.calendar("work")
    world.link(source, target)
    world.put(source, event("dentist"))
    ids = {"provider_id": str(world.user_id), "connection_id": str(world.connection_id)}

    answer = root.post(RUN, {name: ids[name] for name in narrowed})

    world.run()  # what the run itself left in the lanes
    run = answer.json()
    assert (answer.status_code, run["success"], run["run_by"]) == (200, True, f"person:{root.user_id}")
    assert set(run) == {"success", "summary", "run_by", "timestamp"}
    summary = run["summary"]
    assert (summary["connections_processed"], summary["connections_succeeded"], summary["errors"]) == (1, 1, [])
    assert summary["items_ingested"] == 1
    assert len(world.mirrors(target)) == 1


def test_a_closed_job_gate_answers_403(root: Caller, database: Database) -> None:
    with database.everyone() as conn:
        gates.set_gate(conn, Operation.JOBS, opened=False, actor="test", reason="test", now=clock.now())

    answer = root.post(RUN, {})

    assert (answer.status_code, answer.json()["gate"]) == (403, "CALENDAR_JOBS_ENABLED")
    assert root.get("/api/links").status_code == 200


def test_a_run_may_name_a_window_that_has_a_length_and_a_zone(root: Caller, world: World) -> None:
    world.link(world.calendar("home"), world.calendar("work"))
    window = {"start": "2026-03-01T00:00:00Z", "end": "2026-04-01T00:00:00Z"}

    answers = [
        root.post(RUN, {"window": one}).status_code
        for one in (
            window,
            {"start": window["end"], "end": window["start"]},
            window | {"end": "2026-04-01T00:00:00"},
            {"start": window["start"]},
        )
    ]

    assert answers == [200, 400, 400, 400]
