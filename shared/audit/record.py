"""Who did what and why: rows that nobody may change or delete."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from psycopg.types.json import Jsonb

if TYPE_CHECKING:
    from uuid import UUID

    from shared.store.database import Connection


def record(
    conn: Connection,
    *,
    user_id: UUID | None,
    actor: str,
    action: str,
    entity: str,
    metadata: dict[str, Any] | None = None,
) -> None:
    """Write an entry in this transaction, so that it stands if and only if the change does.

    `user_id` is whom it concerns (None: the installation; only a transaction across people may write that), `actor`
    who did it (`person:<id>`, `ops`, `system`), `action` such as `connection.disconnected`, `entity` such as
    `connection:<id>`. `metadata` holds ids and facts: no secret, no event's text.
    """
    conn.execute(
        "INSERT INTO audit_log (user_id, actor, action, entity, metadata) VALUES (%s, %s, %s, %s, %s)",
        (user_id, actor, action, entity, Jsonb(metadata or {})),
    )
