"""Coming in by invitation or password, going out, and tokens for programs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from shared.core import clock
from shared.identity import invitations
from tests.api.conftest import PASSWORD

if TYPE_CHECKING:
    from collections.abc import Callable

    from shared.store.database import Database
    from tests.portal.browser import Browser
    from tests.sync.world import World


class TestComingIn:
    def invite(self, database: Database, **options: object) -> str:
        with database.everyone() as conn:
            token = invitations.invite(conn, **{"role": "admin", "actor": "ops", "now": clock.now(), **options})
        return f"/welcome/{token}"

    def test_the_first_administrator_comes_in_by_a_link_and_is_signed_in(
        self, stranger: Browser, database: Database
    ) -> None:
        address = self.invite(database)

        page = stranger.send(
            stranger.open(address), address, email="ada@example.com", name="Ada", password="correct horse battery"
        )

        assert (page.status, page.path) == (200, "/")
        assert "Two steps to calendars in step" in page.text

    def test_bad_fields_are_marked_and_what_was_typed_stays(self, stranger: Browser, database: Database) -> None:
        address = self.invite(database)

        page = stranger.send(stranger.open(address), address, email="ada", name="Ada", password="short")

        assert page.status == 400
        assert {one["name"] for one in page.of("input") if "aria-invalid" in one} == {"email", "password"}
        assert page.form(address).fields["name"] == "Ada"
        assert "short" not in page.answer.text

    def test_a_link_for_somebody_names_them(self, stranger: Browser, database: Database) -> None:
        address = self.invite(database, email="grace@example.com", role="user")

        page = stranger.send(stranger.open(address), address, name="Grace", password="correct horse battery")

        assert page.path == "/"

    def test_a_known_address_is_told_to_sign_in(
        self, stranger: Browser, database: Database, person: Callable[..., str]
    ) -> None:
        person()
        address = self.invite(database)

        page = stranger.send(
            stranger.open(address), address, email="ada@example.com", name="Ada", password="correct horse battery"
        )

        assert page.status == 409
        assert "sign in instead" in page.text

    def test_used_and_invented_links_say_what_to_do(self, stranger: Browser, database: Database) -> None:
        address = self.invite(database)
        stranger.send(stranger.open(address), address, email="a@b.example", name="A", password="correct horse battery")

        used, invented = stranger.open(address), stranger.open("/welcome/invented")

        assert (used.status, "was used before" in used.text) == (409, True)
        assert (invented.status, "Ask for a new one" in invented.text) == (404, True)

    def test_signing_in_leads_to_where_one_wanted_to_go(
        self, stranger: Browser, world: World, person: Callable[..., str]
    ) -> None:
        person(world.user_id)

        asked = stranger.open("/calendars")
        page = stranger.send(asked, "/signin", email="ada@example.com", password=PASSWORD)

        assert (asked.path, page.path, page.status) == ("/signin", "/calendars", 200)

    @pytest.mark.parametrize("elsewhere", ["https://evil.example", "//evil.example", "/\\evil.example", "/a b"])
    def test_and_never_elsewhere(
        self, stranger: Browser, world: World, person: Callable[..., str], elsewhere: str
    ) -> None:
        person(world.user_id)

        page = stranger.open("/signin")
        page = stranger.send(page, "/signin", email="ada@example.com", password=PASSWORD, next=elsewhere)

        assert str(page.answer.url).startswith(str(stranger.http.base_url))
        assert page.path == "/"

    def test_a_wrong_password_keeps_the_address(self, stranger: Browser, person: Callable[..., str]) -> None:
        person()

        page = stranger.sign_in("ada@example.com", "x" * 12)

        assert (page.status, page.form("/signin").fields["email"]) == (401, "ada@example.com")
        assert "wrong" in page.text

    def test_whoever_guesses_is_told_to_wait(self, stranger: Browser, person: Callable[..., str]) -> None:
        person()
        for _ in range(5):
            stranger.sign_in("ada@example.com", "x" * 12)

        page = stranger.sign_in("ada@example.com", PASSWORD)

        assert (page.status, "Wait" in page.text) == (429, True)

    def test_signing_out_ends_the_session(self, ada: Browser) -> None:
        page = ada.send(ada.open("/"), "/signout")

        assert page.path == "/signin"
        assert ada.open("/").path == "/signin"


class TestTokens:
    def test_a_token_is_shown_once_and_can_be_revoked(self, ada: Browser) -> None:
        made = ada.send(ada.open("/tokens"), "/tokens", name="laptop")
        token = made.text.partition("Copy it now: ")[2].split()[0]
        later = ada.open("/tokens")
        (action,) = [form.action for form in later.forms if form.action.endswith("/revoke")]
        revoked = ada.send(later, action)

        assert made.status == 201
        assert token.startswith("kal_")
        assert token not in later.answer.text
        assert "Revoked" in revoked.text

    def test_it_needs_a_name(self, ada: Browser) -> None:
        page = ada.send(ada.open("/tokens"), "/tokens", name=" ")

        assert (page.status, "name" in page.text) == (400, True)
