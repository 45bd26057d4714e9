"""What every test may ask for. PostgreSQL is always a real one: one server per test process, one database per test."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from shared.store.database import Database
from tests import postgres

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.postgres import Logins, Server


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    """The test process's PostgreSQL server, with a migrated template."""
    with postgres.serve() as running:
        yield running


@pytest.fixture
def logins(server: Server) -> Iterator[Logins]:
    """A migrated, empty database of the test's own, by role."""
    with server.database() as made:
        yield made


@pytest.fixture
def database(logins: Logins) -> Iterator[Database]:
    """The test's database as the product sees it: the runtime role."""
    opened = Database(logins.runtime)
    yield opened
    opened.close()
