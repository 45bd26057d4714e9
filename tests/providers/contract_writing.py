"""The part of the contract about mirrors: insert, update, delete, and what is done to occurrences."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from shared.calendar.event import Availability, Text
from shared.core.errors import (
    ConflictError,
    PreconditionFailedError,
    TransientError,
)
from shared.providers.port import (
    CancelOccurrence,
    Delete,
    Insert,
    Update,
    Upserted,
    Write,
    WriteOccurrence,
    Written,
)
from tests.providers.replica import WINDOW, happenings
from tests.providers.samples import (
    MARKER,
    MONDAYS,
    accepted,
    at,
    days,
    event,
    get,
    insert,
    key,
    refused,
    replica,
    timed,
    weekly,
    write,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from shared.calendar.span import Span
    from tests.providers.world import World


class WritingContract:
    """What every provider does with a mirror."""

    # Writing

    def test_a_mirror_is_written_and_read_back(self, world: World) -> None:
        written = insert(world, event("Busy"))
        copy = replica(world)
        copy.read()

        assert world.titles() == ["Busy"]
        assert written.marker == MARKER
        assert written.etag
        assert get(world, written.id).root.marker == MARKER
        listed = copy.roots[written.id]
        assert listed.marker == MARKER or listed.claims_marker

    def test_a_mirror_that_is_as_we_left_it_need_not_be_told(self, world: World) -> None:
        copy = replica(world)
        copy.read()
        kept, changed = insert(world, event("Kept"), 1), insert(world, event("Changed"), 2)
        world.retitle(changed.id, "By hand")
        asked: dict[str, str] = {}

        def as_left(etags: Mapping[str, str]) -> set[str]:
            asked.update(etags)
            return {one.id for one in (kept, changed) if etags.get(one.id) == one.etag}

        page = world.provider.changes(world.calendar_id, cursor=copy.cursor, page=None, window=WINDOW, as_left=as_left)
        told = {change.event.id: change.event for change in page.changes if isinstance(change, Upserted)}

        assert told[changed.id].text is not None
        assert told[changed.id].text.title == "By hand"
        assert kept.id not in told if asked else told[kept.id].etag == kept.etag

    @pytest.mark.promise(2)
    @pytest.mark.pain(2)
    def test_the_same_key_never_makes_two(self, world: World) -> None:
        first = insert(world, event("Busy"))
        again = insert(world, event("Busy, later"), retried=True)

        assert again.id == first.id
        assert world.titles() == ["Busy, later"]

    @pytest.mark.promise(2)
    @pytest.mark.pain(2)
    def test_a_mirror_whose_answer_was_lost_is_found_again(self, world: World) -> None:
        world.faults(commit_then_504=1.0)
        lost = refused(write(world, Insert(key=key(1), marker=MARKER, appearance=event("Busy")))[0])
        world.faults(commit_then_504=0.0)

        insert(world, event("Busy"), retried=True)

        assert isinstance(lost, TransientError)
        assert world.titles() == ["Busy"]

    def test_a_mirror_that_was_deleted_can_come_back_under_its_key(self, world: World) -> None:
        written = insert(world, weekly("Busy"))
        world.remove(written.id)

        insert(world, event("Busy again"), retried=True)

        assert world.titles() == ["Busy again"]

    def test_an_update_changes_everything_in_place(self, world: World) -> None:
        full = Text(title="Review", description="What we said", location="Zürich")
        written = insert(world, event(text=full))
        changed = event("Busy", days(5, 2), availability=Availability.FREE)

        update = Update(event_id=written.id, marker=MARKER, appearance=changed, etag=written.etag)
        updated = accepted(write(world, update)[0]).event

        assert updated is not None
        assert updated.id == written.id
        assert updated.span == days(5, 2)
        assert updated.text is not None
        assert (updated.text.title, updated.text.description.strip(), updated.text.location) == ("Busy", "", "")
        assert updated.availability is Availability.FREE
        assert updated.marker == MARKER
        assert updated.etag != written.etag
        assert world.titles() == ["Busy"]

    def test_a_single_mirror_becomes_a_series_and_single_again(self, world: World) -> None:
        written = insert(world, event("Busy"))

        write(world, Update(event_id=written.id, marker=MARKER, appearance=weekly("Busy")))
        as_series = happenings(get(world, written.id))
        accepted(write(world, Update(event_id=written.id, marker=MARKER, appearance=event("Busy")))[0])

        assert len(as_series) == 4
        assert happenings(get(world, written.id)) == [("2026-03-02T08:00:00+00:00", "2026-03-02T09:00:00+00:00")]

    def test_an_update_of_what_changed_meanwhile_is_refused(self, world: World) -> None:
        written = insert(world, event("Busy"))
        world.retitle(written.id, "Mine now")

        update = Update(event_id=written.id, marker=MARKER, appearance=event("Busy"), etag=written.etag)
        error = refused(write(world, update)[0])

        assert isinstance(error, PreconditionFailedError)
        assert world.titles() == ["Mine now"]

    @pytest.mark.parametrize("knows_etag", [True, False])
    def test_a_mirror_is_deleted_and_deleting_it_again_is_success(self, world: World, knows_etag: bool) -> None:
        written = insert(world, event("Busy"))
        delete = Delete(event_id=written.id, marker=MARKER, etag=written.etag if knows_etag else None)

        outcomes = [write(world, delete)[0] for _ in range(2)]

        assert outcomes == [Written(event_id=written.id, event=None)] * 2
        assert world.titles() == []

    @pytest.mark.parametrize("knows_etag", [True, False])
    def test_a_mirror_that_changed_meanwhile_is_still_ours_to_delete(self, world: World, knows_etag: bool) -> None:
        written = insert(world, event("Busy"))
        world.retitle(written.id, "Renamed by hand")

        delete = Delete(event_id=written.id, marker=MARKER, etag=written.etag if knows_etag else None)
        accepted(write(world, delete)[0])

        assert world.titles() == []

    @pytest.mark.promise(1)
    @pytest.mark.pain(1, 15)
    def test_what_is_not_ours_is_never_deleted(self, world: World) -> None:
        foreign = world.add(event("Not ours"))
        other = insert(world, event("Of another link"))

        outcomes = write(
            world,
            Delete(event_id=foreign, marker=MARKER),
            Delete(event_id=other.id, marker="v1.other.c2lnbmF0dXJl"),
        )

        assert [type(refused(outcome)) for outcome in outcomes] == [ConflictError, ConflictError]
        assert world.titles() == ["Not ours", "Of another link"]

    def test_answers_come_in_the_order_of_the_writes(self, world: World) -> None:
        foreign = world.add(event("Not ours"))
        inserts: list[Write] = [
            Insert(key=key(number), marker=MARKER, appearance=event(f"Busy {number:02}", timed(at(2 + number % 20))))
            for number in range(1, 61)
        ]
        writes = [*inserts[:30], Delete(event_id=foreign, marker=MARKER), *inserts[30:]]

        outcomes = write(world, *writes)

        error = outcomes.pop(30)
        assert isinstance(refused(error), ConflictError)
        titles = [
            written.event.text.title for written in map(accepted, outcomes) if written.event and written.event.text
        ]
        assert titles == [f"Busy {number:02}" for number in range(1, 61)]
        assert len(world.titles()) == 61

    # Occurrences of mirrors

    @pytest.mark.pain(4)
    def test_an_occurrence_is_moved_moved_again_and_cancelled(self, world: World) -> None:
        series = insert(world, weekly("Busy"))

        def move(span: Span) -> None:
            one = WriteOccurrence(series_id=series.id, key=MONDAYS[1], appearance=event("Busy", span))
            accepted(write(world, one)[0])

        move(timed(at(24, 14)))
        moved = happenings(get(world, series.id))
        move(timed(at(25, 15), minutes=30))
        moved_again = happenings(get(world, series.id))
        cancel = CancelOccurrence(series_id=series.id, key=MONDAYS[1])
        outcomes = [write(world, cancel)[0] for _ in range(2)]

        assert moved[1] == ("2026-03-24T13:00:00+00:00", "2026-03-24T14:00:00+00:00")
        assert moved_again[1] == ("2026-03-25T14:00:00+00:00", "2026-03-25T14:30:00+00:00")
        assert [type(outcome) for outcome in outcomes] == [Written, Written]
        assert [start[:10] for start, _ in happenings(get(world, series.id))] == [
            "2026-03-16",
            "2026-03-30",
            "2026-04-06",
        ]

    def test_a_cancelled_occurrence_returns_with_its_rule_written_anew(self, world: World) -> None:
        series = insert(world, weekly("Busy"))
        write(world, CancelOccurrence(series_id=series.id, key=MONDAYS[1]))

        anew = Update(event_id=series.id, marker=MARKER, appearance=weekly("Busy"), rule_anew=True)
        accepted(write(world, anew)[0])
        returned = WriteOccurrence(series_id=series.id, key=MONDAYS[1], appearance=event("Busy", timed(at(23))))
        accepted(write(world, returned)[0])

        assert [start for start, _ in happenings(get(world, series.id))] == [
            "2026-03-16T08:00:00+00:00",
            "2026-03-23T08:00:00+00:00",
            "2026-03-30T07:00:00+00:00",
            "2026-04-06T07:00:00+00:00",
        ]

    def test_several_occurrences_are_written_together(self, world: World) -> None:
        series = insert(world, weekly("Busy"))

        outcomes = write(
            world,
            CancelOccurrence(series_id=series.id, key=MONDAYS[0]),
            WriteOccurrence(series_id=series.id, key=MONDAYS[1], appearance=event("Busy", timed(at(24, 8)))),
            CancelOccurrence(series_id=series.id, key=MONDAYS[3]),
        )

        assert all(isinstance(outcome, Written) for outcome in outcomes)
        assert [start for start, _ in happenings(get(world, series.id))] == [
            "2026-03-24T07:00:00+00:00",
            "2026-03-30T07:00:00+00:00",
        ]

    def test_an_occurrence_of_an_all_day_mirror_is_moved(self, world: World) -> None:
        series = insert(world, weekly("Busy", days(16)))

        one = WriteOccurrence(series_id=series.id, key="20260323", appearance=event("Busy", days(24)))
        accepted(write(world, one)[0])

        assert [start[:10] for start, _ in happenings(get(world, series.id))] == [
            "2026-03-16",
            "2026-03-24",
            "2026-03-30",
            "2026-04-06",
        ]

    def test_a_new_title_of_a_series_keeps_its_occurrences(self, world: World) -> None:
        series = insert(world, weekly("Busy"))
        write(world, CancelOccurrence(series_id=series.id, key=MONDAYS[0]))

        accepted(write(world, Update(event_id=series.id, marker=MARKER, appearance=weekly("Renamed")))[0])

        assert world.titles() == ["Renamed"]
        assert len(happenings(get(world, series.id))) == 3
