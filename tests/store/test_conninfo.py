"""The database secret, in the shape RDS gives it."""

from __future__ import annotations

import json

import pytest
from psycopg.conninfo import conninfo_to_dict

from shared.core.errors import InvalidError
from shared.store.conninfo import DatabaseSecret

SECRET = {
    "engine": "postgres",
    "host": "db.example",
    "port": 5433,
    "username": "kalends_runtime",
    "password": "it's \\ planted",
    "dbname": "kalends",
}


def test_it_becomes_a_connection_string_whatever_the_password() -> None:
    conninfo = conninfo_to_dict(DatabaseSecret.parse(json.dumps(SECRET)).conninfo)

    assert conninfo == {
        "host": "db.example",
        "port": "5433",
        "user": "kalends_runtime",
        "password": "it's \\ planted",
        "dbname": "kalends",
        "sslmode": "require",
    }


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost", "/run/postgresql"])
def test_only_on_this_machine_it_may_go_unencrypted(host: str) -> None:
    conninfo = conninfo_to_dict(DatabaseSecret.parse(json.dumps({**SECRET, "host": host})).conninfo)

    assert conninfo["sslmode"] == "prefer"


@pytest.mark.parametrize("host", ["10.0.0.7", "db.eu-central-1.rds.amazonaws.com", "2001:db8::1"])
def test_anywhere_else_it_may_not(host: str) -> None:
    conninfo = conninfo_to_dict(DatabaseSecret.parse(json.dumps({**SECRET, "host": host})).conninfo)

    assert conninfo["sslmode"] == "require"


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("planted", "not JSON"),
        ("[]", "not JSON"),
        (json.dumps({**SECRET, "host": "", "port": "planted"}), "host, port"),
        (json.dumps({"password": "planted"}), "dbname, host, username"),
    ],
)
def test_a_malformed_one_is_refused_by_naming_its_fields_and_no_value(text: str, named: str) -> None:
    with pytest.raises(InvalidError, match=named) as caught:
        DatabaseSecret.parse(text)

    assert "planted" not in str(caught.value)
