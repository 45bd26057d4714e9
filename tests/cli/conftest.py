"""The real command against the handlers, over real HTTP, on a real database."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
from typer.testing import CliRunner

from functions import observability
from infra import ROOT
from shared.cli import application
from tests.api.conftest import ada, app, call, served, world

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path
    from uuid import UUID

    from shared.sync.links import Link
    from tests.api.conftest import Caller
    from tests.edge import Edge
    from tests.sync.world import World

__all__ = ["ada", "app", "call", "served", "world"]

TIME_ZONE = "Europe/Berlin"
_TOKEN = re.compile(r"kal_[\w-]+")


@dataclass(frozen=True, slots=True)
class Ran:
    """What a command did: its exit code, and what it said on both streams."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """Standard output as the program that reads it sees it."""
        return json.loads(self.out)

    @property
    def lines(self) -> list[str]:
        """Standard output without its heading."""
        return self.out.splitlines()[1:]


@dataclass(slots=True)
class Kalends:
    """The command line of one user, who has a configuration of their own. No command may say what is in `secrets`."""

    config: Path
    secrets: list[str] = field(default_factory=list)
    extra: dict[str, str] = field(default_factory=dict)
    """More of its environment."""

    @property
    def env(self) -> dict[str, str]:
        """What the command finds in its environment."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("KALENDS_", "XDG_", "AWS_"))}
        return {**kept, "KALENDS_CONFIG": str(self.config), "TZ": TIME_ZONE, "COLUMNS": "100", **self.extra}

    @property
    def login(self) -> dict[str, Any]:
        """What is kept of the login."""
        return dict(json.loads(self.config.read_text()))

    def __call__(self, *arguments: str, input: str = "", code: int = 0, may_say: str = "") -> Ran:
        """Run a command in this process; it must end with `code`."""
        env: dict[str, str | None] = {
            name: None for name in os.environ if name.startswith(("KALENDS_", "XDG_", "AWS_"))
        }
        done = CliRunner(env=env | self.env).invoke(application(), arguments, input=input, prog_name="kalends")
        if done.exception is not None and not isinstance(done.exception, SystemExit):
            raise done.exception
        return self._checked(Ran(done.exit_code, done.stdout, done.stderr), code, may_say)

    def start(self, *arguments: str, **options: Any) -> subprocess.Popen[str]:
        """Start a command in a process of its own."""
        return subprocess.Popen(
            [sys.executable, "-m", "shared.cli", *arguments],
            cwd=ROOT,
            env=self.env,
            **{
                "stdin": subprocess.DEVNULL,
                "stdout": subprocess.PIPE,
                "stderr": subprocess.PIPE,
                "text": True,
                **options,
            },
        )

    def end(self, process: subprocess.Popen[str], *, code: int = 0) -> Ran:
        """Wait for a started command, which must end with `code`."""
        try:
            out, err = process.communicate(timeout=30)
        finally:
            process.kill()
        return self._checked(Ran(process.returncode, out or "", err), code, "")

    def _checked(self, ran: Ran, code: int, may_say: str) -> Ran:
        said = ran.out + ran.err
        if found := _TOKEN.search(self.config.read_text() if self.config.exists() else ""):
            self.secrets.append(found[0])
        assert not [secret for secret in self.secrets if secret in said and secret != may_say]
        assert "Traceback" not in said
        assert ran.code == code, said
        return ran


@pytest.fixture
def kalends(tmp_path: Path) -> Kalends:
    """The command line of somebody who is not logged in."""
    observability.add_facts()  # the handlers' log goes where it goes now, and not to what a command says
    return Kalends(tmp_path / "config" / "kalends.json")


@pytest.fixture
def log_in(kalends: Kalends, served: Edge) -> Callable[[Caller], None]:
    """Log the command line in as somebody."""

    def as_whom(caller: Caller) -> None:
        kalends.secrets.append(caller.token)
        kalends("login", "--host", served.base, "--token", "-", input=f"{caller.token}\n")

    return as_whom


@pytest.fixture
def adas(kalends: Kalends, log_in: Callable[[Caller], None], ada: Caller) -> Kalends:
    """The command line of Ada, logged in."""
    log_in(ada)
    return kalends


@pytest.fixture
def calendars(world: World) -> tuple[UUID, UUID]:
    """Ada's two."""
    return world.calendar("Home"), world.calendar("Work")


@pytest.fixture
def link(world: World, calendars: tuple[UUID, UUID]) -> Link:
    """From Home to Work, with titles."""
    return world.link(*calendars, privacy="title")


@pytest.fixture(autouse=True)
def _here(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Every machine is in one time zone."""
    with monkeypatch.context() as patch:
        patch.setenv("TZ", TIME_ZONE)
        time.tzset()
        yield
    time.tzset()
