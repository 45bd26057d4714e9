"""The overview, accounts and decisions, used as a person uses them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from shared.connections import apps
from shared.connections import store as connections
from shared.control import gates
from shared.control.gates import Operation
from shared.core import clock
from shared.core.errors import ReauthRequiredError
from tests.api.conftest import PASSWORD
from tests.portal.conftest import hold
from tests.sync.world import event

if TYPE_CHECKING:
    from collections.abc import Callable

    from shared.store.database import Database
    from shared.sync.links import Link
    from shared.wiring import App
    from tests.portal.browser import Browser
    from tests.sync.world import World


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


class TestAccounts:
    def test_each_says_how_it_stands_and_what_can_be_done(
        self, ada: Browser, app: App, world: World, link: Link
    ) -> None:
        with world.database.everyone() as conn:
            apps.save_defaults(conn, app.oauth_clients(), microsoft_tenant="common")
        with world.database.person(world.user_id) as conn:
            connections.mark_failure(conn, world.connection_id, ReauthRequiredError("revoked"), clock.now())

        page = ada.open(f"/connections?connected={world.connection_id}")

        assert "Connect again" in page.text
        assert "2 calendars found" in page.text
        assert "/oauth/google/start" in page.links
        assert "/oauth/microsoft/start" in page.links
        assert "/oauth/google/start?login_hint=someone%40x.example" in page.links

    def test_a_provider_without_an_app_is_not_offered_and_that_is_said(
        self, ada: Browser, app: App, world: World, link: Link
    ) -> None:
        with world.database.everyone() as conn:
            apps.save_defaults(conn, app.oauth_clients(), microsoft_tenant="common")
            conn.execute("UPDATE oauth_apps SET is_default = false WHERE provider = 'google'")
        with world.database.person(world.user_id) as conn:
            connections.mark_failure(conn, world.connection_id, ReauthRequiredError("revoked"), clock.now())

        page = ada.open("/connections")

        assert "Google is not offered: this installation has no OAuth app there." in page.text
        assert [link for link in page.links if link.startswith("/oauth/")] == ["/oauth/microsoft/start"]

    def test_disconnecting_says_what_stops(self, ada: Browser, world: World, link: Link) -> None:
        page = ada.open(f"/connections/{world.connection_id}/disconnect")

        assert "home → work" in page.text
        assert "Delete those links first" in page.text

    def test_calendars_say_how_they_hear_of_changes(self, ada: Browser, world: World, link: Link) -> None:
        notified = ada.open("/calendars")
        world.rows("UPDATE webhook_channels SET status = 'expired' RETURNING 1")
        polled = ada.open("/calendars")

        assert "notifies Kalends of changes · proven current just now" in notified.text
        assert "looked at every 5 minutes · proven current just now" in polled.text

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
