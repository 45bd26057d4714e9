"""The migration runner: numbered plain SQL, up and down, under an advisory lock, each in a transaction of its own."""

from __future__ import annotations

import hashlib
import re
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
from psycopg import sql

from shared.core.errors import ConflictError, InvalidError
from shared.store.database import translate

if TYPE_CHECKING:
    from collections.abc import Iterator

    from shared.store.database import Connection

DIRECTORY = Path(__file__).parents[2] / "migrations"
LOCK = 0x6B616C65
"""The advisory lock's key: "kale"."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Migration:
    """One step: `version` is its number, `up` and `down` plain SQL."""

    version: int
    name: str
    up: str
    down: str

    @property
    def checksum(self) -> str:
        """SHA-256 of the way up: an applied migration must never change."""
        return hashlib.sha256(self.up.encode()).hexdigest()


def read(directory: Path = DIRECTORY) -> list[Migration]:
    """All migrations in order. Raises InvalidError when a number repeats or a way down is missing."""
    steps: list[Migration] = []
    for path in sorted(directory.glob("*.up.sql")):
        match = re.fullmatch(r"(\d{4})_([a-z0-9_]+)\.up\.sql", path.name)
        down = path.with_name(path.name.replace(".up.sql", ".down.sql"))
        if match is None or not down.exists():
            raise InvalidError(f"Migration {path.name}: name it NNNN_what.up.sql and add its .down.sql.")
        steps.append(
            Migration(version=int(match[1]), name=match[2], up=path.read_text("utf-8"), down=down.read_text("utf-8"))
        )
    if len({step.version for step in steps}) != len(steps):
        raise InvalidError("Two migrations have the same number: renumber the newer one.")
    return steps


def up(conninfo: str, *, directory: Path = DIRECTORY) -> list[int]:
    """Apply what is missing, as the owner; returns the versions applied. Safe to run twice and side by side."""
    applied: list[int] = []
    with _locked(conninfo) as conn:
        done = status(conn)
        for step in read(directory):
            if step.version in done:
                if done[step.version] != step.checksum:
                    raise ConflictError(
                        f"Migration {step.version:04} was applied with another text. Restore it and write a new one."
                    )
                continue
            with conn.transaction():
                conn.execute(step.up.encode())
                conn.execute(
                    "INSERT INTO schema_migrations (version, name, checksum) VALUES (%s, %s, %s)",
                    (step.version, step.name, step.checksum),
                )
            applied.append(step.version)
    return applied


def down(conninfo: str, *, to: int, directory: Path = DIRECTORY) -> list[int]:
    """Undo everything newer than version `to`, newest first; returns the versions undone."""
    undone: list[int] = []
    with _locked(conninfo) as conn:
        done = status(conn)
        for step in reversed(read(directory)):
            if step.version <= to or step.version not in done:
                continue
            with conn.transaction():
                conn.execute(step.down.encode())
                conn.execute("DELETE FROM schema_migrations WHERE version = %s", (step.version,))
            undone.append(step.version)
    return undone


def status(conn: Connection) -> dict[int, str]:
    """The versions that are applied, with their checksums."""
    return dict(conn.execute("SELECT version, checksum FROM schema_migrations").fetchall())


def provide_user(conninfo: str, *, user: str, password: str, role: str) -> None:
    """Let `user` sign in with `password`; unless it is `role` itself, it may do what `role` may. Safe to repeat.

    Only the SCRAM verifier travels, so that no log and no statistics of statements can hold the password.
    """
    with _locked(conninfo) as conn, conn.transaction():
        name = sql.Identifier(user)
        if not conn.execute("SELECT FROM pg_roles WHERE rolname = %s", (user,)).rowcount:
            conn.execute(sql.SQL("CREATE ROLE {}").format(name))
        if user != role:
            member = sql.SQL("GRANT {} TO {} WITH INHERIT TRUE, SET TRUE").format(sql.Identifier(role), name)
            conn.execute(member)
        verifier = conn.pgconn.encrypt_password(password.encode(), user.encode(), b"scram-sha-256").decode()
        conn.execute(sql.SQL("ALTER ROLE {} LOGIN PASSWORD {}").format(name, sql.Literal(verifier)))


@contextmanager
def _locked(conninfo: str) -> Iterator[Connection]:
    """A connection that holds the migration lock until it is closed."""
    try:
        with psycopg.connect(conninfo, autocommit=True) as conn:
            conn.execute("SELECT pg_advisory_lock(%s)", (LOCK,))
            # Behind a migration that waits for a lock, everybody waits: better to fail and try again.
            conn.execute("SET lock_timeout = '10s'")
            conn.execute("SET statement_timeout = '240s'")
            conn.execute(
                """
                CREATE TABLE IF NOT EXISTS schema_migrations (
                  version integer PRIMARY KEY, name text NOT NULL, checksum text NOT NULL,
                  applied_at timestamptz NOT NULL DEFAULT now())
                """
            )
            yield conn
    except psycopg.Error as error:
        raise translate(error) from error
