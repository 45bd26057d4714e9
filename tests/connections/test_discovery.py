"""Discovery: new calendars appear, vanished ones are only marked, and a quiet connection is proved current."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from shared.connections import calendars, discovery, store
from shared.core.errors import NotFoundError, RateLimitedError, TransientError
from shared.providers.port import RemoteCalendar
from tests.connections.conftest import NOW

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from shared.connections.calendars import Calendar
    from shared.connections.store import Connection
    from shared.identity.principal import Principal
    from tests.installation import Installation

    type Connect = Callable[..., Connection]

HOME = RemoteCalendar(id="home", name="Home", time_zone="Europe/Zurich", can_write=True, is_primary=True)
WORK = RemoteCalendar(id="work", name="Work", time_zone="UTC", can_write=False, readers=("sam@x.org",), color="#ff0000")


class Listing:
    """An account whose calendars are these."""

    def __init__(self, listing: Sequence[RemoteCalendar] | Exception) -> None:
        self._listing = listing

    def list_calendars(self) -> list[RemoteCalendar]:
        if isinstance(self._listing, Exception):
            raise self._listing
        return list(self._listing)


@pytest.fixture
def connection(ada: Principal, connect: Connect) -> Connection:
    return connect(ada, "google")


def discover(
    installed: Installation, connection: Connection, *listing: RemoteCalendar, minutes: int = 0
) -> dict[str, Calendar]:
    found = discovery.discover(
        installed.app.database,
        connection=connection,
        provider=Listing(listing),  # type: ignore[arg-type]
        now=NOW + timedelta(minutes=minutes),
    )
    return {calendar.remote_id: calendar for calendar in found}


def test_a_real_account_is_listed(installed: Installation, ada: Principal, provider: str, connect: Connect) -> None:
    connection = connect(ada, provider)

    found = discovery.discover(
        installed.app.database, connection=connection, provider=installed.app.provider(connection), now=NOW
    )

    assert len(found) >= 2
    assert [calendar.is_primary for calendar in found].count(True) == 1
    assert {calendar.connection_id for calendar in found} == {connection.id}


def test_calendars_are_kept_as_listed_with_a_state_that_waits(installed: Installation, connection: Connection) -> None:
    found = discover(installed, connection, HOME, WORK)

    work = found["work"]
    assert (work.name, work.time_zone, work.color) == ("Work", "UTC", "#ff0000")
    assert (work.can_write, work.is_primary, work.is_shared, work.vanished_at) == (False, False, True, None)
    with installed.app.database.person(connection.user_id) as conn:
        states = conn.execute("SELECT needs_full_sync, requested, done FROM calendar_sync_state").fetchall()
        assert calendars.get(conn, work.id) == work
        assert not store.get(conn, connection.id).sync_needed
    assert states == [(True, 0, 0)] * 2


@pytest.mark.parametrize(
    ("before", "told", "known"),
    [
        (None, None, None),
        (None, (), []),
        ((), ("sam@x.org", "My  \n Organization\0"), ["sam@x.org", "My Organization"]),
        (("sam@x.org",), (), []),
        (("sam@x.org",), None, ["sam@x.org"]),
    ],
)
def test_who_reads_is_taken_over_and_stays_known_where_nothing_is_told(
    installed: Installation,
    connection: Connection,
    before: tuple[str, ...] | None,
    told: tuple[str, ...] | None,
    known: list[str] | None,
) -> None:
    discover(installed, connection, replace(HOME, readers=before))

    home = discover(installed, connection, replace(HOME, readers=told), minutes=60)["home"]

    assert (home.readers, home.is_shared) == (known, None if known is None else bool(known))


def test_looking_again_writes_nothing_that_has_not_changed(installed: Installation, connection: Connection) -> None:
    before = discover(installed, connection, HOME, WORK)

    after = discover(installed, connection, WORK, HOME, HOME, minutes=60)

    assert after == before


def test_changes_are_taken_over(installed: Installation, connection: Connection) -> None:
    before = discover(installed, connection, HOME)

    after = discover(installed, connection, replace(HOME, name="Sweet\0 home", can_write=False), minutes=60)

    assert after["home"].id == before["home"].id
    assert (after["home"].name, after["home"].can_write) == ("Sweet home", False)


def test_a_vanished_calendar_is_marked_and_comes_back_as_it_was(
    installed: Installation, connection: Connection
) -> None:
    first = discover(installed, connection, HOME, WORK)
    gone = discover(installed, connection, HOME, minutes=60)
    still = discover(installed, connection, HOME, minutes=120)

    back = discover(installed, connection, HOME, WORK, minutes=180)

    assert gone["work"].vanished_at == still["work"].vanished_at == NOW + timedelta(minutes=60)
    assert (back["work"].id, back["work"].vanished_at) == (first["work"].id, None)


@pytest.mark.pain(20)
def test_a_linked_calendar_that_is_back_is_read(installed: Installation, connection: Connection) -> None:
    first = discover(installed, connection, HOME, WORK)
    with installed.app.database.person(connection.user_id) as conn:
        conn.execute(
            "INSERT INTO links (user_id, source_calendar_id, target_calendar_id) VALUES (%s, %s, %s)",
            (connection.user_id, first["work"].id, first["home"].id),
        )
    discover(installed, connection, HOME)

    discover(installed, connection, HOME, WORK)

    with installed.app.database.person(connection.user_id) as conn:
        assert dict(conn.execute("SELECT calendar_id, requested - done FROM calendar_sync_state").fetchall()) == {
            first["home"].id: 0,
            first["work"].id: 1,
        }


def test_an_empty_listing_marks_nothing(installed: Installation, connection: Connection) -> None:
    discover(installed, connection, HOME, WORK)

    assert {calendar.vanished_at for calendar in discover(installed, connection).values()} == {None}


def test_it_proves_a_quiet_connection_current(installed: Installation, connection: Connection) -> None:
    discover(installed, connection, HOME)

    with installed.app.database.person(connection.user_id) as conn:
        after = store.get(conn, connection.id)
        primary = conn.execute("SELECT provider_calendar_id FROM external_calendar_connections").fetchall()

    assert after.last_synced_at == after.last_discovered_at == NOW
    assert primary == [("home",)]


def test_it_does_not_hide_that_something_else_fails(installed: Installation, connection: Connection) -> None:
    with installed.app.database.person(connection.user_id) as conn:
        store.mark_failure(conn, connection.id, TransientError("503"), NOW)

    discover(installed, connection, HOME, minutes=60)

    with installed.app.database.person(connection.user_id) as conn:
        after = store.get(conn, connection.id)
    assert (after.status, after.last_synced_at, after.error_count) == ("error", None, 1)
    assert after.last_discovered_at == NOW + timedelta(minutes=60)


def test_a_listing_that_fails_changes_nothing(installed: Installation, connection: Connection) -> None:
    before = discover(installed, connection, HOME)

    with pytest.raises(TransientError):
        discovery.discover(
            installed.app.database,
            connection=connection,
            provider=Listing(TransientError("503")),  # type: ignore[arg-type]
            now=NOW,
        )

    assert discover(installed, connection, HOME) == before


def test_nobody_reads_anothers_calendar(installed: Installation, connection: Connection) -> None:
    found = discover(installed, connection, HOME)
    eve = installed.person("eve@example.com", now=NOW)

    with pytest.raises(NotFoundError), installed.app.database.person(eve.user_id) as conn:
        calendars.get(conn, found["home"].id)


@pytest.mark.pain(20)
def test_every_connection_is_asked_once_an_hour_and_a_failure_is_the_connections_own(
    installed: Installation, connection: Connection
) -> None:
    asked: list[Connection] = []

    def due(listing: Listing, *, minutes: int) -> dict[str, int]:
        def opened(one: Connection) -> Listing:
            asked.append(one)
            return listing

        return discovery.discover_due(
            installed.app.database,
            open_provider=opened,  # type: ignore[arg-type]
            now=NOW + timedelta(minutes=minutes),
        )

    assert due(Listing([HOME]), minutes=0) == {"discovered": 1, "failed": 0}
    assert due(Listing([HOME]), minutes=50) == {"discovered": 0, "failed": 0}
    assert due(Listing(TransientError("The provider is away.")), minutes=60) == {"discovered": 0, "failed": 1}
    assert due(Listing([HOME]), minutes=60) == {"discovered": 0, "failed": 0}
    assert [one.id for one in asked] == [connection.id, connection.id]


def test_a_refusal_late_in_a_long_round_is_heeded_from_when_it_came(
    installed: Installation, connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    passed = iter([0.0, 240.0])
    monkeypatch.setattr(discovery, "monotonic", lambda: next(passed))

    discovery.discover_due(
        installed.app.database,
        open_provider=lambda one: Listing(RateLimitedError("Not so fast.", retry_after=600)),  # type: ignore[arg-type, return-value]
        now=NOW,
    )

    with installed.app.database.person(connection.user_id) as conn:
        until = store.get(conn, connection.id).backoff_until
    assert until == NOW + timedelta(seconds=840)
