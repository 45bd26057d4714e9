"""Reads and copies calendars for the first time. Runs for messages on the backfill queue."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from functions.observability import observed
from functions.workers import work

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext


@observed
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Answer which messages are to be delivered again."""
    return work.off(event)
