"""Connections: accounts at Google and Microsoft, made at /oauth/{provider}/start; CalDAV and feeds, made here."""

import json
from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field, SecretStr

from functions.api.guard import Here
from functions.api.routes.calendars import Calendar
from functions.api.routing import new_router
from functions.api.shapes import AfterId, In, Limit, OneLine, Out, Page, page_of_list
from shared.connections import app_passwords, discovery, feed_addresses, oauth, store
from shared.core.errors import ConflictError, ReauthRequiredError
from shared.providers import AppPassword
from shared.sync.asking import requests

router = new_router()
TAGS = ["connections"]


class LastError(Out):
    """What went wrong last."""

    code: str
    message: str


class Connection(Out):
    """One account. `needs_reauth`: connect it again; `backoff_until`: it failed and is tried again then."""

    id: UUID
    provider: Literal["google", "microsoft", "caldav", "ics"]
    server_address: str | None
    email: str
    status: Literal["pending", "active", "error", "needs_reauth", "disabled", "disconnected"]
    sync_enabled: bool
    last_synced_at: datetime | None
    last_attempt_at: datetime | None
    last_discovered_at: datetime | None
    error_count: int
    last_error: LastError | None
    backoff_until: datetime | None
    created_at: datetime
    updated_at: datetime

    @classmethod
    def of(cls, one: store.Connection) -> "Connection":
        """From the stored one, whose error is JSON text."""
        return cls(
            id=one.id,
            provider=one.provider,
            server_address=one.server_address,
            email=one.email,
            status=one.status,
            sync_enabled=one.sync_enabled,
            last_synced_at=one.last_synced_at,
            last_attempt_at=one.last_attempt_at,
            last_discovered_at=one.last_discovered_at,
            error_count=one.error_count,
            last_error=LastError(**_error(one.last_error)) if one.last_error else None,
            backoff_until=one.backoff_until,
            created_at=one.created_at,
            updated_at=one.updated_at,
        )


class NewCalDav(In):
    """A CalDAV account: the address that its provider gives, and an app password made for Kalends."""

    server: Annotated[str, OneLine]
    username: Annotated[str, OneLine]
    password: Annotated[SecretStr, Field(min_length=1, max_length=app_passwords.MAX_LENGTH)]


class NewFeed(In):
    """A calendar feed (iCalendar): its address, https:// or webcal://, is never shown again. `connection_id` is one of
    yours that has moved to this address."""

    address: Annotated[SecretStr, Field(min_length=1, max_length=feed_addresses.MAX_LENGTH)]
    connection_id: UUID | None = None


class Disconnected(Out):
    """`revoked`: the provider took the permission back, too."""

    revoked: bool


@router.get("/api/connections", tags=TAGS)
def list_connections(visit: Here, after: AfterId = None, limit: Limit = 50) -> Page[Connection]:
    """Your accounts, oldest first, disconnected ones included."""
    with visit.mine() as conn:
        found = store.list_connections(conn, user_id=visit.principal.user_id)
    return page_of_list(found, limit, after, Connection.of, lambda one: one.id)


@router.get("/api/connections/<connection_id>", tags=TAGS)
def get_connection(visit: Here, connection_id: UUID) -> Connection:
    """One account."""
    with visit.mine() as conn:
        return Connection.of(store.get(conn, connection_id))


@router.put("/api/connections/caldav", tags=TAGS)
def connect_caldav(visit: Here, body: NewCalDav) -> Connection:
    """Connect a CalDAV account, or give one that is connected a new app password: nothing is lost by that.

    The password is tried at once. The same request may be sent again.
    """
    login = AppPassword(url=body.server, username=body.username, password=body.password.get_secret_value())
    return Connection.of(visit.connect_app_password(login))


@router.put("/api/connections/ics", tags=TAGS)
def connect_feed(visit: Here, body: NewFeed) -> Connection:
    """Subscribe to a calendar feed, or give one that has moved its new address: its links stay. Its one calendar can be
    the source of links, not a target.

    The feed is read at once. The same request may be sent again.
    """
    return Connection.of(visit.connect_feed(body.address.get_secret_value().strip(), connection_id=body.connection_id))


@router.delete("/api/connections/<connection_id>", tags=TAGS)
def disconnect(visit: Here, connection_id: UUID) -> Disconnected:
    """Disconnect an account: its permission is given back and erased here. Links and mirrors stay as they are, and go
    on when the account is connected again; delete links first if their mirrors shall go."""
    application = visit.application
    requests.stop_channels(visit.engine, visit.by, connection_id)
    revoked = oauth.disconnect(
        application.database,
        connection_id=connection_id,
        user_id=visit.principal.user_id,
        keyring=application.keyring(),
        authorizer_for=application.authorizer,
        actor=visit.principal.actor,
        now=visit.now,
    )
    return Disconnected(revoked=revoked)


@router.post("/api/connections/<connection_id>/discover", tags=TAGS)
def discover(visit: Here, connection_id: UUID) -> Page[Calendar]:
    """Ask the provider for the account's calendars now. It also happens every hour by itself."""
    application = visit.application
    with visit.mine() as conn:
        connection = store.get(conn, connection_id)
    try:
        provider = application.provider(connection)
        found = discovery.discover(application.database, connection=connection, provider=provider, now=visit.now)
    except ReauthRequiredError as error:
        raise ConflictError(f"{error.message} Connect the account again.", code="CONNECTION.NEEDS_REAUTH") from error
    return Page(items=[Calendar.model_validate(one) for one in found])


def _error(text: str) -> dict[str, str]:
    found = json.loads(text)
    return {"code": str(found.get("code", "UNKNOWN")), "message": str(found.get("message", ""))}
