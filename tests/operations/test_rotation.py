"""Database users that take turns: on a PostgreSQL of its own, because users belong to the whole server."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING
from uuid import UUID, uuid4

import psycopg
import pytest

from infra.local import aws
from shared.aws.secret_versions import SecretVersions
from shared.core.errors import InvalidError, TransientError
from shared.operations.rotation import STEPS, Rotation, other_user
from shared.store.conninfo import DatabaseSecret
from shared.store.database import Database
from tests import postgres
from tests.postgres import OPERATOR, OWNER, RUNTIME, Logins

if TYPE_CHECKING:
    from collections.abc import Iterator

    from shared.operations.rotation import Step

TWIN = "kalends_runtime_clone"


@pytest.fixture(scope="module")
def alone() -> Iterator[postgres.Server]:
    """A server whose users nobody else signs in as."""
    with postgres.serve() as running:
        yield running


@pytest.fixture
def logins(alone: postgres.Server) -> Iterator[Logins]:
    """A database whose roles have their first passwords, and no twins."""
    with alone.database() as made:
        yield made
    with psycopg.connect(Logins(name=postgres.TEMPLATE, port=alone.port).owner, autocommit=True) as conn:
        for role in (RUNTIME, OPERATOR):
            conn.execute(f"DROP ROLE IF EXISTS {other_user(role)}".encode())
            conn.execute(f"ALTER ROLE {role} PASSWORD '{role}'".encode())


@pytest.fixture
def rotation(logins: Logins, embedded_aws: str) -> Rotation:
    """The rotation of the runtime role's secret."""
    return rotation_of(RUNTIME, logins, embedded_aws)


def rotation_of(role: str, logins: Logins, embedded_aws: str) -> Rotation:
    """The rotation of a role's secret, which is made for it."""
    name = f"kalends/rotation/{uuid4().hex}"
    aws.client("secretsmanager", embedded_aws).create_secret(Name=name, SecretString=logins.secret(role))
    return Rotation(secret_id=name, versions=SecretVersions(), owner_secret=lambda: logins.secret(OWNER))


def in_use(rotation: Rotation) -> DatabaseSecret:
    """What a Lambda reads."""
    return DatabaseSecret.parse(rotation.versions.current(rotation.secret_id)[1])


def works(rotation: Rotation) -> str:
    """Sign in with what is in use and do all that the product does; the user's name."""
    database = Database(in_use(rotation).conninfo)
    try:
        with database.everyone() as conn:
            conn.execute("INSERT INTO profiles (email) VALUES ('ada@example.com'), ('sam@example.com')")
            people = [row[0] for row in conn.execute("SELECT id FROM profiles ORDER BY email")]
        with database.person(people[0]) as conn:
            seen = conn.execute("SELECT email FROM profiles").fetchall()
            user = conn.execute("SELECT session_user").fetchone()
        with database.person(UUID(int=0)) as conn:
            assert conn.execute("SELECT email FROM profiles").fetchall() == []
        with database.everyone() as conn:
            conn.execute("DELETE FROM profiles")
    finally:
        database.close()
    assert seen == [("ada@example.com",)]
    assert user
    return str(user[0])


def test_the_other_user_is_put_to_use_and_may_do_the_same(rotation: Rotation) -> None:
    assert works(rotation) == RUNTIME

    answered = rotation.run()

    assert answered == TWIN
    assert works(rotation) == TWIN


def test_two_rotations_come_back_to_the_role_with_a_new_password(rotation: Rotation) -> None:
    first = in_use(rotation)

    turns = [rotation.run(), rotation.run()]

    assert turns == [TWIN, RUNTIME]
    assert works(rotation) == RUNTIME
    assert in_use(rotation).password != first.password


def test_who_is_connected_goes_on_and_who_knows_the_former_password_may_still_connect(rotation: Rotation) -> None:
    former = in_use(rotation)
    with psycopg.connect(former.conninfo, autocommit=True) as connected:
        rotation.run()

        assert connected.execute("SELECT current_user").fetchone() == (RUNTIME,)
        with psycopg.connect(former.conninfo) as again:
            assert again.execute("SELECT current_user").fetchone() == (RUNTIME,)

        rotation.run()

        assert connected.execute("SELECT current_user").fetchone() == (RUNTIME,)
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(former.conninfo)


def test_a_database_that_asks_for_its_secret_takes_the_new_user_at_its_next_connection(rotation: Rotation) -> None:
    database = Database(lambda: in_use(rotation).conninfo)
    with database.everyone() as conn:
        before = conn.execute("SELECT session_user").fetchone()
    rotation.run()
    with database.everyone() as conn:
        connected = conn.execute("SELECT session_user").fetchone()

    database.close()

    with database.everyone() as conn:
        after = conn.execute("SELECT session_user").fetchone()
    database.close()
    assert (before, connected, after) == ((RUNTIME,), (RUNTIME,), (TWIN,))


@pytest.mark.parametrize("done", range(len(STEPS) + 1))
def test_killed_between_any_two_steps_it_is_taken_up_and_the_secret_works_at_every_moment(
    rotation: Rotation, done: int
) -> None:
    version = str(uuid4())
    for step in STEPS[:done]:
        rotation.take(step, version)
        assert works(rotation) == (TWIN if step == "finishSecret" else RUNTIME)

    rotation.run()

    # Done before the kill, it was a rotation of its own, and this the next.
    assert works(rotation) == (RUNTIME if done == len(STEPS) else TWIN)
    assert rotation.versions.pending(rotation.secret_id) is None


def test_killed_while_it_finishes_it_ends_with_the_same_version(rotation: Rotation, embedded_aws: str) -> None:
    version = str(uuid4())
    for step in STEPS[:3]:
        rotation.take(step, version)
    current, _ = rotation.versions.current(rotation.secret_id)
    aws.client("secretsmanager", embedded_aws).update_secret_version_stage(
        SecretId=rotation.secret_id, VersionStage="AWSCURRENT", MoveToVersionId=version, RemoveFromVersionId=current
    )

    rotation.take("finishSecret", version)

    assert works(rotation) == TWIN
    assert rotation.run() == RUNTIME


@pytest.mark.parametrize("step", STEPS)
def test_every_step_may_be_repeated(rotation: Rotation, step: Step) -> None:
    version = str(uuid4())
    for one in STEPS:
        rotation.take(one, version)
        if one == step:
            rotation.take(one, version)

    assert rotation.versions.current(rotation.secret_id)[0] == version
    assert works(rotation) == TWIN


def test_all_steps_of_a_finished_rotation_change_nothing(rotation: Rotation) -> None:
    version = str(uuid4())
    for step in (*STEPS, *STEPS):
        rotation.take(step, version)

    assert rotation.versions.current(rotation.secret_id)[0] == version
    assert works(rotation) == TWIN


def test_a_user_that_cannot_sign_in_is_not_put_to_use(rotation: Rotation, logins: Logins) -> None:
    version = str(uuid4())
    for step in STEPS[:2]:
        rotation.take(step, version)
    with psycopg.connect(logins.owner, autocommit=True) as conn:
        conn.execute(f"ALTER ROLE {TWIN} NOLOGIN".encode())

    for step in STEPS[2:]:
        with pytest.raises(TransientError):
            rotation.take(step, version)

    assert works(rotation) == RUNTIME


def test_steps_out_of_order_are_refused(rotation: Rotation) -> None:
    with pytest.raises(InvalidError, match="begin with createSecret"):
        rotation.take("setSecret", str(uuid4()))


def test_a_version_that_names_another_database_is_refused(rotation: Rotation, logins: Logins) -> None:
    version = str(uuid4())
    foreign = {**json.loads(logins.secret(RUNTIME)), "username": TWIN, "host": "elsewhere.example"}
    rotation.versions.propose(rotation.secret_id, version, json.dumps(foreign))

    with pytest.raises(InvalidError, match="not the other user of the same database"):
        rotation.take("setSecret", version)

    assert works(rotation) == RUNTIME


def test_the_operator_takes_turns_as_well(logins: Logins, embedded_aws: str) -> None:
    rotation = rotation_of(OPERATOR, logins, embedded_aws)

    turns = [rotation.run(), rotation.run(), rotation.run()]

    assert turns == ["kalends_operator_clone", OPERATOR, "kalends_operator_clone"]
    with psycopg.connect(in_use(rotation).conninfo) as conn:
        assert conn.execute("SELECT count(*) FROM profiles").fetchone() == (0,)
