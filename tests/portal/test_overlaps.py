"""Double bookings on the pages."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.sync.world import event

if TYPE_CHECKING:
    from shared.sync.links import Link
    from tests.portal.browser import Browser
    from tests.sync.world import World


def test_they_are_shown_ignored_and_given_other_times(ada: Browser, world: World, link: Link) -> None:
    world.put(link.target_calendar_id, event("review", title="Review"))
    world.look(link.target_calendar_id)
    world.run()
    ((overlap,),) = world.rows("SELECT id FROM double_bookings")

    shown = ada.open("/overlaps")
    proposed = ada.open(f"/overlaps/{overlap}")
    after = ada.send(shown, f"/overlaps/{overlap}/ignore")
    hidden = ada.open("/overlaps?state=ignored&all_day=yes")
    again = ada.send(hidden, f"/overlaps/{overlap}/unignore")

    assert "Dentist" in shown.text
    assert "An event work" in shown.text  # no link needs its text, so none is kept
    assert "Free near it" in proposed.text
    assert "Nothing overlaps." in after.text
    assert "Dentist" in hidden.text
    assert "You will be told of it again." in again.text
