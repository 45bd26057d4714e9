"""Edits of mirrors flow back to their sources, once, and nothing else does."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from shared.calendar.event import Response, Status, Text
from shared.calendar.span import TimedSpan
from shared.core import clock
from shared.core.errors import InvalidError, TransientError
from shared.providers.port import Amend
from shared.sync import dispatch, reconciliation
from tests.sync.two_way.pair import Pair, weekly
from tests.sync.world import by, event, occurrence

if TYPE_CHECKING:
    from shared.calendar.event import Unit
    from tests.sync.world import World


def test_an_edit_of_a_mirror_changes_its_source_and_then_all_is_quiet(pair: Pair):
    pair.put("a", event("e1"))

    pair.edit("b", title="Dentist, with Kim", hours=2)
    pair.sync("b")

    assert pair.titles() == {"a": ["Dentist, with Kim"], "b": ["Dentist, with Kim"]}
    assert pair.one("a").span == pair.one("b").span == replace(event("e1", hours=26).span)
    assert [write[:2] for write in pair.writes()] == [("b", "insert"), ("a", "amend")]
    pair.quiet()


def test_events_go_both_ways_and_mirrors_are_not_mirrored(pair: Pair):
    pair.put("a", event("e1", title="of a"))
    pair.put("b", event("e2", title="of b"))

    assert pair.titles() == {"a": ["of a", "of b"], "b": ["of a", "of b"]}
    pair.quiet()


def test_edits_of_different_fields_on_both_sides_merge(pair: Pair):
    pair.put("a", event("e1"))

    pair.edit("a", location="Side Street 2")
    pair.edit("b", title="Dentist, at last")
    pair.sync()

    for name in ("a", "b"):
        text = pair.one(name).text
        assert text is not None
        assert (text.title, text.location) == ("Dentist, at last", "Side Street 2")
    assert pair.world.rows("SELECT count(*) FROM conflicts") == [(0,)]
    pair.quiet()


@pytest.mark.parametrize(
    ("policy", "last", "expected"),
    [
        ("source", "b", "by a"),
        ("target", "a", "by b"),
        ("newest", "a", "by a"),
        ("newest", "b", "by b"),
    ],
)
def test_what_both_sides_changed_goes_by_the_policy_and_both_values_are_kept(
    world: World, policy: str, last: str, expected: str
):
    pair = Pair(world, privacy="full", on_conflict=policy)
    pair.put("a", event("e1"))

    for name in ("b", "a") if last == "a" else ("a", "b"):
        pair.edit(name, title=f"by {name}")
    pair.sync()

    assert pair.titles() == {"a": [expected], "b": [expected]}
    winner = "source" if expected == "by a" else "target"
    assert world.rows("SELECT field, winner, decided_by, resolved_at IS NOT NULL FROM conflicts") == [
        ("title", winner, "policy", True)
    ]
    pair.quiet()


@pytest.mark.pain(18)
def test_in_a_masked_link_only_what_it_shows_flows_back(world: World):
    pair = Pair(world, privacy="busy")
    pair.put("a", event("e1", title="Therapy"))

    pair.edit("b", title="Lunch?", location="Cafe", hours=1)
    pair.sync()

    mine, theirs = pair.one("a"), pair.one("b")
    assert mine.text is not None
    assert theirs.text is not None
    assert (mine.text.title, mine.text.location) == ("Therapy", "Main Street 1")
    assert mine.span == theirs.span == event("e1", hours=25).span
    assert (theirs.text.title, theirs.text.location) == ("Busy", "")
    pair.quiet()


@pytest.mark.pain(18)
def test_an_edit_of_hidden_text_alone_is_put_right_and_reaches_nobody(world: World):
    pair = Pair(world, privacy="busy")
    pair.put("a", event("e1", title="Therapy"))

    pair.edit("b", title="Lunch?")
    pair.sync()

    assert pair.titles() == {"a": ["Therapy"], "b": ["Busy"]}
    assert not [write for write in pair.writes() if write[0] == "a"]
    pair.quiet()


def test_a_title_with_words_of_ours_around_it_does_not_flow_back(world: World):
    pair = Pair(world, privacy="full", title_template="Blocked: {title}")
    pair.put("a", event("e1"))

    pair.edit("b", title="Blocked: something else", location="Side Street 2")
    pair.sync()

    assert pair.titles() == {"a": ["Dentist"], "b": ["Blocked: Dentist"]}
    text = pair.one("a").text
    assert text is not None
    assert text.location == "Side Street 2"
    pair.quiet()


class TestSeries:
    def test_an_occurrence_moved_in_the_mirror_moves_in_the_source(self, pair: Pair):
        pair.put("a", weekly())
        mirror = pair.one("b")
        moved = occurrence(mirror, 2, text=Text(title="Dentist, later"))
        assert isinstance(moved.span, TimedSpan)
        later = replace(
            moved.span, start=moved.span.start + timedelta(hours=3), end=moved.span.end + timedelta(hours=3)
        )

        pair.world.server.put("b", replace(moved, span=later))
        pair.sync()

        (of_source,) = [one for one in pair.all("a") if one.is_override]
        assert of_source.span == later
        assert of_source.text is not None
        assert of_source.text.title == "Dentist, later"
        pair.quiet()

    def test_an_occurrence_deleted_in_the_mirror_comes_back_unless_the_link_says_otherwise(self, pair: Pair):
        pair.put("a", weekly())
        gone = occurrence(pair.one("b"), 2, status=Status.CANCELLED)

        pair.world.server.put("b", gone)
        pair.sync()

        assert not [one for one in pair.all("b") if one.is_cancelled]
        assert not [one for one in pair.all("a") if one.is_override]
        pair.quiet()

    def test_an_occurrence_deleted_in_a_mirror_that_was_moved_comes_back_at_its_new_time(self, pair: Pair):
        pair.put("a", weekly())
        pair.edit("b", hours=2)

        pair.world.server.put("b", occurrence(pair.one("b"), 2, status=Status.CANCELLED))
        pair.sync()

        assert pair.one("a").span == pair.one("b").span == event("series", hours=26).span
        assert not [one for name in "ab" for one in pair.all(name) if one.is_cancelled]
        pair.quiet()

    def test_our_own_write_that_was_cut_short_is_nobodys_edit(self, pair: Pair):
        pair.put("a", weekly())
        pair.put("a", occurrence(weekly(), 1, text=Text(title="Dentist, first")))
        with pair.world.database.everyone() as conn:
            conn.execute("UPDATE event_mappings SET requested = requested + 1, applied = NULL")
            conn.execute("UPDATE sync_journal SET outcome = 'intended'")
        (mirror,) = pair.roots("b")
        (differs,) = [one for one in pair.all("b") if one.is_override]

        pair.world.server.put("b", replace(mirror, recurrence=()))
        del pair.world.server.calendars["b"].events[differs.id]
        del pair.world.server.calendars["b"].changed_at[differs.id]
        pair.sync()

        for name in "ab":
            (root,) = pair.roots(name)
            assert root.recurrence == weekly().recurrence
            (kept,) = [one for one in pair.all(name) if one.is_override]
            assert kept.text is not None
            assert kept.text.title == "Dentist, first"

    def test_an_occurrence_deleted_in_the_mirror_is_taken_out_of_the_source_where_deletions_flow_back(
        self, world: World
    ):
        pair = Pair(world, privacy="full", on_delete="withdraw")
        pair.put("a", weekly())
        gone = occurrence(pair.one("b"), 2, status=Status.CANCELLED)

        world.server.put("b", gone)
        pair.sync()

        (of_source,) = [one for one in pair.all("a") if one.is_override]
        assert of_source.is_cancelled
        assert of_source.original_start == gone.original_start
        pair.quiet()

    def test_an_occurrence_that_was_deleted_by_hand_comes_back_as_its_series_is_by_then(self, pair: Pair):
        pair.put("a", weekly())
        pair.edit("b", title="Dentist, with Kim")
        pair.world.server.put("b", occurrence(pair.one("b"), 2, status=Status.CANCELLED))
        pair.sync()
        pair.sync()

        assert [one.text and one.text.title for one in pair.all("a")] == ["Dentist, with Kim"]
        assert {one.text.title for one in pair.all("b") if one.text} == {"Dentist, with Kim"}
        pair.quiet()

    def test_a_rule_shortened_in_the_mirror_is_shortened_in_the_source(self, pair: Pair):
        pair.put("a", weekly())

        pair.world.server.put("b", replace(pair.one("b"), recurrence=("RRULE:FREQ=WEEKLY;COUNT=3",)))
        pair.sync()

        assert pair.one("a").recurrence == ("RRULE:FREQ=WEEKLY;COUNT=3",)
        pair.quiet()


class TestRefused:
    def test_an_edit_of_what_somebody_else_organises_is_put_right_and_kept_to_be_read(self, pair: Pair):
        pair.put("a", event("e1", response=Response.ACCEPTED))

        pair.edit("b", title="Mine now")
        pair.sync()

        assert pair.titles() == {"a": ["Dentist"], "b": ["Dentist"]}
        assert pair.world.rows("SELECT field, winner, decided_by, resolved_at IS NOT NULL FROM conflicts") == [
            ("title", "source", "PROVIDER.NOT_ORGANIZER", True)
        ]
        assert pair.world.rows("SELECT count(*) FROM sync_journal WHERE operation = 'amend'") == [(0,)]
        pair.quiet()

    def test_a_source_that_changed_unseen_is_read_first(self, pair: Pair):
        pair.put("a", event("e1"))

        pair.edit("a", title="by a, unseen")
        pair.edit("b", location="Side Street 2")
        pair.sync("b")

        text = pair.one("a").text
        assert text is not None
        assert (text.title, text.location) == ("by a, unseen", "Side Street 2")
        pair.quiet()


class TestRefusedForNow:
    @pytest.mark.promise(10)
    def test_an_edit_that_the_source_does_not_take_now_waits_alone(self, pair: Pair):
        pair.put("a", event("e1"))
        pair.put("a", event("e2", title="other", hours=30))
        first = next(one for one in pair.roots("b") if one.text and one.text.title == "Dentist")
        other = next(one for one in pair.roots("b") if one.text and one.text.title == "other")

        def refuse(write: object) -> None:
            if isinstance(write, Amend) and write.event_id == "e1":
                raise TransientError("503 for this one", code="PROVIDER.UNAVAILABLE")

        pair.world.server.refuse = refuse
        pair.world.server.put("b", replace(first, text=Text(title="Dentist, edited")))
        pair.world.server.put("b", replace(other, text=Text(title="other, edited")))
        pair.world.put(pair.ids["a"], event("e3", title="third", hours=50))
        pair.sync()

        assert pair.titles()["a"] == ["Dentist", "other, edited", "third"]
        assert pair.titles()["b"] == ["Dentist, edited", "other, edited", "third"]
        assert pair.world.rows("SELECT status, error_count FROM external_calendar_connections") == [("active", 0)]

        pair.world.server.refuse = lambda write: None
        dispatch.dispatch(pair.world.engine, correlation_id="test", now=clock.now() + timedelta(hours=1))
        pair.world.run()

        assert pair.titles()["a"] == pair.titles()["b"] == ["Dentist, edited", "other, edited", "third"]
        pair.quiet()


class TestCopies:
    @pytest.mark.promise(4)
    def test_what_is_split_off_a_mirrored_series_is_an_event_of_its_own_and_nothing_is_lost(self, pair: Pair):
        pair.put("a", weekly())
        mirror = pair.one("b")
        third = occurrence(mirror, 3).span

        pair.world.server.put("b", replace(mirror, recurrence=("RRULE:FREQ=WEEKLY;COUNT=3",)))
        pair.world.server.put("b", replace(mirror, id="rest", span=third, recurrence=("RRULE:FREQ=WEEKLY;COUNT=3",)))
        pair.sync()

        rules = ("RRULE:FREQ=WEEKLY;COUNT=3",)
        for name in ("a", "b"):
            assert {one.span: one.recurrence for one in pair.roots(name)} == {mirror.span: rules, third: rules}
        pair.quiet()

        pair.world.server.remove("b", "rest")
        pair.sync()

        assert [one.span for one in pair.roots("a")] == [one.span for one in pair.roots("b")] == [mirror.span]

    def test_an_edit_of_the_mirror_of_a_copy_flows_back_to_the_copy(self, pair: Pair):
        pair.put("a", event("e1"))
        pair.world.server.put("b", replace(pair.one("b"), id="copy", text=Text(title="copied")))
        pair.sync()
        (made,) = [one for one in pair.roots("a") if one.marker]

        pair.world.server.put("a", replace(made, text=Text(title="copied, edited")))
        pair.sync()

        assert pair.titles() == {"a": ["Dentist", "copied, edited"], "b": ["Dentist", "copied, edited"]}
        pair.quiet()

    @pytest.mark.promise(1)
    def test_a_copy_is_nobodys_lost_mirror(self, pair: Pair):
        pair.put("a", event("e1"))
        pair.world.server.put("b", replace(pair.one("b"), id="copy", text=Text(title="copied")))
        pair.sync()
        reconciliation.reconcile(pair.world.engine, by(pair.world), None)
        pair.world.rounds()

        assert reconciliation.purge(pair.world.engine, by(pair.world), pair.ids["b"]) == 0
        pair.sync()

        assert pair.titles() == {"a": ["Dentist", "copied"], "b": ["Dentist", "copied"]}

    @pytest.mark.promise(4)
    def test_a_lost_mirror_is_nobodys_copy(self, pair: Pair):
        pair.put("a", event("e1"))
        reconciliation.reconcile(pair.world.engine, by(pair.world), None)
        # Made before the restore, and again after it.
        pair.world.server.put("b", replace(pair.one("b"), id="again"))
        pair.world.rounds()
        pair.sync()

        assert pair.world.rows("SELECT event_id, state FROM orphans") == [("again", "waiting")]
        assert pair.titles() == {"a": ["Dentist"], "b": ["Dentist", "Dentist"]}


class TestUnreadable:
    @pytest.mark.promise(10)
    def test_an_edit_of_what_nobody_can_read_any_more_waits_alone(self, pair: Pair, monkeypatch: pytest.MonkeyPatch):
        def unreadable(*given: Any, **named: Any) -> Unit | None:
            if given[:2] == ("a", "e1"):
                raise InvalidError("The times of the event are not understood.", code="EVENT.TIME")
            return get(*given, **named)

        pair.put("a", event("e1"))
        get = pair.world.provider.get
        with monkeypatch.context() as spoiled:
            spoiled.setattr(pair.world.provider, "get", unreadable)
            pair.edit("b", title="Dentist, with Kim")
            pair.world.put(pair.ids["a"], event("e2", title="another", hours=50))
            pair.sync()
        meanwhile = pair.titles()["b"]
        dispatch.dispatch(pair.world.engine, correlation_id="test", now=clock.now() + timedelta(hours=1))
        pair.world.run()

        assert meanwhile == ["Dentist, with Kim", "another"]
        assert pair.titles() == {"a": ["Dentist, with Kim", "another"], "b": ["Dentist, with Kim", "another"]}
        pair.quiet()
