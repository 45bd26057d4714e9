"""The product's own quotas in virtual time, chosen as the composition root does (wiring.App.provider)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shared.control import budgets, quotas

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from shared.connections.store import Connection
    from shared.core.lanes import Lane
    from shared.providers.port import Turns
    from shared.store.database import Database


def turns_of(database: Database, connection: Connection, *, lane: Lane, now: Callable[[], datetime]) -> Turns:
    """When an account may be called. Raises QuotaSpentError when this work may not call it."""
    quota: budgets.Budget | quotas.Quota
    if connection.provider == "google":
        quota = budgets.Budget(
            database=database,
            user_id=connection.user_id,
            app_id=connection.oauth_app_id,
            account=connection.provider_user_id,
            lane=lane,
            now=now,
        )
    else:
        quota = quotas.Quota(
            database=database,
            user_id=connection.user_id,
            subject=f"mailbox:{connection.oauth_app_id}:{connection.provider_user_id}",
            limit=quotas.MAILBOX,
            lane=lane,
            now=now,
        )
    quota.require_room()
    return quota.turn
