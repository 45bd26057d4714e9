"""A PostgreSQL server of the tests' own, from the embedded binaries, and databases copied from a migrated template."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

import psycopg
from psycopg import sql

from infra.local import ports, postgres
from shared.store import migrate

if TYPE_CHECKING:
    from collections.abc import Iterator

SUPERUSER = "postgres"
OWNER, RUNTIME, OPERATOR = "kalends_owner", "kalends_runtime", "kalends_operator"
TEMPLATE = "kalends_template"
ROOM = 2 * 2**30
CONFIGURATION = """
fsync = off
synchronous_commit = off
full_page_writes = off
autovacuum = off
max_connections = 120
min_wal_size = 32MB
max_wal_size = 128MB
shared_buffers = 64MB
jit = off
log_min_messages = error
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Logins:
    """One database, seen by each of its roles; the values are libpq connection strings."""

    name: str
    port: int

    def conninfo(self, role: str) -> str:
        """How `role` signs in; the tests' passwords are the roles' names."""
        return f"host=127.0.0.1 port={self.port} dbname={self.name} user={role} password={role}"

    @property
    def owner(self) -> str:
        """Runs migrations."""
        return self.conninfo(OWNER)

    @property
    def runtime(self) -> str:
        """Serves one person at a time, behind row-level security."""
        return self.conninfo(RUNTIME)

    @property
    def operator(self) -> str:
        """Runs runbook SQL."""
        return self.conninfo(OPERATOR)

    def secret(self, role: str) -> str:
        """The role's secret, in the RDS JSON shape."""
        return json.dumps(
            {
                "engine": "postgres",
                "host": "127.0.0.1",
                "port": self.port,
                "username": role,
                "password": role,
                "dbname": self.name,
            }
        )

    def url(self, role: str) -> str:
        """The same as a URL, for tools such as psql."""
        return f"postgresql://{quote(role)}:{quote(role)}@127.0.0.1:{self.port}/{quote(self.name)}"


class Server:
    """A running server. Databases are made empty or from the migrated template, and dropped when done with."""

    def __init__(self, port: int, superuser: str) -> None:
        self.port = port
        self._superuser = superuser
        self._number = 0

    def execute(self, *statements: sql.Composable) -> None:
        """Run statements as the superuser."""
        with psycopg.connect(self._superuser, autocommit=True) as conn:
            for statement in statements:
                conn.execute(statement)

    @contextlib.contextmanager
    def database(self, *, template: str | None = TEMPLATE) -> Iterator[Logins]:
        """A database of its own: a copy of the template, or with `template=None` one without migrations."""
        self._number += 1
        name = f"kalends_{os.getpid()}_{self._number}"
        create = sql.SQL("CREATE DATABASE {} OWNER {} TEMPLATE {}").format(
            sql.Identifier(name), sql.Identifier(OWNER), sql.Identifier(template or "template0")
        )
        self.execute(create)
        try:
            yield Logins(name=name, port=self.port)
        finally:
            self.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


@contextlib.contextmanager
def serve() -> Iterator[Server]:
    """Start a server on a free port with a migrated template; stop and forget it afterwards."""
    directory = Path(tempfile.mkdtemp(prefix="kalends tests ", dir=_fastest_place()))
    directory.chmod(0o711)  # as root the server runs as nobody, who must reach its data
    try:
        where = postgres.place(directory)
        postgres.initialise(where, directory, SUPERUSER)
        with (where.data / "postgresql.conf").open("a") as configuration:
            configuration.write(CONFIGURATION)
        log = directory / "postgres.log"
        with postgres.running(where, port=ports.available(0), superuser_password=SUPERUSER, log=log) as running:
            running.provide(database=TEMPLATE, owner=OWNER, password=OWNER)
            template = Logins(name=TEMPLATE, port=running.port)
            migrate.up(template.owner)
            for role in (RUNTIME, OPERATOR):
                migrate.provide_user(template.owner, user=role, password=role, role=role)
            yield Server(running.port, running.superuser)
    finally:
        postgres.forget(directory)
        shutil.rmtree(directory, ignore_errors=True)


def _fastest_place() -> str:
    """In memory where there is room: a test's own database is some 300 files, 30 ms there and up to 1 s on disk."""
    memory = Path("/dev/shm")  # noqa: S108 - mkdtemp makes a directory that is ours
    return str(memory) if memory.is_dir() and shutil.disk_usage(memory).free > ROOM else "/tmp"  # noqa: S108
