"""What every test may ask for. PostgreSQL is always a real one: one server per test process, one database per test."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from infra.local import aws, ports
from shared.store.database import Database
from tests import postgres, radicale

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


@pytest.fixture(scope="session")
def embedded_aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of the test process's own AWS; whatever makes a client of AWS from now on speaks to it."""
    place, port = tmp_path_factory.mktemp("aws"), ports.available(0)
    with aws.running(port=port, workplace=place / "work", log=place / "aws.log"), pytest.MonkeyPatch.context() as patch:
        endpoint = f"http://{ports.LOOPBACK}:{port}"
        for name, value in {
            "AWS_ENDPOINT_URL": endpoint,
            "AWS_DEFAULT_REGION": aws.REGION,
            "AWS_ACCESS_KEY_ID": aws.ACCOUNT,
            "AWS_SECRET_ACCESS_KEY": "unchecked",
        }.items():
            patch.setenv(name, value)
        yield endpoint


@pytest.fixture(scope="session")
def radicale_base(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of the test process's own CalDAV server, with one user."""
    users = {radicale.USER: radicale.PASSWORD}
    with radicale.running(tmp_path_factory.mktemp("radicale"), users=users) as base:
        yield base
