"""Sends a message for everything that is due and has none on its way. Runs each minute."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from functions import schedule
from shared.sync import dispatch
from shared.wiring import app

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext


def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Answer the facts of this run."""
    return schedule.run(
        "dispatch",
        lambda correlation_id, now: dispatch.dispatch(app().engine(), correlation_id=correlation_id, now=now).facts(),
    )
