"""Lists the calendars of every connection once an hour: new ones appear, and quiet ones are proved current.

Runs every ten minutes, for those whose hour is over.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from functions import schedule
from functions.observability import observed
from shared.connections import discovery
from shared.wiring import app

if TYPE_CHECKING:
    from datetime import datetime

    from aws_lambda_powertools.utilities.typing import LambdaContext


@observed
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Answer the counts of this run."""
    return schedule.tick("discover_calendars", _discover)


def _discover(now: datetime) -> dict[str, int]:
    running = app()
    return discovery.discover_due(running.database, open_provider=running.provider, now=now)
