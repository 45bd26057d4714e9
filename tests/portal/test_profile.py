"""The profile page, and the time zone that a browser tells."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shared.core import clock
from shared.identity import invitations
from tests.api.conftest import PASSWORD
from tests.portal.browser import Browser

if TYPE_CHECKING:
    from collections.abc import Callable

    from shared.store.database import Database
    from tests.edge import Edge
    from tests.sync.world import World

NEW = "another horse entirely"


class TestTimeZone:
    def test_signing_up_takes_the_browsers(self, stranger: Browser, database: Database) -> None:
        with database.everyone() as conn:
            token = invitations.invite(conn, role="user", actor="ops", now=clock.now())
        address = f"/welcome/{token}"

        stranger.send(
            stranger.open(address), address, email="g@x.example", name="G", password=NEW, timezone="Asia/Tokyo"
        )

        assert stranger.open("/profile").form("/profile").fields["timezone"] == "Asia/Tokyo"

    def test_so_does_the_first_sign_in_and_later_ones_change_nothing(
        self, stranger: Browser, world: World, person: Callable[..., str]
    ) -> None:
        email = person(world.user_id)
        zones = []

        for browsers in ("nonsense", "", "Europe/Berlin", "Asia/Tokyo"):
            page = stranger.open("/signin")
            page = stranger.send(page, "/signin", email=email, password=PASSWORD, timezone=browsers)
            zones.append(stranger.open("/profile").form("/profile").fields["timezone"])
            stranger.send(page, "/signout")

        assert zones == ["UTC", "UTC", "Europe/Berlin", "Europe/Berlin"]

    def test_only_pages_for_strangers_run_a_script_and_only_ours(self, stranger: Browser, ada: Browser) -> None:
        ada.send(ada.open("/"), "/signout")
        page = stranger.open("/signin")
        (script,) = page.of("script")

        served = stranger.http.get(script["src"])

        assert script["src"].startswith("/assets/zone.js?v=")
        assert "script-src 'self'" in page.answer.headers["content-security-policy"]
        assert served.headers["content-type"] == "text/javascript; charset=utf-8"
        assert "timeZone" in served.text

    def test_examples_are_told_in_it(self, ada: Browser, world: World) -> None:
        ada.send(ada.open("/profile"), "/profile", name="Ada", timezone="Asia/Tokyo")

        assert "(Asia/Tokyo)" in ada.open("/links/new").text


class TestProfile:
    def test_name_and_time_zone_are_changed(self, ada: Browser) -> None:
        page = ada.send(ada.open("/profile"), "/profile", name="Countess", timezone="America/Nome")

        assert page.path == "/profile"
        assert "Your profile is changed." in page.text
        assert page.form("/profile").fields["name"] == "Countess"
        assert page.form("/profile").fields["timezone"] == "America/Nome"

    def test_bad_fields_are_marked_and_what_was_typed_stays(self, ada: Browser) -> None:
        page = ada.send(ada.open("/profile"), "/profile", name="\u0007", timezone="Mars/Olympus")

        assert page.status == 400
        marked = [one for tag in ("input", "select") for one in page.of(tag) if "aria-invalid" in one]
        assert {one["name"] for one in marked} == {"name", "timezone"}

    def test_the_password_is_changed_and_others_are_signed_out(self, ada: Browser, served: Edge) -> None:
        with served.client() as client:
            elsewhere = Browser(client)
            elsewhere.sign_in("ada@example.com", PASSWORD)

            page = ada.send(ada.open("/profile"), "/profile/password", current_password=PASSWORD, new_password=NEW)

            assert "Your password is changed. You are signed out everywhere else." in page.text
            assert elsewhere.open("/").path == "/signin"
            assert elsewhere.sign_in("ada@example.com", PASSWORD).status == 401
            assert elsewhere.sign_in("ada@example.com", NEW).path == "/"

    def test_a_wrong_password_is_marked_and_no_password_is_shown_again(self, ada: Browser) -> None:
        page = ada.send(
            ada.open("/profile"), "/profile/password", current_password="wrong horse battery", new_password=NEW
        )

        assert (page.status, "nothing was changed" in page.text) == (400, True)
        assert {one["name"] for one in page.of("input") if "aria-invalid" in one} == {"current_password"}
        assert not [word for word in ("wrong horse battery", NEW) if word in page.answer.text]

    def test_whoever_guesses_is_told_to_wait(self, ada: Browser) -> None:
        for _ in range(5):
            ada.send(ada.open("/profile"), "/profile/password", current_password="x" * 12, new_password=NEW)

        page = ada.send(ada.open("/profile"), "/profile/password", current_password=PASSWORD, new_password=NEW)

        assert (page.status, "Wait" in page.text) == (429, True)

    def test_sessions_are_shown_and_the_others_ended(self, ada: Browser, served: Edge) -> None:
        alone = ada.open("/profile")
        with served.client() as client:
            elsewhere = Browser(client)
            elsewhere.sign_in("ada@example.com", PASSWORD)

            page = ada.open("/profile")
            after = ada.send(page, "/profile/sessions")

            assert elsewhere.open("/").path == "/signin"
        assert [one.text.count("Signed in just now") for one in (alone, page, after)] == [1, 2, 1]
        assert page.text.count(" Here ") == 1
        assert "/profile/sessions" not in {form.action for form in (*alone.forms, *after.forms)}
        assert "You are signed out everywhere else." in after.text
