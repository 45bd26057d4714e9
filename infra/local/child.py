"""A process of the local cloud: started in a session of its own, its output in a file, gone when we are."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from infra import ROOT
from infra.local.console import StartError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

_LIBC = ctypes.CDLL(None) if sys.platform == "linux" else None
_PR_SET_PDEATHSIG = 1


class Child:
    """A running process.

    A session of its own, so that Ctrl-C reaches only us and we stop the parts in order. On Linux the kernel stops
    it too when we are killed.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        *,
        log: Path,
        env: Mapping[str, str],
        cwd: Path = ROOT,
        user: int | None = None,
        stop_signal: signal.Signals = signal.SIGTERM,
    ) -> None:
        self.name = name
        self.log = log
        self._stop_signal = stop_signal
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("ab") as output:
            self._process = subprocess.Popen(  # noqa: S603 - our own programs
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=dict(env),
                cwd=cwd,
                user=user,
                extra_groups=None if user is None else (),
                start_new_session=True,
                preexec_fn=self._die_with_parent,
            )

    def _die_with_parent(self) -> None:
        if _LIBC is not None:
            _LIBC.prctl(_PR_SET_PDEATHSIG, int(self._stop_signal))

    @property
    def running(self) -> bool:
        """Whether it has not ended."""
        return self._process.poll() is None

    def wait_until(self, ready: Callable[[], bool], *, seconds: float = 30) -> None:
        """Wait for `ready`. Raises StartError with the end of its log when it ends or takes longer than `seconds`."""
        deadline = time.monotonic() + seconds
        while not ready():
            if not self.running:
                raise StartError(f"{self.name} ended by itself: {self.last_words()}")
            if time.monotonic() > deadline:
                raise StartError(f"{self.name} was not ready within {seconds:.0f} s: {self.last_words()}")
            time.sleep(0.05)

    def last_words(self) -> str:
        """The end of its log, and where the rest is."""
        lines = self.log.read_text(errors="replace").splitlines()[-15:]
        return "\n    ".join([f"see {self.log}", *lines])

    def stop(self, *, grace: float = 10) -> None:
        """Ask it to stop, wait `grace` seconds, then kill it and all that it has started."""
        if self.running:
            with suppress(ProcessLookupError):
                self._process.send_signal(self._stop_signal)
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(grace)
        with suppress(ProcessLookupError, PermissionError):  # the group is empty: everything ended by itself
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
