"""`make run` with OAuth apps: no simulator, the real addresses, and no secret anywhere. The apps are invented, and
nobody signs in, so nothing is sent to a provider."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

import httpx
import psycopg
import pytest

from infra import ROOT
from tests.e2e import cloud as clouds

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.e2e.cloud import Cloud

pytestmark = pytest.mark.slow

SECRETS = ("planted-google-secret", "planted~microsoft~secret")
PUBLIC = "https://kalends.example"
ENV = f"""
GOOGLE_CLIENT_ID=1234-invented.apps.googleusercontent.com
GOOGLE_CLIENT_SECRET={SECRETS[0]}
MS_CLIENT_ID=00000000-1111-2222-3333-444444444444
MS_TENANT_ID=contoso.example
APP_BASE_URL={PUBLIC}/
"""


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    with clouds.folder() as made:
        (made / ".env").write_text(ENV)
        yield made


@pytest.fixture(scope="module")
def cloud(folder: Path) -> Iterator[Cloud]:
    with clouds.started(folder / "data", "--env-file", str(folder / ".env"), MS_CLIENT_SECRET=SECRETS[1]) as running:
        yield running


@pytest.fixture(scope="module")
def cookies(cloud: Cloud) -> str:
    """Of the first administrator, who has come in by the printed link."""
    (link,) = re.findall(rf"First administrator +{PUBLIC}(/welcome/\S+)", cloud.said())
    with httpx.Client(base_url=cloud.address, timeout=30) as browser:
        page = browser.get(link)
        (csrf,) = re.findall(r'name="csrf" value="(\w+)"', page.text)
        # Cookies are for https only, where the public address is.
        form = {"csrf": csrf, "email": "ada@example.com", "name": "Ada", "password": "correct horse battery"}
        entered = browser.post(link, data=form, headers={"cookie": _cookies(page)})
    assert entered.status_code == 303, entered.text
    return _cookies(entered)


def _cookies(answer: httpx.Response) -> str:
    set_ = answer.headers.get_list("set-cookie")
    assert all("Secure" in one for one in set_)
    return "; ".join(one.partition(";")[0] for one in set_)


def descendants(pid: int) -> list[Path]:
    """The /proc folders of a process and of everything it has started."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [Path(f"/proc/{pid}"), *(found for child in children for found in descendants(int(child)))]


def refusal(*arguments: str, **environment: str) -> str:
    ran = subprocess.run(
        [sys.executable, "-m", "infra.local", "--port", "0", *arguments],
        cwd=ROOT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert ran.returncode == 1, ran.stdout
    return ran.stdout + ran.stderr


def test_the_terminal_warns_and_says_what_the_consoles_must_know(cloud: Cloud) -> None:
    said = cloud.said()

    assert said.count("| REAL ACCOUNTS: changes here change your real calendars. |") == 2
    assert f"{PUBLIC}/oauth/google/callback\n" in said
    assert f"{PUBLIC}/oauth/microsoft/callback\n" in said
    assert "imulator" not in said


def test_the_database_is_its_own_and_knows_only_the_given_apps(cloud: Cloud) -> None:
    with psycopg.connect(cloud.dsn_operator) as connection:
        apps = connection.execute("SELECT provider, client_id, tenant FROM oauth_apps ORDER BY 1").fetchall()

    assert apps == [
        ("google", "1234-invented.apps.googleusercontent.com", "common"),
        ("microsoft", "00000000-1111-2222-3333-444444444444", "contoso.example"),
    ]


@pytest.mark.parametrize(
    ("provider", "address", "client"),
    [
        ("google", "https://accounts.google.com/o/oauth2/v2/auth", "1234-invented.apps.googleusercontent.com"),
        (
            "microsoft",
            "https://login.microsoftonline.com/contoso.example/oauth2/v2.0/authorize",
            "00000000-1111-2222-3333-444444444444",
        ),
    ],
)
def test_consent_is_asked_for_at_the_real_address(
    cloud: Cloud, cookies: str, provider: str, address: str, client: str
) -> None:
    answer = httpx.get(f"{cloud.address}/oauth/{provider}/start", headers={"cookie": cookies, "accept": "text/html"})

    location, _, query = answer.headers["location"].partition("?")
    asked = parse_qs(query)
    assert (answer.status_code, location) == (303, address)
    assert asked["client_id"] == [client]
    assert asked["redirect_uri"] == [f"{PUBLIC}/oauth/{provider}/callback"]
    assert asked["code_challenge_method"] == ["S256"]


def test_pages_warn(cloud: Cloud, cookies: str) -> None:
    page = httpx.get(f"{cloud.address}/connections", headers={"cookie": cookies, "accept": "text/html"})

    assert "changes here change your real calendars" in page.text
    assert {"/oauth/google/start", "/oauth/microsoft/start"} <= set(re.findall(r'href="([^"]+)"', page.text))


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_no_simulator_runs_and_no_secret_is_in_a_file_an_argument_or_a_childs_environment(
    cloud: Cloud, cookies: str
) -> None:
    processes = descendants(cloud.process.pid)
    arguments = [(process / "cmdline").read_bytes() for process in processes]
    inherited = [(process / "environ").read_bytes() for process in processes[1:]]
    files = [path for path in cloud.directory.rglob("*") if path.is_file() and not path.is_symlink()]
    contents = [path.read_bytes() for path in files]

    assert len(processes) > 2
    assert not [one for one in arguments if b"infra.local.simulators" in one]
    assert {"run.json", "ready.json", clouds.SAID} <= {path.name for path in files}
    for secret in SECRETS:
        assert not [one for one in (*arguments, *inherited, *contents) if secret.encode() in one]


def test_simulators_are_refused_where_real_accounts_are(folder: Path, cloud: Cloud) -> None:
    said = refusal("--directory", str(folder / "other"), DATABASE_URL=cloud.dsn_owner)

    assert "This database holds real accounts" in said
    assert "imulator   " not in said


def test_half_an_app_stops_the_start_before_anything_runs(folder: Path) -> None:
    half = folder / "half.env"
    half.write_text("GOOGLE_CLIENT_ID=1.apps.googleusercontent.com\n")

    said = refusal("--directory", str(folder / "half"), "--env-file", str(half))

    assert "GOOGLE_CLIENT_SECRET is missing: GOOGLE_CLIENT_ID is set. Set both, or neither." in said
    assert not (folder / "half").exists()


def test_without_the_option_credentials_of_the_environment_are_left_alone(folder: Path) -> None:
    with clouds.started(folder / "simulated", GOOGLE_CLIENT_ID="1.apps.googleusercontent.com") as running:
        said = running.said()

    assert urlsplit(running.google_url).hostname == "localhost"
    assert "REAL ACCOUNTS" not in said
