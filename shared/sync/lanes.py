"""Enqueueing: after the commit, coalesced, one message a calendar and lane."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from shared.core.lanes import Lane
from shared.core.messages import SyncMessage
from shared.sync.store import calendars, mappings

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime
    from uuid import UUID

    from shared.sync.context import Engine


def ask_pull(engine: Engine, user_id: UUID, calendar_ids: Sequence[UUID], *, correlation_id: str) -> None:
    """Send a pull for each calendar that has none queued; full reads go behind all live work."""
    with engine.database.person(user_id) as conn:
        wanted = calendars.mark_queued(conn, calendar_ids, "pull", now=engine.now())
        lanes = {calendar_id: calendars.get(conn, calendar_id).pull_lane for calendar_id in wanted}
    _send(engine, "pull", user_id, lanes, correlation_id)


def ask_push(
    engine: Engine,
    user_id: UUID,
    calendar_ids: Sequence[UUID],
    *,
    correlation_id: str,
    now: datetime,
    before: Lane | None = None,
) -> None:
    """Send a push for each calendar with something due, in the lane of its most urgent item; to one that may be
    searched for orphans in that of a repair. A backfill is sent where none is queued.

    With `before` only for what goes before that lane: dispatch sees to the rest.
    """
    if not calendar_ids:
        return
    with engine.database.person(user_id) as conn:
        found = dict.fromkeys(calendars.to_be_searched(conn, calendar_ids), Lane.REPAIR)
        found |= mappings.lanes_due(conn, calendar_ids, now=now)
        lanes = {one: lane for one, lane in found.items() if before is None or lane < before}
        # What is more urgent overtakes a queued backfill: it gets a message of its own, always.
        urgent = [one for one, lane in lanes.items() if lane < Lane.BACKFILL]
        calendars.mark_queued(conn, urgent, "push", now=now)
        unqueued = calendars.mark_queued(conn, [one for one in lanes if one not in urgent], "push", now=now)
    _send(engine, "push", user_id, {one: lanes[one] for one in (*urgent, *unqueued)}, correlation_id)


def _send(
    engine: Engine,
    task: Literal["pull", "push"],
    user_id: UUID,
    lanes: Mapping[UUID, Lane],
    correlation_id: str,
) -> None:
    for lane in sorted(set(lanes.values())):
        engine.lanes.of(task, lane).send(
            [
                SyncMessage(task=task, calendar_id=one, user_id=user_id, correlation_id=correlation_id)
                for one, its_lane in lanes.items()
                if its_lane is lane
            ]
        )
