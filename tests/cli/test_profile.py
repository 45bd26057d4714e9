"""Oneself, from the command line."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.api.conftest import PASSWORD

if TYPE_CHECKING:
    from tests.api.conftest import Caller
    from tests.cli.conftest import Kalends
    from tests.edge import Edge

NEW = "another horse entirely"


def test_name_and_time_zone_are_changed_and_shown(adas: Kalends) -> None:
    adas("profile", "set", "--timezone", "Europe/Berlin", "--name", "Countess")

    assert adas("profile", "show").out == "Countess <ada@example.com>, user, Europe/Berlin\n"
    assert adas("profile", "show", "--json").json["timezone"] == "Europe/Berlin"


def test_a_zone_that_does_not_exist_is_refused(adas: Kalends) -> None:
    ran = adas("profile", "set", "--timezone", "Mars/Olympus", code=1)

    assert "is not a time zone such as Europe/Berlin" in ran.err


def test_the_password_is_changed_and_the_login_goes_on(adas: Kalends, served: Edge) -> None:
    adas.secrets += [PASSWORD, NEW]
    with served.client() as browser:
        browser.post("/api/session", json={"email": "ada@example.com", "password": PASSWORD})

        ran = adas("profile", "password", input=f"{PASSWORD}\n{NEW}\n")

        assert "Your password is changed. Sessions ended: 1." in ran.out
        assert browser.get("/api/me").status_code == 401
        entered = browser.post("/api/session", json={"email": "ada@example.com", "password": NEW})
        assert entered.status_code == 201
    adas("status")


def test_a_wrong_password_changes_nothing(adas: Kalends) -> None:
    ran = adas("profile", "password", input=f"wrong horse battery\n{NEW}\n", code=1)

    assert "AUTH.WRONG_PASSWORD" in ran.err


def test_browsers_are_listed_and_signed_out(adas: Kalends, ada: Caller, served: Edge) -> None:
    with served.client() as browser:
        browser.post("/api/session", json={"email": "ada@example.com", "password": PASSWORD})

        listed = adas("profile", "sessions")
        ended = adas("profile", "sign-out")

        assert len(listed.lines) == 1
        assert "Sessions ended: 1." in ended.out
        assert browser.get("/api/me").status_code == 401
    assert "You are signed in with no browser." in adas("profile", "sessions").err
