"""The pages of groups and conflicts in a headless browser: they fit a phone, and their buttons work as a thumb finds
them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from tests.api.conftest import PASSWORD
from tests.e2e import browser as browsers
from tests.portal.conftest import at_odds

if TYPE_CHECKING:
    from collections.abc import Callable

    from playwright.sync_api import ViewportSize

    from tests.edge import Edge
    from tests.sync.world import World

pytestmark = pytest.mark.slow

PHONE: ViewportSize = {"width": 375, "height": 740}


def test_a_conflict_is_decided_and_a_group_changed_on_a_phone(
    served: Edge, world: World, person: Callable[..., str]
) -> None:
    email, pair = person(world.user_id), at_odds(world)
    world.calendar("a calendar of a name that is rather long for a phone")
    wide = []
    with browsers.launch() as chromium:
        page = chromium.new_context(viewport=PHONE, locale="en-GB").new_page()
        page.goto(f"{served.base}/signin")
        page.get_by_label("E-mail address").fill(email)
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_role("button", name="Sign in").click()
        group = f"/groups/{pair.group.id}"
        for path in ("/", "/attention", group, f"{group}/edit", f"{group}/delete", "/links/new", "/conflicts"):
            page.goto(served.base + path)
            if not page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"):
                wide.append(path)

        page.goto(f"{served.base}/attention")
        page.get_by_role("link", name="Decide").click()
        expect(page.get_by_text("Lunch with Bo", exact=True)).to_be_visible()
        expect(page.get_by_text("Lunch with Cy", exact=True)).to_be_visible()
        page.get_by_role("button", name="Keep that of choir").click()
        expect(page.get_by_role("status")).to_contain_text("being written to the other side")
        page.goto(f"{served.base}{group}/edit")
        page.get_by_text("What is copied, and how far ahead").click()
        page.get_by_label("Where both sides changed the same").select_option(label="the newest change wins")
        page.get_by_role("button", name="See what that changes").click()
        page.get_by_role("button", name="Do it").click()
        expect(page.get_by_text("the newest change wins")).to_be_visible()
    world.run()

    assert wide == []
    assert pair.titles() == {"club": ["Lunch with Cy"], "choir": ["Lunch with Cy"]}
    assert world.rows("SELECT DISTINCT on_conflict FROM links") == [("newest",)]
