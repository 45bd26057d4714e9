"""The command line against the deployed system: operations through Lambda, everything else through the front door."""

from __future__ import annotations

import json
import os
import re
import subprocess
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlsplit

import httpx
import pytest

from infra import ROOT
from tests.installation import SAM

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.e2e.cloud import Cloud

EMAIL, PASSWORD = "cli@example.com", "correct horse battery"


@pytest.fixture
def kalends(tmp_path: Path) -> Callable[..., subprocess.Popen[str]]:
    """The launcher, with a configuration of its own."""
    env = {**os.environ, "KALENDS_CONFIG": str(tmp_path / "kalends.json")}

    def start(*arguments: str) -> subprocess.Popen[str]:
        pipe = subprocess.PIPE
        command = [ROOT / "tools" / "kalends", *arguments]
        return subprocess.Popen(command, env=env, cwd=tmp_path, stdin=pipe, stdout=pipe, stderr=pipe, text=True)

    return start


def said(process: subprocess.Popen[str], answers: str = "") -> str:
    """What a command printed, which must have gone well."""
    out, err = process.communicate(answers, timeout=60)
    assert process.returncode == 0, err
    return out


def test_from_the_administrators_link_to_a_connected_account(
    cloud: Cloud, kalends: Callable[..., subprocess.Popen[str]]
) -> None:
    ops = ("--stage", "local", "ops", "--directory", str(cloud.directory))
    link = said(kalends(*ops, "admin-link", "--email", EMAIL)).strip()
    with httpx.Client(headers={"accept": "text/html"}, timeout=30) as browser:
        form = dict(re.findall(r'name="([^"]+)" value="([^"]*)"', browser.get(link).text))
        browser.post(link, data={**form, "email": EMAIL, "name": "Sam", "password": PASSWORD})
        said(kalends("login", "--host", cloud.base_url, "--email", EMAIL), f"{PASSWORD}\n")
        connecting = kalends("connect", "google")
        assert connecting.stdout is not None
        address = connecting.stdout.readline().strip()
        asked = dict(parse_qsl(urlsplit(address).query))
        consent = {"account": SAM["google"], "decision": "allow", "scope": asked["scope"].split()}
        browser.get(httpx.post(address, data=consent).headers["location"])

    assert said(connecting).startswith(f"Connected {SAM['google']} with ")
    assert json.loads(said(kalends("calendars", "list", "--json")))
    assert json.loads(said(kalends("status", "--json")))["connections"][0]["email"] == SAM["google"]
    assert json.loads(said(kalends("doctor", "--json")))["ok"]
    assert json.loads(said(kalends(*ops, "doctor", "--json")))["ok"]
    assert "up to date" in said(kalends(*ops, "migrate"))
    assert "Logged out" in said(kalends("logout"))
