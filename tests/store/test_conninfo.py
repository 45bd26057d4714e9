"""The database secret, in the shape RDS gives it."""

from __future__ import annotations

import json

import certifi
import pytest
from psycopg.conninfo import conninfo_to_dict

from shared.core.errors import InvalidError
from shared.store.conninfo import AUTHORITIES, DatabaseSecret

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
        "sslmode": "verify-full",
        "sslrootcert": certifi.where(),
    }


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost", "/run/postgresql"])
def test_only_on_this_machine_it_may_go_unencrypted(host: str) -> None:
    conninfo = conninfo_to_dict(DatabaseSecret.parse(json.dumps({**SECRET, "host": host})).conninfo)

    assert conninfo["sslmode"] == "prefer"


@pytest.mark.parametrize("host", ["10.0.0.7", "kalends-dev.x.eu-central-1.rds.amazonaws.com", "2001:db8::1"])
def test_anywhere_else_the_server_must_prove_its_name(host: str) -> None:
    conninfo = conninfo_to_dict(DatabaseSecret.parse(json.dumps({**SECRET, "host": host})).conninfo)

    assert conninfo["sslmode"] == "verify-full"


def test_for_a_database_of_rds_only_its_regions_authorities_are_trusted() -> None:
    host = "kalends-dev.x.eu-central-1.rds.amazonaws.com"

    conninfo = conninfo_to_dict(DatabaseSecret.parse(json.dumps({**SECRET, "host": host})).conninfo)

    assert conninfo["sslrootcert"] == str(AUTHORITIES / "eu-central-1.pem")
    assert "eu-central-1 Root CA RSA2048 G1" in (AUTHORITIES / "eu-central-1.pem").read_text()


@pytest.mark.parametrize("host", ["rds.amazonaws.com.example", "x.eu-central-1.rds.amazonaws.com.evil.example"])
def test_a_name_that_only_looks_like_rds_is_judged_as_any_other(host: str) -> None:
    conninfo = conninfo_to_dict(DatabaseSecret.parse(json.dumps({**SECRET, "host": host})).conninfo)

    assert conninfo["sslrootcert"] == certifi.where()


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
