"""Enqueueing: after the commit, coalesced, one message a calendar and lane."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from shared.core.messages import SyncMessage
from shared.sync.store import calendars, mappings

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from uuid import UUID

    from shared.sync.context import Engine


def ask_pull(engine: Engine, user_id: UUID, calendar_ids: Sequence[UUID], *, correlation_id: str) -> None:
    """Send a pull for each calendar that has none queued; full reads go to the backfill lane."""
    with engine.database.person(user_id) as conn:
        wanted = calendars.mark_queued(conn, calendar_ids, "pull", now=engine.now())
        full = {calendar_id for calendar_id in wanted if calendars.get(conn, calendar_id).needs_full_sync}
    _send(engine, "pull", user_id, [one for one in wanted if one not in full], "live", correlation_id)
    _send(engine, "pull", user_id, sorted(full), "backfill", correlation_id)


def ask_push(
    engine: Engine,
    user_id: UUID,
    calendar_ids: Sequence[UUID],
    *,
    correlation_id: str,
    now: datetime,
    with_backfill: bool = True,
) -> None:
    """Send a push for each calendar with something due and none queued, in the lane of its most urgent item; to one
    that may be searched for orphans in that of a backfill.

    Without `with_backfill` only for live work: dispatch sees to the rest.
    """
    if not calendar_ids:
        return
    with engine.database.person(user_id) as conn:
        lanes = {one: mappings.has_due(conn, one, now=now) for one in calendar_ids}
        live = [one for one, lane in lanes.items() if lane == mappings.LIVE]
        backfill = [
            one
            for one, lane in lanes.items()
            if with_backfill and (lane == mappings.BACKFILL or (lane is None and calendars.may_be_searched(conn, one)))
        ]
        # A live change overtakes a queued backfill: it gets a message of its own, always.
        calendars.mark_queued(conn, live, "push", now=now)
        backfill = calendars.mark_queued(conn, backfill, "push", now=now)
    _send(engine, "push", user_id, live, "live", correlation_id)
    _send(engine, "push", user_id, backfill, "backfill", correlation_id)


def _send(
    engine: Engine,
    task: Literal["pull", "push"],
    user_id: UUID,
    calendar_ids: Sequence[UUID],
    lane: Literal["live", "backfill"],
    correlation_id: str,
) -> None:
    if not calendar_ids:
        return
    queue = engine.lanes.backfill if lane == "backfill" else getattr(engine.lanes, task)
    queue.send(
        [
            SyncMessage(task=task, calendar_id=one, user_id=user_id, correlation_id=correlation_id)
            for one in calendar_ids
        ]
    )
