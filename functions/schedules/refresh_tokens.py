"""Refreshes access tokens before they end, so that live work finds good ones. Runs every ten minutes."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from functions import schedule
from functions.observability import observed
from shared.connections import tokens
from shared.wiring import app

if TYPE_CHECKING:
    from datetime import datetime

    from aws_lambda_powertools.utilities.typing import LambdaContext


@observed
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Answer the counts of this run."""
    return schedule.tick("refresh_tokens", _refresh)


def _refresh(now: datetime) -> dict[str, int]:
    running = app()
    return asdict(
        tokens.refresh_expiring(running.database, keyring=running.keyring(), authorizer_for=running.authorizer, now=now)
    )
