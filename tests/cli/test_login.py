"""Logging in and out."""

from __future__ import annotations

import json
import stat
from typing import TYPE_CHECKING, Any

import pytest

from shared.cli.client import login
from tests.api.conftest import PASSWORD

if TYPE_CHECKING:
    from pathlib import Path

    from tests.api.conftest import Caller
    from tests.cli.conftest import Kalends
    from tests.edge import Edge
    from tests.sync.world import World

ANSWERS = f"ada@example.com\n{PASSWORD}\n"


def living(ada: Caller) -> list[str]:
    """The names of Ada's tokens that work, but for the tests' own."""
    tokens: list[dict[str, Any]] = ada.json("/api/tokens")["items"]
    return [one["name"] for one in tokens if one["revoked_at"] is None and one["name"] != "tests"]


def test_a_password_is_changed_for_a_token_that_only_its_owner_can_read(
    kalends: Kalends, served: Edge, ada: Caller
) -> None:
    kalends.secrets.append(PASSWORD)

    ran = kalends("login", "--host", f"{served.base}/", input=ANSWERS)

    assert f"Logged in to {served.base} as ada@example.com" in ran.out
    assert str(kalends.config) in ran.out
    assert stat.S_IMODE(kalends.config.stat().st_mode) == 0o600
    assert stat.S_IMODE(kalends.config.parent.stat().st_mode) == 0o700
    assert PASSWORD not in kalends.config.read_text()
    assert len(living(ada)) == 1
    kalends("status")


def test_no_session_stays_behind(kalends: Kalends, served: Edge, ada: Caller, world: World) -> None:
    kalends("login", "--host", served.base, "--email", "ada@example.com", input=f"{PASSWORD}\n")

    assert world.rows("SELECT count(*) FROM sessions") == [(0,)]


def test_logging_out_revokes_the_token_and_forgets_it(kalends: Kalends, served: Edge, ada: Caller) -> None:
    kalends("login", "--host", served.base, input=ANSWERS)

    kalends("logout")

    assert not kalends.config.exists()
    assert living(ada) == []
    assert "You are not logged in. (LOGIN.NONE)" in kalends("logout", code=1).err


def test_logging_in_again_needs_no_host_and_revokes_the_token_before(
    kalends: Kalends, served: Edge, ada: Caller
) -> None:
    kalends("login", "--host", served.base, input=ANSWERS)
    before = kalends.login["token"]

    kalends("login", input=ANSWERS)

    assert kalends.login["token"] != before
    assert len(living(ada)) == 1


def test_a_token_of_ones_own_works_and_outlives_the_login(adas: Kalends, ada: Caller) -> None:
    adas("status")

    ran = adas("logout")

    assert not adas.config.exists()
    assert "Your own token is still good" in ran.err
    assert ada.get("/api/me").status_code == 200


@pytest.mark.parametrize(
    ("arguments", "answers", "says"),
    [
        ((), "ada@example.com\nwrong\n", "the password is wrong. (AUTH.INVALID_CREDENTIALS)"),
        (("--token", "kal_unknown"), "", "does not know this token, or it has ended. (AUTH.TOKEN_REFUSED)"),
    ],
)
def test_wrong_credentials_are_refused_and_keep_nothing(
    kalends: Kalends, served: Edge, ada: Caller, arguments: tuple[str, ...], answers: str, says: str
) -> None:
    ran = kalends("login", "--host", served.base, *arguments, input=answers, code=1)

    assert says in ran.err
    assert not kalends.config.exists()


@pytest.mark.parametrize(
    ("arguments", "answers", "says"),
    [
        ((), "", "Say where to log in. (LOGIN.HOST)"),
        (("--host", "ftp://kalends.example.com"), "", "an address such as https://"),
        (("--host", "https://kalends.example.com/deep"), "", "without path or password"),
        (("--host", "https://ada:secret@kalends.example.com"), "", "without path or password"),
        (("--host", "https://[nonsense"), "", "an address such as https://"),
        (("--host", "http://kalends.example.com"), "", "is not encrypted"),
        (("--host", "SERVED"), "", "There is no terminal to ask: E-mail address"),
        (("--host", "SERVED"), "ada@example.com\n", "There is no terminal to ask: Password"),
        (("--host", "SERVED", "--token", "-"), "", "That is no token"),
        (("--host", "SERVED", "--token", "kal_é"), "", "That is no token"),
    ],
)
def test_misuse_is_told_before_anything_is_sent(
    kalends: Kalends, served: Edge, arguments: tuple[str, ...], answers: str, says: str
) -> None:
    named = [served.base if word == "SERVED" else word for word in arguments]

    ran = kalends("login", *named, input=answers, code=2)

    assert says in ran.err
    assert "secret" not in ran.err


def test_a_token_that_cannot_be_revoked_is_not_kept_secret(kalends: Kalends, served: Edge, ada: Caller) -> None:
    kalends("login", "--host", served.base, input=ANSWERS)
    kept = kalends.login
    kalends.config.write_text(json.dumps({**kept, "host": "http://127.0.0.1:9"}))

    ran = kalends("logout")

    assert "The token could not be revoked: http://127.0.0.1:9 is out of reach" in ran.err
    assert not kalends.config.exists()


class TestWhereItIsKept:
    def test_by_name_else_in_the_users_configuration(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        monkeypatch.setenv("HOME", str(tmp_path))
        monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "xdg"))
        monkeypatch.setenv("KALENDS_CONFIG", str(tmp_path / "named.json"))
        found = [login.path()]
        monkeypatch.delenv("KALENDS_CONFIG")
        found.append(login.path())
        monkeypatch.setenv("XDG_CONFIG_HOME", "relative")
        found.append(login.path())
        monkeypatch.delenv("XDG_CONFIG_HOME")
        found.append(login.path())

        usual = tmp_path / ".config" / "kalends" / "config.json"
        assert found == [tmp_path / "named.json", tmp_path / "xdg" / "kalends" / "config.json", usual, usual]

    @pytest.mark.parametrize("content", ["", "{}", '{"host": 1}', "[]"])
    def test_what_is_no_login_is_told_with_what_to_do(self, kalends: Kalends, content: str) -> None:
        kalends.config.parent.mkdir()
        kalends.config.write_text(content)

        ran = kalends("status", code=1)

        assert "it holds no login. (LOGIN.UNREADABLE)" in ran.err
        assert "kalends login" in ran.err
        assert content.strip("{}[]") not in ran.err or not content.strip("{}[]")

    def test_logging_in_writes_it_anew(self, kalends: Kalends, served: Edge, ada: Caller) -> None:
        kalends.config.parent.mkdir()
        kalends.config.write_text("broken")

        kalends("login", "--host", served.base, "--token", ada.token)

        assert kalends.login["host"] == served.base

    def test_a_place_that_cannot_be_written_is_told_and_the_new_token_ended(
        self, kalends: Kalends, served: Edge, ada: Caller
    ) -> None:
        kalends.config.parent.write_text("a file where a folder should be")

        ran = kalends("login", "--host", served.base, input=ANSWERS, code=1)

        assert f"The login cannot be kept in {kalends.config}: " in ran.err
        assert "(LOGIN.UNWRITABLE)" in ran.err
        assert living(ada) == []
