"""The audit log: written with the change, by whoever may, and visible to whom it concerns."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

import pytest

from shared.audit import record
from shared.core.errors import KalendsError

if TYPE_CHECKING:
    from shared.store.database import Database


@pytest.fixture
def ada(database: Database) -> UUID:
    with database.everyone() as conn:
        made = conn.execute("INSERT INTO profiles (email) VALUES ('ada@example.com') RETURNING id").fetchall()[0][0]
    assert isinstance(made, UUID)
    return made


def test_an_entry_says_who_did_what_to_what_and_why(database: Database, ada: UUID) -> None:
    with database.person(ada) as conn:
        record.record(
            conn, user_id=ada, actor=f"person:{ada}", action="link.created", entity="link:1", metadata={"n": 1}
        )

    with database.person(ada) as conn:
        entries = conn.execute("SELECT user_id, actor, action, entity, metadata FROM audit_log").fetchall()
    assert entries == [(ada, f"person:{ada}", "link.created", "link:1", {"n": 1})]


def test_an_entry_stands_only_if_the_change_does(database: Database, ada: UUID) -> None:
    with pytest.raises(ZeroDivisionError), database.person(ada) as conn:
        record.record(conn, user_id=ada, actor="test", action="link.created", entity="link:1")
        raise ZeroDivisionError

    with database.everyone() as conn:
        assert conn.execute("SELECT count(*) FROM audit_log").fetchall() == [(0,)]


@pytest.mark.parametrize("about", [None, UUID(int=7)])
def test_a_person_writes_only_about_themselves(database: Database, ada: UUID, about: UUID | None) -> None:
    with pytest.raises(KalendsError, match="InsufficientPrivilege"), database.person(ada) as conn:
        record.record(conn, user_id=about, actor="test", action="x", entity="x")


def test_an_entry_outlives_the_person(database: Database, ada: UUID) -> None:
    with database.person(ada) as conn:
        record.record(conn, user_id=ada, actor=f"person:{ada}", action="x", entity="x")
    with database.everyone() as conn:
        conn.execute("DELETE FROM profiles")

        assert conn.execute("SELECT user_id, actor FROM audit_log").fetchall() == [(None, f"person:{ada}")]
