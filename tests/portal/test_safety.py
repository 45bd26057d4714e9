"""No form from elsewhere, nobody else's things, no markup from what people wrote, no dead end."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import uuid4

from functions.portal.pages import PAGES
from shared.control import gates
from shared.control.gates import Operation
from shared.core import clock
from shared.sync.publishing import feeds
from tests.api.conftest import PASSWORD
from tests.portal.browser import Browser, Page
from tests.portal.conftest import at_odds, doubled, hold, ids_of, planned_and_written
from tests.sync.world import event

if TYPE_CHECKING:
    from collections.abc import Callable

    from shared.store.database import Database
    from shared.sync.links import Link
    from shared.wiring import App
    from tests.edge import Edge
    from tests.sync.world import World


class TestSafety:
    def test_every_form_is_refused_without_its_token(
        self, ada: Browser, world: World, link: Link, database: Database
    ) -> None:
        held = hold(world, link)
        ids = {"link_id": link.id, "held_id": held, "connection_id": world.connection_id, "token_id": "x", "token": "x"}
        ids |= planned_and_written(ada, world, link)
        ids |= {"overlap_id": doubled(world, link), "calendar_id": link.target_calendar_id}
        ids |= {"feed_id": "x", **ids_of(world, at_odds(world))}
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
        overlap = doubled(world, link)
        hers = [str(link.id), held, overlap, str(world.connection_id), *map(str, (link.source_calendar_id,))]
        ids = {"link_id": link.id, "held_id": held, "connection_id": world.connection_id, "token_id": uuid4()}
        ids |= planned_and_written(ada, world, link)
        hers += [str(ids[name]) for name in ("plan_id", "run_id")]
        ids |= {"overlap_id": overlap, "calendar_id": link.target_calendar_id}
        with world.database.person(world.user_id) as conn:
            feed, _ = feeds.create(
                conn, user_id=world.user_id, name="Hers", calendar_ids=[link.source_calendar_id], now=clock.now()
            )
        ids |= {"feed_id": feed.id, **ids_of(world, at_odds(world))}
        hers += [str(ids[name]) for name in ("group_id", "conflict_id")]
        with served.client() as client:
            eve = Browser(client)
            csrf = eve.sign_in(person(email="eve@example.com"), PASSWORD).form("/signout").fields["csrf"]

            sent = {
                "delete_mirrors": "true",
                "winner": "source",
                "may_read": "true",
                "calendar": str(link.source_calendar_id),
            }

            for page in PAGES:
                if page.public or page.path == "/signout":
                    continue
                answer = eve.http.request(
                    page.method,
                    page.path.format_map(ids),
                    data={"csrf": csrf, **sent} if page.method == "POST" else None,
                )

                assert answer.status_code == (404 if "{" in page.path else answer.status_code), page.path
                assert not [one for one in hers if one in answer.text and one not in page.path.format_map(ids)]
                assert "home" not in answer.text, page.path

        world.run()
        assert len(world.mirrors(link.target_calendar_id)) == 21

    def test_every_page_reached_by_links_is_whole_and_safe(self, ada: Browser, world: World, link: Link) -> None:
        hold(world, link)
        doubled(world, link)
        at_odds(world)
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
