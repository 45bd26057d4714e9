"""Grants that end: the cause is named where it can be told, and a kill at the worst moment costs nobody a grant."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING

import psycopg
import pytest
from psycopg import sql

from shared.connections import grants, store
from shared.core.errors import ReauthRequiredError
from tests.connections.conftest import NOW
from tests.connections.test_tokens import LATER, Losing, row, token_of

if TYPE_CHECKING:
    from typing import LiteralString

    from shared.connections.store import Connection
    from shared.identity.principal import Principal
    from tests.connections.test_tokens import Connect
    from tests.installation import Installation
    from tests.postgres import Logins

WEEK = timedelta(days=7)


@pytest.fixture
def testing(installed: Installation, ada: Principal, connect: Connect) -> Connection:
    """A connection by an OAuth app in Testing mode."""
    simulator = installed.simulators["google"]
    simulator.sim("POST", "/accounts", {"email": "dev@example.com", "testing_mode": True})
    return connect(ada, "google", account="dev@example.com")


def over(installed: Installation, connection: Connection) -> None:
    """The provider ends the grant."""
    installed.simulators[connection.provider].sim("POST", "/tokens/revoke", {"email": connection.email})


def change(logins: Logins, what: LiteralString) -> None:
    with psycopg.connect(logins.operator) as conn:
        conn.execute(sql.SQL("UPDATE external_calendar_connections SET {}").format(sql.SQL(what)))


def refusal(installed: Installation, connection: Connection, *, after: timedelta) -> str:
    """The code with which the grant's end is told."""
    with pytest.raises(ReauthRequiredError) as refused:
        token_of(installed.app, connection, now=NOW + after)
    return refused.value.error_code


def test_testing_mode_is_known_before_it_ends_the_grant(testing: Connection) -> None:
    assert grants.is_testing(testing)
    assert testing.granted_at == NOW


@pytest.mark.pain(7)
def test_a_grant_that_ends_with_testing_mode_says_so_and_what_to_do(
    installed: Installation, testing: Connection, logins: Logins
) -> None:
    over(installed, testing)

    code = refusal(installed, testing, after=WEEK)

    status, last_error = row(logins, "status, last_error")
    told = json.loads(str(last_error))
    assert (code, told["code"], status) == (grants.TESTING_MODE, grants.TESTING_MODE, "needs_reauth")
    assert all(word in told["message"] for word in ("invalid_token", "invalid_grant", "Testing", "Publish app"))
    with psycopg.connect(logins.operator) as conn:
        notices = conn.execute("SELECT payload->>'code' FROM outbox WHERE event_type LIKE '%reauth'").fetchall()
    assert notices == [(grants.TESTING_MODE,)]


def test_testing_mode_is_told_by_the_grants_age_where_google_did_not_say_when_it_ends(
    installed: Installation, ada: Principal, connect: Connect
) -> None:
    connection = connect(ada, "google")
    over(installed, connection)

    assert refusal(installed, connection, after=WEEK + timedelta(minutes=50)) == grants.TESTING_MODE


@pytest.mark.parametrize("after", [timedelta(days=3), timedelta(days=180)])
def test_a_grant_withdrawn_at_another_age_is_not_blamed_on_testing_mode(
    installed: Installation, ada: Principal, connect: Connect, after: timedelta
) -> None:
    connection = connect(ada, "google")
    over(installed, connection)

    assert refusal(installed, connection, after=after) == "AUTH.INVALID_TOKEN"


def test_a_grant_withdrawn_before_its_end_is_not_blamed_on_it(installed: Installation, testing: Connection) -> None:
    over(installed, testing)

    assert refusal(installed, testing, after=timedelta(days=3)) == "AUTH.INVALID_TOKEN"


def test_a_grant_for_a_while_only_says_so(installed: Installation, testing: Connection, logins: Logins) -> None:
    change(logins, "grant_ends_at = granted_at + interval '2 days'")
    over(installed, testing)

    assert refusal(installed, testing, after=timedelta(days=2)) == grants.TIME_LIMITED


def test_connecting_by_an_app_that_was_published_forgets_the_end(
    ada: Principal, connect: Connect, logins: Logins
) -> None:
    connect(ada, "google")
    change(logins, "grant_ends_at = granted_at + interval '7 days'")

    again = connect(ada, "google")

    assert (again.granted_at, again.grant_ends_at) == (NOW, None)
    assert not grants.is_testing(again)


def test_a_worker_killed_between_the_providers_answer_and_the_commit_costs_no_grant(
    installed: Installation, ada: Principal, provider: str, connect: Connect, logins: Logins
) -> None:
    connection = connect(ada, provider)

    class KilledError(BaseException):
        """The process is gone."""

    def killed() -> None:
        raise KilledError

    with pytest.raises(KilledError):
        token_of(
            installed.another(),
            connection,
            authorizer_for=lambda app: Losing(installed.app.authorizer(app), killed),  # type: ignore[return-value, arg-type]
        )

    assert token_of(installed.app, connection, now=LATER)
    with installed.app.database.person(connection.user_id) as conn:
        assert store.get(conn, connection.id).status == "active"
