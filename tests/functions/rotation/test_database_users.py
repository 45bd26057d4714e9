"""What Secrets Manager invokes: one step for each call, and only for the secrets of the roles."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import psycopg
import pytest

from functions.ops import run as ops
from functions.rotation import database_users
from shared.aws.secret_versions import SecretVersions
from shared.core.errors import InvalidError
from shared.operations.rotation import STEPS
from shared.store.conninfo import DatabaseSecret
from tests.functions.conftest import Context

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.installation import Installation
    from tests.postgres import Logins

TWIN = "kalends_runtime_clone"


@pytest.fixture
def _without_twin(logins: Logins) -> Iterator[None]:
    """Afterwards the server has only the users of other tests; one rotation leaves their passwords alone."""
    yield
    with psycopg.connect(logins.owner, autocommit=True) as conn:
        conn.execute(f"DROP ROLE IF EXISTS {TWIN}".encode())


def step(name: str, *, secret: str, version: str) -> dict[str, Any]:
    event = {"Step": name, "SecretId": secret, "ClientRequestToken": version, "RotationToken": "ignored"}
    return database_users.handler(event, Context())  # type: ignore[arg-type]


def user(secret: str) -> str:
    return DatabaseSecret.parse(SecretVersions().current(secret)[1]).username


@pytest.mark.usefixtures("_without_twin", "deployed")
def test_four_calls_put_the_other_user_to_use() -> None:
    secret, version = os.environ["DATABASE_SECRET_ID"], str(uuid4())

    answers = [step(name, secret=secret, version=version) for name in STEPS]

    assert [answer["step"] for answer in answers] == list(STEPS)
    assert user(secret) == TWIN


@pytest.mark.usefixtures("_without_twin", "deployed")
def test_a_command_takes_the_four_steps_where_nobody_calls() -> None:
    answer = ops.handler({"command": "rotate", "role": "runtime"}, Context())  # type: ignore[arg-type]

    assert answer == {"user": TWIN}
    assert user(os.environ["DATABASE_SECRET_ID"]) == TWIN
    assert ops.handler({"command": "migrate"}, Context())["applied"] == []  # type: ignore[arg-type]


def test_other_secrets_are_refused(deployed: Installation) -> None:
    for name in ("DATABASE_OWNER_SECRET_ID", "KEY_RING_SECRET_ID"):
        with pytest.raises(InvalidError, match="Only the secrets of the runtime and operator roles"):
            step("createSecret", secret=os.environ[name], version=str(uuid4()))


@pytest.mark.parametrize("event", [{}, {"Step": "explode", "SecretId": "planted", "ClientRequestToken": str(uuid4())}])
def test_other_events_are_refused_without_repeating_them(deployed: Installation, event: dict[str, str]) -> None:
    with pytest.raises(InvalidError) as caught:
        database_users.handler(event, Context())  # type: ignore[arg-type]

    assert "planted" not in str(caught.value)
