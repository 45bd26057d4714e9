"""Access tokens: refreshed once however many ask, never lost when they rotate, and the person asked once when over."""

from __future__ import annotations

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, LiteralString

import psycopg
import pytest
from psycopg import sql

from shared.connections import tokens
from shared.core.errors import ConflictError, InvalidError, KalendsError, ReauthRequiredError, TransientError
from shared.store import leases
from tests.connections.conftest import NOW, finish, start
from tests.installation import ALEX, SAM

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from shared.connections.apps import OAuthApp
    from shared.connections.store import Connection
    from shared.identity.principal import Principal
    from shared.providers.port import Authorizer, Tokens
    from shared.wiring import App
    from tests.installation import Installation
    from tests.postgres import Logins, Server

    type Connect = Callable[..., Connection]

LATER = NOW + timedelta(minutes=59)
"""The simulators' tokens live for an hour, so this is near their end."""


def token_of(app: App, connection: Connection, *, now: datetime = LATER, **options: object) -> str:
    return tokens.access_token(
        app.database,
        **{
            "connection_id": connection.id,
            "user_id": connection.user_id,
            "keyring": app.keyring(),
            "authorizer_for": app.authorizer,
            "now": now,
            **options,
        },
    )


def row(logins: Logins, columns: LiteralString) -> tuple[object, ...]:
    with psycopg.connect(logins.operator) as conn:
        query = sql.SQL("SELECT {} FROM external_calendar_connections")
        return conn.execute(query.format(sql.SQL(columns))).fetchall()[0]


def test_a_token_that_lives_long_enough_is_given_out_as_it_is(
    installed: Installation, ada: Principal, provider: str, connect: Connect
) -> None:
    connection = connect(ada, provider)
    asked = installed.simulators[provider].token_calls()

    assert token_of(installed.app, connection, now=NOW) == token_of(installed.app, connection, now=NOW)

    assert installed.simulators[provider].token_calls() == asked


@pytest.mark.pain(8)
def test_fifty_workers_at_once_make_one_refresh(
    installed: Installation, ada: Principal, provider: str, connect: Connect
) -> None:
    connection = connect(ada, provider)
    simulator = installed.simulators[provider]
    simulator.sim("PUT", "/faults", {"rotate_refresh_tokens": True})
    asked = simulator.token_calls()
    together = threading.Barrier(50)

    def work(_: int) -> str:
        app = installed.another()
        try:
            app.database._open()
            together.wait(30)
            return token_of(app, connection)
        finally:
            app.database.close()

    with ThreadPoolExecutor(50) as pool:
        given = set(pool.map(work, range(50)))

    assert len(given) == 1
    assert simulator.token_calls() == asked + 1
    assert installed.app.connect(provider, given.pop()).account()


@pytest.mark.pain(8)
def test_a_rotated_refresh_token_replaces_the_old_one(
    installed: Installation, ada: Principal, provider: str, connect: Connect
) -> None:
    connection = connect(ada, provider)
    installed.simulators[provider].sim("PUT", "/faults", {"rotate_refresh_tokens": True})

    seen = [token_of(installed.app, connection, now=NOW + timedelta(hours=hour)) for hour in range(1, 5)]

    assert len(set(seen)) == 4


def test_a_refused_token_is_not_given_out_again(
    installed: Installation, ada: Principal, provider: str, connect: Connect
) -> None:
    connection = connect(ada, provider)
    first = installed.app.provider(connection)
    old = installed.app._given[connection.id]
    installed.simulators[provider].sim("POST", "/tokens/expire", {"email": connection.email})
    with pytest.raises(ReauthRequiredError):
        first.account()

    fresh = installed.app.provider(connection, refused=True)

    assert installed.app._given[connection.id] != old
    assert fresh.account()


def test_many_workers_with_the_same_refused_token_make_one_refresh(
    installed: Installation, ada: Principal, connect: Connect
) -> None:
    connection = connect(ada, "google")
    old = token_of(installed.app, connection, now=NOW)
    asked = installed.simulators["google"].token_calls()

    given = {token_of(installed.app, connection, now=NOW, refused=old) for _ in range(5)}

    assert len(given) == 1
    assert installed.simulators["google"].token_calls() == asked + 1


class TestWhenTheGrantIsOver:
    def test_the_person_is_asked_once_and_nothing_is_tried_again(
        self, installed: Installation, ada: Principal, provider: str, connect: Connect, logins: Logins
    ) -> None:
        connection = connect(ada, provider)
        simulator = installed.simulators[provider]
        simulator.sim("POST", "/tokens/revoke", {"email": connection.email})
        for _ in range(3):
            with pytest.raises(ReauthRequiredError):
                token_of(installed.app, connection)
        asked = simulator.token_calls()
        with pytest.raises(ReauthRequiredError):
            token_of(installed.app, connection)

        status, last_error, backoff = row(logins, "status, last_error, backoff_until")
        assert simulator.token_calls() == asked
        assert (status, backoff) == ("needs_reauth", None)
        assert "invalid_token" in str(last_error)
        assert json.loads(str(last_error))["code"] == "AUTH.INVALID_TOKEN"
        with psycopg.connect(logins.operator) as conn:
            events = conn.execute("SELECT event_type FROM outbox WHERE event_type LIKE '%reauth'").fetchall()
        assert events == [("connection.needs_reauth",)]

    def test_connecting_again_makes_it_work_again(
        self, installed: Installation, ada: Principal, provider: str, connect: Connect
    ) -> None:
        connection = connect(ada, provider)
        installed.simulators[provider].sim("POST", "/tokens/revoke", {"email": connection.email})
        with pytest.raises(ReauthRequiredError):
            token_of(installed.app, connection)

        connect(ada, provider)

        assert token_of(installed.app, connection)


class Losing:
    """A provider's authorizer during whose refresh something else happens."""

    def __init__(self, inner: Authorizer, meanwhile: Callable[[], object]) -> None:
        self._inner = inner
        self._meanwhile = meanwhile

    def refresh(self, *, refresh_token: str, now: datetime) -> Tokens:
        try:
            return self._inner.refresh(refresh_token=refresh_token, now=now)
        finally:
            self._meanwhile()


class TestRaces:
    def losing(self, installed: Installation, meanwhile: Callable[[], object]) -> Callable[[OAuthApp], Authorizer]:
        return lambda app: Losing(installed.app.authorizer(app), meanwhile)  # type: ignore[return-value]

    def test_a_grant_found_used_up_by_a_second_worker_lives_when_the_first_one_stores_it(
        self, installed: Installation, ada: Principal, connect: Connect, logins: Logins
    ) -> None:
        connection = connect(ada, "google")
        installed.simulators["google"].sim("PUT", "/faults", {"rotate_refresh_tokens": True})

        def lease_lost_and_taken_over() -> None:
            late = LATER + tokens.LEASE + timedelta(seconds=5)
            with pytest.raises(ReauthRequiredError):
                token_of(installed.another(), connection, now=late)

        given = token_of(installed.app, connection, authorizer_for=self.losing(installed, lease_lost_and_taken_over))

        assert row(logins, "status, last_error") == ("active", None)
        assert token_of(installed.app, connection, now=NOW) == given
        assert token_of(installed.app, connection, now=LATER + timedelta(hours=1)) != given

    def test_a_refusal_does_not_spoil_a_grant_that_came_meanwhile(
        self, installed: Installation, ada: Principal, connect: Connect, logins: Logins
    ) -> None:
        connection = connect(ada, "google")
        installed.simulators["google"].sim("POST", "/tokens/revoke", {"email": connection.email})

        given = token_of(
            installed.app,
            connection,
            authorizer_for=self.losing(installed, lambda: self.connect_elsewhere(installed, ada)),
        )

        assert row(logins, "status") == ("active",)
        assert installed.app.connect("google", given).account()

    def connect_elsewhere(self, installed: Installation, ada: Principal) -> None:
        other = replace(installed, app=installed.another())
        started = start(other, ada, "google")
        finish(
            other, ada, "google", other.simulators["google"].decide(started.authorization_url, account=ALEX["google"])
        )

    def test_a_rotated_token_is_stored_though_the_database_is_away_for_a_moment(
        self, installed: Installation, ada: Principal, connect: Connect, server: Server, logins: Logins
    ) -> None:
        connection = connect(ada, "google")
        installed.simulators["google"].sim("PUT", "/faults", {"rotate_refresh_tokens": True})
        name = sql.Identifier(logins.name)

        def database_goes_away() -> None:
            server.execute(
                sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS false").format(name),
                sql.SQL("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = {}").format(
                    logins.name
                ),
            )
            back = sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS true").format(name)
            threading.Timer(0.5, server.execute, [back]).start()

        given = token_of(installed.app, connection, authorizer_for=self.losing(installed, database_goes_away))

        assert token_of(installed.app, connection, now=NOW) == given

    def test_a_worker_that_dies_while_refreshing_blocks_the_others_only_for_a_while(
        self, installed: Installation, ada: Principal, connect: Connect
    ) -> None:
        connection = connect(ada, "google")
        with installed.app.database.everyone() as conn:
            assert leases.claim(
                conn, f"refresh:{connection.id}", holder="dead", now=LATER - tokens.LEASE, duration=tokens.LEASE
            )

        assert token_of(installed.app, connection)

    def test_waiting_for_another_worker_ends(
        self, installed: Installation, ada: Principal, connect: Connect, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        connection = connect(ada, "google")
        monkeypatch.setattr(tokens, "PATIENCE", 0.2)
        with installed.app.database.everyone() as conn:
            leases.claim(conn, f"refresh:{connection.id}", holder="slow", now=LATER, duration=tokens.LEASE)

        with pytest.raises(TransientError, match="Another worker"):
            token_of(installed.app, connection)


def test_a_failing_token_endpoint_is_a_passing_trouble_and_frees_the_lease(
    installed: Installation, ada: Principal, connect: Connect
) -> None:
    connection = connect(ada, "google")
    cut_off = installed.another(google_token_url="http://127.0.0.1:9/token")
    with pytest.raises(TransientError):
        token_of(cut_off, connection)

    assert token_of(installed.another(), connection)


def test_an_app_without_its_secret_is_the_operators_to_correct_and_frees_the_lease(
    installed: Installation, ada: Principal, connect: Connect
) -> None:
    connection = connect(ada, "google")
    known = installed.secrets.values["oauth-clients"]
    installed.secrets.values["oauth-clients"] = '{"google": {"client_id": "other", "client_secret": "other"}}'
    with pytest.raises(InvalidError, match="has no secret"):
        token_of(installed.app, connection)
    installed.secrets.values["oauth-clients"] = known

    assert token_of(installed.app, connection)


class TestRefreshingAhead:
    def refresh(self, installed: Installation, *, now: datetime = LATER) -> tokens.Refreshed:
        return tokens.refresh_expiring(
            installed.app.database, keyring=installed.app.keyring(), authorizer_for=installed.app.authorizer, now=now
        )

    def test_what_ends_soon_is_refreshed_and_what_does_not_is_left(
        self, installed: Installation, ada: Principal, connect: Connect, logins: Logins
    ) -> None:
        connect(ada, "google")

        assert self.refresh(installed, now=NOW) == tokens.Refreshed(refreshed=0, failed=0, needs_reauth=0)
        assert self.refresh(installed, now=NOW + timedelta(minutes=46)).refreshed == 1
        assert row(logins, "token_expiry > now() + interval '100 minutes'") == (True,)

    def test_one_failure_does_not_stop_the_others_and_is_shown(
        self, installed: Installation, ada: Principal, connect: Connect, logins: Logins
    ) -> None:
        broken, dead = connect(ada, "google"), connect(ada, "google", account=SAM["google"])
        with installed.app.database.everyone() as conn:
            conn.execute(
                "UPDATE external_calendar_connections SET refresh_token_enc = 'x', token_expiry = %s WHERE id = %s",
                (LATER, broken.id),
            )
        grace = installed.person("grace@example.com", now=NOW)
        fine = connect(grace, "google")
        installed.simulators["google"].sim("POST", "/tokens/revoke", {"email": SAM["google"]})

        counts = self.refresh(installed, now=LATER)

        assert counts == tokens.Refreshed(refreshed=1, failed=1, needs_reauth=1)
        with psycopg.connect(logins.operator) as conn:
            states = dict(conn.execute("SELECT id, status FROM external_calendar_connections").fetchall())
        assert states == {broken.id: "error", dead.id: "needs_reauth", fine.id: "active"}

    def test_a_connection_that_backs_off_or_is_switched_off_is_left_alone(
        self, installed: Installation, ada: Principal, connect: Connect
    ) -> None:
        connection = connect(ada, "google")
        for change in ("backoff_until = '9999-01-01'", "backoff_until = NULL, sync_enabled = false"):
            with installed.app.database.person(connection.user_id) as conn:
                conn.execute(sql.SQL("UPDATE external_calendar_connections SET {}").format(sql.SQL(change)))

            assert self.refresh(installed).refreshed == 0


def test_a_connection_without_a_key_says_so(installed: Installation, ada: Principal, connect: Connect) -> None:
    connection = connect(ada, "google")
    with installed.app.database.person(ada.user_id) as conn:
        conn.execute("UPDATE external_calendar_connections SET data_key_enc = NULL")

    with pytest.raises(ConflictError, match="no key"), installed.app.database.person(ada.user_id) as conn:
        tokens.data_key(conn, connection_id=connection.id, keyring=installed.app.keyring())


def test_a_connection_that_is_not_there_is_not_found(installed: Installation, ada: Principal) -> None:
    with pytest.raises(KalendsError) as caught, installed.app.database.person(ada.user_id) as conn:
        tokens.read(conn, ada.user_id)

    assert caught.value.error_code == "CONNECTION.NOT_FOUND"
