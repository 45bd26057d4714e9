"""People come by invitation, sign in with a password, and are slowed down when they guess."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import psycopg
import pytest
from argon2 import PasswordHasher

from shared.core.errors import (
    ConflictError,
    ForbiddenError,
    InvalidError,
    NotFoundError,
    RateLimitedError,
    UnauthenticatedError,
)
from shared.crypto import passwords
from shared.identity import api_tokens, invitations, people, principal, sessions, sign_in
from shared.store.database import Database

if TYPE_CHECKING:
    from shared.identity.people import Person
    from tests.postgres import Logins

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
PASSWORD = "correct horse battery"
SECRETS = [b"session secret"]


def invited(database: Database, **options: object) -> str:
    with database.everyone() as conn:
        return invitations.invite(conn, **{"role": "admin", "actor": "ops", "now": NOW, **options})


def admin(database: Database, email: str = "ada@example.com") -> Person:
    token = invited(database)
    return invitations.accept(database, token, email=email, name="Ada", password=PASSWORD, now=NOW)


def enter(
    database: Database,
    *,
    password: str = PASSWORD,
    now: datetime = NOW,
    email: str = "ada@example.com",
    address: str = "192.0.2.1",
):
    return sign_in.sign_in(database, email=email, password=password, address=address, secrets=SECRETS, now=now)


class TestInvitation:
    def test_the_first_administrator_comes_by_a_link(self, database: Database) -> None:
        token = invited(database)

        person = invitations.accept(
            database, token, email=" Ada@Example.com ", name=" Ada ", password=PASSWORD, now=NOW
        )

        assert (person.email, person.name, person.role) == ("ada@example.com", "Ada", "admin")
        assert invitations.address("https://kalends.example", token) == f"https://kalends.example/welcome/{token}"
        assert enter(database).user_id == person.id

    def test_a_link_works_once(self, database: Database) -> None:
        token = invited(database)
        invitations.accept(database, token, email="ada@example.com", name="Ada", password=PASSWORD, now=NOW)

        with pytest.raises(ConflictError, match="has been used"):
            invitations.accept(database, token, email="eve@example.com", name="Eve", password=PASSWORD, now=NOW)

    def test_a_link_ends_after_a_day(self, database: Database) -> None:
        token = invited(database)

        with pytest.raises(NotFoundError, match="24 hours"):
            invitations.accept(
                database, token, email="a@b.example", name="Ada", password=PASSWORD, now=NOW + timedelta(hours=24)
            )

    def test_an_invented_link_opens_nothing(self, database: Database) -> None:
        with pytest.raises(NotFoundError), database.everyone() as conn:
            invitations.check(conn, "invented", now=NOW)

    def test_a_link_for_somebody_lets_nobody_else_in(self, database: Database) -> None:
        token = invited(database, email="Grace@example.com", role="user")

        with pytest.raises(InvalidError) as caught:
            invitations.accept(database, token, email="eve@example.com", name="Eve", password=PASSWORD, now=NOW)

        assert "email" in caught.value.fields
        with database.everyone() as conn:
            assert invitations.check(conn, token, now=NOW) == "grace@example.com"

    def test_an_open_link_cannot_take_over_an_account(self, database: Database) -> None:
        admin(database)
        token = invited(database)

        with pytest.raises(ConflictError, match="has an account"):
            invitations.accept(database, token, email="ADA@example.com", name="Eve", password="x" * 12, now=NOW)

        with database.everyone() as conn:
            invitations.check(conn, token, now=NOW)  # still unused: the transaction was taken back

    def test_a_link_for_a_known_address_is_the_way_back_in_and_ends_old_sessions(self, database: Database) -> None:
        person = admin(database)
        old = enter(database)
        token = invited(database, email="ada@example.com")

        again = invitations.accept(
            database, token, email="ada@example.com", name="Ada L.", password="another password", now=NOW
        )

        assert (again.id, again.name) == (person.id, "Ada L.")
        with database.everyone() as conn:
            assert sessions.find(conn, old.token, now=NOW) is None
        with pytest.raises(UnauthenticatedError):
            enter(database)
        assert enter(database, password="another password").user_id == person.id

    def test_bad_fields_are_all_named_and_none_repeated(self, database: Database) -> None:
        token = invited(database)

        with pytest.raises(InvalidError) as caught:
            invitations.accept(database, token, email="no address", name="\n", password="planted", now=NOW)

        assert set(caught.value.fields) == {"email", "name", "password"}
        assert "planted" not in str(caught.value)

    def test_there_is_no_role_but_three(self, database: Database) -> None:
        with pytest.raises(InvalidError, match="root"):
            invited(database, role="root")

    @pytest.mark.parametrize("address", ["a@b", "a.b+c@example.co.uk", "ä@example.com"])
    def test_addresses_may_look_like_this(self, address: str) -> None:
        people.check(email=address, name="A", password=PASSWORD)

    @pytest.mark.parametrize(
        "address", ["", "a", "@b", "a@", "a@b@c", "a b@c.example", "a@.example", "a@b..c", "a" * 250 + "@b.example"]
    )
    def test_and_not_like_this(self, address: str) -> None:
        with pytest.raises(InvalidError):
            people.check(email=address, name="A", password=PASSWORD)


class TestSignIn:
    def test_unknown_people_and_wrong_passwords_sound_the_same(self, database: Database) -> None:
        admin(database)

        with pytest.raises(UnauthenticatedError) as unknown:
            enter(database, email="nobody@example.com")
        with pytest.raises(UnauthenticatedError) as wrong:
            enter(database, password="wrong password")

        assert str(unknown.value) == str(wrong.value)
        assert unknown.value.error_code == wrong.value.error_code == "AUTH.INVALID_CREDENTIALS"

    def test_five_failures_close_the_door_for_fifteen_minutes(self, database: Database) -> None:
        admin(database)
        for _ in range(5):
            with pytest.raises(UnauthenticatedError):
                enter(database, password="wrong password")

        with pytest.raises(RateLimitedError) as caught:
            enter(database)

        assert caught.value.retry_after == 15 * 60
        assert enter(database, now=NOW + timedelta(minutes=15)).token

    def test_a_success_forgets_the_failures(self, database: Database) -> None:
        admin(database)
        for _ in range(3):
            for _ in range(4):
                with pytest.raises(UnauthenticatedError):
                    enter(database, password="wrong password")

            assert enter(database).token

    def test_a_network_address_that_guesses_everywhere_is_stopped_though_it_owns_an_account(
        self, database: Database, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(sign_in, "FAILURES_PER_ADDRESS", 6)
        admin(database)
        for number in range(6):
            with pytest.raises(UnauthenticatedError):
                enter(database, email=f"victim{number}@example.com", password="guess")
            if number == 3:
                assert enter(database, now=NOW + timedelta(seconds=1)).token

        with pytest.raises(RateLimitedError):
            enter(database, email="victim51@example.com", password="guess")
        assert enter(database, address="198.51.100.7").token

    def test_guessing_in_parallel_gains_nothing(self, database: Database, logins: Logins) -> None:
        admin(database)

        def guess(_: int) -> type[Exception]:
            own = Database(logins.runtime)
            try:
                enter(own, password="wrong password")
            except (UnauthenticatedError, RateLimitedError) as error:
                return type(error)
            finally:
                own.close()
            raise AssertionError("a wrong password was accepted")

        with ThreadPoolExecutor(12) as pool:
            outcomes = list(pool.map(guess, range(12)))

        assert outcomes.count(UnauthenticatedError) == 5
        assert outcomes.count(RateLimitedError) == 7

    def test_a_hash_of_weaker_parameters_is_renewed_on_the_way_in(self, database: Database) -> None:
        person = admin(database)
        weak = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash(PASSWORD)
        with database.everyone() as conn:
            conn.execute("UPDATE profiles SET password_hash = %s", (weak,))

        enter(database)

        with database.everyone() as conn:
            encoded = conn.execute("SELECT password_hash FROM profiles WHERE id = %s", (person.id,)).fetchall()[0][0]
        assert not passwords.needs_rehash(encoded)
        assert enter(database).user_id == person.id

    def test_no_address_and_no_password_is_kept_as_it_is(self, database: Database, logins: Logins) -> None:
        admin(database)
        with pytest.raises(UnauthenticatedError):
            enter(database, email="planted@example.com", password="planted password")

        with psycopg.connect(logins.operator) as conn:
            rows = conn.execute("SELECT subject FROM sign_in_attempts").fetchall()
            hashes = conn.execute("SELECT password_hash FROM profiles").fetchall()

        assert rows and not any("planted" in subject or "192.0.2.1" in subject for (subject,) in rows)
        assert all(encoded.startswith("$argon2id$") for (encoded,) in hashes)


class TestSession:
    def test_a_session_says_who_it_is(self, database: Database) -> None:
        person = admin(database)
        token = enter(database).token

        found = principal.authenticate(database, session_token=token, authorization=None, now=NOW)

        assert found is not None
        assert (found.user_id, found.role, found.actor) == (person.id, "admin", f"person:{person.id}")
        assert principal.require(found) is found

    def test_it_slides_for_thirty_days_after_it_was_last_seen(self, database: Database) -> None:
        admin(database)
        token = enter(database).token
        for day in (29, 58, 87):
            with database.everyone() as conn:
                found = sessions.find(conn, token, now=NOW + timedelta(days=day))

            assert found is not None
            assert found.renewed

        with database.everyone() as conn:
            assert sessions.find(conn, token, now=NOW + timedelta(days=87 + 30)) is None

    def test_not_every_request_writes(self, database: Database) -> None:
        admin(database)
        token = enter(database).token

        with database.everyone() as conn:
            found = sessions.find(conn, token, now=NOW + timedelta(minutes=59))

        assert found is not None
        assert not found.renewed

    def test_signing_out_ends_it_at_once_and_twice_is_fine(self, database: Database) -> None:
        admin(database)
        token = enter(database).token

        with database.everyone() as conn:
            sessions.end(conn, token)
            sessions.end(conn, token)

        assert principal.authenticate(database, session_token=token, authorization=None, now=NOW) is None

    def test_the_database_never_holds_the_token(self, database: Database, logins: Logins) -> None:
        admin(database)
        token = enter(database).token

        with psycopg.connect(logins.operator) as conn:
            rows = repr(conn.execute("SELECT * FROM sessions").fetchall())

        assert token not in rows

    def test_nobody_is_nobody(self, database: Database) -> None:
        assert principal.authenticate(database, session_token=None, authorization=None, now=NOW) is None
        assert principal.authenticate(database, session_token="invented", authorization="", now=NOW) is None
        with pytest.raises(UnauthenticatedError):
            principal.require(None)

    def test_a_form_of_this_session_passes_and_any_other_does_not(self) -> None:
        good = sessions.csrf_token(SECRETS, "session token")

        sessions.check_csrf([b"rotated", *SECRETS], "session token", good)
        for token, given in (("session token", ""), ("session token", "x"), ("another", good)):
            with pytest.raises(ForbiddenError) as caught:
                sessions.check_csrf(SECRETS, token, given)
            assert caught.value.gate == "csrf"


class TestApiToken:
    def make(self, database: Database, person: Person, **options: object) -> tuple[api_tokens.ApiToken, str]:
        with database.person(person.id) as conn:
            return api_tokens.create(
                conn, **{"user_id": person.id, "name": "laptop", "actor": "test", "now": NOW, **options}
            )

    def test_it_speaks_for_its_owner(self, database: Database) -> None:
        person = admin(database)
        made, token = self.make(database, person)

        found = principal.authenticate(database, session_token=None, authorization=f"Bearer {token}", now=NOW)

        assert found is not None
        assert (found.user_id, found.session_hash) == (person.id, None)
        with database.person(person.id) as conn:
            assert api_tokens.list_tokens(conn, user_id=person.id)[0].last_used_at == NOW
        assert token.startswith("kal_")
        assert made.hint == f"{token[:8]}…"

    def test_it_is_shown_once_and_never_stored(self, database: Database, logins: Logins) -> None:
        _, token = self.make(database, admin(database))

        with psycopg.connect(logins.operator) as conn:
            rows = repr(conn.execute("SELECT * FROM api_tokens").fetchall())

        assert token not in rows

    def test_a_revoked_one_is_dead_at_once_and_stays_listed(self, database: Database) -> None:
        person = admin(database)
        made, token = self.make(database, person)
        with database.person(person.id) as conn:
            api_tokens.revoke(conn, made.id, user_id=person.id, actor="test", now=NOW)
            api_tokens.revoke(conn, made.id, user_id=person.id, actor="test", now=NOW + timedelta(days=1))

        with pytest.raises(UnauthenticatedError):
            principal.authenticate(database, session_token=None, authorization=f"Bearer {token}", now=NOW)

        with database.person(person.id) as conn:
            assert [item.revoked_at for item in api_tokens.list_tokens(conn, user_id=person.id)] == [NOW]

    def test_an_expired_one_is_dead(self, database: Database) -> None:
        _, token = self.make(database, admin(database), expires_at=NOW + timedelta(hours=1))

        with pytest.raises(UnauthenticatedError):
            principal.authenticate(
                database, session_token=None, authorization=f"Bearer {token}", now=NOW + timedelta(hours=1)
            )

    def test_a_dead_token_is_refused_whatever_cookie_comes_with_it(self, database: Database) -> None:
        admin(database)
        cookie = enter(database).token

        for header in ("Bearer kal_invented", "Basic YTpi", "nonsense"):
            with pytest.raises(UnauthenticatedError):
                principal.authenticate(database, session_token=cookie, authorization=header, now=NOW)

    def test_nobody_revokes_anothers(self, database: Database) -> None:
        ada, grace = admin(database), admin(database, "grace@example.com")
        made, token = self.make(database, ada)

        with pytest.raises(NotFoundError), database.person(grace.id) as conn:
            api_tokens.revoke(conn, made.id, user_id=grace.id, actor="test", now=NOW)

        assert principal.authenticate(database, session_token=None, authorization=f"Bearer {token}", now=NOW)

    def test_a_name_and_a_future_end_are_needed(self, database: Database) -> None:
        person = admin(database)

        for bad in ({"name": " "}, {"name": "x" * 201}, {"name": "a\nb"}, {"expires_at": NOW}):
            with pytest.raises(InvalidError):
                self.make(database, person, **bad)


def test_a_higher_role_may_do_what_a_lower_one_may_and_not_the_reverse(database: Database) -> None:
    person = admin(database)
    for held, wanted, allowed in (
        ("admin", "operator", True),
        ("operator", "operator", True),
        ("user", "operator", False),
        ("operator", "admin", False),
    ):
        somebody = principal.Principal(user_id=person.id, role=held)

        if allowed:
            principal.require_role(somebody, wanted)
        else:
            with pytest.raises(ForbiddenError, match=wanted):
                principal.require_role(somebody, wanted)
