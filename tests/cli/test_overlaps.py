"""Double bookings on the command line."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from tests.sync.world import event

if TYPE_CHECKING:
    from shared.sync.links import Link
    from tests.api.conftest import Caller
    from tests.cli.conftest import Kalends
    from tests.sync.world import World


@pytest.fixture
def doubled(world: World, link: Link) -> Link:
    world.put(link.source_calendar_id, event("a", title="Dentist"))
    world.put(link.target_calendar_id, event("b", title="Review"))
    world.look(link.source_calendar_id, link.target_calendar_id)
    world.run()
    return link


def test_they_are_listed_ignored_and_told_again(adas: Kalends, ada: Caller, doubled: Link) -> None:
    (line,) = adas("overlaps", "list").lines
    overlap = line.split()[0]
    listed = adas("overlaps", "list", "--json").json

    ignored = adas("overlaps", "ignore", overlap)
    empty = adas("overlaps", "list")
    hidden = adas("overlaps", "list", "--ignored").lines
    again = adas("overlaps", "unignore", overlap)

    assert {"Dentist (Home)", "an event (Work)"} <= set(re.split(" {2,}", line))
    assert listed == ada.json("/api/overlaps")["items"]
    assert ignored.out.startswith("Ignored: ")
    assert "Nothing overlaps." in empty.err
    assert len(hidden) == 1
    assert again.out.startswith("Told again: ")


def test_free_times_near_one_are_proposed(adas: Kalends, world: World, doubled: Link) -> None:
    overlap = adas("overlaps", "list").lines[0].split()[0]

    assert len(adas("overlaps", "propose", overlap).lines) == 5
    assert adas("overlaps", "propose", overlap, "--minutes", "30", "--json").json["complete"]
    world.rows("UPDATE calendar_sync_state SET last_synced_at = now() - interval '1 day' RETURNING 1")
    assert "nothing is known to be free" in adas("overlaps", "propose", overlap).err
