"""What `make deploy`, `make diff` and `make destroy` do, as far as it can be seen without an account."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from infra import ROOT, deploy, synth
from infra.stages import STAGES
from tests.infra.conftest import read


@pytest.mark.parametrize("action", ["deploy", "destroy"])
@pytest.mark.parametrize("stage", ["staging", "prod"])
def test_closed_stage_is_refused_with_the_reason_of_its_template(action: str, stage: str) -> None:
    with pytest.raises(deploy.RefusedError) as refusal:
        deploy.stage_for(action, stage)

    (assertion,) = read(STAGES[stage].name).body["Rules"]["NotYet"]["Assertions"]
    assert str(refusal.value) == assertion["AssertDescription"]


def test_laptop_is_not_deployed() -> None:
    with pytest.raises(deploy.RefusedError, match="make run"):
        deploy.stage_for("deploy", "local")


@pytest.mark.parametrize("words", [(), ("deploy", ""), ("deploy", "nowhere"), ("explode", "dev")])
def test_unclear_command_says_what_may_be_said(words: tuple[str, ...]) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "infra.deploy", *words], cwd=ROOT, capture_output=True, text=True, check=False
    )

    assert done.returncode == 1
    assert done.stderr.strip() == "Say what and where: make bootstrap|deploy|destroy|diff STAGE=dev|staging|prod"


@pytest.mark.parametrize("stage", ["dev", "staging", "prod"])
def test_comparing_is_allowed_everywhere(stage: str) -> None:
    assert deploy.stage_for("diff", stage).name == stage


def test_command_takes_the_written_templates_and_all_stacks() -> None:
    line = deploy.command("deploy", STAGES["dev"], ["--parameters", "kalends-dev:AppBaseUrl=https://x.example"])

    assert line[2:] == [
        "deploy", "--app", str(synth.assembly("dev")), "--all", "--no-notices",
        "--parameters", "kalends-dev:AppBaseUrl=https://x.example",
    ]  # fmt: skip


def test_comparing_names_no_stacks_because_the_command_line_knows_no_such_option() -> None:
    assert "--all" not in deploy.command("diff", STAGES["dev"])


def test_lock_pins_one_release_and_names_no_registry() -> None:
    lock = json.loads((ROOT / "infra/cdk/package-lock.json").read_text())

    wanted = json.loads((ROOT / "infra/cdk/package.json").read_text())["dependencies"]["aws-cdk"]

    assert lock["packages"]["node_modules/aws-cdk"]["version"] == wanted
    assert wanted.startswith("2.")
    assert "resolved" not in json.dumps(lock)
