"""Enqueueing: after the commit, coalesced, one message a calendar and lane."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from shared.core.messages import SyncMessage
from shared.sync.store import calendars, mappings

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from datetime import datetime
    from uuid import UUID

    from shared.store.database import Connection
    from shared.sync.context import Engine


@dataclass(frozen=True, slots=True, kw_only=True)
class DuePushes:
    """Calendars that need a message, by lane."""

    live: Sequence[UUID]
    backfill: Sequence[UUID]


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
    """Send a push for each calendar with something due and none queued, in the lane of its most urgent item.

    Without `with_backfill` only for live work: dispatch sees to the rest.
    """
    if not calendar_ids:
        return
    with engine.database.person(user_id) as conn:
        wanted = due_pushes(conn, calendar_ids, now=now, with_backfill=with_backfill)
    send_pushes(engine, user_id, wanted, correlation_id=correlation_id)


def due_pushes(
    conn: Connection, calendar_ids: Collection[UUID], *, now: datetime, with_backfill: bool = True
) -> DuePushes:
    """Which of these calendars need a message for a push; notes that they get one. Send it after the commit.

    Locks their rows: a transaction that holds another calendar's would be in its pulls' way, and they in its.
    """
    lanes = {one: mappings.has_due(conn, one, now=now) for one in sorted(calendar_ids)}
    live = [one for one, lane in lanes.items() if lane == mappings.LIVE]
    backfill = [one for one, lane in lanes.items() if lane == mappings.BACKFILL and with_backfill]
    # A live change overtakes a queued backfill: it gets a message of its own, always.
    calendars.mark_queued(conn, live, "push", now=now)
    return DuePushes(live=live, backfill=calendars.mark_queued(conn, backfill, "push", now=now))


def send_pushes(engine: Engine, user_id: UUID, wanted: DuePushes, *, correlation_id: str) -> None:
    """Send the messages that `due_pushes` found to be needed; dispatch sends again what is lost."""
    _send(engine, "push", user_id, wanted.live, "live", correlation_id)
    _send(engine, "push", user_id, wanted.backfill, "backfill", correlation_id)


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
