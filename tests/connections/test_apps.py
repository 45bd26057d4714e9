"""OAuth apps are rows, their secrets are not; the secret of OAuth clients defines the default ones."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING
from uuid import UUID

import pytest

from shared.connections import apps
from shared.connections.apps import ClientSecrets
from shared.core.errors import InvalidError, NotFoundError

if TYPE_CHECKING:
    from shared.store.database import Database


def secrets(google: str = "", microsoft: str = "") -> ClientSecrets:
    entries = {
        "google": {"client_id": google, "client_secret": "planted"},
        "microsoft": {"client_id": microsoft, "client_secret": "planted"},
    }
    return ClientSecrets.parse(json.dumps(entries))


def test_the_clients_of_the_secret_become_the_default_apps(database: Database) -> None:
    with database.everyone() as conn:
        saved = apps.save_defaults(conn, secrets("g1", "m1"), microsoft_tenant="contoso.example")

        assert apps.default(conn, "google") in saved
        assert apps.get(conn, apps.default(conn, "microsoft").id).tenant == "contoso.example"
        assert apps.default(conn, "google").tenant == "common"


def test_another_client_takes_over_and_the_old_one_stays_for_its_connections(database: Database) -> None:
    with database.everyone() as conn:
        old = apps.save_defaults(conn, secrets("g1"), microsoft_tenant="common")[0]
        new = apps.save_defaults(conn, secrets("g2"), microsoft_tenant="common")[0]
        back = apps.save_defaults(conn, secrets("g1"), microsoft_tenant="common")[0]

        assert old.id == back.id != new.id
        assert apps.default(conn, "google") == back
        assert not apps.get(conn, new.id).is_default


def test_a_provider_without_a_client_has_no_app_and_says_what_to_do(database: Database) -> None:
    with database.everyone() as conn:
        apps.save_defaults(conn, secrets("g1"), microsoft_tenant="common")

        with pytest.raises(NotFoundError, match="kalends ops migrate") as caught:
            apps.default(conn, "microsoft")

    assert caught.value.error_code == "OAUTH_APP.MISSING"


def test_only_providers_with_an_app_and_its_secret_are_offered(database: Database) -> None:
    with database.everyone() as conn:
        before = apps.offered(conn, secrets("g1", "m1"))
        apps.save_defaults(conn, secrets("g1", "m1"), microsoft_tenant="common")

        offered = [apps.offered(conn, one) for one in (secrets("g1", "m1"), secrets("g1"), secrets("g2", "m1"))]

    assert (before, offered) == ([], [["google", "microsoft"], ["google"], ["microsoft"]])


def test_an_unknown_provider_is_named_with_those_there_are(database: Database) -> None:
    with pytest.raises(InvalidError, match="google, microsoft"), database.everyone() as conn:
        apps.default(conn, "lotus")


def test_an_app_that_does_not_exist_is_not_found(database: Database) -> None:
    with pytest.raises(NotFoundError), database.everyone() as conn:
        apps.get(conn, UUID(int=1))


def test_an_app_and_its_secret_make_a_client_that_does_not_print_itself(database: Database) -> None:
    with database.everyone() as conn:
        app = apps.save_defaults(conn, secrets("g1"), microsoft_tenant="common")[0]

    client = apps.client(app, secrets("g1"))

    assert (client.client_id, client.client_secret) == ("g1", "planted")
    assert "planted" not in repr(client)


def test_an_app_whose_secret_is_another_ones_cannot_be_used(database: Database) -> None:
    with database.everyone() as conn:
        app = apps.save_defaults(conn, secrets("g1"), microsoft_tenant="common")[0]

    with pytest.raises(InvalidError, match="has no secret"):
        apps.client(app, secrets("g2"))


@pytest.mark.parametrize("text", ["", "planted", "[]", '{"google": "planted"}', '{"google": {"client_id": 1}}'])
def test_a_malformed_secret_is_refused_without_repeating_it(text: str) -> None:
    with pytest.raises(InvalidError) as caught:
        ClientSecrets.parse(text)

    assert "planted" not in str(caught.value)


def test_a_secret_that_nobody_filled_in_yet_is_empty_and_not_wrong(database: Database) -> None:
    with database.everyone() as conn:
        assert apps.save_defaults(conn, ClientSecrets.parse("{}"), microsoft_tenant="common") == []
