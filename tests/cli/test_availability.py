"""When you are busy, on the command line."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from tests.sync.world import NOW, event

if TYPE_CHECKING:
    from shared.sync.links import Link
    from tests.cli.conftest import Kalends
    from tests.sync.world import World


def test_busy_times_are_listed_and_sources_without_trust_named(adas: Kalends, world: World, link: Link) -> None:
    world.put(link.source_calendar_id, event("dentist"))
    world.look(link.source_calendar_id)
    world.run()
    start = (NOW + timedelta(hours=24)).astimezone()

    trusted = adas("availability", "--days", "3")
    world.rows("UPDATE calendar_sync_state SET last_synced_at = now() - interval '1 day' RETURNING 1")
    doubtful = adas("availability", "--days", "3", "--calendar", "Home")

    assert len(trusted.lines) == 1
    assert trusted.lines[0].startswith(f"{start:%a %Y-%m-%d %H:%M}-")
    assert trusted.lines[0].endswith("busy")
    assert "! Home cannot be relied on (CALENDAR.STALE)" in doubtful.out
    assert "Work" not in doubtful.out


def test_programs_get_every_interval(adas: Kalends, link: Link) -> None:
    (whole,) = adas("availability", "--from", "2026-03-01", "--days", "62", "--json").json["intervals"]

    assert whole["kind"] == "unknown"
