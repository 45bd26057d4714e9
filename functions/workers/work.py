"""What the workers of all lanes do with a message: the lane decides only what waits for what."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from functions import batch
from shared.core.errors import NotFoundError
from shared.sync import pull, push
from shared.wiring import app

if TYPE_CHECKING:
    from shared.core.messages import SyncMessage


log = logging.getLogger(__name__)


def off(event: dict[str, Any]) -> dict[str, Any]:
    """Work off a batch of sync messages."""
    engine = app().engine()

    def work(message: SyncMessage) -> None:
        run = pull.pull if message.task == "pull" else push.push
        try:
            outcome = run(
                engine, message.calendar_id, user_id=message.user_id, correlation_id=message.correlation_id
            ).value
        except NotFoundError:
            outcome = "gone"  # the calendar or its connection was removed after the message was sent
        log.info("message done", extra={"category": "calendar_sync", "task": message.task, "outcome": outcome})

    return batch.each(event, work)
