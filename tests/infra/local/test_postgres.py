"""PostgreSQL runs as root or not, where everybody can reach it or nobody but its owner."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from tempfile import mkdtemp
from typing import TYPE_CHECKING

import psycopg
import pytest

from infra.local import ports, postgres

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def directory() -> Iterator[Path]:
    """A folder that only its owner may enter, as a home may be; with a space in its name."""
    made = Path(mkdtemp(prefix="kalends home "))
    yield made
    postgres.forget(made)
    shutil.rmtree(made)


def start(directory: Path) -> tuple[bool, list[str]]:
    """Start a server in `directory` and make a database there: whether it is new, and its databases."""
    where = postgres.place(directory)
    fresh = postgres.initialise(where, directory, "superuser's password")
    with postgres.running(
        where, port=ports.available(0), superuser_password="superuser's password", log=directory / "log"
    ) as server:
        server.provide(database="kept", owner="somebody", password="it's")
        with psycopg.connect(
            host=ports.LOOPBACK, port=server.port, user="somebody", password="it's", dbname="kept"
        ) as connection:
            names = connection.execute("SELECT datname FROM pg_database ORDER BY datname").fetchall()
    return fresh, [name for (name,) in names]


@pytest.mark.parametrize("mode", [0o700, 0o755], ids=["closed", "open"])
def test_server_starts_where_its_owner_can_and_keeps_its_data(directory: Path, mode: int) -> None:
    directory.chmod(mode)

    first, second = start(directory), start(directory)

    assert first == (True, ["kept", "postgres", "template0", "template1"])
    assert second == (False, first[1])


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has to hand the server to somebody else")
def test_root_forgets_data_that_had_to_stand_elsewhere(directory: Path) -> None:
    directory.chmod(0o700)
    start(directory)
    elsewhere = postgres.place(directory).data

    postgres.forget(directory)

    assert directory not in elsewhere.parents
    assert not elsewhere.parent.exists()


def test_server_that_was_stopped_for_a_while_goes_on_where_it_was(directory: Path) -> None:
    directory.chmod(0o755)
    where = postgres.place(directory)
    postgres.initialise(where, directory, "superuser")
    with postgres.running(
        where, port=ports.available(0), superuser_password="superuser", log=directory / "log"
    ) as server:
        server.provide(database="kept", owner="somebody", password="somebody")
        server.stop()
        with pytest.raises(psycopg.OperationalError):
            psycopg.connect(server.superuser)
        server.start()

        with psycopg.connect(server.superuser) as connection:
            assert connection.execute("SELECT FROM pg_database WHERE datname = 'kept'").rowcount == 1


def test_wrong_password_is_refused(directory: Path) -> None:
    directory.chmod(0o755)
    where = postgres.place(directory)
    postgres.initialise(where, directory, "right")

    with (
        postgres.running(where, port=ports.available(0), superuser_password="right", log=directory / "log") as server,
        pytest.raises(psycopg.OperationalError, match="password authentication failed"),
    ):
        psycopg.connect(host=ports.LOOPBACK, port=server.port, user="postgres", password="wrong", dbname="postgres")
