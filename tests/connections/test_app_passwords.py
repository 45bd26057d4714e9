"""CalDAV accounts: an app password is tried, kept sealed, replaced, and erased."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from shared.connections import app_passwords, calendars, oauth, store
from shared.core.errors import ConflictError, InvalidError
from shared.providers import AppPassword
from tests import installation, radicale
from tests.providers.scripted import Say, scripted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from shared.connections.store import Connection
    from shared.identity.principal import Principal
    from tests.installation import Installation
    from tests.postgres import Logins

NOW = datetime.now(UTC)


@pytest.fixture
def installed(logins: Logins) -> Iterator[Installation]:
    with installation.install(logins) as running:
        yield running


@pytest.fixture
def ada(installed: Installation) -> Principal:
    return installed.person("ada@example.com", now=NOW)


@pytest.fixture
def calendar(radicale_base: str) -> str:
    return radicale.make_calendar(radicale_base, radicale.USER, f"c{datetime.now(UTC).timestamp():.6f}")


def connect(installed: Installation, ada: Principal, url: str, **changes: str) -> Connection:
    fields = {"url": url, "username": radicale.USER, "password": radicale.PASSWORD, **changes}
    return app_passwords.connect(
        installed.app.database,
        user_id=ada.user_id,
        login=AppPassword(**fields),
        log_in=installed.app.log_in,
        keyring=installed.app.keyring(),
        now=NOW,
    )


def test_an_account_is_connected_with_its_calendars(
    installed: Installation, ada: Principal, radicale_base: str, calendar: str
) -> None:
    made = connect(installed, ada, radicale_base)

    with installed.app.database.person(ada.user_id) as conn:
        listed = calendars.list_calendars(conn, user_id=ada.user_id)
        row = conn.execute("SELECT external_calendar_connections::text FROM external_calendar_connections").fetchone()
    assert (made.provider, made.email, made.status) == ("caldav", radicale.USER, "active")
    assert (made.server_address, made.oauth_app_id) == (radicale_base, None)
    assert calendar in [one.remote_id for one in listed]
    assert not any(one.supports_push for one in listed)
    assert row is not None
    assert radicale.PASSWORD not in row[0]
    assert radicale.PASSWORD.encode().hex() not in row[0]


def test_connecting_again_renews_the_same_connection(
    installed: Installation, ada: Principal, radicale_base: str, calendar: str
) -> None:
    first = connect(installed, ada, radicale_base)

    again = connect(installed, ada, f"{radicale_base}/{radicale.USER}/")

    assert again.id == first.id
    assert again.version == first.version + 1


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"password": "wrong"}, "AUTH.PASSWORD_REFUSED"),
        ({"password": ""}, "REQUEST.INVALID"),
        ({"username": "a:b"}, "REQUEST.INVALID"),
        ({"url": "caldav.example.com"}, "CALDAV.ADDRESS"),
        ({"url": "http://caldav.example.com"}, "EGRESS.INSECURE"),
        ({"url": "https://pat:secret@caldav.example.com"}, "CALDAV.ADDRESS"),
    ],
)
def test_what_cannot_be_connected_says_what_to_correct(
    installed: Installation, ada: Principal, radicale_base: str, changes: dict[str, str], code: str
) -> None:
    with pytest.raises(InvalidError) as refused:
        connect(installed, ada, **{"url": radicale_base, **changes})

    assert refused.value.error_code == code
    with installed.app.database.person(ada.user_id) as conn:
        assert store.list_connections(conn, user_id=ada.user_id) == []


def test_a_server_without_calendars_is_told_as_such(installed: Installation, ada: Principal) -> None:
    with scripted(Say(404)) as script, pytest.raises(InvalidError) as refused:
        connect(installed, ada, script.base)

    assert refused.value.error_code == "CALDAV.NOT_FOUND"


def test_where_the_operator_allows_no_private_host_none_is_asked(installed: Installation, ada: Principal) -> None:
    public = installed.another(stage="prod", egress_allowed_hosts="")

    with scripted(Say(404)) as script, pytest.raises(InvalidError) as refused:
        app_passwords.connect(
            public.database,
            user_id=ada.user_id,
            login=AppPassword(url=script.base.replace("http:", "https:"), username="pat", password="secret"),
            log_in=public.log_in,
            keyring=public.keyring(),
            now=NOW,
        )

    public.database.close()
    assert refused.value.error_code == "EGRESS.PRIVATE_ADDRESS"
    assert script.asked == []


def test_a_refusal_is_asked_about_once_more_before_it_counts(
    installed: Installation, ada: Principal, radicale_base: str, calendar: str
) -> None:
    made = connect(installed, ada, radicale_base)

    provider = installed.app.provider(made, refused=True)

    assert provider.account().email == radicale.USER


def test_disconnecting_erases_the_password(
    installed: Installation, ada: Principal, radicale_base: str, calendar: str
) -> None:
    made = connect(installed, ada, radicale_base)

    revoked = oauth.disconnect(
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
    assert (revoked, row) == (False, ("disconnected", None))
    with pytest.raises(ConflictError):
        installed.app.provider(made)
