"""Edits of mirrors that meet writes of ours: nothing that somebody wrote is lost, and no write of ours is an edit."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from shared.calendar.event import Text
from shared.core.lanes import Lane
from shared.providers.port import Insert
from shared.sync.store import calendars
from shared.sync.two_way import edits, groups
from tests.sync.two_way.pair import Pair, weekly
from tests.sync.world import by, event, occurrence

if TYPE_CHECKING:
    from shared.calendar.event import Unit
    from shared.providers.port import Page
    from tests.sync.world import World


class TestNothingIsLost:
    @pytest.mark.promise(2)
    def test_a_worker_killed_after_the_source_took_the_edit_leaves_one_that_agrees(self, pair: Pair):
        class KilledError(BaseException):
            pass

        def kill(write: object) -> None:
            raise KilledError

        pair.put("a", event("e1"))
        pair.edit("b", title="Dentist, with Kim")
        pair.world.server.after_write = kill
        with pytest.raises(KilledError):
            pair.sync()
        pair.world.server.after_write = lambda write: None
        with pair.world.database.everyone() as conn:
            conn.execute("UPDATE leases SET until = '-infinity'")

        pair.sync()

        assert pair.titles() == {"a": ["Dentist, with Kim"], "b": ["Dentist, with Kim"]}
        assert pair.world.rows("SELECT count(*) FROM conflicts") == [(0,)]
        pair.quiet()

    def test_a_page_that_is_behind_our_own_write_reverts_nothing(self, pair: Pair):
        pair.put("a", event("e1"))
        behind = pair.one("b")
        pair.edit("a", title="Newer")
        pair.sync()
        newer = pair.one("b")

        events = pair.world.server.calendars["b"].events
        real = pair.world.provider.get

        def listing_is_behind(calendar_id, event_id, *, window):
            events[newer.id] = newer
            return real(calendar_id, event_id, window=window)

        pair.world.server.put("b", newer)
        events[behind.id] = behind
        pair.world.provider.get = listing_is_behind  # type: ignore[method-assign]
        pair.sync("b")

        assert pair.titles() == {"a": ["Newer"], "b": ["Newer"]}

    def test_an_edit_that_comes_while_the_source_is_written_to_the_mirror_is_not_overwritten(self, pair: Pair):
        pair.put("a", event("e1"))
        pair.edit("a", location="Side Street 2")

        edits = iter([True])

        def edit(write: object) -> None:
            if next(edits, False):
                pair.edit("b", title="In between")

        pair.world.server.before_write = edit
        pair.sync("a")
        pair.world.server.before_write = lambda write: None
        pair.world.time_passes()
        pair.sync()

        for name in ("a", "b"):
            text = pair.one(name).text
            assert text is not None
            assert (text.title, text.location) == ("In between", "Side Street 2")
        pair.quiet()

    def test_a_full_read_of_both_sides_loses_and_doubles_nothing(self, pair: Pair):
        pair.put("a", event("e1"))
        pair.put("b", event("e2", title="of b"))
        mirror = next(one for one in pair.roots("b") if one.marker)
        pair.world.server.put("b", replace(mirror, text=Text(title="edited")))

        pair.world.server.expire_cursors()
        pair.sync()

        assert pair.titles() == {"a": ["edited", "of b"], "b": ["edited", "of b"]}
        pair.quiet()

    @pytest.mark.promise(8)
    def test_tightening_a_link_while_an_edit_waits_lets_nothing_hidden_out(self, pair: Pair):
        pair.put("a", event("e1", title="Therapy"))
        pair.edit("b", title="Therapy, later", hours=1)
        groups.change(pair.world.engine, by(pair.world), pair.group.id, version=None, changes={"privacy": "busy"})

        pair.sync()

        assert pair.titles() == {"a": ["Therapy"], "b": ["Busy"]}
        assert pair.one("a").span == pair.one("b").span
        pair.quiet()


def test_a_look_between_a_new_series_and_its_occurrences_takes_nothing_for_an_edit(pair: Pair):
    world = pair.world
    series = world.put(pair.ids["a"], weekly())
    moved = occurrence(series, 2, text=series.text, span=event("x", hours=24 + 14 * 24 + 3).span)
    world.put(pair.ids["a"], moved)

    def look(write: object) -> None:
        if isinstance(write, Insert):
            world.look(pair.ids["b"])
            world.pull(pair.ids["b"])

    world.server.after_write = look
    pair.sync()

    assert [write for write in pair.writes() if write[0] == "a"] == []
    assert [one.span for one in pair.all("a") if one.is_override] == [moved.span]
    pair.quiet()


def test_a_mirror_made_unheard_is_nobodys_edit(pair: Pair):
    with pair.world.unheard():
        pair.put("a", event("e1"))
    pair.look("b")

    pair.world.time_passes()
    pair.world.push(pair.ids["b"])
    pair.sync()

    assert pair.world.rows("SELECT rewrites, state, edit FROM event_mappings") == [(0, "open", None)]
    pair.quiet()


def test_a_mirror_that_somebody_coloured_is_written_at_once(pair: Pair):
    pair.put("a", event("e1"))
    mirror = pair.one("b")
    pair.world.server.put("b", replace(mirror, text=mirror.text and replace(mirror.text, categories=("red",))))
    pair.look("b")

    pair.edit("a", title="by a")
    pair.look("a")
    pair.world.push(pair.ids["b"])

    assert pair.titles() == {"a": ["by a"], "b": ["by a"]}
    pair.quiet()


@pytest.mark.parametrize("asked_for", [0, 100], ids=["so many that the page must do", "asked for by name"])
def test_a_full_read_that_is_behind_our_own_write_tells_of_no_edit(
    pair: Pair, monkeypatch: pytest.MonkeyPatch, asked_for: int
):
    monkeypatch.setattr(edits, "ASKED_FOR", asked_for)
    pair.put("a", event("e1"))
    with pair.world.database.person(pair.world.user_id) as conn:
        calendars.request_full_read(conn, pair.ids["b"], lane=Lane.REPAIR)
    changes = pair.world.provider.changes

    def behind(calendar_id: str, **named: Any) -> Page:
        page = changes(calendar_id, **named)
        if calendar_id == "b":
            pair.edit("a", title="by a")
            pair.look("a")
            pair.world.push(pair.ids["b"])
        return page

    with monkeypatch.context() as patch:
        patch.setattr(pair.world.provider, "changes", behind)
        pair.look("b")
    pair.sync()

    assert pair.titles() == {"a": ["by a"], "b": ["by a"]}
    assert [write[:2] for write in pair.writes()] == [("b", "insert"), ("b", "update")]
    pair.quiet()


class TestOverwritten:
    """A push was under way while a mirror was looked at, and wrote over what somebody had just edited."""

    def test_the_edit_comes_back_and_what_was_written_over_it_is_nobodys(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ):
        pair = Pair(world, privacy="full", on_conflict="target")
        pair.put("a", weekly())
        world.server.put("b", occurrence(pair.one("b"), 2, text=Text(title="Dentist, with Kim")))
        pair.edit("a", hours=3)
        world.look(pair.ids["a"])
        world.pull(pair.ids["a"])
        get = world.provider.get

        def meanwhile(*given: Any, **named: Any) -> Unit | None:
            unit = get(*given, **named)
            world.push(pair.ids["b"])
            return unit

        with monkeypatch.context() as racing:
            racing.setattr(world.provider, "get", meanwhile)
            world.look(pair.ids["b"])
            world.pull(pair.ids["b"])
        pair.sync()

        for name in ("a", "b"):
            assert pair.one(name).span == weekly().span
            assert [one.text and one.text.title for one in pair.all(name) if one.is_override] == ["Dentist, with Kim"]
        pair.quiet()
