"""Deleted mirrors that take their source events along: only by a person's hand, and few at once (promise 1)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from shared.calendar.event import Availability
from shared.core import clock
from shared.sync import reconciliation
from shared.sync.two_way import groups
from tests.sync import restoring
from tests.sync.two_way.pair import Pair
from tests.sync.world import World, by, event

if TYPE_CHECKING:
    from tests.postgres import Logins

pytestmark = pytest.mark.promise(1)


class KilledError(BaseException):
    """The worker's process is gone."""


@pytest.fixture
def pair(world: World) -> Pair:
    with world.database.everyone() as conn:
        reconciliation.notice_restore(conn, now=clock.now())  # the first look learns who the database is
    return Pair(world, privacy="full", on_delete="withdraw")


def withdrawn(pair: Pair) -> list[tuple[str, str, str]]:
    return [write for write in pair.writes() if write[:2] == ("a", "withdraw")]


@pytest.mark.parametrize("noticed", [True, False])
def test_mirrors_that_we_removed_before_a_restore_take_no_source_along_and_are_made_again(
    pair: Pair, logins: Logins, noticed: bool
):
    for number in range(3):
        pair.put("a", event(f"e{number}", hours=24 + number))
    backup = restoring.back_up(logins)
    groups.delete(pair.world.engine, by(pair.world), pair.group.id, delete_mirrors=True)
    pair.world.run()
    removed = pair.roots("b")

    restoring.restore(logins, backup)
    if not noticed:
        pair.sync("b", "a")
    pair.world.rounds()

    assert removed == []
    assert pair.titles() == {"a": ["Dentist"] * 3, "b": ["Dentist"] * 3}
    assert withdrawn(pair) == []
    pair.quiet()


def test_a_mirror_whose_removal_was_cut_short_takes_no_source_along(pair: Pair):
    def killed(write: object) -> None:
        raise KilledError

    pair.put("a", event("e1"))
    pair.world.put(pair.ids["a"], event("e1", availability=Availability.FREE))
    pair.world.server.after_write = killed
    with pytest.raises(KilledError):
        pair.sync("a")
    pair.world.server.after_write = lambda write: None
    with pair.world.database.everyone() as conn:
        conn.execute("UPDATE leases SET until = '-infinity'")

    pair.world.put(pair.ids["a"], event("e1"))
    for name in ("a", "b"):
        pair.look(name)
    pair.sync()

    assert pair.titles() == {"a": ["Dentist"], "b": ["Dentist"]}
    assert withdrawn(pair) == []
    pair.quiet()


def test_a_listing_that_is_behind_takes_no_source_along(pair: Pair, monkeypatch: pytest.MonkeyPatch):
    """The mirror was deleted, and stands again by now."""
    pair.put("a", event("e1"))
    mirror = pair.one("b")
    pair.world.server.remove("b", mirror.id)
    changes = pair.world.provider.changes

    def behind(*given, **named):
        page = changes(*given, **named)
        pair.world.server.put("b", mirror)
        return page

    with monkeypatch.context() as late:
        late.setattr(pair.world.provider, "changes", behind)
        pair.look("b")
    pair.sync()

    assert pair.titles() == {"a": ["Dentist"], "b": ["Dentist"]}
    assert withdrawn(pair) == []
    pair.quiet()


def test_emptying_a_calendar_that_is_read_in_small_pages_takes_no_source_along(pair: Pair):
    pair.world.server.page_size = 3
    for number in range(8):
        pair.world.put(pair.ids["a"], event(f"e{number}", hours=24 + number))
    pair.sync()

    for mirror in pair.roots("b"):
        pair.world.server.remove("b", mirror.id)
    pair.sync()

    assert len(pair.roots("a")) == 8
    assert withdrawn(pair) == []
    pair.quiet()


def test_a_deletion_that_pushes_find_first_waits_until_the_calendar_is_read(pair: Pair):
    pair.put("a", event("e1"))
    pair.world.server.remove("b", pair.one("b").id)
    pair.edit("a", title="moved on")
    pair.look("a")

    for _ in range(5):
        pair.world.time_passes()
        pair.world.push(pair.ids["b"])
    pair.sync()

    assert pair.titles() == {"a": [], "b": []}
    pair.quiet()
