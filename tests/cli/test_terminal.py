"""The command in a process of its own: on a terminal, in a pipe, and by its launcher."""

from __future__ import annotations

import os
import pty
import re
import select
import signal
import subprocess
import termios
import time
from typing import TYPE_CHECKING

from infra import ROOT
from tests.api.conftest import PASSWORD

if TYPE_CHECKING:
    from pathlib import Path
    from uuid import UUID

    from shared.sync.links import Link
    from tests.api.conftest import Caller
    from tests.cli.conftest import Kalends
    from tests.edge import Edge


class Terminal:
    """A terminal with somebody in front of it."""

    def __init__(self, kalends: Kalends, *arguments: str) -> None:
        self._ours, theirs = pty.openpty()
        self.shown = ""
        self._process = kalends.start(*arguments, stdin=theirs, stdout=theirs, stderr=theirs, text=False)
        os.close(theirs)

    def type(self, after: str, text: str, *, hidden: bool = False) -> None:
        """Wait until something is shown, and until typing is hidden if it is to be, then type a line."""
        while after not in self.shown:
            assert self._read(), self.shown
        while hidden and termios.tcgetattr(self._ours)[3] & termios.ECHO:
            time.sleep(0.01)
        os.write(self._ours, f"{text}\n".encode())

    def end(self) -> str:
        """All that was shown until the command ended."""
        while self._read():
            pass
        os.close(self._ours)
        self.code = self._process.wait(20)
        return self.shown

    def _read(self) -> bool:
        """Take what is shown next; False when the command has hung up."""
        if not select.select([self._ours], [], [], 30)[0]:
            self._process.kill()
            raise TimeoutError(self.shown)
        try:
            chunk = os.read(self._ours, 4096)
        except OSError:  # Linux says so
            return False
        self.shown += chunk.decode()
        return bool(chunk)


def test_a_password_is_asked_for_and_not_shown(kalends: Kalends, served: Edge, ada: Caller) -> None:
    terminal = Terminal(kalends, "login", "--host", served.base)

    terminal.type("E-mail address", "ada@example.com")
    terminal.type("Password", PASSWORD, hidden=True)
    shown = terminal.end()

    assert terminal.code == 0
    assert "Logged in to" in shown
    assert PASSWORD not in shown
    assert kalends.login["token"] not in shown


def test_deleting_asks_about_mirrors(adas: Kalends, link: Link) -> None:
    terminal = Terminal(adas, "links", "delete", str(link.id))

    terminal.type("Remove what Home → Work wrote as well?", "n")
    shown = terminal.end()

    assert terminal.code == 0
    assert "but not its mirrors" in shown


def test_a_table_shortens_ids_to_what_tells_them_apart(adas: Kalends, calendars: tuple[UUID, UUID]) -> None:
    terminal = Terminal(adas, "calendars", "list")

    shown = terminal.end()

    ids = [str(one)[:8] for one in calendars]
    assert all(re.search(rf"{one} ", shown) for one in ids)
    assert not re.search(r"[0-9a-f-]{36}", shown)
    assert "─" in shown
    assert adas("events", "--calendar", ids[0]).code == 0


def test_a_wait_moves_and_says_how_it_ended(adas: Kalends, link: Link) -> None:
    terminal = Terminal(adas, "sync", "now", "--wait", "--timeout", "1")

    shown = terminal.end()

    assert terminal.code == 1
    assert shown.count("Looking at calendars, 0 mirrors to write") > 1
    assert "It is not done after 1 second" in shown


def test_a_pipe_gets_no_colours_and_may_close_early(adas: Kalends, calendars: tuple[UUID, UUID]) -> None:
    process = adas.start("status")
    ran = adas.end(process)
    closed = adas.start("calendars", "list", "--json")
    assert closed.stdout is not None
    closed.stdout.close()
    closed.stdout = None

    assert "\x1b" not in ran.out + ran.err
    assert adas.end(closed, code=1).err == ""  # as `head` leaves it


def test_the_launcher_works_from_anywhere(kalends: Kalends, tmp_path: Path) -> None:
    (tmp_path / "shared").mkdir()  # what stands beside the caller is not ours
    (tmp_path / "shared" / "__init__.py").write_text("raise SystemExit('wrong')")
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "kalends").symlink_to(ROOT / "tools" / "kalends")

    done = subprocess.run(
        [tmp_path / "bin" / "kalends", "status"],
        cwd=tmp_path,
        env=kalends.env,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.stderr.startswith("error: You are not logged in. (LOGIN.NONE)")
    assert done.returncode == 1


def test_interrupting_ends_quietly(adas: Kalends, link: Link) -> None:
    process = adas.start("sync", "now", "--wait")
    assert process.stderr is not None
    process.stderr.readline()
    process.send_signal(signal.SIGINT)

    assert adas.end(process, code=130).out == ""
