"""The local cloud starts, serves, stops and starts again as `make run` promises."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.error import HTTPError
from urllib.request import urlopen

import psycopg
import pytest

from infra import ROOT, layer
from infra.catalogue import CATALOGUE
from infra.local import ports, postgres
from tests.e2e import cloud as clouds

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from tests.e2e.cloud import Cloud

pytestmark = pytest.mark.slow


def get(address: str) -> tuple[int, Any]:
    """Status and JSON of a GET."""
    try:
        with urlopen(address, timeout=40) as answer:  # noqa: S310 - http, this machine
            return answer.status, json.loads(answer.read())
    except HTTPError as error:
        return error.code, json.loads(error.read())


def eventually(true: Callable[[], bool], *, seconds: float) -> bool:
    """Whether `true` becomes so in time."""
    deadline = time.monotonic() + seconds
    while not true() and time.monotonic() < deadline:
        time.sleep(0.2)
    return true()


def processes_of(directory: Path) -> list[str]:
    """The command lines of running processes that mention `directory`."""
    found = []
    for process in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = process.read_bytes().decode(errors="replace")
        except OSError:
            continue
        if str(directory) in words:
            found.append(words.replace("\0", " "))
    return found


@pytest.mark.parametrize("path", ["healthz", "readyz", "health"])
def test_health_is_answered_by_our_own_function(cloud: Cloud, path: str) -> None:
    status, body = get(f"{cloud.base_url}/{path}")

    assert status == 200
    assert body == {"status": "ok", "dependencies": {"database": "ok", "key_ring": "ok"}}


def test_every_lambda_of_the_catalogue_is_deployed(cloud: Cloud) -> None:
    functions = cloud.aws("lambda").list_functions(MaxItems=50)["Functions"]

    assert {function["Handler"] for function in functions} == {line.handler for line in CATALOGUE}


def test_message_that_no_worker_can_do_becomes_a_dead_letter_with_its_body(cloud: Cloud) -> None:
    sqs = cloud.aws("sqs")
    queue, dead = cloud.outputs["BackfillQueueUrl"], cloud.outputs["BackfillDeadLettersUrl"]
    sqs.set_queue_attributes(QueueUrl=queue, Attributes={"VisibilityTimeout": "0"})

    sqs.send_message(QueueUrl=queue, MessageBody="not a message", MessageGroupId="somebody")
    received: list[str] = []

    def arrived() -> bool:
        received.extend(
            message["Body"] for message in sqs.receive_message(QueueUrl=dead, WaitTimeSeconds=1).get("Messages", [])
        )
        return bool(received)

    assert eventually(arrived, seconds=30)
    assert received == ["not a message"]
    assert eventually(lambda: "message cannot be read" in cloud.log("workers-backfill"), seconds=5)
    assert "not a message" not in cloud.log("workers-backfill")


def test_roles_of_the_database_can_sign_in_and_only_the_owner_owns(cloud: Cloud) -> None:
    users = {}
    for name in ("dsn", "dsn_owner", "dsn_operator"):
        with psycopg.connect(getattr(cloud, name)) as connection:
            users[name] = connection.execute(
                "SELECT current_user, pg_catalog.pg_get_userbyid(datdba) = current_user"
                " FROM pg_database WHERE datname = current_database()"
            ).fetchone()

    assert users == {
        "dsn": ("kalends_runtime", False),
        "dsn_owner": ("kalends_owner", True),
        "dsn_operator": ("kalends_operator", False),
    }


def test_running_cloud_holds_the_layer_that_its_lambdas_read(cloud: Cloud) -> None:
    handle = os.open(layer.tree("host"), os.O_RDONLY)

    with pytest.raises(BlockingIOError):
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)

    os.close(handle)


def test_second_cloud_in_the_same_folder_is_refused(cloud: Cloud) -> None:
    second = subprocess.run(
        [sys.executable, "-m", "infra.local", "--port", "0", "--directory", str(cloud.directory)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )

    assert second.returncode == 1
    assert f"is running already: process {cloud.process.pid}" in second.stdout


def test_taken_port_is_reported_before_anything_starts() -> None:
    with clouds.folder() as directory, socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]

        refused = subprocess.run(
            [sys.executable, "-m", "infra.local", "--port", str(port), "--directory", str(directory)],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )

    assert refused.returncode == 1
    assert f"Port {port} is taken" in refused.stdout
    assert not (directory / "postgres").exists()


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_stopped_cloud_leaves_no_process_and_starts_again_with_its_data() -> None:
    with clouds.folder() as directory:
        with clouds.started(directory) as first:
            with psycopg.connect(first.dsn_owner) as connection:
                connection.execute("CREATE TABLE kept_between_runs ()")
            assert processes_of(directory)
        left = processes_of(directory)

        began = time.monotonic()
        with clouds.started(directory) as second:
            took = time.monotonic() - began
            with psycopg.connect(second.dsn_owner) as connection:
                kept = connection.execute("SELECT to_regclass('kept_between_runs') IS NOT NULL").fetchone()

    assert left == []
    assert first.process.returncode == second.process.returncode == 0
    assert kept == (True,)
    assert took < 20


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_killed_cloud_leaves_no_process_and_its_data_survive() -> None:
    with clouds.folder() as directory:
        with clouds.started(directory) as first:
            with psycopg.connect(first.dsn_owner) as connection:
                connection.execute("CREATE TABLE kept ()")
            os.kill(first.process.pid, signal.SIGKILL)
            assert eventually(lambda: not processes_of(directory), seconds=30)

        with clouds.started(directory) as second, psycopg.connect(second.dsn_owner) as connection:
            kept = connection.execute("SELECT to_regclass('kept') IS NOT NULL").fetchone()

    assert kept == (True,)


def test_database_of_ones_own_is_used_and_named_while_it_is_away() -> None:
    with clouds.folder() as directory, clouds.folder() as elsewhere:
        where = postgres.place(elsewhere)
        postgres.initialise(where, elsewhere, "superuser")
        server = partial(postgres.running, where, port=ports.available(0), superuser_password="superuser")
        with ExitStack() as running:
            ours = running.enter_context(server(log=elsewhere / "log"))
            ours.provide(database="mine", owner="me", password="secret")
            url = f"postgresql://me:secret@127.0.0.1:{ours.port}/mine"
            cloud = running.enter_context(clouds.started(directory, DATABASE_URL=url))
            before, _ = get(f"{cloud.base_url}/healthz")

            ours.process.stop()
            status, body = get(f"{cloud.base_url}/healthz")
            with server(log=elsewhere / "log"):
                after, _ = get(f"{cloud.base_url}/healthz")

    assert (before, status, after) == (200, 503, 200)
    assert not (directory / "postgres").exists()
    assert body["dependencies"]["key_ring"] == "ok"
    assert "database cannot be reached" in body["dependencies"]["database"]


def test_the_clock_runs_dispatch_every_minute(cloud: Cloud) -> None:
    ran = eventually(lambda: '"schedule":"dispatch"' in cloud.log("schedules-dispatch"), seconds=90)

    assert ran
