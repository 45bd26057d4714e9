"""Why an event is mirrored or not, in the engine's own words."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest

from shared.calendar.event import Availability, Event, Response, Status
from shared.calendar.two_way import Winner
from shared.core import clock
from shared.core.errors import NotFoundError, TransientError
from shared.providers.port import Failed
from shared.sync import linking, pull
from shared.sync.asking import requests
from shared.sync.views import explain
from shared.sync.views.sentences import Verdict
from tests.sync.two_way.pair import Pair
from tests.sync.world import NOW, World, by, event

if TYPE_CHECKING:
    from uuid import UUID

    from shared.store.database import Database
    from shared.sync.views.explain import Explanation, LinkExplanation


@pytest.fixture
def world(database: Database) -> World:
    return World(database)


@pytest.fixture
def ends(world: World) -> tuple[UUID, UUID]:
    return world.calendar("a"), world.calendar("b")


def told(world: World, event_id: str) -> list[Explanation]:
    with world.database.person(world.user_id) as conn:
        return explain.explain(conn, world.engine.data_key, event_id, now=clock.now())


def of_link(world: World, event_id: str) -> LinkExplanation:
    ((link,),) = [one.links for one in told(world, event_id) if not one.is_mirror]
    return link


def test_a_mirrored_event_is_said_to_be_and_what_the_mask_hides_is_named_without_its_content(world, ends):
    world.put(ends[0], event("e1", title="Oncology", availability=Availability.OUT_OF_OFFICE))
    world.link(*ends, privacy="title")

    found = of_link(world, "e1")

    assert (found.verdict, found.todo, found.mirror_event_id) == (Verdict.MIRRORED, "", world.mirrors(ends[1])[0].id)
    assert found.hidden == ("description", "location")
    assert found.last_written_at is not None
    assert found.proven_at is not None
    assert "x-ray" not in repr(found)


def test_a_busy_link_hides_every_text_though_none_is_kept(world, ends):
    world.put(ends[0], event("e1", availability=Availability.OUT_OF_OFFICE))
    world.link(*ends)

    (found,) = told(world, "e1")

    assert found.title is None
    assert found.links[0].hidden == ("title", "description", "location", "availability")


@pytest.mark.parametrize(
    ("fields", "options", "reason", "says"),
    [
        ({"availability": Availability.FREE}, {}, "free", "shown as free"),
        ({"response": Response.DECLINED}, {}, "declined", "you have declined it"),
        ({"hours": 24 * 40}, {"days_ahead": 30}, "window", "outside the link's window"),
    ],
)
def test_what_is_not_mirrored_is_told_why(world, ends, fields, options, reason, says):
    world.put(ends[0], event("e1", **fields))
    world.link(*ends, **options)

    found = of_link(world, "e1")

    assert found.verdict is (Verdict.OUTSIDE if reason == "window" else Verdict.LEFT_OUT)
    assert found.reason == reason
    assert says in " ".join(found.sentences)
    assert bool(found.todo) is (reason != "declined")


def test_a_mirror_is_explained_with_its_source_and_is_itself_mirrored_nowhere(world, ends):
    c = world.calendar("c")
    world.put(ends[0], event("e1"))
    world.link(*ends)
    world.link(ends[1], c)
    (mirror,) = world.mirrors(ends[1])

    ours, source = told(world, mirror.id)

    assert (ours.is_mirror, ours.mirror_of, [one.verdict for one in ours.links]) == (True, "e1", [Verdict.MIRROR])
    assert "itself a mirror of an event in a" in ours.links[0].sentences[0]
    assert (source.event_id, [one.verdict for one in source.links]) == ("e1", [Verdict.MIRRORED])


def test_our_own_ids_name_the_same(world, ends):
    world.put(ends[0], event("e1"))
    world.link(*ends)
    rows = world.rows("SELECT id FROM external_calendar_events ORDER BY booking_id NULLS FIRST")

    source, mirror = (told(world, str(row[0])) for row in rows)

    assert [one.event_id for one in source] == ["e1"]
    assert [(one.event_id, one.is_mirror) for one in mirror] == [(world.mirrors(ends[1])[0].id, True), ("e1", False)]


def test_what_waits_says_since_when_what_went_wrong_and_when_it_goes_on(world, ends):
    world.put(ends[0], event("e1"))
    link = world.link(*ends)

    writing = world.provider.write
    world.provider.write = lambda calendar, writes: [Failed(error=TransientError("Graph answered 503."))] * len(writes)
    world.put(ends[0], event("e1", hours=30))
    world.look(ends[0])
    world.run()
    world.provider.write = writing

    found = of_link(world, "e1")

    assert (found.verdict, found.attempts, found.last_error) == (Verdict.WAITING, 1, "Graph answered 503.")
    assert found.due_since is not None
    assert found.last_attempt_at is not None
    assert found.next_attempt_at is not None
    assert found.next_attempt_at > clock.now() > found.due_since
    assert "tried once" in " ".join(found.sentences)
    with world.database.person(world.user_id) as conn:
        linking.set_state(conn, link.id, "paused")
    assert "kalends links resume" in of_link(world, "e1").todo


def test_a_backoff_of_an_account_is_told_with_what_waits(world, ends):
    world.put(ends[0], event("e1"))

    def down(write):
        raise TransientError("The provider is down.")

    world.server.before_write = down
    world.link(*ends)

    assert "The account of the target cannot be used now (error) until" in " ".join(of_link(world, "e1").sentences)


def test_a_held_a_frozen_and_a_skipped_one_say_so(world, ends):
    for number in range(20):
        world.put(ends[0], event(f"e{number}", hours=24 + number))
    world.put(ends[0], event("odd", recurrence=("RRULE:FREQ=SECONDLY",)))
    world.link(*ends)
    for number in range(15):
        world.server.remove("a", f"e{number}")
    world.look(ends[0])
    world.run()
    world.rows("UPDATE event_mappings SET state = 'frozen' WHERE source_event_id = 'e19' RETURNING 1")

    assert [of_link(world, one).verdict for one in ("e0", "e18", "e19", "odd")] == [
        Verdict.HELD,
        Verdict.MIRRORED,
        Verdict.FROZEN,
        Verdict.SKIPPED,
    ]
    assert "kalends held" in of_link(world, "e0").todo


def test_what_could_not_be_read_is_told_with_the_reason(world, ends):
    world.put(ends[0], event("e1"))
    world.link(*ends)
    world.rows(
        "UPDATE external_calendar_events SET sync_status = 'FAILED', last_error = 'It ends before it starts.'"
        " WHERE booking_id IS NULL RETURNING 1"
    )

    found = of_link(world, "e1")

    assert (found.verdict, found.sentences[1]) == (Verdict.SKIPPED, "It ends before it starts.")


def test_one_occurrence_that_is_taken_out_is_told_by_its_id_and_one_on_the_rule_by_its_series(world, ends):
    start = NOW + timedelta(days=1)
    series = event("s1", recurrence=("RRULE:FREQ=DAILY;COUNT=5",))
    third = start + timedelta(days=2)
    gone = Event(
        id=f"s1_{third:%Y%m%dT%H%M%SZ}", span=None, status=Status.CANCELLED, series_id="s1", original_start=third
    )
    free = replace(event("x", hours=24 * 4), availability=Availability.FREE)
    fourth = replace(
        free,
        id=f"s1_{start + timedelta(days=3):%Y%m%dT%H%M%SZ}",
        series_id="s1",
        original_start=start + timedelta(days=3),
    )
    for one in (series, gone, fourth):
        world.put(ends[0], one)
    world.link(*ends)

    cancelled, left_out, on_the_rule = (
        of_link(world, f"s1_{start + timedelta(days=day):%Y%m%dT%H%M%SZ}") for day in (2, 3, 1)
    )

    assert "This occurrence of the series is left out: it is cancelled." in cancelled.sentences
    assert "shown as free" in " ".join(left_out.sentences)
    assert on_the_rule.sentences == ("It is mirrored, and its mirror is up to date.",)


def test_an_unanswered_invitation_says_why_it_is_tentative(world, ends):
    world.put(ends[0], event("e1", response=Response.NEEDS_ACTION))
    world.link(*ends)

    assert "tentative" in " ".join(of_link(world, "e1").sentences)


def test_a_calendar_that_is_not_read_yet_says_so(world, ends):
    world.put(ends[0], event("e1"))
    world.link(*ends)
    c = world.calendar("c")
    with world.database.person(world.user_id) as conn:
        linking.create(conn, user_id=world.user_id, source_calendar_id=ends[0], target_calendar_id=c)

    ((_, new),) = [one.links for one in told(world, "e1")]

    assert (new.verdict, new.reason) == (Verdict.WAITING, "not planned yet")
    assert "being read" in " ".join(new.sentences)


def test_somebody_elses_event_is_not_there(world, ends, database):
    world.put(ends[0], event("e1"))
    world.link(*ends)

    with pytest.raises(NotFoundError), database.person(World(database).user_id) as conn:
        explain.explain(conn, world.engine.data_key, "e1", now=NOW)
    with pytest.raises(NotFoundError):
        told(world, str(uuid4()))


class TestEditsOfMirrors:
    @pytest.fixture
    def pair(self, world: World) -> Pair:
        pair = Pair(world, privacy="full", on_conflict="ask")
        pair.put("a", event("e1", title="Oncology"))
        return pair

    def test_one_that_waits_to_be_merged_is_said_to(self, pair: Pair):
        pair.edit("b", title="Surgery")
        pair.world.look(pair.ids["b"])
        message = pair.world.lanes.pull.messages.popleft()
        pull.pull(pair.world.engine, message.calendar_id, user_id=message.user_id, correlation_id="test")

        found = of_link(pair.world, "e1")

        assert (found.verdict, found.reason, found.due_since) == (Verdict.WAITING, "edit", None)
        assert found.sentences == ("Its mirror was changed by hand, and that waits to be merged into it.",)

    def test_a_conflict_names_its_fields_and_where_to_decide(self, pair: Pair):
        pair.edit("a", title="Surgery", hours=1)
        pair.edit("b", title="Holiday", hours=2)
        pair.sync()

        found = of_link(pair.world, "e1")

        assert (found.verdict, found.reason) == (Verdict.WAITING, "conflict")
        assert found.sentences[0].endswith("each keeps its own until you decide: title, its time.")
        assert "kalends conflicts resolve" in found.todo
        assert "Surgery" not in repr(found)

    def test_an_edit_that_was_refused_is_explained_in_words(self, pair: Pair):
        pair.world.server.put("a", replace(pair.one("a"), response=Response.ACCEPTED))
        pair.sync()
        pair.edit("b", title="Holiday")
        pair.sync()

        found = of_link(pair.world, "e1")

        assert found.verdict is Verdict.MIRRORED
        assert found.sentences[-1].startswith(
            "The last edit of its mirror was not taken (title): somebody else organises the event"
        )

    @pytest.mark.parametrize(
        ("winner", "why"), [("source", "you said that the source wins"), ("target", "")], ids=["source", "target"]
    )
    def test_who_decided_against_an_edit_is_told_and_nothing_if_it_was_taken(self, pair: Pair, winner: str, why: str):
        pair.edit("a", title="Surgery")
        pair.edit("b", title="Holiday")
        pair.sync()
        ((conflict,),) = pair.world.rows("SELECT id FROM conflicts")
        requests.resolve_conflict(pair.world.engine, by(pair.world), conflict, winner=Winner(winner))
        pair.world.run()

        found = of_link(pair.world, "e1")

        assert found.verdict is Verdict.MIRRORED
        assert [why in one for one in found.sentences[1:]] == ([True] if why else [])
