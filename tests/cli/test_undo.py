"""Taking a run back, on the command line."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.sync.world import event

if TYPE_CHECKING:
    from shared.sync.links import Link
    from tests.cli.conftest import Kalends
    from tests.sync.world import World


def test_a_run_is_undone_and_followed_again(adas: Kalends, world: World, link: Link) -> None:
    world.put(link.source_calendar_id, event("dentist"))
    world.look(link.source_calendar_id)
    world.run()
    (run,) = adas("runs", "list", "--json").json

    no = adas("undo", run["id"], input="n\n")
    there = len(world.mirrors(link.target_calendar_id))
    done = adas("undo", run["id"], "--yes", "--json").json
    world.run()
    shown = adas("runs", "show", done["id"])
    gone = len(world.mirrors(link.target_calendar_id))
    followed = adas("runs", "follow", done["id"])
    world.run()

    assert ("Nothing was undone." in no.err, there, gone) == (True, 1, 0)
    assert "success" in shown.out
    assert "undone" in adas("runs", "list").out
    assert followed.out == "1 mirror again in step with the source.\n"
    assert len(world.mirrors(link.target_calendar_id)) == 1


def test_without_runs_that_is_said(adas: Kalends) -> None:
    assert "Nothing was written yet." in adas("runs", "list").err
    assert "(RUN.NOT_FOUND)" in adas("undo", "0198", code=1).err
