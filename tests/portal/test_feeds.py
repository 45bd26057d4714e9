"""Publishing by the pages."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.sync.world import event

if TYPE_CHECKING:
    from uuid import UUID

    from tests.portal.browser import Browser
    from tests.sync.world import World


def test_a_person_publishes_looks_changes_the_address_and_revokes(
    ada: Browser, world: World, calendars: tuple[UUID, UUID]
) -> None:
    home, _ = calendars
    world.put(home, event("a", title="Dentist"))
    page = ada.open("/published")

    made = ada.send(page, "/published", name="My times", privacy="title", **{f"calendar-{home}": "on"})
    world.run()
    ((feed_id,),) = world.rows("SELECT id FROM feeds")
    preview = ada.open(f"/published/{feed_id}")
    again = ada.send(ada.open("/published"), f"/published/{feed_id}/rotate")
    ended = ada.send(ada.open("/published"), f"/published/{feed_id}/revoke")

    assert made.status == again.status == 201
    assert "/feeds/" in made.text
    assert "Dentist" in preview.text
    assert "is revoked" in ended.text
    assert "/feeds/" not in ada.open("/published").text


def test_a_form_without_a_calendar_says_so(ada: Browser, calendars: tuple[UUID, UUID]) -> None:
    page = ada.send(ada.open("/published"), "/published", name="My times")

    assert page.status == 400
    assert "choose which" in page.text
