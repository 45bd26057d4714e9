"""Connecting an account through the providers' real consent pages (simulated), and every way that can go wrong."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import psycopg
import pytest

from shared.connections import apps, oauth, refusals, store
from shared.core.errors import ForbiddenError, InvalidError, KalendsError, NotFoundError, TransientError
from tests.connections.conftest import NOW, finish, start
from tests.installation import ALEX, SAM

if TYPE_CHECKING:
    from collections.abc import Callable

    from shared.connections.store import Connection
    from shared.identity.principal import Principal
    from shared.providers.port import Authorizer, Tokens
    from tests.installation import Installation
    from tests.postgres import Logins

    type Connect = Callable[..., Connection]


def rows(logins: Logins, query: str) -> list[tuple[object, ...]]:
    with psycopg.connect(logins.operator) as conn:
        return conn.execute(query.encode()).fetchall()


def refused(
    installed: Installation, principal: Principal | None, provider: str, query: dict[str, str], **more: object
) -> KalendsError:
    with pytest.raises(KalendsError) as caught:
        finish(installed, principal, provider, query, **more)
    return caught.value


def test_consent_makes_a_connection(installed: Installation, ada: Principal, provider: str, connect: Connect) -> None:
    connection = connect(ada, provider)

    assert (connection.status, connection.email, connection.user_id) == ("active", ALEX[provider], ada.user_id)
    assert installed.app.provider(connection).account().email == ALEX[provider]


def test_tokens_are_stored_sealed_and_bound_to_their_row(
    installed: Installation, ada: Principal, logins: Logins, provider: str, connect: Connect
) -> None:
    connection = connect(ada, provider)
    token = installed.app.provider(connection) and installed.app._given[connection.id]

    dump = repr(rows(logins, "SELECT * FROM external_calendar_connections")) + repr(
        rows(logins, "SELECT * FROM oauth_states")
    )

    assert token not in dump
    moved = replace(connection, id=ada.user_id)
    with pytest.raises(KalendsError, match="does not open"):
        store.data_key(moved, installed.app.keyring())


def test_connecting_is_recorded_and_published(ada: Principal, logins: Logins, connect: Connect) -> None:
    connection = connect(ada, "google")
    connect(ada, "google")

    assert rows(logins, "SELECT actor, action, entity FROM audit_log ORDER BY id") == [
        (ada.actor, "connection.connected", f"connection:{connection.id}"),
        (ada.actor, "connection.reconnected", f"connection:{connection.id}"),
    ]
    assert rows(logins, "SELECT event_type, aggregate_id, user_id FROM outbox ORDER BY id") == [
        ("connection.connected", connection.id, ada.user_id),
        ("connection.reconnected", connection.id, ada.user_id),
    ]


def test_two_accounts_of_one_provider_are_two_connections(ada: Principal, provider: str, connect: Connect) -> None:
    first = connect(ada, provider)
    second = connect(ada, provider, account=SAM[provider])

    assert first.id != second.id


def test_two_people_may_connect_the_same_account(installed: Installation, ada: Principal, connect: Connect) -> None:
    grace = installed.person("grace@example.com", now=NOW)

    hers, his = connect(ada, "google"), connect(grace, "google")

    assert hers.id != his.id
    assert installed.app.provider(hers).account() == installed.app.provider(his).account()


class TestReconnecting:
    def test_it_renews_the_same_connection_and_clears_what_was_wrong(
        self, installed: Installation, ada: Principal, provider: str, connect: Connect, logins: Logins
    ) -> None:
        first = connect(ada, provider)
        with psycopg.connect(logins.operator) as conn:
            conn.execute(
                """
                UPDATE external_calendar_connections SET status = 'needs_reauth', error_count = 7, last_error = '{}',
                       backoff_until = now() + interval '1 hour'
                """
            )

        again = connect(ada, provider)

        assert again.id == first.id
        assert (again.status, again.error_count, again.last_error, again.backoff_until) == ("active", 0, None, None)
        assert again.sync_enabled

    def test_it_keeps_cursors_and_asks_for_a_look_at_linked_calendars(
        self, installed: Installation, ada: Principal, connect: Connect, logins: Logins
    ) -> None:
        connection = connect(ada, "google")
        with psycopg.connect(logins.operator) as conn:
            linked, other = (
                conn.execute(
                    "INSERT INTO calendars (user_id, connection_id, calendar_id, name, time_zone, can_write)"
                    " VALUES (%s, %s, %s, '', 'UTC', true) RETURNING id",
                    (ada.user_id, connection.id, name),
                ).fetchall()[0][0]
                for name in ("linked", "other")
            )
            for calendar in (linked, other):
                conn.execute(
                    "INSERT INTO calendar_sync_state (calendar_id, user_id, connection_id, sync_token, needs_full_sync)"
                    " VALUES (%s, %s, %s, 'cursor', false)",
                    (calendar, ada.user_id, connection.id),
                )
            conn.execute(
                "INSERT INTO links (user_id, source_calendar_id, target_calendar_id) VALUES (%s, %s, %s)",
                (ada.user_id, linked, other),
            )
            conn.execute("INSERT INTO calendars (user_id, connection_id, calendar_id, name, time_zone, can_write)"
                         " VALUES (%s, %s, 'third', '', 'UTC', true)", (ada.user_id, connection.id))  # fmt: skip
            conn.execute("INSERT INTO calendar_sync_state (calendar_id, user_id, connection_id)"
                         " SELECT id, user_id, connection_id FROM calendars WHERE calendar_id = 'third'")  # fmt: skip

        again = connect(ada, "google")

        assert rows(
            logins,
            """
            SELECT c.calendar_id, s.sync_token, s.needs_full_sync, s.generation, s.requested - s.done
              FROM calendar_sync_state s JOIN calendars c ON c.id = s.calendar_id ORDER BY 1
            """,
        ) == [("linked", "cursor", False, 1, 1), ("other", "cursor", False, 1, 1), ("third", None, True, 1, 0)]
        assert again.sync_needed

    def test_it_keeps_the_key_that_seals_the_texts(
        self, installed: Installation, ada: Principal, connect: Connect
    ) -> None:
        sealed = store.data_key(connect(ada, "google"), installed.app.keyring()).seal(b"lunch", aad="text")

        again = connect(ada, "google")

        assert store.data_key(again, installed.app.keyring()).open(sealed, aad="text") == b"lunch"

    def test_somebody_who_switched_it_off_finds_it_switched_off(
        self, ada: Principal, connect: Connect, logins: Logins
    ) -> None:
        connect(ada, "google")
        with psycopg.connect(logins.operator) as conn:
            conn.execute("UPDATE external_calendar_connections SET status = 'disabled', sync_enabled = false")

        again = connect(ada, "google")

        assert (again.status, again.sync_enabled) == ("disabled", False)


class TestState:
    def test_it_works_once(self, installed: Installation, ada: Principal, provider: str) -> None:
        started = start(installed, ada, provider)
        query = installed.simulators[provider].decide(started.authorization_url, account=ALEX[provider])
        finish(installed, ada, provider, query)

        assert refused(installed, ada, provider, query).error_code == "AUTH.STATE_REUSED"

    def test_it_ends_after_ten_minutes(self, installed: Installation, ada: Principal) -> None:
        started = start(installed, ada, "google")
        query = installed.simulators["google"].decide(started.authorization_url, account=ALEX["google"])

        late = refused(installed, ada, "google", query, now=NOW + timedelta(minutes=10))

        assert late.error_code == "AUTH.STATE_EXPIRED"

    def test_an_invented_one_is_unknown(self, installed: Installation, ada: Principal) -> None:
        for query in ({}, {"state": "invented", "code": "x"}, {"error": "access_denied"}):
            assert refused(installed, ada, "google", query).error_code == "AUTH.STATE_UNKNOWN"

    def test_one_provider_cannot_answer_for_another(self, installed: Installation, ada: Principal) -> None:
        started = start(installed, ada, "google")

        error = refused(installed, ada, "microsoft", {"state": started.state, "code": "x"})

        assert error.error_code == "AUTH.STATE_UNKNOWN"

    def test_another_session_cannot_finish_it_and_uses_nothing_up(
        self, installed: Installation, ada: Principal
    ) -> None:
        eve = installed.person("eve@example.com", now=NOW)
        started = start(installed, ada, "google")
        query = installed.simulators["google"].decide(started.authorization_url, account=ALEX["google"])

        for stranger in (
            None,
            eve,
            replace(eve, session_hash=ada.session_hash),
            replace(ada, session_hash=None),
            replace(ada, session_hash=b"x" * 32),
        ):
            error = refused(installed, stranger, "google", query)
            assert isinstance(error, ForbiddenError)
            assert error.error_code == "AUTH.WRONG_SESSION"

        assert finish(installed, ada, "google", query).status == "active"

    def test_what_an_api_token_began_any_sign_in_of_the_same_person_may_finish(
        self, installed: Installation, ada: Principal
    ) -> None:
        eve = installed.person("eve@example.com", now=NOW)
        started = start(installed, replace(ada, session_hash=None), "google")
        query = installed.simulators["google"].decide(started.authorization_url, account=ALEX["google"])

        assert refused(installed, eve, "google", query).error_code == "AUTH.WRONG_SESSION"
        assert finish(installed, ada, "google", query).status == "active"

    def test_the_database_holds_neither_state_nor_verifier(
        self, installed: Installation, ada: Principal, logins: Logins
    ) -> None:
        started = start(installed, ada, "google")

        dump = repr(rows(logins, "SELECT * FROM oauth_states"))

        assert started.state not in dump
        assert repr(started) == "Started()"

    def test_old_ones_are_cleared_away(self, installed: Installation, ada: Principal, logins: Logins) -> None:
        start(installed, ada, "google")

        start(installed, ada, "google", now=NOW + timedelta(days=2))

        assert rows(logins, "SELECT count(*) FROM oauth_states") == [(1,)]


class TestRefusal:
    def test_denied_consent_says_so_and_changes_nothing(
        self, installed: Installation, ada: Principal, logins: Logins, provider: str
    ) -> None:
        started = start(installed, ada, provider)
        query = installed.simulators[provider].decide(
            started.authorization_url, account=ALEX[provider], decision="deny"
        )

        assert refused(installed, ada, provider, query).error_code == "AUTH.CONSENT_DENIED"
        assert rows(logins, "SELECT count(*) FROM external_calendar_connections") == [(0,)]

    def test_a_code_that_is_not_one_is_refused(self, installed: Installation, ada: Principal, provider: str) -> None:
        started = start(installed, ada, provider)

        error = refused(installed, ada, provider, {"state": started.state, "code": "invented"})

        assert error.error_code == "AUTH.CODE_REFUSED"

    def test_a_code_stolen_from_another_start_is_refused_by_pkce(
        self, installed: Installation, ada: Principal, provider: str
    ) -> None:
        eve = installed.person("eve@example.com", now=NOW)
        stolen = installed.simulators[provider].decide(
            start(installed, ada, provider).authorization_url, account=ALEX[provider]
        )
        own = start(installed, eve, provider)

        error = refused(installed, eve, provider, {"state": own.state, "code": stolen["code"]})

        assert error.error_code == "AUTH.CODE_REFUSED"

    def test_an_answer_with_neither_code_nor_error_is_refused(self, installed: Installation, ada: Principal) -> None:
        started = start(installed, ada, "google")

        assert refused(installed, ada, "google", {"state": started.state}).error_code == "AUTH.CODE_REFUSED"

    def test_unticked_permissions_are_asked_for_again(self, installed: Installation, ada: Principal) -> None:
        started = start(installed, ada, "google")
        query = installed.simulators["google"].decide(
            started.authorization_url, account=ALEX["google"], scope=["openid", "email"]
        )

        assert refused(installed, ada, "google", query).error_code == "AUTH.SCOPES_MISSING"

    def test_a_grant_that_does_not_last_is_refused_unless_an_older_one_does(
        self, installed: Installation, ada: Principal, connect: Connect, logins: Logins
    ) -> None:
        """Google gives a refresh token only with the first consent, should it ever forget `prompt=consent`."""

        class Forgetful:
            def __init__(self, inner: Authorizer) -> None:
                self._inner = inner

            def exchange(self, **asked: Any) -> Tokens:
                return replace(self._inner.exchange(**asked), refresh_token=None)

        def try_it() -> Connection:
            started = start(installed, ada, "google")
            query = installed.simulators["google"].decide(started.authorization_url, account=ALEX["google"])
            return oauth.finish(
                installed.app.database,
                provider="google",
                answer=oauth.Answer(state=query["state"], code=query["code"]),
                principal=ada,
                keyring=installed.app.keyring(),
                authorizer_for=lambda app: Forgetful(installed.app.authorizer(app)),  # type: ignore[arg-type,return-value]
                connect=installed.app.connect,
                microsoft_authority="",
                now=NOW,
            )

        with pytest.raises(InvalidError) as caught:
            try_it()
        assert caught.value.error_code == "AUTH.NO_REFRESH_TOKEN"
        assert rows(logins, "SELECT count(*) FROM external_calendar_connections") == [(0,)]
        connect(ada, "google")
        assert try_it().status == "active"

    def test_a_colleague_who_needs_approval_gets_the_link_to_send(
        self, installed: Installation, ada: Principal
    ) -> None:
        microsoft = installed.simulators["microsoft"]
        microsoft.sim("POST", "/accounts", {"email": "kim@contoso.example", "name": "Kim", "needs_admin_consent": True})
        microsoft.sim("PUT", "/faults", {"needs_approval": "redirect"})
        started = start(installed, ada, "microsoft")
        query = microsoft.decide(started.authorization_url, account="kim@contoso.example")

        error = refused(installed, ada, "microsoft", query)

        assert isinstance(error, InvalidError)
        assert error.error_code == "AUTH.ADMIN_APPROVAL"
        link = urlsplit(error.fields["admin_consent_url"])
        assert link.path == "/organizations/adminconsent"
        assert microsoft.http.get(error.fields["admin_consent_url"]).status_code == 200

    @pytest.mark.parametrize(
        ("error", "description", "code"),
        [
            ("access_denied", "", "AUTH.CONSENT_DENIED"),
            ("access_denied", "AADSTS65004: User declined to consent.", "AUTH.CONSENT_DENIED"),
            ("access_denied", "AADSTS50020: User account 'planted@x.example' does not exist", "AUTH.WRONG_TENANT"),
            ("access_denied", "AADSTS500200: personal account", "AUTH.WRONG_TENANT"),
            ("org_internal", "", "AUTH.WRONG_TENANT"),
            ("interaction_required", "AADSTS65001: not consented", "AUTH.ADMIN_APPROVAL"),
            ("access_denied", "AADSTS90094: admin", "AUTH.ADMIN_APPROVAL"),
            ("admin_policy_enforced", "", "AUTH.ADMIN_APPROVAL"),
            ("server_error", "", "TRANSIENT"),
            ("temporarily_unavailable", "", "TRANSIENT"),
            ("invalid_scope", "", "AUTH.CODE_REFUSED"),
            ("<script>planted</script>", "planted", "AUTH.CODE_REFUSED"),
        ],
    )
    def test_each_reason_has_its_code_and_repeats_nothing_strange(
        self, installed: Installation, error: str, description: str, code: str
    ) -> None:
        with installed.app.database.everyone() as conn:
            app = apps.default(conn, "microsoft")

        made = refusals.refusal(
            app,
            error=error,
            description=description,
            redirect_uri="https://k.example/cb",
            microsoft_authority="https://m",
        )

        assert made.error_code == code
        assert isinstance(made, TransientError) == (code == "TRANSIENT")
        assert "planted" not in made.message
        assert "script" not in made.message

    @pytest.mark.parametrize(
        ("tenant", "shown"),
        [("common", "organizations"), ("consumers", "organizations"), ("contoso.example", "contoso.example")],
    )
    def test_the_approval_link_names_a_tenant_that_can_approve(
        self, installed: Installation, tenant: str, shown: str
    ) -> None:
        with installed.app.database.everyone() as conn:
            app = replace(apps.default(conn, "microsoft"), tenant=tenant)

        link = urlsplit(refusals.admin_consent_url(app, "https://k.example/cb", "https://login.example"))

        assert link.path == f"/{shown}/adminconsent"
        assert parse_qs(link.query) == {"client_id": [app.client_id], "redirect_uri": ["https://k.example/cb"]}


class TestDisconnecting:
    def disconnect(self, installed: Installation, connection: Connection) -> bool:
        return oauth.disconnect(
            installed.app.database,
            connection_id=connection.id,
            user_id=connection.user_id,
            keyring=installed.app.keyring(),
            authorizer_for=installed.app.authorizer,
            actor="test",
            now=NOW,
        )

    def test_the_grant_is_given_back_and_erased(
        self, installed: Installation, ada: Principal, connect: Connect, logins: Logins
    ) -> None:
        connection = connect(ada, "google")
        account = installed.app.provider(connection)

        assert self.disconnect(installed, connection) is True

        assert rows(
            logins,
            "SELECT status, sync_enabled, access_token_enc, refresh_token_enc, token_expiry"
            " FROM external_calendar_connections",
        ) == [("disconnected", False, None, None, None)]
        with pytest.raises(KalendsError):
            account.account()
        with pytest.raises(KalendsError) as caught:
            installed.app.provider(connection)
        assert caught.value.error_code == "CONNECTION.DISCONNECTED"

    def test_connecting_again_brings_it_back(
        self, installed: Installation, ada: Principal, provider: str, connect: Connect
    ) -> None:
        connection = connect(ada, provider)
        self.disconnect(installed, connection)

        again = connect(ada, provider)

        assert (again.id, again.status, again.sync_enabled) == (connection.id, "active", True)
        assert installed.app.provider(again).account().email == ALEX[provider]

    def test_a_grant_that_somebody_else_uses_stays_at_the_provider(
        self, installed: Installation, ada: Principal, connect: Connect
    ) -> None:
        grace = installed.person("grace@example.com", now=NOW)
        hers, his = connect(ada, "google"), connect(grace, "google")

        assert self.disconnect(installed, hers) is False

        assert installed.app.provider(his).account().email == ALEX["google"]

    def test_it_is_erased_here_even_when_the_provider_cannot_be_reached(
        self, installed: Installation, ada: Principal, connect: Connect, logins: Logins
    ) -> None:
        connection = connect(ada, "google")
        cut_off = replace(installed, app=installed.another(google_revoke_url="http://127.0.0.1:9/revoke"))

        assert self.disconnect(cut_off, connection) is False

        assert rows(logins, "SELECT status, refresh_token_enc FROM external_calendar_connections") == [
            ("disconnected", None)
        ]
        assert rows(
            logins, "SELECT metadata ->> 'revoked' FROM audit_log WHERE action = 'connection.disconnected'"
        ) == [("false",)]

    def test_nobody_disconnects_anothers(self, installed: Installation, ada: Principal, connect: Connect) -> None:
        connection = connect(ada, "google")
        eve = installed.person("eve@example.com", now=NOW)

        with pytest.raises(NotFoundError):
            self.disconnect(installed, replace(connection, user_id=eve.user_id))
