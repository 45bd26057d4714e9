"""The page that says why an event is mirrored or not."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from shared.sync.links import Link
    from tests.portal.browser import Browser
    from tests.sync.world import World


def test_a_line_of_what_happened_leads_to_why(ada: Browser, world: World, link: Link) -> None:
    (mirror,) = world.mirrors(link.target_calendar_id)
    address = f"/explain?event={mirror.id}"
    assert address in ada.open(f"/links/{link.id}").links

    page = ada.open(address)

    assert page.status == 200
    assert "No link reads from work." in page.text
    assert "It is mirrored, and its mirror is up to date." in page.text
    assert "Hidden from readers description, location" in page.text


def test_an_event_that_is_not_there_is_a_page_of_its_own(ada: Browser, link: Link) -> None:
    assert [ada.open(address).status for address in ("/explain?event=nothing", "/explain")] == [404, 400]
