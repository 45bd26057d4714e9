"""Put a stage on AWS, take it away or compare: `python -m infra.deploy ACTION STAGE [CDK OPTION ...]`.

The CDK command line is that of `infra.npm`. It is given the templates that `infra.synth` wrote, and the AWS account of
the environment.
"""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

from infra import ROOT, npm, synth
from infra.stages import STAGES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from infra.stages import Stage

ACTIONS = ("bootstrap", "deploy", "destroy", "diff")
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
    cdk = [str(npm.NODE), str(npm.HOME / "node_modules" / "aws-cdk" / "bin" / "cdk")]
    which = ["--all"] if action in ("deploy", "destroy") else []  # the others mean all anyway
    return [*cdk, action, "--app", str(synth.assembly(stage.name)), *which, "--no-notices", *options]


def main() -> None:
    """Do what the command line says; exits with CDK's own status."""
    action, name, *options = (*sys.argv[1:], "", "")[: max(2, len(sys.argv) - 1)]
    try:
        stage = stage_for(action, name)
        npm.install()
    except (RefusedError, npm.NotFetchedError) as refusal:
        sys.exit(str(refusal))
    if not synth.is_current(stage.name):
        synth.synthesize(stage)
    if action == "destroy":
        print(_CHANNELS, flush=True)
    done = subprocess.run(command(action, stage, options), cwd=ROOT, check=False)  # noqa: S603 - our own tool
    sys.exit(done.returncode)


if __name__ == "__main__":
    main()
