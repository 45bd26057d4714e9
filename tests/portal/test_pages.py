"""Every page, used as a person uses it."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID, uuid4

import pytest

from functions.portal.pages import PAGES
from shared.connections import store as connections
from shared.control import gates
from shared.control.gates import Operation
from shared.core import clock
from shared.core.errors import ReauthRequiredError
from shared.identity import invitations
from tests.api.conftest import PASSWORD
from tests.portal.browser import Browser, Page
from tests.sync.world import event

if TYPE_CHECKING:
    from collections.abc import Callable

    from shared.store.database import Database
    from shared.sync.links import Link
    from shared.wiring import App
    from tests.edge import Edge
    from tests.sync.world import World


@pytest.fixture
def calendars(world: World) -> tuple[UUID, UUID]:
    return world.calendar("home"), world.calendar("work")


@pytest.fixture
def link(world: World, calendars: tuple[UUID, UUID]) -> Link:
    world.put(calendars[0], event("dentist", title="Dentist"))
    return world.link(*calendars, privacy="title")


def hold(world: World, link: Link) -> str:
    """Many events vanish at once; answers the id of what is held."""
    for number in range(20):
        world.put(link.source_calendar_id, event(f"e{number}", hours=24 + number))
    world.look(link.source_calendar_id)
    world.run()
    for number in range(15):
        world.server.remove("home", f"e{number}")
    world.look(link.source_calendar_id)
    world.run()
    ((held,),) = world.rows("SELECT id FROM held_changes")
    return str(held)


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


class TestOverview:
    def test_without_accounts_it_says_where_to_begin(self, stranger: Browser, person: Callable[..., str]) -> None:
        page = stranger.sign_in(person(email="new@example.com"), PASSWORD)

        assert "Connect an account" in page.text
        assert "/connections" in page.links

    def test_everything_at_a_glance(self, ada: Browser, link: Link) -> None:
        page = ada.open("/")

        assert "Everything in step" in page.text
        assert "home → work Up to date" in page.text
        assert "Made “Dentist”" in page.text
        assert f"/links/{link.id}" in page.links

    def test_what_needs_the_person_comes_first_with_the_way_there(self, ada: Browser, world: World, link: Link) -> None:
        hold(world, link)
        with world.database.person(world.user_id) as conn:
            connections.mark_failure(conn, world.connection_id, ReauthRequiredError("revoked"), clock.now())

        page = ada.open("/")

        assert "Something needs you" in page.text
        assert "15 deletions of home → work wait for you" in page.text
        assert "no longer lets Kalends in" in page.text
        assert {"/held", "/connections"} <= set(page.links)

    def test_sync_now(self, ada: Browser, world: World, link: Link) -> None:
        world.put(link.source_calendar_id, event("lunch"))

        page = ada.send(ada.open("/"), "/sync")
        world.run()

        assert "Looking for changes now" in page.text
        assert len(world.mirrors(link.target_calendar_id)) == 2

    def test_a_closed_gate_is_told_and_nothing_else_breaks(self, ada: Browser, link: Link, database: Database) -> None:
        with database.everyone() as conn:
            gates.set_gate(conn, Operation.SYNC, opened=False, actor="t", reason="t", now=clock.now())

        page, closed = ada.open("/"), ada.open("/calendars")

        assert (page.status, "Syncing is switched off" in page.text) == (200, True)
        assert (closed.status, "This is switched off" in closed.text) == (403, True)
        assert "CALENDAR_SYNC_ENABLED" in closed.text


class TestLinking:
    def test_three_previews_show_exactly_what_others_will_see(self, ada: Browser, calendars: tuple[UUID, UUID]) -> None:
        page = ada.open("/links/new")

        assert [one["value"] for one in page.of("input") if one.get("name") == "privacy"] == ["busy", "title", "full"]
        shown = page.text.partition("How much do others see?")[2]
        busy, title, full = (
            shown.partition(name)[2] for name in ("Only that you are busy", "Also the title", "Everything written")
        )
        assert busy.startswith(" Busy")
        assert title.startswith(" Second opinion with Prof. Lindqvist")
        assert "St. Mary" not in title.partition("Everything written")[0]
        assert "St. Mary's Hospital, Room 4.12" in full
        assert "Never shown, whatever you choose: guests, reminders" in page.text

    def test_another_word_is_shown_before_it_is_used(
        self, ada: Browser, world: World, calendars: tuple[UUID, UUID]
    ) -> None:
        form = ada.open(f"/links/new?source={calendars[0]}")

        page = ada.send(form, "/links/new", busy_title="Engaged", privacy="title", skip_free=None, look="on")

        kept = page.form("/links/new").fields
        assert (page.status, "Only that you are busy Engaged" in page.text) == (200, True)
        assert (kept["source"], kept["privacy"], "skip_free" in kept) == (str(calendars[0]), "title", False)
        assert world.rows("SELECT count(*) FROM links") == [(0,)]

    def test_a_link_is_made_and_copies(self, ada: Browser, world: World, calendars: tuple[UUID, UUID]) -> None:
        world.put(calendars[0], event("dentist", title="Dentist"))
        form = ada.open("/links/new")

        page = ada.send(
            form, "/links/new", source=str(calendars[0]), target=str(calendars[1]), busy_title="Taken", days_ahead=""
        )
        before = page.text
        world.run()
        after = ada.open(page.path)

        assert "The link is made" in before
        assert "First copy under way" in before
        assert "Up to date" in after.text
        assert "Made “Taken”" in after.text
        assert "without end" in after.text
        assert "Dentist" not in after.answer.text

    def test_what_is_missing_is_marked_and_what_was_chosen_stays(
        self, ada: Browser, calendars: tuple[UUID, UUID]
    ) -> None:
        form = ada.open("/links/new")

        unchosen = ada.send(form, "/links/new", source=str(calendars[0]), privacy="full")
        odd = ada.send(form, "/links/new", days_ahead="0", busy_title="", days_behind="x", privacy="naked")
        same = ada.send(form, "/links/new", source=str(calendars[0]), target=str(calendars[0]))
        gone = ada.send(form, "/links/new", source=str(uuid4()), target=str(calendars[0]))

        assert [page.status for page in (unchosen, odd, same, gone)] == [400, 400, 400, 404]
        kept = unchosen.form("/links/new").fields
        assert (kept["source"], kept["privacy"]) == (str(calendars[0]), "full")
        marked = {one.get("name") for tag in ("input", "select") for one in odd.of(tag) if "aria-invalid" in one}
        assert marked == {"days_ahead", "days_behind", "busy_title"}
        assert "cannot be linked to itself" in same.text

    def test_a_target_that_others_can_read_must_be_understood_first(
        self, ada: Browser, world: World, calendars: tuple[UUID, UUID]
    ) -> None:
        world.rows("UPDATE calendars SET is_shared = true WHERE name = 'work' RETURNING 1")
        chosen = {"source": str(calendars[0]), "target": str(calendars[1]), "privacy": "full"}

        warned = ada.send(ada.open("/links/new"), "/links/new", **chosen)
        made = ada.send(warned, "/links/new", understood="on")

        assert (warned.status, "they would read these titles" in warned.text) == (409, True)
        assert made.path.startswith("/links/")


class TestLink:
    def test_its_page_says_how_it_stands_and_what_comes(self, ada: Browser, world: World, link: Link) -> None:
        world.put(link.source_calendar_id, event("odd", title="Odd", recurrence=("RRULE:FREQ=SECONDLY",)))
        world.look(link.source_calendar_id)
        world.run()

        page = ada.open(f"/links/{link.id}")

        assert "Also the title (“Busy”)" in page.text
        assert "Skipped, and why" in page.text
        assert "Odd" in page.text
        assert page.text.count("Dentist") == 3  # the change, and both sides of what comes

    def test_pause_and_resume(self, ada: Browser, link: Link) -> None:
        address = f"/links/{link.id}"

        paused = ada.send(ada.open(address), f"{address}/pause")
        resumed = ada.send(paused, f"{address}/resume")

        assert (paused.path, "Paused" in paused.text) == (address, True)
        assert "The link goes on" in resumed.text

    def test_sync_now(self, ada: Browser, world: World, link: Link) -> None:
        world.put(link.source_calendar_id, event("lunch"))

        page = ada.send(ada.open(f"/links/{link.id}"), f"/links/{link.id}/sync")
        world.run()

        assert "Looking for changes now" in page.text
        assert len(world.mirrors(link.target_calendar_id)) == 2

    def test_changing_it_rewrites_the_mirrors(self, ada: Browser, world: World, link: Link) -> None:
        address = f"/links/{link.id}/edit"

        looked = ada.send(ada.open(address), address, privacy="busy", busy_title="Taken", look="on")
        page = ada.send(looked, address)
        world.run()

        assert "Only that you are busy Taken" in looked.text
        assert "The link is changed" in page.text
        assert [mirror.text and mirror.text.title for mirror in world.mirrors(link.target_calendar_id)] == ["Taken"]

    def test_whoever_changes_an_older_state_is_told(self, ada: Browser, link: Link) -> None:
        address = f"/links/{link.id}/edit"
        form = ada.open(address)
        ada.send(form, address, busy_title="Taken")

        page = ada.send(form, address, busy_title="Engaged")
        bad = ada.send(ada.open(address), address, busy_title="")

        assert (page.status, "Somebody changed this meanwhile" in page.text) == (412, True)
        assert (bad.status, "must have 1 to 200" in bad.text) == (400, True)

    @pytest.mark.parametrize(("answer", "left", "told"), [("true", 0, "being removed"), ("false", 1, "is deleted")])
    def test_deleting_asks_what_becomes_of_the_mirrors(
        self, ada: Browser, world: World, link: Link, answer: str, left: int, told: str
    ) -> None:
        address = f"/links/{link.id}/delete"
        asked = ada.open(address)

        unsaid = ada.send(asked, address)
        page = ada.send(asked, address, delete_mirrors=answer)
        world.run()

        assert "1 mirror of this link stands in work" in asked.text
        assert asked.form(address).buttons == [("delete_mirrors", "true"), ("delete_mirrors", "false")]
        assert unsaid.status == 400
        assert (page.path, told in page.text) == ("/", True)
        assert len(world.mirrors(link.target_calendar_id)) == left
        assert ada.open(f"/links/{link.id}").status == 404


class TestAccounts:
    def test_each_says_how_it_stands_and_what_can_be_done(self, ada: Browser, world: World, link: Link) -> None:
        with world.database.person(world.user_id) as conn:
            connections.mark_failure(conn, world.connection_id, ReauthRequiredError("revoked"), clock.now())

        page = ada.open(f"/connections?connected={world.connection_id}")

        assert "Connect again" in page.text
        assert "2 calendars found" in page.text
        assert "/oauth/google/start" in page.links
        assert "/oauth/microsoft/start" in page.links
        assert "/oauth/google/start?login_hint=someone%40x.example" in page.links

    def test_disconnecting_says_what_stops(self, ada: Browser, world: World, link: Link) -> None:
        page = ada.open(f"/connections/{world.connection_id}/disconnect")

        assert "home → work" in page.text
        assert "Delete those links first" in page.text

    def test_calendars_offer_what_they_can(self, ada: Browser, world: World, link: Link) -> None:
        world.rows("UPDATE calendars SET can_write = false WHERE name = 'home' RETURNING 1")

        page = ada.open("/calendars")

        assert "home Read-only" in page.text
        assert f"/links/new?target={link.target_calendar_id}" in page.links
        assert f"/links/new?target={link.source_calendar_id}" not in page.links
        assert f"/links/{link.id}" in page.links


class TestDecisions:
    @pytest.mark.parametrize(("verb", "left"), [("approve", 6), ("discard", 21)])
    def test_held_deletions_are_decided_here(
        self, ada: Browser, world: World, link: Link, verb: str, left: int
    ) -> None:
        held = hold(world, link)
        asked = ada.open("/held")

        page = ada.send(asked, f"/held/{held}/{verb}")
        again = ada.send(asked, f"/held/{held}/{verb}")
        world.run()

        assert "15 events disappeared from home at once. 21 mirrors stood in work." in asked.text
        assert "Nothing waits for you" in page.text
        assert again.status == 409
        assert len(world.mirrors(link.target_calendar_id)) == left


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


class TestSafety:
    def test_every_form_is_refused_without_its_token(
        self, ada: Browser, world: World, link: Link, database: Database
    ) -> None:
        held = hold(world, link)
        ids = {"link_id": link.id, "held_id": held, "connection_id": world.connection_id, "token_id": "x", "token": "x"}
        before = world.rows("SELECT count(*) FROM audit_log")

        for page in PAGES:
            if page.method == "POST":
                for field in ({}, {"csrf": "x"}):
                    answer = Page(ada.http.post(page.path.format_map(ids), data={"a": "b", **field}))
                    assert (answer.status, "out of date" in answer.text) == (403, True), page.path
        assert world.rows("SELECT count(*) FROM audit_log") == before

    def test_strangers_are_sent_to_sign_in_from_everywhere(self, stranger: Browser) -> None:
        for page in PAGES:
            if not page.public:
                answer = stranger.http.request(page.method, page.path, follow_redirects=False)

                assert answer.status_code == 303, page.path
                assert answer.headers["location"].startswith("/signin")

    def test_a_closed_gate_stops_every_calendar_page_even_for_strangers(
        self, stranger: Browser, database: Database
    ) -> None:
        with database.everyone() as conn:
            gates.set_gate(conn, Operation.SYNC, opened=False, actor="t", reason="t", now=clock.now())

        stopped = {
            page.path
            for page in PAGES
            if stranger.http.request(page.method, page.path, follow_redirects=False).status_code == 403
        }

        assert stopped == {page.path for page in PAGES if page.calendar}

    def test_nobody_sees_or_touches_anothers(
        self, served: Edge, world: World, link: Link, person: Callable[..., str], ada: Browser
    ) -> None:
        held = hold(world, link)
        hers = [str(link.id), held, str(world.connection_id), *map(str, (link.source_calendar_id,))]
        ids = {"link_id": link.id, "held_id": held, "connection_id": world.connection_id, "token_id": uuid4()}
        with served.client() as client:
            eve = Browser(client)
            csrf = eve.sign_in(person(email="eve@example.com"), PASSWORD).form("/signout").fields["csrf"]

            for page in PAGES:
                if page.public or page.path == "/signout":
                    continue
                answer = eve.http.request(
                    page.method,
                    page.path.format_map(ids),
                    data={"csrf": csrf, "delete_mirrors": "true"} if page.method == "POST" else None,
                )

                assert answer.status_code == (404 if "{" in page.path else answer.status_code), page.path
                assert not [one for one in hers if one in answer.text and one not in page.path.format_map(ids)]
                assert "home" not in answer.text, page.path

        world.run()
        assert len(world.mirrors(link.target_calendar_id)) == 21

    def test_every_page_reached_by_links_is_whole_and_safe(self, ada: Browser, world: World, link: Link) -> None:
        hold(world, link)
        pages = list(ada.everything_linked("/"))

        for page in pages:
            headers = page.answer.headers
            assert page.status == 200, page.path
            assert "default-src 'none'" in headers["content-security-policy"]
            assert "frame-ancestors 'none'" in headers["content-security-policy"]
            assert (headers["referrer-policy"], headers["x-content-type-options"]) == ("same-origin", "nosniff")
            assert headers["cache-control"] == "no-store"
            assert not page.of("script")
            assert not [tag for tag, attributes in page.tags if "style" in attributes or "onclick" in attributes]
            assert [one["name"] for one in page.of("meta") if one.get("name") == "viewport"]
            assert len(page.of("h1")) == 1
            labelled = {one["for"] for one in page.of("label") if "for" in one}
            assert {one["id"] for tag in ("input", "select") for one in page.of(tag) if "id" in one} <= labelled
        assert len({page.path for page in pages}) >= 10

    def test_what_people_wrote_is_text_and_never_markup(self, ada: Browser, world: World) -> None:
        nasty = "<script>alert(1)</script><b>"
        source, target = world.calendar(nasty), world.calendar("work")
        world.put(source, event("x", title=nasty))
        link = world.link(source, target, privacy="title")

        for address in ("/", f"/links/{link.id}", "/calendars", "/links/new", f"/links/{link.id}/delete"):
            page = ada.open(address)

            assert not page.of("script")
            assert nasty in page.text


class TestEndings:
    def test_an_unknown_address(self, ada: Browser) -> None:
        for address in ("/nothing", "/links/17", f"/links/{uuid4()}", "/assets/../pages.py", "/assets/x"):
            page = ada.open(address)

            assert page.status == 404
            assert "/" in page.links

    def test_programs_get_a_problem(self, stranger: Browser) -> None:
        answer = stranger.http.get("/nothing", headers={"accept": "*/*"})

        assert (answer.status_code, answer.json()["code"]) == (404, "ROUTE.NOT_FOUND")

    def test_what_nobody_foresaw_names_the_request(self, ada: Browser, app: App) -> None:
        app.engine = lambda: 1 / 0  # type: ignore[assignment, method-assign, return-value]

        page = Page(ada.http.get("/", headers={"x-request-id": "find-me"}))

        assert page.status == 500
        assert "request find-me" in page.text
        assert "division" not in page.answer.text
        assert "Try again" in page.text

    def test_the_stylesheet_may_be_kept(self, stranger: Browser) -> None:
        page = stranger.open("/signin")
        (sheet,) = [one["href"] for one in page.of("link") if one["rel"] == "stylesheet"]

        answer = stranger.http.get(sheet)

        assert answer.headers["content-type"].startswith("text/css")
        assert "immutable" in answer.headers["cache-control"]
