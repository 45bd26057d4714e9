"""An installation, somebody who has signed in, and what connecting takes."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from shared.connections import apps, oauth
from tests import installation

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from shared.connections.oauth import Started
    from shared.connections.store import Connection
    from shared.identity.principal import Principal
    from tests.installation import Installation
    from tests.postgres import Logins

NOW = datetime.now(UTC)
"""The simulators live in the present."""


@pytest.fixture
def installed(logins: Logins) -> Iterator[Installation]:
    with installation.install(logins) as running:
        yield running


@pytest.fixture
def ada(installed: Installation) -> Principal:
    return installed.person("ada@example.com", now=NOW)


@pytest.fixture(params=["google", "microsoft"])
def provider(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def start(installed: Installation, principal: Principal, provider: str, *, now: datetime = NOW) -> Started:
    with installed.app.database.person(principal.user_id) as conn:
        return oauth.start(
            conn,
            principal=principal,
            app=apps.default(conn, provider),
            authorizer_for=installed.app.authorizer,
            keyring=installed.app.keyring(),
            redirect_uri=installed.settings.redirect_uri(provider),
            now=now,
        )


def finish(
    installed: Installation,
    principal: Principal | None,
    provider: str,
    query: dict[str, str],
    *,
    now: datetime = NOW,
) -> Connection:
    answer = oauth.Answer(
        **{key: query[key] for key in ("state", "code", "error", "error_description") if key in query}
    )
    return oauth.finish(
        installed.app.database,
        provider=provider,
        answer=answer,
        principal=principal,
        keyring=installed.app.keyring(),
        authorizer_for=installed.app.authorizer,
        connect=installed.app.connect,
        microsoft_authority=installed.settings.microsoft_authority,
        now=now,
    )


@pytest.fixture
def connect(installed: Installation) -> Callable[..., Connection]:
    def go(principal: Principal, provider: str, *, account: str | None = None, **form: Any) -> Connection:
        started = start(installed, principal, provider)
        simulator = installed.simulators[provider]
        query = simulator.decide(started.authorization_url, account=account or installation.ALEX[provider], **form)
        return finish(installed, principal, provider, query)

    return go
