"""Setting an installation up: migrations, the roles' passwords, the default OAuth apps, the first administrator."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from shared.connections import apps
from shared.core.errors import InvalidError
from shared.identity import invitations
from shared.operations.rotation import other_user
from shared.store import migrate
from shared.store.conninfo import DatabaseSecret

if TYPE_CHECKING:
    from datetime import datetime

    from shared.connections.apps import ClientSecrets
    from shared.store.database import Database

RUNTIME, OPERATOR = "kalends_runtime", "kalends_operator"


@dataclass(frozen=True, slots=True, kw_only=True)
class Migrated:
    """What a migration did: the versions it applied, and the client ids of the default apps by provider."""

    applied: list[int]
    oauth_apps: dict[str, str]


def migrate_database(
    database: Database,
    *,
    owner_secret: str,
    runtime_secret: str,
    operator_secret: str,
    clients: ClientSecrets,
    microsoft_tenant: str,
) -> Migrated:
    """Apply what is missing as the owner, then let runtime and operator in with the passwords of their secrets.

    A secret may name the role or the user that takes turns with it (`shared.operations.rotation`). Safe to repeat.
    Raises InvalidError for secrets that are not those roles', and what the migrations raise.
    """
    owner = DatabaseSecret.parse(owner_secret)
    logins = {RUNTIME: DatabaseSecret.parse(runtime_secret), OPERATOR: DatabaseSecret.parse(operator_secret)}
    for role, login in logins.items():
        if login.username not in (role, other_user(role)):
            raise InvalidError(
                f"The secret of role {role} names another user: set its username to {role}.",
                code="CONFIG.DATABASE_SECRET",
            )
    applied = migrate.up(owner.conninfo)
    for role, login in logins.items():
        migrate.provide_user(owner.conninfo, user=login.username, password=login.password, role=role)
    with database.everyone() as conn:
        saved = apps.save_defaults(conn, clients, microsoft_tenant=microsoft_tenant)
    return Migrated(applied=applied, oauth_apps={app.provider: app.client_id for app in saved})


def administrator_link(database: Database, *, app_base_url: str, now: datetime, email: str | None = None) -> str | None:
    """The one-time link by which an administrator comes in, good for 24 hours.

    Without `email` it is for the first one, and None when there is one. With `email` it is for that person in any
    case, and gives them a new password if they are here: the way back in.
    """
    with database.everyone() as conn:
        if email is None and conn.execute("SELECT FROM profiles WHERE role = 'admin' LIMIT 1").rowcount:
            return None
        token = invitations.invite(conn, role="admin", actor="ops", now=now, email=email)
    return invitations.address(app_base_url, token)
