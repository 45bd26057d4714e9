"""Put a stage on AWS, take it away or compare: `python -m infra.deploy ACTION STAGE [CDK OPTION ...]`.

The CDK command line is that of `infra.npm`. It is given the templates that `infra.synth` wrote, and the AWS account of
the environment.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from infra import ROOT, npm, synth
from infra.stages import STAGES

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from infra.stages import Stage

ACTIONS = ("bootstrap", "deploy", "destroy", "diff")
_NOT_STOPPED = (
    "destroy: the push channels at Google and Microsoft could not be stopped, for the reason above. They run out "
    "within seven days; until then the providers post to an address where nobody answers."
)
_STAYS = (
    "destroy: the stage was not taken away, and its sync is switched off. To go on with it: "
    "kalends --stage {stage} ops gate CALENDAR_SYNC_ENABLED --open --reason TEXT"
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


def command(action: str, stage: Stage, options: Sequence[str] = (), *, stack: str | None = None) -> list[str]:
    """What is run: the pinned CDK on the stage's templates, all stacks in their order or the one named."""
    cdk = [str(npm.NODE), str(npm.HOME / "node_modules" / "aws-cdk" / "bin" / "cdk")]
    which = [stack] if stack else ["--all"] if action in ("deploy", "destroy") else []  # the others mean all anyway
    return [*cdk, action, "--app", str(synth.assembly(stage.name)), *which, "--no-notices", *options]


def firewall_parameters(stage: Stage, outputs: Mapping[str, Mapping[str, str]]) -> list[str]:
    """What the application is told of the firewall, which stands in another region; `outputs` by stack name."""
    found = outputs[f"kalends-{stage.name}-firewall"]
    return [
        word
        for name in ("CertificateArn", "WebAclArn")
        for word in ("--parameters", f"kalends-{stage.name}:{name}={found[name]}")
    ]


def deploy_firewall(stage: Stage, options: Sequence[str]) -> list[str]:
    """Deploy the stack `firewall` before the others; answers what they are to be told. Exits with CDK's own status."""
    with TemporaryDirectory() as folder:
        outputs = Path(folder) / "outputs.json"
        line = command("deploy", stage, [*options, "--outputs-file", str(outputs)], stack="Firewall")
        done = subprocess.run(line, cwd=ROOT, check=False)  # noqa: S603 - our own tool
        if done.returncode:
            sys.exit(done.returncode)
        return firewall_parameters(stage, json.loads(outputs.read_text()))


def stop_channels(stage: str) -> bool:
    """Let the stage's ops function stop every push channel; says so where it cannot be reached, and returns whether it
    could: a stage that does not work must go as well."""
    ask = [sys.executable, "-m", "shared.cli", "--stage", stage, "ops", "stop-channels"]
    if subprocess.run(ask, cwd=ROOT, check=False).returncode == 0:  # noqa: S603 - our own tool
        return True
    print(_NOT_STOPPED, flush=True)
    return False


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
    if action == "deploy" and stage.has_front:
        options += deploy_firewall(stage, options)
    stopped = action == "destroy" and stop_channels(stage.name)
    done = subprocess.run(command(action, stage, options), cwd=ROOT, check=False)  # noqa: S603 - our own tool
    if stopped and done.returncode:
        print(_STAYS.format(stage=stage.name), flush=True)
    sys.exit(done.returncode)


if __name__ == "__main__":
    main()
