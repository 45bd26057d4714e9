"""What `make deploy`, `make diff` and `make destroy` do, as far as it can be seen without an account."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

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


def test_firewall_goes_first_and_the_application_is_told_of_it() -> None:
    outputs = {"kalends-prod-firewall": {"WebAclArn": "arn:acl", "CertificateArn": "arn:certificate"}}

    first = deploy.command("deploy", STAGES["prod"], stack="Firewall")
    told = deploy.firewall_parameters(STAGES["prod"], outputs)

    asked = read("prod").body["Parameters"]
    assert first[2:] == ["deploy", "--app", str(synth.assembly("prod")), "Firewall", "--no-notices"]
    assert told == [
        *("--parameters", "kalends-prod:CertificateArn=arn:certificate"),
        *("--parameters", "kalends-prod:WebAclArn=arn:acl"),
    ]
    assert {"CertificateArn", "WebAclArn"} < set(asked)
    assert set(outputs["kalends-prod-firewall"]) == set(read("prod", "Firewall").body["Outputs"])


def test_lock_pins_one_release_and_names_no_registry() -> None:
    lock = json.loads((ROOT / "infra/cdk/package-lock.json").read_text())

    wanted = json.loads((ROOT / "infra/cdk/package.json").read_text())["dependencies"]["aws-cdk"]

    assert lock["packages"]["node_modules/aws-cdk"]["version"] == wanted
    assert wanted.startswith("2.")
    assert "resolved" not in json.dumps(lock)


def alone(monkeypatch: pytest.MonkeyPatch, **environment: str) -> None:
    """Nobody's AWS account is in sight."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    files = {"AWS_CONFIG_FILE": os.devnull, "AWS_SHARED_CREDENTIALS_FILE": os.devnull}
    for name, value in {**files, "AWS_EC2_METADATA_DISABLED": "true", **environment}.items():
        monkeypatch.setenv(name, value)


def test_before_a_stage_goes_its_channels_are_stopped(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    asked: list[object] = []

    class Ops(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked.append((self.path, json.loads(self.rfile.read(int(self.headers["content-length"])))))
            body = json.dumps({"stopped": 2, "failed": 1, "left": 2 - len(asked)}).encode()
            self.send_response(200)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    with HTTPServer(("127.0.0.1", 0), Ops) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        keys = {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b", "AWS_REGION": "eu-central-1"}
        alone(monkeypatch, AWS_ENDPOINT_URL=f"http://127.0.0.1:{server.server_port}", **keys)
        stopped = deploy.stop_channels("dev")
        server.shutdown()

    assert stopped
    assert asked == [("/2015-03-31/functions/kalends-dev-ops-run/invocations", {"command": "stop-channels"})] * 2
    told = capfd.readouterr().out
    assert "Stopped 4 push channels." in told
    assert "2 were not stopped" in told


def test_stage_whose_function_is_out_of_reach_goes_all_the_same_and_says_what_that_means(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    alone(monkeypatch)

    assert not deploy.stop_channels("dev")

    told = capfd.readouterr()
    assert "run out within seven days" in told.out
    assert "AWS cannot be asked" in told.err
