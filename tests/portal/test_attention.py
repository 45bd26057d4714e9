"""What needs somebody, on one page."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.portal.conftest import hold

if TYPE_CHECKING:
    from shared.sync.links import Link
    from tests.portal.browser import Browser
    from tests.sync.world import World


def test_each_item_leads_to_where_it_is_mended(ada: Browser, world: World, link: Link) -> None:
    quiet = ada.open("/attention")
    hold(world, link)

    page = ada.open("/attention")

    assert "Nothing needs you." in quiet.text
    assert "deletions of home → work wait for you" in page.text
    assert page.links.count("/held") == 2  # in the navigation, and beside it
