"""Feeds: an address is tried, kept sealed, replaced, and erased."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from shared.connections import calendars, feed_addresses, oauth, store
from shared.core.errors import ConflictError, InvalidError, NotFoundError, TransientError
from tests import feed, installation
from tests.net.server import say

if TYPE_CHECKING:
    from collections.abc import Iterator
    from uuid import UUID

    from shared.connections.store import Connection
    from shared.identity.principal import Principal
    from tests.installation import Installation
    from tests.net.server import Server
    from tests.postgres import Logins

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture
def installed(logins: Logins) -> Iterator[Installation]:
    with installation.install(logins) as running:
        yield running


@pytest.fixture
def ada(installed: Installation) -> Principal:
    return installed.person("ada@example.com", now=NOW)


@pytest.fixture
def site() -> Iterator[Server]:
    with feed.published() as site:
        yield site


def connect(
    installed: Installation, somebody: Principal, address: str, *, connection_id: UUID | None = None
) -> Connection:
    return feed_addresses.connect(
        installed.app.database,
        user_id=somebody.user_id,
        address=address,
        subscribe=installed.app.subscribe,
        keyring=installed.app.keyring(),
        now=NOW,
        connection_id=connection_id,
    )


def test_a_feed_is_one_calendar_that_nobody_can_write_to(installed: Installation, ada: Principal, site: Server) -> None:
    made = connect(installed, ada, site.url(feed.PATH))

    with installed.app.database.person(ada.user_id) as conn:
        (calendar,) = calendars.list_calendars(conn, user_id=ada.user_id)
    assert (made.provider, made.email, made.status, made.sync_frequency_minutes) == ("ics", "localhost", "active", 15)
    assert (calendar.name, calendar.can_write, calendar.supports_push) == ("Team", False, False)
    assert installed.app.provider(made).list_calendars()[0].name == "Team"


def test_the_address_is_nowhere_in_the_clear(installed: Installation, ada: Principal, site: Server) -> None:
    connect(installed, ada, site.url(feed.PATH))

    with installed.app.database.everyone() as conn:
        told = conn.execute(
            """
            SELECT x::text FROM external_calendar_connections x UNION ALL SELECT c::text FROM calendars c
             UNION ALL SELECT a::text FROM audit_log a UNION ALL SELECT o::text FROM outbox o
            """
        ).fetchall()
    assert told
    assert "private-secret" not in str(told)
    assert b"private-secret".hex() not in str(told)


def test_webcal_and_connecting_again_are_the_same_feed(installed: Installation, ada: Principal, site: Server) -> None:
    first = connect(installed, ada, site.url(feed.PATH))

    again = connect(installed, ada, f" {site.url(feed.PATH)}#today".strip())

    assert (again.id, again.version) == (first.id, first.version + 1)


def test_a_feed_that_moved_keeps_its_connection_and_is_read_in_full(
    installed: Installation, ada: Principal, site: Server
) -> None:
    first = connect(installed, ada, site.url(feed.PATH))
    with installed.app.database.everyone() as conn:
        conn.execute("UPDATE calendar_sync_state SET sync_token = 'of the old address', needs_full_sync = false")
        conn.execute("UPDATE external_calendar_connections SET status = 'needs_reauth'")

    moved = connect(installed, ada, site.url(feed.MOVED), connection_id=first.id)

    installed.app.provider(moved).list_calendars()
    with installed.app.database.everyone() as conn:
        state = conn.execute("SELECT sync_token, needs_full_sync FROM calendar_sync_state").fetchall()
    assert (moved.id, moved.status) == (first.id, "active")
    assert state == [(None, True)]
    assert site.asked[-1][0] == feed.MOVED


def test_one_feed_is_not_connected_twice(installed: Installation, ada: Principal, site: Server) -> None:
    connect(installed, ada, site.url(feed.PATH))
    other = connect(installed, ada, site.url(feed.MOVED))

    with pytest.raises(ConflictError) as refused:
        connect(installed, ada, site.url(feed.PATH), connection_id=other.id)

    assert refused.value.error_code == "CONNECTION.EXISTS"


def test_nobody_moves_somebody_elses_feed(installed: Installation, ada: Principal, site: Server) -> None:
    first = connect(installed, ada, site.url(feed.PATH))
    bob = installed.person("bob@example.com", now=NOW)

    with pytest.raises(NotFoundError):
        connect(installed, bob, site.url(feed.MOVED), connection_id=first.id)


@pytest.mark.parametrize(
    ("address", "code"),
    [
        ("", "REQUEST.INVALID"),
        ("https://a\x00b/", "REQUEST.INVALID"),
        ("https://a/" + "b" * 2000, "REQUEST.INVALID"),
        ("calendar", "FEED.BAD_ADDRESS"),
        ("ftp://feeds.example/a.ics", "FEED.BAD_ADDRESS"),
        ("http://feeds.example/secret.ics", "EGRESS.INSECURE"),
        ("https://10.0.0.1/secret.ics", "EGRESS.PRIVATE_ADDRESS"),
        ("https://169.254.169.254/secret", "EGRESS.PRIVATE_ADDRESS"),
    ],
)
def test_an_address_that_will_not_do_says_what_to_correct(
    installed: Installation, ada: Principal, address: str, code: str
) -> None:
    with pytest.raises(InvalidError) as refused:
        connect(installed, ada, address)

    assert refused.value.error_code == code
    assert "secret" not in refused.value.message


@pytest.mark.parametrize(
    ("status", "body", "code"),
    [
        (401, b"", "FEED.REFUSED"),
        (403, b"", "FEED.REFUSED"),
        (404, b"", "FEED.NOT_FOUND"),
        (410, b"", "FEED.NOT_FOUND"),
        (200, b"<html>Sign in</html>", "FEED.NOT_A_CALENDAR"),
        (200, b"", "FEED.NOT_A_CALENDAR"),
    ],
)
def test_a_bad_feed_is_not_saved_and_says_why(
    installed: Installation, ada: Principal, site: Server, status: int, body: bytes, code: str
) -> None:
    site.answers[feed.PATH] = say(body, status=status)

    with pytest.raises(InvalidError) as refused:
        connect(installed, ada, site.url(feed.PATH))

    assert refused.value.error_code == code
    with installed.app.database.person(ada.user_id) as conn:
        assert store.list_connections(conn, user_id=ada.user_id) == []


def test_a_server_that_fails_for_now_is_told_apart(installed: Installation, ada: Principal, site: Server) -> None:
    site.answers[feed.PATH] = say(status=503)

    with pytest.raises(TransientError):
        connect(installed, ada, site.url(feed.PATH))


def test_disconnecting_erases_the_address(installed: Installation, ada: Principal, site: Server) -> None:
    made = connect(installed, ada, site.url(feed.PATH))

    oauth.disconnect(
        installed.app.database,
        connection_id=made.id,
        user_id=ada.user_id,
        keyring=installed.app.keyring(),
        authorizer_for=installed.app.authorizer,
        actor="test",
        now=NOW,
    )

    with installed.app.database.person(ada.user_id) as conn:
        row = conn.execute("SELECT status, access_token_enc FROM external_calendar_connections").fetchone()
    assert row == ("disconnected", None)
    with pytest.raises(ConflictError):
        installed.app.provider(made)
