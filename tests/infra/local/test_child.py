"""Processes of the local cloud end when told to, with everything they started."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from infra import ROOT
from infra.local.child import Child
from infra.local.console import StartError

STUBBORN = (
    "import signal, subprocess, sys, time\n"
    "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
    "grandchild = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])\n"
    "print(grandchild.pid, flush=True)\n"
    "time.sleep(60)\n"
)


def alive(pid: int) -> bool:
    """Whether a process runs (a zombie does not)."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    status = Path(f"/proc/{pid}/status")
    return "\nState:\tZ" not in (status.read_text() if status.exists() else "")


def test_stubborn_process_is_killed_with_its_children(tmp_path: Path) -> None:
    log = tmp_path / "log"
    child = Child("stubborn", [sys.executable, "-c", STUBBORN], log=log, env={})
    child.wait_until(lambda: log.read_text().strip() != "")
    grandchild = int(log.read_text())

    child.stop(grace=0.2)

    assert not child.running
    for _ in range(100):  # it is dead at once, but stays in the table until its new parent looks
        if not alive(grandchild):
            break
        time.sleep(0.05)
    assert not alive(grandchild)


def test_process_that_ends_by_itself_is_reported_with_its_last_words(tmp_path: Path) -> None:
    child = Child("short", [sys.executable, "-c", "raise SystemExit('no disk')"], log=tmp_path / "log", env={})

    with pytest.raises(StartError, match=r"(?s)short ended by itself.*no disk"):
        child.wait_until(lambda: False, seconds=10)


def test_process_that_is_never_ready_is_given_up(tmp_path: Path) -> None:
    child = Child("slow", [sys.executable, "-c", "import time; time.sleep(60)"], log=tmp_path / "log", env={})

    with pytest.raises(StartError, match="slow was not ready within 0 s"):
        child.wait_until(lambda: False, seconds=0.2)

    child.stop()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a process that its parent died")
def test_process_dies_with_a_parent_that_was_killed(tmp_path: Path) -> None:
    parent = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import pathlib, sys, time; from infra.local.child import Child\n"
            "child = Child('orphan', [sys.executable, '-c', 'import time; time.sleep(60)'],"
            " log=pathlib.Path(sys.argv[1]), env={})\n"
            "print(child._process.pid, flush=True)\n"
            "time.sleep(60)",
            str(tmp_path / "log"),
        ],
        stdout=subprocess.PIPE,
        cwd=ROOT,
    )
    assert parent.stdout is not None
    orphan = int(parent.stdout.readline())

    parent.send_signal(signal.SIGKILL)
    parent.wait()

    deadline = time.monotonic() + 5
    while alive(orphan) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not alive(orphan)
