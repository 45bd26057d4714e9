"""Gives every linked calendar a push channel that lives. Runs every quarter of an hour."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from functions import schedule
from functions.observability import observed
from shared.sync.listening import channels
from shared.wiring import app

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext


@observed
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Answer the counts of this run."""
    return schedule.tick("renew_channels", lambda now: channels.renew(app().engine(), now=now))
