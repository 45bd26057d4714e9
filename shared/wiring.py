"""The composition root: settings become the parts of the running product, each made when first needed."""

from __future__ import annotations

import os
import socket
from functools import cache, cached_property
from typing import TYPE_CHECKING

from shared import providers
from shared.aws.bus import EventBridge
from shared.aws.queues import SqsDeadLetters, SqsQueue
from shared.aws.secrets import SecretsManager
from shared.control import gates
from shared.core import clock
from shared.core.errors import InvalidError
from shared.core.lanes import Lane
from shared.crypto import signatures
from shared.store.conninfo import DatabaseSecret
from shared.store.database import Database

if TYPE_CHECKING:
    from uuid import UUID

    from shared.aws.bus import EventBus
    from shared.aws.queues import DeadLetters, Queue
    from shared.aws.secrets import SecretStore
    from shared.connections.apps import ClientSecrets, OAuthApp
    from shared.connections.store import Connection
    from shared.core.config import Settings
    from shared.crypto.keyring import DataKey, KeyRing
    from shared.operations.rotation import Rotation
    from shared.providers import AppPassword, Endpoints
    from shared.providers.port import Authorizer, CalendarProvider, Turns
    from shared.store.database import Connection as DatabaseConnection
    from shared.sync.context import Engine


class App:
    """One per process. Not thread-safe, as its database connection is not; the rest of it is."""

    def __init__(self, settings: Settings, secrets: SecretStore) -> None:
        self.settings = settings
        self.secrets = secrets
        self._given: dict[UUID, str] = {}

    @cached_property
    def database(self) -> Database:
        """PostgreSQL, as the runtime role."""
        settings, secrets = self.settings, self.secrets
        return Database(lambda: DatabaseSecret.parse(secrets.get(settings.database_secret_id)).conninfo)

    def rotation(self, secret_id: str) -> Rotation:
        """The rotation of a database user's secret. Raises InvalidError unless it is the runtime's or operator's."""
        from shared.aws.secret_versions import SecretVersions
        from shared.operations.rotation import Rotation

        settings = self.settings
        if not secret_id or secret_id not in (settings.database_secret_id, settings.database_operator_secret_id):
            raise InvalidError("Only the secrets of the runtime and operator roles take turns.", code="ROTATION.SECRET")
        return Rotation(
            secret_id=secret_id,
            versions=SecretVersions(),
            owner_secret=lambda: self.secrets.get(settings.database_owner_secret_id, refresh=True),
        )

    def keyring(self) -> KeyRing:
        """The master keys as they stand now: a rotated ring is seen within the secrets' time to live."""
        from shared.crypto.keyring import KeyRing

        return KeyRing.parse(self.secrets.get(self.settings.key_ring_secret_id))

    def data_key(self, conn: DatabaseConnection, connection_id: UUID) -> DataKey:
        """The key that seals a connection's tokens and event texts. Raises NotFoundError, ConflictError."""
        from shared.connections import store

        return store.data_key(store.get(conn, connection_id), self.keyring())

    def session_secrets(self) -> list[bytes]:
        """What signs CSRF tokens and hashes sign-in subjects: the current secret, then the previous one."""
        return signatures.parse_secrets(self.secrets.get(self.settings.session_secret_id))

    def webhook_secrets(self) -> list[bytes]:
        """What signs channel tokens and mirror markers: the current secret, then the previous one."""
        return signatures.parse_secrets(self.secrets.get(self.settings.webhook_secret_id))

    def oauth_clients(self) -> ClientSecrets:
        """Our registrations at the providers, with their secrets."""
        from shared.connections.apps import ClientSecrets

        return ClientSecrets.parse(self.secrets.get(self.settings.oauth_clients_secret_id))

    @cached_property
    def pull_queue(self) -> Queue:
        """Calendars to read, live lane."""
        return SqsQueue(self.settings.pull_queue_url)

    @cached_property
    def push_queue(self) -> Queue:
        """Calendars to write to, live lane."""
        return SqsQueue(self.settings.push_queue_url)

    @cached_property
    def repair_queue(self) -> Queue:
        """Calendars to put right, and to read anew for that."""
        return SqsQueue(self.settings.repair_queue_url)

    @cached_property
    def backfill_queue(self) -> Queue:
        """Calendars to read and to copy for the first time."""
        return SqsQueue(self.settings.backfill_queue_url)

    @cached_property
    def dead_letters(self) -> list[DeadLetters]:
        """What none of the workers could do, by queue."""
        return [SqsDeadLetters(url) for url in self.settings.dead_letter_queue_urls.split(",") if url]

    @cached_property
    def event_bus(self) -> EventBus:
        """Where domain events go."""
        return EventBridge(self.settings.event_bus_name)

    @cached_property
    def endpoints(self) -> Endpoints:
        """The providers' addresses."""
        settings = self.settings
        return providers.Endpoints(
            google_api=settings.google_api_endpoint,
            google_auth=settings.google_auth_url,
            google_token=settings.google_token_url,
            google_revoke=settings.google_revoke_url,
            microsoft_graph=settings.microsoft_graph_endpoint,
            microsoft_authority=settings.microsoft_authority,
            allowed_hosts=settings.allowed_hosts,
        )

    @cached_property
    def flags(self) -> gates.Flags:
        """How the gates stand by the settings, as long as nobody has set them at run time."""
        return gates.flags(self.settings)

    def engine(self) -> Engine:
        """What the sync engine works with."""
        from shared.sync.context import Engine, Lanes

        return Engine(
            database=self.database,
            lanes=Lanes(
                pull=self.pull_queue, push=self.push_queue, repair=self.repair_queue, backfill=self.backfill_queue
            ),
            flags=self.flags,
            open_provider=self.provider,
            data_key=self.data_key,
            webhook_secrets=self.webhook_secrets,
            webhook_address=self.settings.webhook_address,
            holder=f"{socket.gethostname()}:{os.getpid()}",
            now=clock.now,
        )

    def authorizer(self, app: OAuthApp) -> Authorizer:
        """The OAuth side of the app's provider. Raises InvalidError when the app has no secret."""
        from shared.connections import apps

        client = apps.client(app, self.oauth_clients())
        return providers.authorizer(app.provider, client=client, endpoints=self.endpoints)

    def connect(self, provider: str, access_token: str) -> CalendarProvider:
        """The account behind an access token."""
        return providers.connect(provider, access_token=access_token, endpoints=self.endpoints)

    def subscribe(self, address: str) -> CalendarProvider:
        """The feed at an address. Raises InvalidError for what is no address."""
        return self.connect("ics", address)

    def log_in(self, login: AppPassword) -> CalendarProvider:
        """The account behind an app password. Raises InvalidError for what is no address."""
        return providers.log_in("caldav", login=login, allowed_hosts=self.endpoints.allowed_hosts)

    def provider(self, connection: Connection, *, refused: bool = False, lane: Lane = Lane.LIVE) -> CalendarProvider:
        """The connection's account, with a token that lives long enough to work with, for work in one lane.

        `refused`: the provider has just answered 401 to the token given out last; a fresh one is got. Raises
        ReauthRequiredError, ConflictError (disconnected), TransientError, QuotaSpentError.
        """
        from shared.connections import app_passwords, feed_addresses, tokens

        match connection.provider:
            case "caldav":
                return app_passwords.provider(
                    self.database, connection, log_in=self.log_in, keyring=self.keyring(), refused=refused
                )
            case "ics":
                return feed_addresses.provider(
                    self.database, connection, subscribe=self.subscribe, keyring=self.keyring()
                )
        turns = self._turns(connection, lane=lane)
        token = tokens.access_token(
            self.database,
            connection_id=connection.id,
            user_id=connection.user_id,
            keyring=self.keyring(),
            authorizer_for=self.authorizer,
            now=clock.now(),
            refused=self._given.get(connection.id) if refused else None,
        )
        self._given[connection.id] = token
        return providers.connect(connection.provider, access_token=token, endpoints=self.endpoints, turns=turns)

    def _turns(self, connection: Connection, *, lane: Lane) -> Turns | None:
        """When the account may be called; None: at any time. Raises QuotaSpentError when this work may not call it."""
        from shared.control import budgets, quotas

        quota: budgets.Budget | quotas.Quota
        match connection.provider:
            case "google" if connection.oauth_app_id is not None:
                quota = budgets.Budget(
                    database=self.database,
                    user_id=connection.user_id,
                    app_id=connection.oauth_app_id,
                    account=connection.provider_user_id,
                    lane=lane,
                    now=clock.now,
                )
            case "microsoft":
                quota = quotas.Quota(
                    database=self.database,
                    user_id=connection.user_id,
                    subject=f"mailbox:{connection.oauth_app_id}:{connection.provider_user_id}",
                    limit=quotas.MAILBOX,
                    lane=lane,
                    now=clock.now,
                )
            case _:
                return None
        quota.require_room()
        return quota.turn


@cache
def app() -> App:
    """The process's App, from its environment. Raises InvalidError listing every bad setting."""
    from shared.core.config import read_settings

    return App(read_settings(), SecretsManager())
