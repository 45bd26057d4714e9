"""Plans what has entered the links' windows. Runs daily."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from functions import schedule
from shared.sync import windows
from shared.wiring import app

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext


def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Answer the facts of this run."""
    return schedule.run(
        "advance_windows",
        lambda correlation_id, now: windows.advance(app().engine(), correlation_id=correlation_id, now=now),
    )
