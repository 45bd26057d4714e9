"""Sends a message for everything that is due and has none on its way, publishes the outbox, and clears the dead
letters of an outage that is over. Runs each minute."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from functions import schedule
from functions.observability import observed
from shared.aws.bus import BusEntry
from shared.core import ids
from shared.store import outbox
from shared.sync import dead_letters, dispatch
from shared.wiring import app

if TYPE_CHECKING:
    from datetime import datetime

    from aws_lambda_powertools.utilities.typing import LambdaContext


@observed
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Answer the counts of this run."""
    return schedule.tick("dispatch", _dispatch)


def _dispatch(now: datetime) -> dict[str, int]:
    running = app()
    sent = dispatch.dispatch(running.engine(), correlation_id=ids.correlation("dispatch"), now=now)
    with running.database.everyone() as conn:
        relayed = outbox.relay(
            conn,
            lambda pending: running.event_bus.put(
                [BusEntry(type=one.event_type, detail=one.detail()) for one in pending]
            ),
            now=now,
        )
    cleared = dead_letters.clear(running.database, running.dead_letters, now=now)
    return {**sent.counts(), **relayed, **cleared.counts()}
