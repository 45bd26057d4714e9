"""Dead letters of sync messages: those of an outage clear themselves, and whatever keeps failing stays to be seen.

A message is only a hint. What it hinted at is marked in the database, and dispatch sends another message for it; so a
dead letter has nothing left to say as soon as its work is done, or cannot be asked for any more. Until then it stays,
and with it the alarm. One that cannot be read stays too: nobody here has sent it.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pydantic import ValidationError

from shared.core.messages import SyncMessage

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime
    from uuid import UUID

    from shared.aws.queues import DeadLetter, DeadLetters
    from shared.store.database import Connection, Database

log = logging.getLogger(__name__)

LIMIT = 500
"""Letters of one queue looked through in one round; each round begins anew."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cleared:
    """How many letters were deleted, wait for their work to be done, or cannot be read."""

    cleared: int = 0
    waiting: int = 0
    unreadable: int = 0

    def counts(self) -> dict[str, int]:
        """For the log."""
        return {
            "dead_letters_cleared": self.cleared,
            "dead_letters_waiting": self.waiting,
            "dead_letters_unreadable": self.unreadable,
        }


def clear(database: Database, queues: Iterable[DeadLetters], *, now: datetime) -> Cleared:
    """Delete the letters whose work is done; the others are put back as they were. Raises TransientError."""
    cleared = waiting = unreadable = 0
    for queue in queues:
        letters = queue.read(LIMIT)
        readable = {letter: message for letter in letters if (message := _read(letter, queue.name)) is not None}
        due = _due(database, list(readable.values()), now=now) if readable else set()
        done = [letter for letter, message in readable.items() if (message.task, message.calendar_id) not in due]
        queue.delete(done)
        queue.put_back([letter for letter in letters if letter not in set(done)])
        cleared += len(done)
        waiting += len(readable) - len(done)
        unreadable += len(letters) - len(readable)
    return Cleared(cleared=cleared, waiting=waiting, unreadable=unreadable)


def _read(letter: DeadLetter, queue: str) -> SyncMessage | None:
    try:
        return SyncMessage.model_validate_json(letter.body)
    except ValidationError:
        log.error("dead letter cannot be read", extra={"queue": queue, "message_id": letter.id})  # noqa: TRY400 - it would repeat the body
        return None


def _due(database: Database, messages: Sequence[SyncMessage], *, now: datetime) -> set[tuple[str, UUID]]:
    """(task, calendar) of those whose work waits to be done and may be done now."""
    with database.everyone() as conn:
        pulls = _due_pulls(conn, [message.calendar_id for message in messages if message.task == "pull"])
        pushes = _due_pushes(conn, [message.calendar_id for message in messages if message.task == "push"], now=now)
    return {("pull", one) for one in pulls} | {("push", one) for one in pushes}


def _due_pulls(conn: Connection, calendar_ids: Sequence[UUID]) -> list[UUID]:
    rows = conn.execute(
        "SELECT calendar_id FROM pulls_due WHERE calendar_id = ANY(%s)", (list(calendar_ids),)
    ).fetchall()
    return [row[0] for row in rows]


def _due_pushes(conn: Connection, calendar_ids: Sequence[UUID], *, now: datetime) -> list[UUID]:
    rows = conn.execute(
        """
        SELECT DISTINCT m.target_calendar_id
          FROM mirrors_due m JOIN calendar_sync_state s ON s.calendar_id = m.target_calendar_id
          JOIN external_calendar_connections x ON x.id = s.connection_id
         WHERE m.target_calendar_id = ANY(%s)
           AND (m.next_attempt_at IS NULL OR m.next_attempt_at <= %s)
           AND x.sync_enabled AND x.status IN ('pending', 'active', 'error')
        """,
        (list(calendar_ids), now),
    ).fetchall()
    return [row[0] for row in rows]
