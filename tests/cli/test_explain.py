"""Why an event is mirrored or not, on the command line."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from shared.calendar.event import Response
from tests.sync.world import event

if TYPE_CHECKING:
    from shared.sync.links import Link
    from tests.api.conftest import Caller
    from tests.cli.conftest import Kalends
    from tests.sync.world import World


@pytest.fixture(autouse=True)
def _mirrored(world: World, link: Link) -> None:
    world.put(link.source_calendar_id, event("dentist"))
    world.put(link.source_calendar_id, event("declined", response=Response.DECLINED))
    world.look(link.source_calendar_id)
    world.run()


def test_it_is_told_link_by_link(adas: Kalends, ada: Caller) -> None:
    ran = adas("explain", "dentist")

    assert "Dentist, in Home" in ran.out
    assert "Home → Work: mirrored" in ran.out
    assert "description, location" in ran.out
    asked = ada.json("/api/events/explanation", event="dentist")["items"]
    assert adas("explain", "dentist", "--json").json == asked


def test_what_is_left_out_says_why(adas: Kalends) -> None:
    assert "It is not mirrored: you have declined it." in adas("explain", "declined").out


def test_an_id_that_means_nothing_is_told(adas: Kalends) -> None:
    assert "(EVENT.NOT_FOUND)" in adas("explain", "nothing", code=1).err
