"""What was written, and the button that takes it back."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from shared.sync.links import Link
    from tests.portal.browser import Browser
    from tests.sync.world import World


def test_a_run_is_undone_from_its_page_and_followed_again(ada: Browser, world: World, link: Link) -> None:
    assert "/activity" in ada.open("/").links
    page = ada.open("/activity")
    (undoing,) = (form.action for form in page.forms if form.action.endswith("/undo"))

    asked = ada.send(page, undoing)
    world.run()
    done = ada.open(asked.path)
    gone = len(world.mirrors(link.target_calendar_id))
    followed = ada.send(done, f"{done.path}/follow")
    world.run()

    assert "is being taken back" in asked.text
    assert "Taken back 1" in done.text
    assert "follow their sources again" in followed.text
    assert (gone, len(world.mirrors(link.target_calendar_id))) == (0, 1)
    assert "undone" in ada.open("/activity").text


def test_a_run_that_is_not_there_is_a_page_of_its_own(ada: Browser) -> None:
    assert ada.open("/activity/0198f2a1-0000-7000-8000-000000000000").status == 404
