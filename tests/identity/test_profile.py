"""A person changes what they say of themselves, their password, and where they are signed in."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from shared.core.errors import (
    InvalidError,
    PreconditionFailedError,
    RateLimitedError,
    UnauthenticatedError,
)
from shared.identity import api_tokens, invitations, password, people, principal, sessions, sign_in

if TYPE_CHECKING:
    from shared.identity.people import Person
    from shared.identity.principal import Principal
    from shared.store.database import Database

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
PASSWORD, NEW = "correct horse battery", "another horse entirely"
SECRETS = [b"session secret"]


@pytest.fixture
def ada(database: Database) -> Person:
    with database.everyone() as conn:
        token = invitations.invite(conn, role="user", actor="ops", now=NOW)
    return invitations.accept(database, token, email="ada@example.com", name="Ada", password=PASSWORD, now=NOW)


def enter(database: Database, word: str = PASSWORD, now: datetime = NOW) -> Principal:
    """Ada in a new session."""
    entered = sign_in.sign_in(
        database, email="ada@example.com", password=word, address="192.0.2.1", secrets=SECRETS, now=now
    )
    found = principal.authenticate(database, session_token=entered.token, authorization=None, now=now)
    assert found is not None
    return found


def change_password(
    database: Database, who: Principal, *, current: str = PASSWORD, new: str = NEW, now: datetime = NOW
) -> int:
    return password.change(database, who, current=current, new=new, secrets=SECRETS, now=now)


def alive(database: Database, who: Principal) -> bool:
    with database.everyone() as conn:
        return who.session_hash in {
            one.token_hash for one in sessions.list_sessions(conn, user_id=who.user_id, now=NOW)
        }


class TestTimeZone:
    def test_it_is_utc_until_the_browser_says_otherwise_and_then_the_persons_own(
        self, database: Database, ada: Person
    ) -> None:
        with database.person(ada.id) as conn:
            unknown = people.suggest_timezone(conn, ada.id, "Mars/Olympus", now=NOW)
            first = people.suggest_timezone(conn, ada.id, "Europe/Berlin", now=NOW)
            second = people.suggest_timezone(conn, ada.id, "Asia/Tokyo", now=NOW)

            assert (ada.timezone, people.get(conn, ada.id).timezone) == ("UTC", "Europe/Berlin")
        assert (unknown, first, second) == (False, True, False)

    def test_utc_on_purpose_is_not_taken_for_nothing_said(self, database: Database, ada: Person) -> None:
        with database.person(ada.id) as conn:
            people.change(conn, ada.id, timezone="UTC", actor="test", now=NOW)

            assert not people.suggest_timezone(conn, ada.id, "Europe/Berlin", now=NOW)


class TestChanging:
    def test_what_is_not_named_stays(self, database: Database, ada: Person) -> None:
        with database.person(ada.id) as conn:
            people.change(conn, ada.id, timezone="Asia/Tokyo", actor="test", now=NOW)
            person = people.change(conn, ada.id, name=" Ada Lovelace ", actor="test", now=NOW)

        assert (person.name, person.timezone, person.version) == ("Ada Lovelace", "Asia/Tokyo", ada.version + 2)

    def test_every_bad_field_is_named_and_nothing_changed(self, database: Database, ada: Person) -> None:
        with database.person(ada.id) as conn, pytest.raises(InvalidError) as refused:
            people.change(conn, ada.id, name=" ", timezone="localtime", actor="test", now=NOW)

        assert set(refused.value.fields) == {"name", "timezone"}
        with database.person(ada.id) as conn:
            assert people.get(conn, ada.id) == ada

    def test_another_change_in_between_is_noticed(self, database: Database, ada: Person) -> None:
        with database.person(ada.id) as conn:
            people.change(conn, ada.id, name="Countess", version=ada.version, actor="test", now=NOW)

            with pytest.raises(PreconditionFailedError):
                people.change(conn, ada.id, name="Ada", version=ada.version, actor="test", now=NOW)


class TestPassword:
    def test_the_new_one_lets_in_and_the_old_one_does_not(self, database: Database, ada: Person) -> None:
        change_password(database, enter(database))

        with pytest.raises(UnauthenticatedError):
            enter(database, PASSWORD)
        assert enter(database, NEW)

    def test_other_sessions_end_and_this_one_and_tokens_go_on(self, database: Database, ada: Person) -> None:
        with database.person(ada.id) as conn:
            _, token = api_tokens.create(conn, user_id=ada.id, name="laptop", actor="test", now=NOW)
        here, elsewhere = enter(database), enter(database)

        ended = change_password(database, here)

        assert ended == 1
        assert (alive(database, here), alive(database, elsewhere)) == (True, False)
        with database.everyone() as conn:
            assert api_tokens.find(conn, token, now=NOW)

    def test_with_an_api_token_every_session_ends(self, database: Database, ada: Person) -> None:
        enter(database)
        program = principal.Principal(user_id=ada.id, role="user")

        assert change_password(database, program) == 1

    def test_a_wrong_present_password_changes_nothing(self, database: Database, ada: Person) -> None:
        here, elsewhere = enter(database), enter(database)

        with pytest.raises(InvalidError) as refused:
            change_password(database, here, current="wrong horse battery")

        assert (refused.value.error_code, set(refused.value.fields)) == ("AUTH.WRONG_PASSWORD", {"current_password"})
        assert "horse" not in str(refused.value)
        assert alive(database, elsewhere)
        assert enter(database, PASSWORD)

    @pytest.mark.parametrize("new", ["short", "x" * 257])
    def test_a_bad_new_password_is_named(self, database: Database, ada: Person, new: str) -> None:
        with pytest.raises(InvalidError) as refused:
            change_password(database, enter(database), new=new)

        assert set(refused.value.fields) == {"new_password"}

    def test_a_session_left_open_is_no_way_to_guess(self, database: Database, ada: Person) -> None:
        here = enter(database)
        for _ in range(sign_in.FAILURES_PER_EMAIL):
            with pytest.raises(InvalidError):
                change_password(database, here, current="wrong horse battery")

        with pytest.raises(RateLimitedError):
            change_password(database, here)

        assert change_password(database, here, now=NOW + sign_in.WINDOW + timedelta(seconds=1)) == 0

    def test_it_is_in_the_audit_log_without_the_password(self, database: Database, ada: Person) -> None:
        change_password(database, enter(database))

        with database.person(ada.id) as conn:
            rows = conn.execute("SELECT action, metadata::text FROM audit_log ORDER BY id").fetchall()
        assert [action for action, _ in rows[-2:]] == ["password.changed", "session.others_ended"]
        assert "horse" not in str(rows)


class TestSessions:
    def test_all_others_end_and_nobody_elses(self, database: Database, ada: Person) -> None:
        with database.everyone() as conn:
            eve = people.add(conn, email="eve@example.com", name="Eve", role="user", password_hash="", now=NOW)
            sessions.start(conn, user_id=eve.id, now=NOW)
        here, elsewhere = enter(database), enter(database)

        with database.person(ada.id) as conn:
            ended = sessions.end_others(conn, user_id=ada.id, keep=here.session_hash, actor="test", now=NOW)

        assert ended == 1
        assert (alive(database, here), alive(database, elsewhere)) == (True, False)
        with database.everyone() as conn:
            assert len(sessions.list_sessions(conn, user_id=eve.id, now=NOW)) == 1
