"""Reconciling on the command line."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.sync.world import event

if TYPE_CHECKING:
    from tests.cli.conftest import Kalends
    from tests.sync.world import World


def test_mirrors_without_a_link_are_listed_and_purged(adas: Kalends, world: World) -> None:
    source, target = world.calendar("Home"), world.calendar("Work")
    for number in range(7):
        world.put(source, event(f"e{number}", hours=24 + number))
    world.link(source, target)
    with world.database.everyone() as conn:
        conn.execute("DELETE FROM links")

    begun = adas("reconcile", "Work")
    world.run()
    listed = adas("orphans", "list", "Work")
    purged = adas("orphans", "purge", "Work")
    world.run()

    assert begun.out.startswith("Reconciling 1 calendar.")
    assert len(listed.lines) == 7
    assert purged.out.startswith("Removing 7 mirrors from Work.")
    assert world.mirrors(target) == []
    assert "without its link" in adas("orphans", "list", "Work").err
