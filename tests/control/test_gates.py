"""Gates: closed unless told otherwise, independent of each other, decided at run time, and every change is recorded."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import product
from typing import TYPE_CHECKING
from uuid import UUID

import psycopg
import pytest

from shared.control import gates
from shared.control.gates import Operation
from shared.core.config import Settings
from shared.core.errors import ForbiddenError, InvalidError, KalendsError

if TYPE_CHECKING:
    from shared.store.database import Database
    from tests.postgres import Logins

NOW = datetime(2026, 3, 1, tzinfo=UTC)
CLOSED = dict.fromkeys(Operation, False)
OPEN = dict.fromkeys(Operation, True)


@pytest.mark.parametrize("value", ["True", "TRUE", "1", "yes", "on", " true", "true ", "false", "", "treu"])
def test_only_the_literal_true_opens_a_gate_by_settings(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STAGE", "dev")
    monkeypatch.setenv("APP_BASE_URL", "https://kalends.example")
    for operation in Operation:
        monkeypatch.setenv(operation.value, value)

    assert gates.flags(Settings()) == CLOSED


def test_the_literal_true_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STAGE", "dev")
    monkeypatch.setenv("APP_BASE_URL", "https://kalends.example")
    for operation in Operation:
        monkeypatch.setenv(operation.value, "true")

    assert gates.flags(Settings()) == OPEN


def test_without_a_decision_the_settings_stand(database: Database) -> None:
    with database.everyone() as conn:
        assert [gates.is_open(conn, item, settings_flags=OPEN) for item in Operation] == [True] * 4
        assert [gates.is_open(conn, item, settings_flags=CLOSED) for item in Operation] == [False] * 4


@pytest.mark.parametrize("states", list(product([True, False], repeat=4)))
def test_each_gate_stands_alone_and_above_the_settings(database: Database, states: tuple[bool, ...]) -> None:
    wanted = dict(zip(Operation, states, strict=True))
    with database.everyone() as conn:
        for operation, opened in wanted.items():
            gates.set_gate(conn, operation, opened=opened, actor="ops", reason="test", now=NOW)

    with database.person(UUID(int=1)) as conn:
        for operation, opened in wanted.items():
            assert gates.is_open(conn, operation, settings_flags={**CLOSED, operation: not opened}) is opened


def test_a_closed_gate_says_which_one_it_is(database: Database) -> None:
    with pytest.raises(ForbiddenError, match="CALENDAR_OAUTH_ENABLED") as caught, database.everyone() as conn:
        gates.may(conn, Operation.OAUTH, settings_flags=CLOSED)

    assert (caught.value.gate, caught.value.error_code, caught.value.status) == (
        "CALENDAR_OAUTH_ENABLED",
        "GATE.CLOSED",
        403,
    )


def test_an_open_gate_lets_through(database: Database) -> None:
    with database.everyone() as conn:
        gates.may(conn, Operation.SYNC, settings_flags=OPEN)


def test_the_list_tells_who_decided_in_the_order_of_a_rollout(database: Database) -> None:
    with database.everyone() as conn:
        gates.set_gate(conn, Operation.SYNC, opened=True, actor="person:1", reason="rollout", now=NOW)

        listed = gates.list_gates(conn, settings_flags=CLOSED)

    assert [(gate.name, gate.open, gate.changed_by, gate.changed_at) for gate in listed] == [
        ("CALENDAR_OAUTH_ENABLED", False, "settings", None),
        ("CALENDAR_SYNC_ENABLED", True, "person:1", NOW),
        ("CALENDAR_JOBS_ENABLED", False, "settings", None),
        ("CALENDAR_WEBHOOK_ENABLED", False, "settings", None),
    ]


def test_every_change_is_recorded_with_its_reason(database: Database, logins: Logins) -> None:
    with database.everyone() as conn:
        gates.set_gate(conn, Operation.JOBS, opened=True, actor="ops", reason="first", now=NOW)
        gates.set_gate(conn, Operation.JOBS, opened=False, actor="ops", reason="second", now=NOW)

    with psycopg.connect(logins.operator) as conn:
        entries = conn.execute(
            "SELECT actor, action, entity, metadata ->> 'reason' FROM audit_log ORDER BY id"
        ).fetchall()

    assert entries == [
        ("ops", "gate.opened", "gate:CALENDAR_JOBS_ENABLED", "first"),
        ("ops", "gate.closed", "gate:CALENDAR_JOBS_ENABLED", "second"),
    ]


def test_work_for_one_person_cannot_open_a_gate(database: Database) -> None:
    with pytest.raises(KalendsError, match="InsufficientPrivilege"), database.person(UUID(int=1)) as conn:
        gates.set_gate(conn, Operation.SYNC, opened=True, actor="person:1", reason="", now=NOW)


def test_a_gate_that_does_not_exist_is_refused_with_the_list() -> None:
    assert gates.operation("CALENDAR_SYNC_ENABLED") is Operation.SYNC
    with pytest.raises(InvalidError, match="CALENDAR_WEBHOOK_ENABLED"):
        gates.operation("CALENDAR_SINK_ENABLED")
