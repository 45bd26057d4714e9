"""Dispatch, each minute: whatever is due and has no message on its way gets one.

Pulls whose notification was lost, polls that no channel covers, writes whose time to try again has come. It is also
what brings everything back after an outage: the truth is in the database, and this reads it.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Literal

from shared.control import gates
from shared.core.lanes import Lane
from shared.core.messages import SyncMessage
from shared.sync import linking, reconciliation
from shared.sync.listening import silence
from shared.sync.store import calendars, channels, edits

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from uuid import UUID

    from shared.store.database import Connection
    from shared.sync.context import Engine

    type Due = tuple[UUID, UUID, int]  # calendar, person, lane

PER_PERSON = 20
"""Calendars of one person in one round: nobody starves anybody else (promise 11)."""
LIMIT = 2_000
KEEP_DELIVERIES = "7 days"
OUTAGE = timedelta(minutes=2, seconds=30)
"""So long without a round means more than a missed minute."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Dispatched:
    """How many messages went to which lane, how many channels were given up because they said nothing, how many
    calendars an outage makes look for what was not heard, and how many a restored database has to be brought in step
    with."""

    pulls: int
    pushes: int
    repairs: int
    backfills: int
    silent_channels: int = 0
    caught_up: int = 0
    reconciling: int = 0

    def counts(self) -> dict[str, int]:
        """For the log."""
        return asdict(self)


def dispatch(engine: Engine, *, correlation_id: str, now: datetime) -> Dispatched:
    """Fan out what is due. A closed gate parks everything; it stays due."""
    with engine.database.everyone() as conn:
        for operation in (gates.Operation.JOBS, gates.Operation.SYNC):
            if not gates.is_open(conn, operation, settings_flags=engine.flags):
                return Dispatched(pulls=0, pushes=0, repairs=0, backfills=0)
        channels.leave(conn, list(engine.addresses().values()))
        caught_up = catch_up(conn, now=now) if _was_away(conn, now=now) else 0
        reconciling = reconciliation.notice_restore(conn, now=now)
        listening = gates.is_open(conn, gates.Operation.WEBHOOK, settings_flags=engine.flags)
        silent = silence.judge(conn, now=now) if listening else 0
    with engine.database.everyone() as conn:  # its own: channels are locked before anything else, and not for long
        _request_polls(conn, now=now)
        calendars.request(conn, edits.wake(conn, now=now))
        pulls = _due_pulls(conn, now=now)
        pushes = _due_pushes(conn, now=now)
        # The push that saw the last mirror go may have been killed, or a pull saw it: nobody else looks again.
        linking.finish_deletions(conn)
        conn.execute(
            f"DELETE FROM webhook_deliveries WHERE received_at < %s - interval '{KEEP_DELIVERIES}'",  # noqa: S608
            (now,),
        )

    reads = _messages(Lane.LIVE, correlation_id, pulls=pulls)
    writes = _messages(Lane.LIVE, correlation_id, pushes=pushes)
    repairs = _messages(Lane.REPAIR, correlation_id, pulls=pulls, pushes=pushes)
    backfills = _messages(Lane.BACKFILL, correlation_id, pulls=pulls, pushes=pushes)
    engine.lanes.pull.send(reads)
    engine.lanes.push.send(writes)
    engine.lanes.repair.send(repairs)
    engine.lanes.backfill.send(backfills)
    return Dispatched(
        pulls=len(reads),
        pushes=len(writes),
        repairs=len(repairs),
        backfills=len(backfills),
        silent_channels=silent,
        caught_up=caught_up,
        reconciling=reconciling,
    )


def catch_up(conn: Connection, *, now: datetime) -> int:
    """Ask for a look at every linked calendar: notifications may have been refused for a while. Needs a transaction
    across people. Dispatch spreads the work: so many calendars a person and in all each minute."""
    silence.excuse(conn, now=now)
    return conn.execute(
        """
        UPDATE calendar_sync_state s SET requested = requested + 1
         WHERE EXISTS (SELECT FROM calendars_in_use u WHERE u.calendar_id = s.calendar_id)
        """
    ).rowcount


def _was_away(conn: Connection, *, now: datetime) -> bool:
    """Whether there was an outage until now: webhooks were answered 5xx, and providers do not repeat for ever."""
    row = conn.execute(
        """
        INSERT INTO heartbeats (name, at) VALUES ('dispatch', %(now)s)
        ON CONFLICT (name) DO UPDATE SET at = greatest(heartbeats.at, excluded.at)
        RETURNING old.at < %(now)s - %(outage)s
        """,
        {"now": now, "outage": OUTAGE},
    ).fetchone()
    return row is not None and row[0] is True


def _messages(
    lane: Lane, correlation_id: str, *, pulls: Sequence[Due] = (), pushes: Sequence[Due] = ()
) -> list[SyncMessage]:
    """Those for the work in one lane."""
    tasks: tuple[tuple[Literal["pull", "push"], Sequence[Due]], ...] = (("pull", pulls), ("push", pushes))
    return [
        SyncMessage(task=task, calendar_id=calendar_id, user_id=user_id, correlation_id=correlation_id)
        for task, due in tasks
        for calendar_id, user_id, its_lane in due
        if its_lane == lane
    ]


def _request_polls(conn: Connection, *, now: datetime) -> None:
    """Ask for a look at linked calendars that were not proven current for too long: a channel may be silent."""
    conn.execute(
        """
        UPDATE calendar_sync_state s SET requested = requested + 1
          FROM external_calendar_connections x
         WHERE x.id = s.connection_id AND s.requested = s.done AND NOT s.needs_full_sync
           AND x.sync_enabled AND x.status IN ('active', 'error')
           AND EXISTS (SELECT FROM calendars_in_use u WHERE u.calendar_id = s.calendar_id)
           AND s.last_synced_at < %(now)s - CASE
                 WHEN EXISTS (SELECT FROM webhook_channels w WHERE w.calendar_id = s.calendar_id
                                 AND w.status = 'active' AND w.expires_at > %(now)s)
                 THEN %(with_channel)s ELSE x.sync_frequency_minutes * interval '1 minute' END
        """,
        {"now": now, "with_channel": silence.CHECK},
    )


def _due_pulls(conn: Connection, *, now: datetime) -> list[Due]:
    return conn.execute(
        """
        WITH due AS (
          SELECT calendar_id, lane,
                 row_number() OVER (PARTITION BY user_id ORDER BY lane, last_synced_at NULLS FIRST) AS place
            FROM pulls_due
           WHERE (backoff_until IS NULL OR backoff_until <= %(now)s)
             AND (pull_queued_at IS NULL OR pull_queued_at < %(now)s - interval '1 minute')
             AND NOT EXISTS (SELECT FROM leases WHERE resource = 'pull:' || calendar_id AND until > %(now)s)
        )
        UPDATE calendar_sync_state s SET pull_queued_at = %(now)s
          FROM (SELECT * FROM due WHERE place <= %(each)s ORDER BY lane, place LIMIT %(limit)s) d
         WHERE s.calendar_id = d.calendar_id
        RETURNING s.calendar_id, s.user_id, d.lane
        """,
        {"now": now, "each": PER_PERSON, "limit": LIMIT},
    ).fetchall()


def _due_pushes(conn: Connection, *, now: datetime) -> list[Due]:
    return conn.execute(
        """
        WITH due AS (
          SELECT target_calendar_id AS calendar_id, min(lane) AS lane FROM mirrors_due
           WHERE next_attempt_at IS NULL OR next_attempt_at <= %(now)s
           GROUP BY target_calendar_id
        ), wanted AS (
          SELECT * FROM due
          UNION ALL SELECT calendar_id, %(repair)s FROM calendars_to_search
                     WHERE calendar_id NOT IN (SELECT calendar_id FROM due)
        ), placed AS (
          SELECT d.calendar_id, d.lane, row_number() OVER (PARTITION BY s.user_id ORDER BY d.lane) AS place
            FROM wanted d JOIN calendar_sync_state s USING (calendar_id)
            JOIN external_calendar_connections x ON x.id = s.connection_id
           WHERE x.sync_enabled AND x.status IN ('pending', 'active', 'error')
             AND (x.backoff_until IS NULL OR x.backoff_until <= %(now)s)
             AND (s.push_queued_at IS NULL OR s.push_queued_at < %(now)s - interval '1 minute')
             AND NOT EXISTS (SELECT FROM leases WHERE resource = 'push:' || d.calendar_id AND until > %(now)s)
        )
        UPDATE calendar_sync_state s SET push_queued_at = %(now)s
          FROM (SELECT * FROM placed WHERE place <= %(each)s ORDER BY lane, place LIMIT %(limit)s) p
         WHERE s.calendar_id = p.calendar_id
        RETURNING s.calendar_id, s.user_id, p.lane
        """,
        {"now": now, "each": PER_PERSON, "limit": LIMIT, "repair": Lane.REPAIR},
    ).fetchall()
