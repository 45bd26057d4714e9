"""What follows when somebody changes or deletes a mirror by hand (pain 16)."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from shared.calendar.event import Response, Status, Text
from shared.calendar.span import occurrence_key
from shared.core.errors import ForbiddenError
from shared.core.lanes import Lane
from shared.sync import undo
from shared.sync.asking import requests
from shared.sync.asking.requests import By
from shared.sync.store import calendars
from tests.sync.world import NOW, World, by, event

if TYPE_CHECKING:
    from shared.sync.links import Link

pytestmark = pytest.mark.pain(16)


@pytest.fixture
def world(database):
    return World(database)


def change(world: World, link: Link, **changes: Any) -> None:
    ada = By(user_id=world.user_id, actor="person:ada", correlation_id="test", now=NOW)
    requests.change_link(world.engine, ada, link.id, version=None, changes=changes)
    world.run()


def look(world: World, *calendars) -> None:
    world.look(*calendars)
    world.run()


def reset(world: World, *places) -> None:
    """Every cursor is forgotten, and all is read anew."""
    world.server.expire_cursors()
    with world.database.person(world.user_id) as conn:
        for one in places:
            calendars.request_full_read(conn, one, lane=Lane.REPAIR)
    look(world, *places)


def titles(world: World, calendar) -> list[str]:
    return sorted(one.text.title for one in world.mirrors(calendar))


def edit(world: World, calendar, title: str) -> None:
    (mirror,) = world.mirrors(calendar)
    world.put(calendar, replace(mirror, text=Text(title=title)))


class TestEdited:
    @pytest.mark.pain(16)
    def test_it_is_put_right_unless_the_link_says_otherwise(self, world):
        a, b = world.calendar("a"), world.calendar("b")
        world.put(a, event("e1"))
        world.link(a, b)

        edit(world, b, "Mine")
        look(world, b)

        assert titles(world, b) == ["Busy"]

    def test_it_is_left_until_its_source_changes(self, world):
        a, b = world.calendar("a"), world.calendar("b")
        world.put(a, event("e1"))
        world.link(a, b, on_edit="leave")
        writes = len(world.server.writes)

        edit(world, b, "Mine")
        look(world, b)
        reset(world, a, b)
        kept = titles(world, b)
        written = len(world.server.writes) - writes
        world.put(a, event("e1", hours=30))
        look(world, a)

        assert (kept, written) == (["Mine"], 0)
        assert titles(world, b) == ["Busy"]

    def test_a_tightened_link_rewrites_it_all_the_same(self, world):
        a, b = world.calendar("a"), world.calendar("b")
        world.put(a, event("e1"))
        link = world.link(a, b, privacy="title", on_edit="leave")
        edit(world, b, "Dentist, with Ada")
        look(world, b)

        change(world, link, privacy="busy")

        assert titles(world, b) == ["Busy"]


class TestDeleted:
    @pytest.mark.pain(16)
    def test_it_is_ignored_across_changes_resets_and_full_reads(self, world):
        a, b = world.calendar("a"), world.calendar("b")
        world.put(a, event("e1"))
        world.put(a, event("e2", hours=26))
        link = world.link(a, b, on_delete="ignore")
        gone = world.mirrors(b)[0].id

        world.server.remove("b", gone)
        look(world, b)
        reset(world, a, b)
        for name in ("e1", "e2"):
            world.put(a, event(name, hours=30))
        look(world, a)
        change(world, link, privacy="title")
        reset(world, a, b)

        assert titles(world, b) == ["Dentist"]
        assert world.rows("SELECT state FROM event_mappings ORDER BY state") == [("ignored",), ("open",)]

    def test_a_full_read_proves_it_by_asking_for_it(self, world):
        a, b = world.calendar("a"), world.calendar("b")
        world.put(a, event("e1"))
        world.link(a, b, on_delete="ignore")

        world.server.remove("b", world.mirrors(b)[0].id)
        reset(world, b)
        world.put(a, event("e1", hours=30))
        look(world, a)

        assert world.mirrors(b) == []

    def test_it_is_not_revived_by_a_change_of_its_source_that_comes_first(self, world):
        a, b = world.calendar("a"), world.calendar("b")
        world.put(a, event("e1"))
        world.link(a, b, on_delete="ignore")

        world.server.remove("b", world.mirrors(b)[0].id)
        world.put(a, event("e1", hours=30))
        look(world, a)
        look(world, a, b)

        assert world.mirrors(b) == []

    def test_it_comes_back_when_the_link_restores_again(self, world):
        a, b = world.calendar("a"), world.calendar("b")
        world.put(a, event("e1"))
        link = world.link(a, b, on_delete="ignore")
        world.server.remove("b", world.mirrors(b)[0].id)
        look(world, b)

        change(world, link, on_delete="restore")

        assert titles(world, b) == ["Busy"]

    def test_a_new_event_under_the_id_of_a_deleted_one_is_mirrored(self, world):
        a, b = world.calendar("a"), world.calendar("b")
        world.put(a, event("e1"))
        world.link(a, b, on_delete="ignore")
        world.server.remove("b", world.mirrors(b)[0].id)
        look(world, b)

        world.server.remove("a", "e1")
        look(world, a)
        world.put(a, event("e1"))
        look(world, a)

        assert titles(world, b) == ["Busy"]

    def test_an_occurrence_stays_out_when_the_series_is_written_anew(self, world):
        a, b = world.calendar("a"), world.calendar("b")
        series = event("s", recurrence=("RRULE:FREQ=DAILY;COUNT=4",))
        world.put(a, series)
        link = world.link(a, b, on_delete="ignore")
        (mirror,) = world.mirrors(b)
        place = event("s", hours=48).span.start
        key = occurrence_key(place)
        override = replace(
            mirror, id=f"{mirror.id}_{key}", series_id=mirror.id, original_start=place, recurrence=(), marker=None
        )

        world.put(b, replace(override, status=Status.CANCELLED, span=None))
        look(world, b)
        reset(world, a, b)
        world.put(a, replace(series, recurrence=("RRULE:FREQ=DAILY;COUNT=5",)))
        look(world, a)
        look(world, b)
        left_out = [one.id for one in world.server.visible("b") if one.is_override and one.is_cancelled]
        change(world, link, on_delete="restore")
        look(world, b)

        assert left_out == [override.id]
        assert not [one for one in world.server.visible("b") if one.is_override and one.is_cancelled]


class TestDeclined:
    @pytest.mark.pain(16)
    def test_the_invitation_behind_a_deleted_mirror_is_declined_once_and_journalled(self, world):
        a, b = world.calendar("a"), world.calendar("b")
        world.put(a, event("e1", response=Response.ACCEPTED))
        world.link(a, b, on_delete="decline")

        world.server.remove("b", world.mirrors(b)[0].id)
        look(world, b)
        look(world, a, b)
        reset(world, a, b)

        assert world.server.calendars["a"].events["e1"].response is Response.DECLINED
        assert [entry for entry in world.server.writes if entry[1] == "decline"] == [("a", "decline", "e1")]
        assert world.rows("SELECT count(*) FROM sync_journal WHERE operation = 'decline'") == [(1,)]
        assert world.mirrors(b) == []

    @pytest.mark.promise(12)
    def test_a_decline_stands_in_the_journal_before_it_is_sent(self, world, monkeypatch):
        class KilledError(BaseException):
            pass

        def kill(*arguments, **named):
            raise KilledError

        a, b = world.calendar("a"), world.calendar("b")
        world.put(a, event("e1", response=Response.ACCEPTED))
        world.link(a, b, on_delete="decline")
        world.server.remove("b", world.mirrors(b)[0].id)
        with monkeypatch.context() as killing, pytest.raises(KilledError):
            killing.setattr(world.provider, "decline", kill)
            look(world, b)
        with world.database.everyone() as conn:
            conn.execute("UPDATE leases SET until = '-infinity'")

        first = world.rows("SELECT outcome FROM sync_journal WHERE operation = 'decline'")
        look(world, a)

        assert first == [("intended",)]
        assert world.rows("SELECT outcome FROM sync_journal WHERE operation = 'decline' ORDER BY id") == [
            ("intended",),
            ("accepted",),
        ]

    def test_a_decline_that_is_refused_leaves_the_journal_and_is_not_tried_again(self, world, monkeypatch):
        def refuse(*arguments, **named):
            raise ForbiddenError("Not yours.", gate="provider")

        a, b = world.calendar("a"), world.calendar("b")
        world.put(a, event("e1", response=Response.ACCEPTED))
        world.link(a, b, on_delete="decline")
        world.server.remove("b", world.mirrors(b)[0].id)
        monkeypatch.setattr(world.provider, "decline", refuse)

        look(world, b)
        look(world, a)

        assert world.rows("SELECT count(*) FROM sync_journal WHERE operation = 'decline'") == [(0,)]
        assert world.rows("SELECT done_at IS NOT NULL, last_error IS NOT NULL FROM source_writes") == [(True, True)]

    def test_a_run_that_declined_cannot_be_undone_and_says_so(self, world):
        a, b = world.calendar("a"), world.calendar("b")
        world.put(a, event("e1", response=Response.ACCEPTED))
        world.link(a, b, on_delete="decline")
        world.server.remove("b", world.mirrors(b)[0].id)
        look(world, b)
        look(world, a, b)
        ((run_id,),) = world.rows("SELECT run_id FROM sync_journal WHERE operation = 'decline'")

        made = undo.undo(world.engine, by(world), run_id)

        with world.database.person(world.user_id) as conn:
            (item,) = undo.items(conn, made.id)
        assert (item.outcome, (item.reason or "").partition(":")[0]) == ("refused", "UNDO.DECLINED")
        assert world.mirrors(b) == []

    def test_undoing_what_was_made_does_not_bring_back_what_somebody_deleted(self, world):
        a, b = world.calendar("a"), world.calendar("b")
        world.put(a, event("e1", title="One"))
        world.link(a, b, on_delete="ignore")
        world.put(a, event("e1", title="Two"))
        look(world, a)
        ((run_id,),) = world.rows("SELECT run_id FROM sync_journal ORDER BY id DESC LIMIT 1")
        world.server.remove("b", world.mirrors(b)[0].id)
        look(world, b)

        made = undo.undo(world.engine, by(world), run_id)
        world.run()

        with world.database.person(world.user_id) as conn:
            (item,) = undo.items(conn, made.id)
        assert (item.outcome, (item.reason or "").partition(":")[0]) == ("refused", "UNDO.CHANGED")
        assert world.mirrors(b) == []

    def test_an_event_of_ones_own_is_only_ignored(self, world):
        a, b = world.calendar("a"), world.calendar("b")
        world.put(a, event("e1"))
        world.link(a, b, on_delete="decline")

        world.server.remove("b", world.mirrors(b)[0].id)
        look(world, b)
        look(world, a, b)

        assert world.rows("SELECT count(*) FROM source_writes") == [(0,)]
        assert world.mirrors(b) == []

    def test_one_occurrence_is_declined_alone(self, world):
        a, b = world.calendar("a"), world.calendar("b")
        world.put(a, event("s", recurrence=("RRULE:FREQ=DAILY;COUNT=4",), response=Response.ACCEPTED))
        world.link(a, b, on_delete="decline")
        (mirror,) = world.mirrors(b)
        place = event("s", hours=48).span.start
        key = occurrence_key(place)

        gone = replace(mirror, id=f"{mirror.id}_{key}", series_id=mirror.id, original_start=place, recurrence=())
        world.put(b, replace(gone, status=Status.CANCELLED, span=None, marker=None))
        look(world, b)
        look(world, a, b)

        answers = {name: one.response for name, one in world.server.calendars["a"].events.items()}
        assert answers == {"s": Response.ACCEPTED, f"s_{key}": Response.DECLINED}

    def test_a_calendar_that_was_emptied_declines_nothing_more_than_a_few(self, world):
        a, b = world.calendar("a"), world.calendar("b")
        for n in range(20):
            world.put(a, event(f"e{n}", hours=24 + n, response=Response.ACCEPTED))
        world.link(a, b, on_delete="decline")

        for one in world.mirrors(b):
            world.server.remove("b", one.id)
        look(world, b)
        look(world, a, b)

        assert world.rows("SELECT count(*) FROM source_writes") == [(0,)]
        assert world.mirrors(b) == []
