"""Accounts, calendars and API tokens."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from shared.connections import store as connections
from shared.core import clock
from shared.core.errors import ReauthRequiredError

if TYPE_CHECKING:
    from uuid import UUID

    from tests.api.conftest import Caller
    from tests.cli.conftest import Kalends
    from tests.edge import Edge
    from tests.sync.world import World


class TestConnections:
    def test_they_are_listed_with_what_troubles_them(self, adas: Kalends, world: World) -> None:
        with world.database.person(world.user_id) as conn:
            connections.mark_failure(conn, world.connection_id, ReauthRequiredError("revoked"), clock.now())

        (line,) = adas("connections", "list").lines

        assert re.split(" {2,}", line) == [
            str(world.connection_id),
            "google",
            "someone@x.example",
            "needs_reauth",
            "-",
            "AUTH.INVALID_TOKEN",
        ]

    def test_programs_get_the_apis_items(self, adas: Kalends, ada: Caller) -> None:
        assert adas("connections", "list", "--json").json == ada.json("/api/connections")["items"]

    def test_disconnecting_asks_first(self, adas: Kalends, world: World, ada: Caller) -> None:
        refused = adas("connections", "disconnect", "someone@x.example", input="n\n", code=1)
        unanswered = adas("connections", "disconnect", "someone@x.example", code=2)

        assert "Nothing was disconnected" in refused.err
        assert "Say it with --yes" in unanswered.err
        assert ada.json("/api/connections")["items"][0]["status"] == "active"

    def test_an_account_is_disconnected_by_its_address_or_the_beginning_of_its_id(
        self, adas: Kalends, world: World, ada: Caller
    ) -> None:
        ran = adas("connections", "disconnect", str(world.connection_id)[:9], "--yes")

        assert ran.out == "Disconnected someone@x.example.\n"
        assert "take it away there" in ran.err  # there was no permission to give back
        assert ada.json("/api/connections")["items"][0]["status"] == "disconnected"

    def test_one_that_is_not_there_is_told_with_the_way_to_look(self, adas: Kalends) -> None:
        ran = adas("connections", "disconnect", "nobody@x.example", "--yes", code=1)

        assert "There is no connection 'nobody@x.example'. (CONNECTION.NOT_FOUND)" in ran.err
        assert "kalends connections list" in ran.err


class TestCalendars:
    def test_they_are_listed_with_their_account(self, adas: Kalends, calendars: tuple[UUID, UUID]) -> None:
        lines = adas("calendars", "list").lines

        assert [re.split(" {2,}", line)[1:] for line in lines] == [
            ["Home", "someone@x.example", "UTC", "-"],
            ["Work", "someone@x.example", "UTC", "-"],
        ]

    def test_what_is_special_is_noted(self, adas: Kalends, world: World, calendars: tuple[UUID, UUID]) -> None:
        world.rows(
            """
            UPDATE calendars
               SET is_primary = true, readers = '{bob@example.com}', can_write = false, vanished_at = now()
             WHERE name = 'Work' RETURNING 1
            """
        )

        assert "primary, read-only, shared, vanished" in adas("calendars", "list").out

    def test_programs_get_the_apis_items_of_all_or_one_account(
        self, adas: Kalends, ada: Caller, calendars: tuple[UUID, UUID]
    ) -> None:
        everything = ada.json("/api/calendars")["items"]

        assert adas("calendars", "list", "--json").json == everything
        assert adas("calendars", "list", "--connection", "someone@x.example", "--json").json == everything

    def test_a_list_longer_than_a_page_comes_whole(self, adas: Kalends, world: World) -> None:
        for number in range(205):
            world.calendar(f"Calendar {number}")

        assert len(adas("calendars", "list", "--json").json) == 205

    def test_without_any_the_next_step_is_told_and_a_pipe_gets_nothing(self, adas: Kalends) -> None:
        ran = adas("calendars", "list")

        assert ran.out == ""
        assert "kalends connect google" in ran.err
        assert adas("calendars", "list", "--json").json == []


class TestTokens:
    def test_a_new_one_is_shown_once_and_works(self, adas: Kalends, served: Edge) -> None:
        made = adas("tokens", "create", "ci", "--days", "30")

        token = made.out.strip()
        assert token.startswith("kal_")
        assert token not in made.err
        adas.secrets.append(token)
        listed = {one["name"]: one for one in adas("tokens", "list", "--json").json}
        assert listed["ci"]["expires_at"] is not None
        assert "ci" in adas("tokens", "list").out
        adas("login", "--host", served.base, "--token", token)

    def test_programs_get_the_apis_item(self, adas: Kalends) -> None:
        made = adas("tokens", "create", "ci", "--json").json

        assert (made["name"], made["expires_at"]) == ("ci", None)
        assert made["token"].startswith("kal_")

    @pytest.mark.parametrize("by", ["name", "id"])
    def test_one_is_revoked_by_its_name_or_id(self, adas: Kalends, by: str) -> None:
        made = adas("tokens", "create", "ci", "--json").json

        ran = adas("tokens", "revoke", made[by])

        assert ran.out == "Revoked 'ci'.\n"
        lines = {line.split()[1]: line for line in adas("tokens", "list").lines}
        assert "revoked" in lines["ci"]
        assert "(TOKEN.NOT_FOUND)" in adas("tokens", "revoke", made[by], code=1).err

    def test_an_expired_one_is_called_so(self, adas: Kalends, world: World) -> None:
        adas("tokens", "create", "ci")
        world.rows("UPDATE api_tokens SET expires_at = now() - interval '1 day' WHERE name = 'ci' RETURNING 1")

        assert "expired" in adas("tokens", "list").out

    def test_revoking_the_logins_own_says_so(self, kalends: Kalends, served: Edge, ada: Caller) -> None:
        kalends("login", "--host", served.base, input="ada@example.com\ncorrect horse battery\n")

        ran = kalends("tokens", "revoke", kalends.login["token_id"])

        assert "this login's own" in ran.err
        assert "kalends login" in kalends("status", code=1).err

    def test_two_of_one_name_are_told_apart(self, adas: Kalends) -> None:
        made = [adas("tokens", "create", "ci", "--json").json["id"] for _ in range(2)]

        ran = adas("tokens", "revoke", "ci", code=1)

        assert "may be any of 2" in ran.err
        assert all(one in ran.err for one in made)
