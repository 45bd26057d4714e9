"""Plans what has entered the links' windows. Runs daily."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from functions import schedule
from functions.observability import observed
from shared.core import ids
from shared.sync import windows
from shared.wiring import app

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext


@observed
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Answer the counts of this run."""
    return schedule.tick(
        "advance_windows",
        lambda now: windows.advance(app().engine(), correlation_id=ids.correlation("windows"), now=now),
    )
