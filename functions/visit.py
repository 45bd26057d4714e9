"""One visit: a request together with who makes it, and what it works with. Pages and the API share it."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from shared.connections import app_passwords, feed_addresses
from shared.control import gates
from shared.identity import principal as identity
from shared.identity import sessions
from shared.sync.asking.requests import By

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime
    from uuid import UUID

    from functions.http import Request
    from shared.connections.store import Connection as Account
    from shared.identity.principal import Principal
    from shared.providers import AppPassword
    from shared.store.database import Connection
    from shared.sync.context import Engine
    from shared.wiring import App


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """A request that may go on. `visitor` is None where strangers are let in."""

    application: App
    request: Request
    visitor: Principal | None
    now: datetime

    @property
    def principal(self) -> Principal:
        """Who asks. Raises UnauthenticatedError."""
        return identity.require(self.visitor)

    @property
    def engine(self) -> Engine:
        """What the sync engine works with."""
        return self.application.engine()

    @property
    def by(self) -> By:
        """Who asks, for what is done in their name."""
        somebody = self.principal
        return By(user_id=somebody.user_id, actor=somebody.actor, correlation_id=self.request.id, now=self.now)

    @contextmanager
    def mine(self) -> Iterator[Connection]:
        """A transaction that sees only what belongs to whoever asks."""
        with self.application.database.person(self.principal.user_id) as conn:
            yield conn

    @property
    def session_token(self) -> str | None:
        """The session's token, if it was the session that said who asks."""
        return self.request.cookies.get(sessions.COOKIE) if self.visitor and self.visitor.session_hash else None

    def csrf_token(self) -> str | None:
        """What changes of this session must carry; None for an API token, which no other site can send."""
        token = self.session_token
        return sessions.csrf_token(self.application.session_secrets(), token) if token else None

    def check_csrf(self, given: str) -> None:
        """A change of a session must prove that it comes from our pages. Raises ForbiddenError."""
        token = self.session_token
        if token:
            sessions.check_csrf(self.application.session_secrets(), token, given)

    def connect_app_password(self, login: AppPassword) -> Account:
        """Connect an account without OAuth. Raises ForbiddenError while connecting is switched off, and what
        `app_passwords.connect` does."""
        application = self._where_connecting_is_allowed()
        return app_passwords.connect(
            application.database,
            user_id=self.principal.user_id,
            login=login,
            log_in=application.log_in,
            keyring=application.keyring(),
            now=self.now,
        )

    def connect_feed(self, address: str, *, connection_id: UUID | None = None) -> Account:
        """Subscribe to a feed, or give one its new address. Raises ForbiddenError while connecting is switched off, and
        what `feed_addresses.connect` does."""
        application = self._where_connecting_is_allowed()
        return feed_addresses.connect(
            application.database,
            user_id=self.principal.user_id,
            address=address,
            subscribe=application.subscribe,
            keyring=application.keyring(),
            now=self.now,
            connection_id=connection_id,
        )

    def _where_connecting_is_allowed(self) -> App:
        with self.application.database.everyone() as conn:
            gates.may(conn, gates.Operation.OAUTH, settings_flags=self.application.flags)
        return self.application
