"""One of those whose calendars Kalends keeps in step, and how an account comes to be connected."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from shared.connections import discovery
from shared.connections import store as connections

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random
    from uuid import UUID

    from shared.store.database import Connection
    from shared.sync.context import Engine
    from tests.simulation.provider import Account, Shelf
    from tests.simulation.world import World


@dataclass(slots=True, eq=False, kw_only=True)
class Person:
    """Somebody with accounts; `chance` decides what they do."""

    user_id: UUID
    chance: Random
    accounts: list[Account] = field(default_factory=list)

    @property
    def shelves(self) -> list[Shelf]:
        """The calendars of all accounts."""
        return [shelf for account in self.accounts for shelf in account.shelves]


def move_in(world: World, person: Person) -> None:
    """Tell the providers of a person's accounts and calendars."""
    world.people.append(person)
    for account in person.accounts:
        world.server.accounts[account.name] = account
        world.server.shelves |= {shelf.name: shelf for shelf in account.shelves}


def sign_in(world: World, person: Person, *, client_of: Callable[[Account], str]) -> Callable[[Engine], None]:
    """What connecting the accounts leaves in the database, and the first discovery. `client_of`: the client id of the
    OAuth app by which an account is connected."""

    def work(engine: Engine) -> None:
        ids = []
        email = f"{person.user_id}@people.example"
        with engine.database.everyone() as conn:
            conn.execute("INSERT INTO profiles (id, email) VALUES (%s, %s)", (person.user_id, email))
            for account in person.accounts:
                ids.append(_connect(conn, person, account, client_id=client_of(account)))
        for connection_id in ids:
            with engine.database.person(person.user_id) as conn:
                connection = connections.get(conn, connection_id)
            discovery.discover(
                engine.database,
                connection=connection,
                provider=engine.open_provider(connection),
                now=world.machine.now(),
            )

    return work


def _connect(conn: Connection, person: Person, account: Account, *, client_id: str) -> UUID:
    has_app = account.kind != "caldav"
    app = (account.kind, client_id)
    if has_app:
        conn.execute("INSERT INTO oauth_apps (provider, client_id) VALUES (%s, %s) ON CONFLICT DO NOTHING", app)
    row = conn.execute(
        """
        INSERT INTO external_calendar_connections
               (provider_id, provider, provider_user_id, provider_email, oauth_app_id, server_address, status)
        SELECT %s, %s, %s, %s, (SELECT id FROM oauth_apps WHERE provider = %s AND client_id = %s), %s, 'active'
        RETURNING id
        """,
        (
            person.user_id,
            account.kind,
            account.name,
            f"{account.name}@people.example",
            *app,
            None if has_app else "https://dav.example/",
        ),
    ).fetchone()
    assert row is not None
    connection_id: UUID = row[0]
    return connection_id
