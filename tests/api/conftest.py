"""The API on a real database, with one person's calendars in memory beside it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from shared.core import clock
from shared.crypto import passwords
from shared.identity import api_tokens
from shared.wiring import App
from tests import edge
from tests.installation import FixedSecrets, secret_values, settings_for
from tests.sync.world import World

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from uuid import UUID

    from shared.identity.people import Role
    from shared.store.database import Database
    from tests.edge import Edge
    from tests.postgres import Logins

PASSWORD = "correct horse battery"
HASHED = passwords.hash(PASSWORD)
NOWHERE = "http://127.0.0.1:9"


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Somebody with an API token."""

    user_id: UUID
    token: str
    http: httpx.Client

    def get(self, path: str, **options: Any) -> httpx.Response:
        return self.http.get(path, **options)

    def post(self, path: str, body: Any = None, **options: Any) -> httpx.Response:
        return self.http.post(path, json=body, **options)

    def json(self, path: str, **params: Any) -> Any:
        answer = self.http.get(path, params=params)
        assert answer.status_code == 200, answer.text
        return answer.json()


@pytest.fixture
def world(database: Database) -> World:
    """One person, called Ada, with calendars of a provider in memory."""
    return World(database)


@pytest.fixture
def app(database: Database, logins: Logins, world: World) -> App:
    """The real App; its engine is the world's, so that what is asked for is carried out when the test says so."""
    made = App(settings_for(NOWHERE, NOWHERE), FixedSecrets(secret_values(logins)))
    made.database = database
    made.engine = lambda: world.engine  # type: ignore[method-assign]
    return made


@pytest.fixture
def served(app: App, monkeypatch: pytest.MonkeyPatch) -> Iterator[Edge]:
    with edge.serve(app, monkeypatch) as running:
        yield running


@pytest.fixture
def call(served: Edge, database: Database) -> Iterator[Callable[..., Caller]]:
    """Make callers: of the world's person, or of a new one."""
    clients: list[httpx.Client] = []

    def make(user_id: UUID | None = None, *, email: str = "ada@example.com", role: Role = "user") -> Caller:
        with database.everyone() as conn:
            if user_id is None:
                (user_id,) = conn.execute("INSERT INTO profiles (email) VALUES (%s) RETURNING id", (email,)).fetchall()[
                    0
                ]
            conn.execute(
                "UPDATE profiles SET email = %s, name = %s, role = %s, password_hash = %s WHERE id = %s",
                (email, email.partition("@")[0].title(), role, HASHED, user_id),
            )
        with database.person(user_id) as conn:
            _, token = api_tokens.create(conn, user_id=user_id, name="tests", actor="test", now=clock.now())
        client = httpx.Client(base_url=served.base, timeout=20, headers={"authorization": f"Bearer {token}"})
        clients.append(client)
        return Caller(user_id=user_id, token=token, http=client)

    yield make
    for client in clients:
        client.close()


@pytest.fixture
def ada(call: Callable[..., Caller], world: World) -> Caller:
    """The world's person."""
    return call(world.user_id)
