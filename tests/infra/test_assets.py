"""What is packaged is kept for the next time, and cleared away when it is old and nobody reads it."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from infra import ROOT, assets

if TYPE_CHECKING:
    from pathlib import Path

OLD = 2 * assets.UNUSED_SECONDS


@pytest.fixture
def build(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(assets, "_BUILD", tmp_path)
    return tmp_path


def made(name: str, number: int, *, age: float = OLD) -> Path:
    """A folder with a file in it, last asked for so many seconds ago; among equals the higher number is younger."""
    path = assets.folder(name, f"{number:040x}", lambda folder: (folder / "file").write_text("x") and None)
    asked_for = time.time() - age + number
    os.utime(path, (asked_for, asked_for))
    return path


def left(build: Path) -> set[str]:
    return {path.name for path in build.iterdir()}


def numbers(build: Path, kind: str) -> set[int]:
    return {int(name.rpartition("-")[2], 16) for name in left(build) if name.rpartition("-")[0] == kind}


def test_what_is_there_is_not_made_again(build: Path) -> None:
    calls = []

    first = assets.folder("code", "a" * 40, lambda folder: calls.append(folder))
    second = assets.folder("code", "a" * 40, lambda folder: calls.append(folder))

    assert first == second
    assert len(calls) == 1


def test_making_a_new_one_clears_the_oldest_of_its_kind(build: Path) -> None:
    for number in range(6):
        made("code", number)
    made("layer-host", 0)

    made("code", 7, age=0)

    assert numbers(build, "code") == {4, 5, 7}
    assert numbers(build, "layer-host") == {0}


def test_a_zip_is_of_another_kind_than_its_folder(build: Path) -> None:
    zips = [assets.package(made("code", number)).path for number in range(assets.KEPT)]
    made("code", 9)

    assert all(path.exists() for path in zips)


def test_what_was_asked_for_of_late_stays(build: Path) -> None:
    for number in range(6):
        made("code", number, age=assets.UNUSED_SECONDS / 2)

    assets.prune(build)

    assert numbers(build, "code") == set(range(6))


def test_asking_for_an_old_one_keeps_it(build: Path) -> None:
    for number in range(3):
        made("code", number)

    assets.folder("code", f"{0:040x}", lambda folder: None)
    made("code", 4)
    assets.prune(build)

    assert numbers(build, "code") == {0, 2, 4}


def test_what_a_running_process_holds_stays_until_it_ends(build: Path) -> None:
    oldest = made("layer-host", 0)
    program = (
        "import sys, pathlib; from infra import assets\n"
        "with assets.held(pathlib.Path(sys.argv[1])):\n"
        "    print('held', flush=True); sys.stdin.read()"
    )
    holder = subprocess.Popen(
        [sys.executable, "-c", program, str(oldest)], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert holder.stdout is not None
    holder.stdout.readline()

    for number in range(1, 6):
        made("layer-host", number)
    assets.prune(build)
    during = numbers(build, "layer-host")
    holder.kill()  # nobody says goodbye
    holder.communicate()
    assets.prune(build)

    assert during == {0, 3, 4, 5}
    assert numbers(build, "layer-host") == {3, 4, 5}


def test_workplaces_of_killed_processes_go_too_and_nothing_else(build: Path) -> None:
    for name in (".killed", ".at-work", "notes"):
        (build / name).mkdir()
        (build / name / "file").write_text("x")
    for name in (".killed", "notes"):
        os.utime(build / name, (0, 0))

    assets.prune(build)

    assert left(build) == {".at-work", "notes"}
