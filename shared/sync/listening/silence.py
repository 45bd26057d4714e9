"""Silent channels: a provider that stops notifying says nothing of it, so it is told by what it leaves unsaid.

Whatever changes in a calendar is announced, our own writes too. So each of these is a question to the channel that
costs no request: a pull that finds a change, and a push that made one. A channel that was open then and says nothing
for GRACE has fallen silent: dispatch notes it and asks for a pull, and that pull opens another. Where nothing was
written and nothing rang, dispatch asks for a look every CHECK, which is the only request of all this: one.

At worst an edit comes right after a look: CHECK, a minute to dispatch it, GRACE, a minute to dispatch the pull.
"""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import TYPE_CHECKING

from shared.sync.store import calendars

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from shared.store.database import Connection

log = logging.getLogger(__name__)

CHECK = timedelta(minutes=50)
"""A calendar with a channel that had nothing to say is looked at so often: at most 29 requests a day."""
GRACE = timedelta(minutes=5)
"""So late may a notification be. Graph: "Latency of change notifications", at most three minutes for events."""


def expect(conn: Connection, calendar_id: UUID, *, since: datetime, now: datetime) -> None:
    """Something changed after `since`: the channel, if it was open then, and has not spoken since, is in doubt.

    Locks the channel's row, as a notification does first of all: call it before anything that locks the calendar's.
    """
    conn.execute(
        """
        UPDATE webhook_channels SET unanswered_since = %(now)s
         WHERE calendar_id = %(id)s AND status = 'active' AND unanswered_since IS NULL
           AND listens_from <= %(since)s AND (last_notified_at IS NULL OR last_notified_at < %(since)s)
        """,
        {"id": calendar_id, "since": since, "now": now},
    )


def judge(conn: Connection, *, now: datetime) -> int:
    """Give up the channels that left a change unsaid for GRACE, and ask for pulls, which open others; returns how many.

    Needs a transaction across people, before it locks any calendar.
    """
    found = conn.execute(
        """
        UPDATE webhook_channels SET status = 'silent'
         WHERE status = 'active' AND unanswered_since <= %s
        RETURNING calendar_id, user_id, provider, channel_id, last_notified_at, unanswered_since
        """,
        (now - GRACE,),
    ).fetchall()
    calendars.request(conn, [row[0] for row in found])
    for calendar_id, user_id, provider, channel_id, last_notified_at, unanswered_since in found:
        log.warning(
            "channel silent",
            extra={
                "category": "calendar_sync",
                "error_code": "CHANNEL.SILENT",
                "provider": provider,
                "calendar_id": str(calendar_id),
                "provider_id": str(user_id),
                "channel_id": channel_id,
                "last_notified_at": last_notified_at and last_notified_at.isoformat(),
                "unanswered_since": unanswered_since.isoformat(),
            },
        )
    return len(found)


def excuse(conn: Connection, *, now: datetime) -> None:
    """Notifications were refused here until now: nothing that was left unsaid is held against a channel. Needs a
    transaction across people."""
    conn.execute(
        "UPDATE webhook_channels SET listens_from = %s, unanswered_since = NULL WHERE status = 'active'", (now,)
    )
