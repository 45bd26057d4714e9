"""OAuth apps: our registrations at the providers. Rows name them; their secrets stand in Secrets Manager."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from psycopg.rows import class_row
from pydantic import BaseModel, ConfigDict, ValidationError

from shared.core.errors import InvalidError, NotFoundError
from shared.providers import WITH_OAUTH, OAuthClient

if TYPE_CHECKING:
    from uuid import UUID

    from shared.providers import ProviderName
    from shared.store import database


class ClientSecret(BaseModel):
    """One provider's entry in the secret of OAuth clients; empty as long as nobody has filled it in."""

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)

    client_id: str = ""
    client_secret: str = ""


class ClientSecrets(BaseModel):
    """The secret of OAuth clients: `{"google": {"client_id", "client_secret"}, "microsoft": {...}}`."""

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)

    google: ClientSecret = ClientSecret()
    microsoft: ClientSecret = ClientSecret()

    @classmethod
    def parse(cls, secret_json: str) -> ClientSecrets:
        """Read the secret. Raises InvalidError, which never repeats it."""
        try:
            return cls.model_validate_json(secret_json)
        except ValidationError:
            raise InvalidError(
                "The secret of OAuth clients is malformed: it must read "
                '{"google": {"client_id": "...", "client_secret": "..."}, "microsoft": {...}}.',
                code="CONFIG.OAUTH_CLIENTS",
            ) from None

    def of(self, provider: ProviderName) -> ClientSecret:
        """One provider's entry."""
        return self.google if provider == "google" else self.microsoft

    def has(self, provider: ProviderName, client_id: str) -> bool:
        """Whether this app's secret is here."""
        entry = self.of(provider)
        return bool(entry.client_secret) and entry.client_id == client_id


@dataclass(frozen=True, slots=True, kw_only=True)
class OAuthApp:
    """A registration at a provider; each connection names the one it was made with. `tenant` is Microsoft's."""

    id: UUID
    provider: ProviderName
    client_id: str
    tenant: str
    is_default: bool


def get(conn: database.Connection, app_id: UUID) -> OAuthApp:
    """The app. Raises NotFoundError."""
    with conn.cursor(row_factory=class_row(OAuthApp)) as cursor:
        cursor.execute("SELECT id, provider, client_id, tenant, is_default FROM oauth_apps WHERE id = %s", (app_id,))
        app = cursor.fetchone()
    if app is None:
        raise NotFoundError(f"There is no OAuth app {app_id}.", code="OAUTH_APP.NOT_FOUND")
    return app


def default(conn: database.Connection, provider: str) -> OAuthApp:
    """The app new connections are made with. Raises InvalidError for an unknown provider, NotFoundError for none."""
    if provider not in WITH_OAUTH:
        raise InvalidError(
            f"Unknown provider {provider!r}: use one of {', '.join(WITH_OAUTH)}.", code="PROVIDER.UNKNOWN"
        )
    with conn.cursor(row_factory=class_row(OAuthApp)) as cursor:
        cursor.execute(
            "SELECT id, provider, client_id, tenant, is_default FROM oauth_apps WHERE provider = %s AND is_default",
            (provider,),
        )
        app = cursor.fetchone()
    if app is None:
        raise NotFoundError(
            f"No OAuth app is registered for {provider}. Put its client id and secret into the secret of OAuth "
            "clients and run: kalends ops migrate.",
            code="OAUTH_APP.MISSING",
        )
    return app


def offered(conn: database.Connection, secrets: ClientSecrets) -> list[ProviderName]:
    """The providers at which accounts can be connected: those with a default app whose secret is here."""
    rows = conn.execute("SELECT provider, client_id FROM oauth_apps WHERE is_default").fetchall()
    usable = {provider for provider, client_id in rows if secrets.has(provider, client_id)}
    return [provider for provider in WITH_OAUTH if provider in usable]


def save_defaults(conn: database.Connection, secrets: ClientSecrets, *, microsoft_tenant: str) -> list[OAuthApp]:
    """Make the clients of the secret the default apps; older ones stay for the connections made with them."""
    saved: list[OAuthApp] = []
    for provider in WITH_OAUTH:
        client_id = secrets.of(provider).client_id
        if not client_id:
            continue
        conn.execute(
            "UPDATE oauth_apps SET is_default = false WHERE provider = %s AND client_id <> %s AND is_default",
            (provider, client_id),
        )
        with conn.cursor(row_factory=class_row(OAuthApp)) as cursor:
            cursor.execute(
                """
                INSERT INTO oauth_apps (provider, client_id, tenant, is_default) VALUES (%s, %s, %s, true)
                ON CONFLICT (provider, client_id) DO UPDATE SET is_default = true, tenant = excluded.tenant
                RETURNING id, provider, client_id, tenant, is_default
                """,
                (provider, client_id, microsoft_tenant if provider == "microsoft" else "common"),
            )
            saved += cursor.fetchall()
    return saved


def client(app: OAuthApp, secrets: ClientSecrets) -> OAuthClient:
    """The app with its secret. Raises InvalidError when the secret of OAuth clients holds another app's."""
    if not secrets.has(app.provider, app.client_id):
        raise InvalidError(
            f"The OAuth app {app.client_id!r} at {app.provider} has no secret: put it into the secret of OAuth "
            "clients, or reconnect the account with the present app.",
            code="OAUTH_APP.NO_SECRET",
        )
    client_secret = secrets.of(app.provider).client_secret
    return OAuthClient(client_id=app.client_id, client_secret=client_secret, tenant=app.tenant)
