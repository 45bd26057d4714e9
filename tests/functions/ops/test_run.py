"""Operations by invocation: migrate, the first administrator's link, doctor, gates."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from functions.ops import run
from infra.local import aws
from shared.core.errors import InvalidError
from shared.identity import invitations
from tests import installation
from tests.functions.conftest import Context
from tests.installation import BASE_URL
from tests.postgres import RUNTIME

if TYPE_CHECKING:
    from tests.installation import Installation
    from tests.postgres import Logins, Server


def ops(**command: Any) -> dict[str, Any]:
    answer = run.handler(command, Context())  # type: ignore[arg-type]
    assert json.loads(json.dumps(answer)) == answer
    return answer


class TestMigrate:
    def test_it_brings_an_empty_database_to_a_usable_one(
        self, server: Server, embedded_aws: str, monkeypatch: pytest.MonkeyPatch, deployed: Installation
    ) -> None:
        with server.database(template=None) as empty:
            secrets = aws.client("secretsmanager", embedded_aws)
            for name, text in installation.secret_values(empty).items():
                if name in ("database", "owner", "operator"):
                    secrets.create_secret(Name=f"{empty.name}/{name}", SecretString=text)
                    variable = {"database": "DATABASE", "owner": "DATABASE_OWNER", "operator": "DATABASE_OPERATOR"}
                    monkeypatch.setenv(f"{variable[name]}_SECRET_ID", f"{empty.name}/{name}")

            answer = ops(command="migrate")

            assert answer["applied"][:3] == [1, 2, 3]
            assert answer["oauth_apps"] == {
                "google": "kalends-google-local",
                "microsoft": "kalends-microsoft-local",
            }
            assert ops(command="migrate")["applied"] == []
            with psycopg.connect(empty.operator) as conn:
                assert conn.execute("SELECT count(*) FROM oauth_apps").fetchall() == [(2,)]
            run.app().database.close()

    def test_a_secret_of_another_role_is_refused(
        self, deployed: Installation, logins: Logins, embedded_aws: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("DATABASE_OPERATOR_SECRET_ID", f"{logins.name}/wrong")
        aws.client("secretsmanager", embedded_aws).create_secret(
            Name=f"{logins.name}/wrong", SecretString=logins.secret(RUNTIME)
        )

        with pytest.raises(InvalidError, match="kalends_operator"):
            ops(command="migrate")


class TestAdminLink:
    def test_the_link_lets_the_first_administrator_in(self, deployed: Installation) -> None:
        link = ops(command="admin-link")["link"]

        assert link.startswith(f"{BASE_URL}/welcome/")
        person = invitations.accept(
            deployed.app.database,
            link.rpartition("/")[2],
            email="ada@example.com",
            name="Ada",
            password="correct horse battery",
            now=datetime.now(UTC),
        )
        assert person.role == "admin"

    def test_once_there_is_one_only_a_named_person_gets_another(self, deployed: Installation) -> None:
        self.test_the_link_lets_the_first_administrator_in(deployed)

        assert ops(command="admin-link") == {"link": None}
        assert ops(command="admin-link", email="grace@example.com")["link"]


class TestDoctor:
    def test_a_sound_installation_passes_every_check(self, deployed: Installation) -> None:
        answer = ops(command="doctor")

        assert answer["ok"], [check for check in answer["checks"] if not check["ok"]]
        assert {check["name"] for check in answer["checks"]} >= {
            "database",
            "migrations",
            "key_ring",
            "oauth_google",
            "oauth_microsoft",
            "gates",
        }

    def test_a_provider_that_nobody_gave_an_app_is_not_offered_and_nothing_is_wrong(
        self, deployed: Installation, embedded_aws: str
    ) -> None:
        google = {"google": {"client_id": "kalends-google-local", "client_secret": "x"}}
        secrets = aws.client("secretsmanager", embedded_aws)
        secrets.put_secret_value(SecretId=os.environ["OAUTH_CLIENTS_SECRET_ID"], SecretString=json.dumps(google))

        answer = ops(command="doctor")

        assert answer["ok"]
        (microsoft,) = [check for check in answer["checks"] if check["name"] == "oauth_microsoft"]
        assert microsoft["detail"].startswith("not offered")

    def test_everything_that_is_wrong_is_named_at_once_with_what_to_do(
        self, deployed: Installation, logins: Logins, monkeypatch: pytest.MonkeyPatch, embedded_aws: str
    ) -> None:
        with deployed.app.database.everyone() as conn:
            conn.execute("UPDATE oauth_apps SET is_default = false WHERE provider = 'google'")
        with psycopg.connect(logins.owner) as conn:
            conn.execute("DELETE FROM schema_migrations WHERE version = 3")
            conn.execute("UPDATE schema_migrations SET checksum = 'x' WHERE version = 1")
        monkeypatch.setenv("KEY_RING_SECRET_ID", f"{logins.name}/none")
        monkeypatch.setenv("STAGE", "dev")
        monkeypatch.setenv("EGRESS_ALLOWED_HOSTS", "")

        answer = ops(command="doctor")

        wrong = {check["name"]: check["code"] for check in answer["checks"] if not check["ok"]}
        assert wrong == {
            "address": "CONFIG.APP_BASE_URL",
            "key_ring": "AWS.NOT_FOUND",
            "migrations": "DATABASE.NOT_MIGRATED",
            "oauth_google": "OAUTH_APP.MISSING",
        }
        assert not answer["ok"]

    def test_a_changed_migration_is_noticed(self, deployed: Installation, logins: Logins) -> None:
        with psycopg.connect(logins.owner) as conn:
            conn.execute("UPDATE schema_migrations SET checksum = 'x' WHERE version = 1")

        wrong = [check for check in ops(command="doctor")["checks"] if not check["ok"]]

        assert [(check["name"], check["code"]) for check in wrong] == [("migrations", "DATABASE.MIGRATION_CHANGED")]


class TestGates:
    def test_a_gate_is_closed_and_opened_with_a_reason(self, deployed: Installation) -> None:
        assert ops(command="gate", name="CALENDAR_SYNC_ENABLED", open=False, reason="drill") == {
            "name": "CALENDAR_SYNC_ENABLED",
            "open": False,
        }

        listed = {gate["name"]: gate for gate in ops(command="gates")["gates"]}

        assert listed["CALENDAR_SYNC_ENABLED"] == {
            "name": "CALENDAR_SYNC_ENABLED",
            "open": False,
            "by": "ops",
            "reason": "drill",
        }
        assert listed["CALENDAR_OAUTH_ENABLED"]["by"] == "settings"

    @pytest.mark.parametrize(
        "command",
        [
            {},
            {"command": "drop-everything"},
            {"command": "gate", "name": "CALENDAR_SYNC_ENABLED"},
            {"command": "migrate", "planted": 1},
        ],
    )
    def test_a_command_that_is_not_understood_is_refused(self, deployed: Installation, command: dict[str, Any]) -> None:
        with pytest.raises(InvalidError) as caught:
            ops(**command)

        assert caught.value.error_code == "OPS.COMMAND"
        assert caught.value.fields
