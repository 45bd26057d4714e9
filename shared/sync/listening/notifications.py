"""Notifications: what arrives at the webhooks. Verify, mark, enqueue; nothing else (promise 7).

Imported by the leanest Lambdas: keep it free of the rest of the engine.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from shared.control import gates
from shared.core.errors import KalendsError, TransientError
from shared.core.lanes import Lane
from shared.crypto import opaque

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime
    from uuid import UUID

    from shared.store.database import Connection, Database
    from shared.sync.context import Queue


@dataclass(frozen=True, slots=True, kw_only=True)
class Notification:
    """One knock at the door. `token` proves the origin; `message_number` is Google's, Graph has none.

    Graph's lifecycle: `is_over` says that the channel is gone, `needs_renewal` that it soon will be.
    """

    provider: str
    channel_id: str
    token: str
    resource_id: str = ""
    message_number: int | None = None
    is_over: bool = False
    needs_renewal: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """The calendar is marked. `enqueue` says whether a message is needed: one is enough until it is taken up. `lane` is
    that of the next look at it."""

    calendar_id: UUID
    user_id: UUID
    enqueue: bool
    lane: Lane
    is_duplicate: bool = False


def receive(
    database: Database,
    notifications: Sequence[Notification],
    *,
    queues: Mapping[Lane, Queue],
    flags: gates.Flags,
    correlation_id: str,
    now: datetime,
) -> int:
    """Accept what proves its origin; returns how many did. The others change nothing and are not told why. `queues`
    are those for looks at a calendar.

    Raises ForbiddenError while webhooks are switched off (runbook 004), and TransientError when a message cannot be
    enqueued: the provider must hear 5xx then, and tries again. A closed sync gate parks the work: it stays marked.
    """
    accepted: list[Accepted] = []
    # Graph says the same thing once for every event of a batch.
    for number, notification in enumerate(dict.fromkeys(notifications)):
        # Each on its own: two calendars of one account in one transaction can lock each other out with their pulls.
        with database.everyone() as conn:
            if number == 0:  # in a transaction of its own the gate would be a third of a webhook's round trips
                gates.may(conn, gates.Operation.WEBHOOK, settings_flags=flags)
            one = accept(conn, notification, now=now)
        if one is not None:
            accepted.append(one)
    for one in accepted:
        if one.enqueue:
            _enqueue(database, queues[one.lane], one, correlation_id)
    return len(accepted)


def _enqueue(database: Database, queue: Queue, accepted: Accepted, correlation_id: str) -> None:
    from shared.core.messages import SyncMessage

    message = SyncMessage(
        task="pull", calendar_id=accepted.calendar_id, user_id=accepted.user_id, correlation_id=correlation_id
    )
    try:
        queue.send([message])
    except KalendsError as error:
        with database.everyone() as conn:
            forget_queued(conn, accepted.calendar_id)
        raise TransientError(
            f"The pull of calendar {accepted.calendar_id} could not be enqueued; the provider is asked to tell again.",
            code="WEBHOOK.NOT_ENQUEUED",
        ) from error


def accept(conn: Connection, notification: Notification, *, now: datetime) -> Accepted | None:
    """Mark the calendar behind a notification; None if the channel is unknown or over, or the proof is wrong.

    Needs a transaction across people: only the channel tells whose it is. A stopped channel's late notification is
    refused like an unknown one; a duplicate (same channel, same message number) is accepted and changes nothing.
    """
    row = conn.execute(
        """
        UPDATE webhook_channels
           SET last_notified_at = %(now)s, last_message_number = greatest(last_message_number, %(number)s),
               unanswered_since = NULL,
               status = CASE WHEN %(over)s THEN 'expired' WHEN %(renew)s THEN 'expiring'
                             WHEN status = 'silent' THEN 'active' ELSE status END
         WHERE provider = %(provider)s AND channel_id = %(channel)s AND token_hash = %(token)s
           AND status IN ('pending', 'active', 'silent', 'expiring')
           AND (resource_id = '' OR %(resource)s = '' OR resource_id = %(resource)s)
        RETURNING id, calendar_id, user_id, connection_id
        """,
        {
            "provider": notification.provider,
            "channel": notification.channel_id,
            # High-entropy tokens are compared as digests: how long the comparison takes tells nothing about them.
            "token": opaque.digest(notification.token),
            "resource": notification.resource_id,
            "number": notification.message_number,
            "now": now,
            "over": notification.is_over,
            "renew": notification.needs_renewal,
        },
    ).fetchone()
    if row is None:
        return None
    channel, calendar_id, user_id, connection_id = row
    if notification.message_number is not None:
        fresh = conn.execute(
            """
            INSERT INTO webhook_deliveries (channel_id, user_id, message_number) VALUES (%s, %s, %s)
            ON CONFLICT DO NOTHING
            """,
            (channel, user_id, notification.message_number),
        ).rowcount
        if not fresh:
            return Accepted(calendar_id=calendar_id, user_id=user_id, enqueue=False, lane=Lane.LIVE, is_duplicate=True)
    marked = conn.execute(
        """
        UPDATE calendar_sync_state
           SET requested = requested + 1,
               pull_queued_at = CASE WHEN pull_queued_at > %(now)s - interval '1 minute'
                                     THEN pull_queued_at ELSE %(now)s END
         WHERE calendar_id = %(id)s
        RETURNING CASE WHEN needs_full_sync THEN read_lane ELSE 0 END,
                  old.pull_queued_at IS NULL OR old.pull_queued_at <= %(now)s - interval '1 minute'
        """,
        {"now": now, "id": calendar_id},
    ).fetchone()
    conn.execute(
        """
        UPDATE external_calendar_connections
           SET last_webhook_received_at = %(now)s,
               webhook_dedupe_keys = CASE WHEN %(key)s::text IS NULL THEN webhook_dedupe_keys
                 ELSE jsonb_path_query_array(webhook_dedupe_keys, '$[last - 98 to last]') || to_jsonb(%(key)s::text) END
         WHERE id = %(id)s
        """,
        {
            "id": connection_id,
            "now": now,
            "key": None
            if notification.message_number is None
            else f"{notification.channel_id}:{notification.message_number}",
        },
    )
    if marked is None:
        return None
    return Accepted(calendar_id=calendar_id, user_id=user_id, enqueue=marked[1], lane=Lane(marked[0]))


def forget_queued(conn: Connection, calendar_id: UUID) -> None:
    """The message could not be sent: the next notification, or dispatch, sends one."""
    conn.execute("UPDATE calendar_sync_state SET pull_queued_at = NULL WHERE calendar_id = %s", (calendar_id,))
