"""Notifications: what arrives at the webhooks. Verify, mark, enqueue; nothing else (promise 7).

Imported by the leanest Lambdas: keep it free of the rest of the engine.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from uuid import UUID

    from shared.store.database import Connection


@dataclass(frozen=True, slots=True, kw_only=True)
class Notification:
    """One knock at the door. `message_number` is Google's; Graph has none. `token` proves the origin."""

    provider: str
    channel_id: str
    token: str
    resource_id: str = ""
    message_number: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """The calendar is marked. `enqueue` says whether a message is needed: one is enough until it is taken up."""

    calendar_id: UUID
    user_id: UUID
    enqueue: bool
    needs_full_sync: bool
    is_duplicate: bool = False


def accept(conn: Connection, notification: Notification) -> Accepted | None:
    """Mark the calendar behind a notification; None if the channel is unknown or over, or the proof is wrong.

    Needs a transaction across people: only the channel tells whose it is. A stopped channel's late notification is
    refused like an unknown one; a duplicate (same channel, same message number) is accepted and changes nothing.
    """
    row = conn.execute(
        """
        UPDATE webhook_channels
           SET last_notified_at = now(), last_message_number = greatest(last_message_number, %(number)s)
         WHERE provider = %(provider)s AND channel_id = %(channel)s AND token_hash = %(token)s
           AND status IN ('pending', 'active', 'expiring')
           AND (resource_id = '' OR %(resource)s = '' OR resource_id = %(resource)s)
        RETURNING id, calendar_id, user_id, connection_id
        """,
        {
            "provider": notification.provider,
            "channel": notification.channel_id,
            # High-entropy tokens are compared as digests: how long the comparison takes tells nothing about them.
            "token": hashlib.sha256(notification.token.encode()).digest(),
            "resource": notification.resource_id,
            "number": notification.message_number,
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
            return Accepted(
                calendar_id=calendar_id, user_id=user_id, enqueue=False, needs_full_sync=False, is_duplicate=True
            )
    marked = conn.execute(
        """
        UPDATE calendar_sync_state
           SET requested = requested + 1,
               pull_queued_at = CASE WHEN pull_queued_at > now() - interval '1 minute'
                                     THEN pull_queued_at ELSE now() END
         WHERE calendar_id = %s
        RETURNING needs_full_sync, old.pull_queued_at IS NULL OR old.pull_queued_at <= now() - interval '1 minute'
        """,
        (calendar_id,),
    ).fetchone()
    conn.execute(
        """
        UPDATE external_calendar_connections
           SET last_webhook_received_at = now(),
               webhook_dedupe_keys = CASE WHEN %(key)s::text IS NULL THEN webhook_dedupe_keys
                 ELSE jsonb_path_query_array(webhook_dedupe_keys, '$[last - 98 to last]') || to_jsonb(%(key)s::text) END
         WHERE id = %(id)s
        """,
        {
            "id": connection_id,
            "key": None
            if notification.message_number is None
            else f"{notification.channel_id}:{notification.message_number}",
        },
    )
    if marked is None:
        return None
    return Accepted(calendar_id=calendar_id, user_id=user_id, enqueue=marked[1], needs_full_sync=marked[0])


def forget_queued(conn: Connection, calendar_id: UUID) -> None:
    """The message could not be sent: the next notification, or dispatch, sends one."""
    conn.execute("UPDATE calendar_sync_state SET pull_queued_at = NULL WHERE calendar_id = %s", (calendar_id,))
