"""What may run: one table of gates, read at run time, over what the settings say (runbook 004, S4-13..S4-16)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from psycopg.rows import class_row

from shared.audit import record
from shared.core.errors import ForbiddenError, InvalidError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from shared.core.config import Settings
    from shared.store.database import Connection


class Operation(StrEnum):
    """What a gate guards; the value is the gate's name, which is also the setting's (runbook 004)."""

    OAUTH = "CALENDAR_OAUTH_ENABLED"
    SYNC = "CALENDAR_SYNC_ENABLED"
    JOBS = "CALENDAR_JOBS_ENABLED"
    WEBHOOK = "CALENDAR_WEBHOOK_ENABLED"


type Flags = Mapping[Operation, bool]
"""How each gate stands as long as nobody has set it at run time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """How a gate stands, and who decided: the settings (`changed_by` is "settings"), or a person at run time."""

    name: str
    open: bool
    changed_by: str
    reason: str
    changed_at: datetime | None


def flags(settings: Settings) -> dict[Operation, bool]:
    """What the settings say; only the literal `true` opens a gate."""
    return {
        Operation.OAUTH: settings.calendar_oauth_enabled,
        Operation.SYNC: settings.calendar_sync_enabled,
        Operation.JOBS: settings.calendar_jobs_enabled,
        Operation.WEBHOOK: settings.calendar_webhook_enabled,
    }


def operation(name: str) -> Operation:
    """The operation whose gate has this name. Raises InvalidError listing the names there are."""
    try:
        return Operation(name)
    except ValueError:
        raise InvalidError(
            f"There is no gate {name!r}: use one of {', '.join(Operation)}.", code="GATE.UNKNOWN"
        ) from None


def is_open(conn: Connection, operation: Operation, *, settings_flags: Flags) -> bool:
    """Whether the operation may run now."""
    row = conn.execute("SELECT open FROM gates WHERE name = %s", (operation.value,)).fetchone()
    return bool(row[0]) if row else settings_flags[operation]


def may(conn: Connection, operation: Operation, *, settings_flags: Flags) -> None:
    """Go on if the operation may run now. Raises ForbiddenError naming the gate that is closed."""
    if not is_open(conn, operation, settings_flags=settings_flags):
        raise ForbiddenError(
            f"{operation.value} is off: an operator has closed this gate, or has not opened it yet.",
            gate=operation.value,
            code="GATE.CLOSED",
        )


def list_gates(conn: Connection, *, settings_flags: Flags) -> list[Gate]:
    """Every gate, in the order of a rollout (S4-25): OAuth, sync, jobs, webhooks."""
    with conn.cursor(row_factory=class_row(Gate)) as cursor:
        cursor.execute("SELECT name, open, changed_by, reason, changed_at FROM gates")
        decided = {gate.name: gate for gate in cursor}
    return [
        decided.get(item)
        or Gate(name=item.value, open=settings_flags[item], changed_by="settings", reason="", changed_at=None)
        for item in Operation
    ]


def set_gate(conn: Connection, operation: Operation, *, opened: bool, actor: str, reason: str, now: datetime) -> Gate:
    """Open or close a gate from now on, whatever the settings say; needs a transaction across people. Audited."""
    conn.execute(
        """
        INSERT INTO gates (name, open, changed_by, reason, changed_at)
        VALUES (%(name)s, %(open)s, %(actor)s, %(reason)s, %(now)s)
        ON CONFLICT (name) DO UPDATE
          SET open = excluded.open, changed_by = excluded.changed_by, reason = excluded.reason,
              changed_at = excluded.changed_at
        """,
        {"name": operation.value, "open": opened, "actor": actor, "reason": reason, "now": now},
    )
    record.record(
        conn,
        user_id=None,
        actor=actor,
        action="gate.opened" if opened else "gate.closed",
        entity=f"gate:{operation.value}",
        metadata={"reason": reason},
    )
    return Gate(name=operation.value, open=opened, changed_by=actor, reason=reason, changed_at=now)
