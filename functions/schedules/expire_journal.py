"""Forgets the journal of writes, with what is sealed in it, after thirty days. Runs daily."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from functions import schedule
from functions.observability import observed
from shared.sync import undo
from shared.wiring import app

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext


@observed
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Answer the counts of this run."""
    return schedule.tick("expire_journal", lambda now: undo.expire(app().database, now=now))
