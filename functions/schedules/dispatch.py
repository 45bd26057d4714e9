"""Sends a message for everything that is due and has none on its way. Runs each minute."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from functions import schedule
from functions.observability import observed
from shared.core import ids
from shared.sync import dispatch
from shared.wiring import app

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext


@observed
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Answer the counts of this run."""
    return schedule.tick(
        "dispatch",
        lambda now: dispatch.dispatch(app().engine(), correlation_id=ids.correlation("dispatch"), now=now).counts(),
    )
