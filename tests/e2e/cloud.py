"""The local cloud as tests use it: the whole of it, in a process of its own, with data of its own."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import mkdtemp
from typing import TYPE_CHECKING, Any

import psycopg

from infra import ROOT
from infra.local import aws, postgres

if TYPE_CHECKING:
    from collections.abc import Iterator

START_SECONDS = 180
"""The first start on a machine also builds the layer and the template."""
STOP_SECONDS = 40
SAID = "said.txt"
"""In a cloud's folder: what it says in the terminal."""
OUTAGE_SECONDS = 30
"""In which the database's server stops, or starts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cloud:
    """A running local cloud."""

    process: subprocess.Popen[bytes]
    directory: Path
    base_url: str
    address: str
    """The front door on this machine, whatever `base_url` says."""
    google_url: str = ""
    microsoft_url: str = ""
    """The simulators; empty where real accounts are used."""
    aws_endpoint: str
    dsn: str
    """libpq's connection string of the functions' role."""
    dsn_owner: str
    dsn_operator: str
    outputs: dict[str, str]
    """Of the stack: ApiId, PullQueueUrl, PullDeadLettersUrl and so on."""
    logs: Path

    def aws(self, service: str) -> Any:
        """A client of the embedded AWS."""
        return aws.client(service, self.aws_endpoint)

    def stop_database(self) -> None:
        """An outage: returns when the server is gone."""
        self._tell("database stop")
        self._wait_for_database(answers=False)

    def start_database(self) -> None:
        """End the outage: returns when the server answers."""
        self._tell("database start")
        self._wait_for_database(answers=True)

    def _tell(self, words: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(f"{words}\n".encode())
        self.process.stdin.flush()

    def _wait_for_database(self, *, answers: bool) -> None:
        deadline = time.monotonic() + OUTAGE_SECONDS
        while _answers(self.dsn) != answers:
            if time.monotonic() > deadline:
                raise TimeoutError(f"the database {'does not answer' if answers else 'still answers'}")
            time.sleep(0.1)

    def said(self) -> str:
        """What it has said in the terminal."""
        return (self.directory / SAID).read_text()

    def log(self, function: str) -> str:
        """What a function such as `workers-pull` has logged; it arrives within two seconds."""
        file = self.logs / "lambda" / f"kalends-local-{function}.log"
        return file.read_text() if file.exists() else ""


def _answers(dsn: str) -> bool:
    try:
        psycopg.connect(dsn, connect_timeout=2).close()
    except psycopg.OperationalError:
        return False
    return True


@contextmanager
def folder() -> Iterator[Path]:
    """A folder for a cloud's data, with a space in its path and open to the user that PostgreSQL runs as."""
    made = Path(mkdtemp(prefix="kalends e2e "))
    made.chmod(0o755)
    try:
        yield made
    finally:
        postgres.forget(made)
        shutil.rmtree(made, ignore_errors=True)


@contextmanager
def started(directory: Path, *arguments: str, **environment: str) -> Iterator[Cloud]:
    """Start the cloud on free ports, and stop it as `make run` is stopped. Raises with its output if it cannot."""
    directory.mkdir(exist_ok=True)
    ready = directory / "ready.json"
    ready.unlink(missing_ok=True)
    with (directory / SAID).open("w+b") as output:
        process = subprocess.Popen(
            [
                *(sys.executable, "-m", "infra.local", "--port", "0", "--with-parent"),
                *("--directory", str(directory), "--ready-file", str(ready), *arguments),
            ],
            cwd=ROOT,
            env={**os.environ, **environment},
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        try:
            deadline = time.monotonic() + START_SECONDS
            while not ready.exists():
                if process.poll() is not None or time.monotonic() > deadline:
                    output.seek(0)
                    raise RuntimeError(f"the local cloud did not start:\n{output.read().decode()}")
                time.sleep(0.1)
            facts = json.loads(ready.read_text())
            del facts["aws_region"]
            yield Cloud(process=process, directory=directory, **{**facts, "logs": Path(facts["logs"])})
        finally:
            process.terminate()
            process.communicate(timeout=STOP_SECONDS)
