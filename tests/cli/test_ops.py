"""Operations without a login, through Lambda's own interface."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest

from functions.ops import run
from shared.connections import apps
from tests.cli import lambda_service

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from shared.wiring import App
    from tests.cli.conftest import Kalends

    type Ops = Any

SYNC = "CALENDAR_SYNC_ENABLED"


@pytest.fixture
def directory(app: App, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where a local cloud says that it runs."""
    monkeypatch.setattr(run, "app", lambda: app)
    with lambda_service.serve("kalends-local-ops-run") as endpoint:
        folder = tmp_path / "a cloud"
        folder.mkdir()
        (folder / "run.json").write_text(json.dumps({"aws_endpoint": endpoint, "aws_region": "eu-central-1"}))
        yield folder


@pytest.fixture
def ops(kalends: Kalends, directory: Path) -> Ops:
    """`kalends --stage local ops`, for this cloud."""

    def command(*arguments: str, **expected: Any) -> Any:
        return kalends("--stage", "local", "ops", "--directory", str(directory), *arguments, **expected)

    return command


def test_the_stage_may_stand_on_either_side(kalends: Kalends, ops: Ops, directory: Path) -> None:
    after = kalends("ops", "--stage", "local", "--directory", str(directory), "gates", "--json").json

    assert after == ops("gates", "--json").json


def test_migrating_twice_has_nothing_to_do(ops: Ops) -> None:
    assert ops("migrate").out == "The database is up to date.\n"


def test_gates_are_shown_closed_and_opened(ops: Ops) -> None:
    closed = ops("gate", SYNC, "--close", "--reason", "provider incident")
    between = ops("gates")
    opened = ops("gate", SYNC, "--open", "--reason", "over")

    assert (closed.out, opened.out) == (f"{SYNC} is closed.\n", f"{SYNC} is open.\n")
    assert re.search(rf"{SYNC} +closed +ops +provider incident", between.out)
    assert {one["name"]: (one["open"], one["reason"]) for one in ops("gates", "--json").json}[SYNC] == (True, "over")


@pytest.mark.parametrize("arguments", [(SYNC, "--close"), (SYNC, "--reason", "why"), ("--open", "--reason", "why")])
def test_a_gate_without_name_direction_or_reason_is_misuse(ops: Ops, arguments: tuple[str, ...]) -> None:
    assert "Missing" in ops("gate", *arguments, code=2).err


def test_what_the_function_refuses_is_told_without_its_stack(ops: Ops) -> None:
    ran = ops("gate", "UNKNOWN", "--open", "--reason", "why", code=1)

    assert f"There is no gate 'UNKNOWN': use one of CALENDAR_OAUTH_ENABLED, {SYNC}" in ran.err
    assert "(OPS.InvalidError)" in ran.err
    assert "a line" not in ran.err


def test_the_first_administrator_gets_a_link_and_later_ones_by_name(ops: Ops, app: App) -> None:
    link = ops("admin-link").out.strip()
    with app.database.everyone() as conn:
        conn.execute("INSERT INTO profiles (email, role, password_hash) VALUES ('root@example.com', 'admin', 'x')")
    refused = ops("admin-link", code=1)
    named = ops("admin-link", "--email", "root@example.com").out.strip()

    assert link.startswith("http://localhost:3001/")
    assert "There is an administrator already. (OPS.ADMINISTRATOR)" in refused.err
    assert "--email" in refused.err
    assert named.startswith("http://localhost:3001/")
    assert named != link


def test_the_doctor_fails_as_long_as_something_is_wrong(ops: Ops, app: App) -> None:
    sick = ops("doctor", code=1)
    with app.database.everyone() as conn:
        apps.save_defaults(conn, app.oauth_clients(), microsoft_tenant="common")
    well = ops("doctor")

    assert re.search(r"wrong +oauth_google .*kalends ops migrate", sick.out)
    assert {line.split()[0] for line in well.lines} == {"ok"}
    assert ops("doctor", "--json").json["ok"] is True


class TestWithoutAnAnswer:
    def test_no_stage_is_misuse_but_help_is_there(self, kalends: Kalends) -> None:
        ran = kalends("ops", "gates", code=2)

        assert "Say which installation. (OPS.STAGE)" in ran.err
        assert "kalends --stage local ops gates" in ran.err
        assert "who decided it" in kalends("ops", "gates", "--help").out

    def test_a_stage_is_nothing_for_other_commands(self, kalends: Kalends) -> None:
        assert "--stage belongs to ops" in kalends("--stage", "local", "status", code=2).err

    @pytest.mark.parametrize("content", [None, "{"])
    def test_a_cloud_that_does_not_run_is_told(self, kalends: Kalends, tmp_path: Path, content: str | None) -> None:
        if content is not None:
            (tmp_path / "run.json").write_text(content)

        ran = kalends("--stage", "local", "ops", "--directory", str(tmp_path), "gates", code=3)

        assert "(OPS.NOT_RUNNING)" in ran.err
        assert "make run" in ran.err

    def test_a_cloud_that_was_killed_is_out_of_reach(self, kalends: Kalends, directory: Path) -> None:
        (directory / "run.json").write_text('{"aws_endpoint": "http://127.0.0.1:9", "aws_region": "eu-central-1"}')

        ran = kalends("--stage", "local", "ops", "--directory", str(directory), "gates", code=3)

        assert "AWS is out of reach" in ran.err
        assert "make run" in ran.err

    def test_aws_without_region_or_credentials_says_what_to_set(
        self, kalends: Kalends, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        nowhere = {"AWS_CONFIG_FILE": str(tmp_path / "none"), "AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "none")}
        kalends.extra.update(nowhere, AWS_EC2_METADATA_DISABLED="true")
        regionless = kalends("--stage", "dev", "ops", "gates", code=1)
        kalends.extra["AWS_REGION"] = kalends.extra["AWS_DEFAULT_REGION"] = "eu-central-1"
        nobody = kalends("--stage", "dev", "ops", "gates", code=1)

        assert "You must specify a region" in regionless.err
        assert "Unable to locate credentials" in nobody.err
        assert "Set AWS_PROFILE" in nobody.err

    @pytest.mark.parametrize(
        ("key", "says", "code"),
        [
            ("AKIAEXAMPLE", "There is no function kalends-dev-ops-run in this account", "ResourceNotFoundException"),
            (lambda_service.NOBODY, "AWS refused: User: nobody is not authorized", "AccessDeniedException"),
        ],
    )
    def test_a_stage_that_is_not_there_and_a_right_that_is_missing(
        self, kalends: Kalends, directory: Path, key: str, says: str, code: str
    ) -> None:
        kalends.extra.update(
            AWS_ENDPOINT_URL=json.loads((directory / "run.json").read_text())["aws_endpoint"],
            AWS_DEFAULT_REGION="eu-central-1",
            AWS_ACCESS_KEY_ID=key,
            AWS_SECRET_ACCESS_KEY="planted-secret",
        )
        kalends.secrets.append("planted-secret")

        ran = kalends("--stage", "dev", "ops", "gates", code=1)

        assert says in ran.err
        assert f"(OPS.{code})" in ran.err

    def test_the_users_own_aws_settings_are_nothing_to_the_local_cloud(self, kalends: Kalends, ops: Ops) -> None:
        kalends.extra.update(AWS_PROFILE="nobodys", AWS_ACCESS_KEY_ID=lambda_service.NOBODY, AWS_REGION="us-east-1")

        assert SYNC in ops("gates").out


def test_a_role_that_does_not_take_turns_is_named(ops: Ops) -> None:
    refused = ops("rotate", "owner", code=1)

    assert "rotate.role" in refused.err
    assert "'runtime' or 'operator'" in refused.err
