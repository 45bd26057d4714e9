"""Opening and closing gates, with what must follow."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shared.control import gates
from shared.sync import dispatch

if TYPE_CHECKING:
    from datetime import datetime

    from shared.control.gates import Gate, Operation
    from shared.store.database import Database


def set_gate(database: Database, operation: Operation, *, opened: bool, actor: str, reason: str, now: datetime) -> Gate:
    """Decide how a gate stands from now on. An opened one marks every linked calendar, so that nothing is missed
    of what happened while it was closed."""
    with database.everyone() as conn:
        gate = gates.set_gate(conn, operation, opened=opened, actor=actor, reason=reason, now=now)
        if opened:
            dispatch.catch_up(conn, now=now)
    return gate
