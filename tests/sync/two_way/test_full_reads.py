"""A full read shows its window only; what was edited outside it, the cursor from before it tells, and stays so long."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from shared.core import clock
from shared.core.errors import CursorExpiredError, TransientError
from shared.core.lanes import Lane
from shared.providers.port import Page, Upserted
from shared.sync import pull
from shared.sync.store import calendars
from tests.sync.two_way.pair import Pair
from tests.sync.world import event

if TYPE_CHECKING:
    from shared.calendar.span import Window
    from tests.sync.world import World

EDITED = {"a": ["Dentist, with Kim"], "b": ["Dentist, with Kim"]}


@pytest.fixture
def past(world: World, monkeypatch: pytest.MonkeyPatch) -> Pair:
    """A pair with an event of last week, at a provider whose full reads show nothing of it."""
    changes = world.provider.changes

    def bounded(calendar_id: str, *, window: Window, **named: Any) -> Page:
        page = changes(calendar_id, window=window, **named)
        if named["cursor"] is not None:
            return page
        spans = {one.event.id: one.event.span for one in page.changes if isinstance(one, Upserted)}
        inside = {one for one, span in spans.items() if span and window.touches(span.starts_at(), span.ends_at())}
        return replace(
            page, changes=tuple(one for one in page.changes if isinstance(one, Upserted) and one.event.id in inside)
        )

    monkeypatch.setattr(world.provider, "changes", bounded)
    pair = Pair(world, privacy="full")
    pair.put("a", event("e1"))
    world.engine = replace(world.engine, now=lambda: clock.now() + timedelta(days=8))
    pair.sync()
    return pair


def read_in_full(pair: Pair, name: str) -> None:
    with pair.world.database.person(pair.world.user_id) as conn:
        calendars.request_full_read(conn, pair.ids[name], lane=Lane.REPAIR)


@pytest.mark.promise(5)
def test_an_edit_outside_the_window_of_a_full_read_flows_back(past: Pair):
    past.edit("b", title="Dentist, with Kim")
    read_in_full(past, "b")

    past.sync()

    assert past.titles() == EDITED
    past.quiet()


@pytest.mark.promise(5)
def test_what_is_edited_after_the_old_cursor_has_told_all_is_told_by_the_new_one(
    past: Pair, monkeypatch: pytest.MonkeyPatch
):
    read_in_full(past, "b")
    changes = past.world.provider.changes

    def edited_by_then(calendar_id: str, *, cursor: str | None, **named: Any) -> Page:
        page = changes(calendar_id, cursor=cursor, **named)
        if calendar_id == "b" and cursor is not None:
            past.edit("b", title="Dentist, with Kim")
        return page

    past.look("b")
    with monkeypatch.context() as racing:
        racing.setattr(past.world.provider, "changes", edited_by_then)
        past.world.pull(past.ids["b"])
    past.world.run()

    assert past.titles() == EDITED
    past.quiet()


@pytest.mark.promise(5)
def test_the_old_cursor_stays_until_it_has_told_all(past: Pair, monkeypatch: pytest.MonkeyPatch):
    past.edit("b", title="Dentist, with Kim")
    read_in_full(past, "b")
    changes = past.world.provider.changes

    def only_in_full(calendar_id: str, *, cursor: str | None, **named: Any) -> Page:
        if cursor is not None:
            raise TransientError("no answer")
        return changes(calendar_id, cursor=cursor, **named)

    with monkeypatch.context() as failing:
        failing.setattr(past.world.provider, "changes", only_in_full)
        past.sync()
    past.world.time_passes()
    past.sync()

    assert past.titles() == EDITED
    past.quiet()


@pytest.mark.promise(5)
def test_what_the_old_cursor_tells_may_take_several_looks(past: Pair, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(pull, "PAGES_PER_CALL", 1)
    past.world.server.page_size = 1
    past.edit("b", title="Dentist, with Kim")
    for number in range(3):
        past.world.put(past.ids["b"], event(f"e{number + 2}", hours=24 * (number + 9), title=f"new {number}"))
    read_in_full(past, "b")

    past.sync()

    assert past.titles() == {name: ["Dentist, with Kim", "new 0", "new 1", "new 2"] for name in "ab"}
    past.quiet()


@pytest.mark.promise(5)
def test_a_listing_of_the_old_cursor_that_is_behind_takes_nothing_back(pair: Pair, monkeypatch: pytest.MonkeyPatch):
    pair.put("a", event("e1"))
    before = pair.one("a")
    ((old,),) = pair.world.rows("SELECT sync_token FROM calendar_sync_state WHERE calendar_id = %s", pair.ids["a"])
    pair.edit("a", title="Dentist, with Kim")
    read_in_full(pair, "a")
    changes = pair.world.provider.changes

    def behind(calendar_id: str, *, cursor: str | None, **named: Any) -> Page:
        page = changes(calendar_id, cursor=cursor, **named)
        is_behind = (calendar_id, cursor) == ("a", old)
        return replace(page, changes=(Upserted(event=before),)) if is_behind else page

    monkeypatch.setattr(pair.world.provider, "changes", behind)
    pair.sync()

    assert pair.titles() == EDITED
    pair.quiet()


@pytest.mark.promise(5)
def test_an_old_cursor_that_expires_costs_no_other_full_read(past: Pair, monkeypatch: pytest.MonkeyPatch):
    past.world.put(past.ids["b"], event("e2", hours=24 * 9, title="next week"))
    read_in_full(past, "b")
    ((old,),) = past.world.rows("SELECT sync_token FROM calendar_sync_state WHERE calendar_id = %s", past.ids["b"])
    changes, read = past.world.provider.changes, []

    def expired(calendar_id: str, *, cursor: str | None, **named: Any) -> Page:
        if calendar_id == "b":
            read.append(cursor)
        if cursor == old:
            raise CursorExpiredError("410")
        return changes(calendar_id, cursor=cursor, **named)

    monkeypatch.setattr(past.world.provider, "changes", expired)
    past.sync()

    assert past.titles() == {name: ["Dentist", "next week"] for name in "ab"}
    assert [read.count(None), read.count(old)] == [1, 1]
    past.quiet()
