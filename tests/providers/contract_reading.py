"""The part of the contract about reading: changes, cursors, series, single events."""

from __future__ import annotations

from itertools import permutations
from typing import TYPE_CHECKING

import pytest

from shared.calendar.event import Availability, Text, Unit
from shared.calendar.span import occurrence_key
from shared.core.errors import (
    CursorExpiredError,
)
from shared.providers.port import (
    Removed,
    Upserted,
)
from tests.providers.replica import WINDOW, happenings
from tests.providers.samples import (
    MONDAYS,
    at,
    days,
    event,
    get,
    key,
    replica,
    timed,
    weekly,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from shared.calendar.span import Span
    from tests.providers.world import World


class ReadingContract:
    """What every provider does when it is read."""

    # Reading

    def test_an_empty_calendar_has_a_cursor(self, world: World) -> None:
        pages = replica(world).read()

        assert [page.changes for page in pages] == [()]
        assert pages[-1].cursor

    def test_everything_is_read_page_by_page(self, world: World) -> None:
        for number in range(7):
            world.add(event(f"Event {number}", timed(at(2 + number))))
        copy = replica(world, page_size=3)

        pages = copy.read()

        assert copy.titles() == [f"Event {number}" for number in range(7)]
        assert len(pages) >= 3
        assert not copy.skipped

    def test_only_what_changed_is_read_next(self, world: World) -> None:
        kept, renamed, deleted = (world.add(event(title)) for title in ("Kept", "Renamed", "Deleted"))
        copy = replica(world)
        copy.read()

        world.retitle(renamed, "New name")
        world.remove(deleted)
        added = world.add(event("Added"))
        changes = [change for page in copy.read() for change in page.changes]

        assert kept not in {change.event.id for change in changes if isinstance(change, Upserted)}
        assert {change.event.id for change in changes if isinstance(change, Upserted)} == {renamed, added}
        assert [change for change in changes if isinstance(change, Removed)] == [Removed(event_id=deleted)]
        assert copy.titles() == ["Added", "Kept", "New name"]

    def test_nothing_new_is_an_empty_page(self, world: World) -> None:
        world.add(event())
        copy = replica(world)
        copy.read()

        pages = [page for _ in range(3) for page in copy.read()]

        assert not any(page.changes or page.skipped for page in pages)

    def test_an_old_cursor_tells_the_same_changes_again(self, world: World) -> None:
        copy = replica(world)
        copy.read()
        before = copy.cursor
        world.add(event("Added"))

        copy.read()
        copy.cursor = before
        again = copy.read()

        assert [type(change) for page in again for change in page.changes] == [Upserted]
        assert copy.titles() == ["Added"]

    @pytest.mark.promise(5)
    def test_a_cursor_that_was_forgotten_is_an_ordinary_event(self, world: World) -> None:
        world.add(event("Before"))
        copy = replica(world)
        copy.read()
        world.forget_cursors()

        with pytest.raises(CursorExpiredError):
            copy.read()
        copy.cursor = None
        copy.read()

        assert copy.titles() == ["Before"]

    def test_a_cursor_that_is_nonsense_has_expired(self, world: World) -> None:
        copy = replica(world)
        copy.cursor = "nonsense"

        with pytest.raises(CursorExpiredError):
            copy.read()

    @pytest.mark.parametrize(
        "span",
        [timed(at(2)), timed(at(2), minutes=0), days(2), days(2, 3), timed(at(2, zone="Asia/Kathmandu"), minutes=45)],
        ids=["timed", "zero length", "all-day", "three days", "odd zone"],
    )
    def test_spans_are_read_as_they_are(self, world: World, span: Span) -> None:
        event_id = world.add(event(span=span))
        copy = replica(world)

        copy.read()

        read = copy.roots[event_id].span
        assert read is not None
        assert (read.is_all_day, read.starts_at(), read.ends_at()) == (
            span.is_all_day,
            span.starts_at(),
            span.ends_at(),
        )

    def test_availability_is_read(self, world: World) -> None:
        free = world.add(event("Free", availability=Availability.FREE))
        busy = world.add(event("Busy"))
        copy = replica(world)

        copy.read()

        assert copy.roots[free].availability is Availability.FREE
        assert copy.roots[busy].availability is Availability.BUSY

    # Series

    def test_a_series_is_one_event_with_a_rule(self, world: World) -> None:
        series = world.add(weekly())
        copy = replica(world)

        copy.read()

        assert copy.roots[series].is_series
        assert copy.happenings() == [
            ("2026-03-16T08:00:00+00:00", "2026-03-16T09:00:00+00:00"),
            ("2026-03-23T08:00:00+00:00", "2026-03-23T09:00:00+00:00"),
            ("2026-03-30T07:00:00+00:00", "2026-03-30T08:00:00+00:00"),
            ("2026-04-06T07:00:00+00:00", "2026-04-06T08:00:00+00:00"),
        ]

    @pytest.mark.pain(4)
    @pytest.mark.parametrize("order", list(permutations(("move", "cancel", "retitle"))), ids="-".join)
    @pytest.mark.parametrize("reading", ["each time", "once"])
    def test_moved_and_cancelled_occurrences_are_read_in_every_order(
        self, world: World, order: Sequence[str], reading: str
    ) -> None:
        series = world.add(weekly())
        copy = replica(world)
        copy.read()
        steps = {
            "move": lambda: world.move(series, MONDAYS[1], timed(at(25, 14))),
            "cancel": lambda: world.cancel(series, MONDAYS[2]),
            "retitle": lambda: world.retitle(series, "New name"),
        }

        for step in order:
            steps[step]()
            if reading == "each time":
                copy.read()
        copy.read()
        fresh = replica(world)
        fresh.read()

        expected = [
            ("2026-03-16T08:00:00+00:00", "2026-03-16T09:00:00+00:00"),
            ("2026-03-25T13:00:00+00:00", "2026-03-25T14:00:00+00:00"),
            ("2026-04-06T07:00:00+00:00", "2026-04-06T08:00:00+00:00"),
        ]
        assert copy.happenings() == expected
        assert fresh.happenings() == expected
        assert copy.titles() == fresh.titles() == ["New name"]
        unit = get(world, series)
        assert happenings(unit) == expected
        assert [occurrence_key(one.original_start) for one in unit.overrides if one.original_start] == MONDAYS[1:3]
        assert len(unit.overrides) == 2

    def test_an_occurrence_moved_and_then_cancelled_is_gone(self, world: World) -> None:
        series = world.add(weekly())
        copy = replica(world)
        copy.read()

        world.move(series, MONDAYS[1], timed(at(25, 14)))
        copy.read()
        world.cancel(series, MONDAYS[1])
        copy.read()

        assert [start[:10] for start, _ in copy.happenings()] == ["2026-03-16", "2026-03-30", "2026-04-06"]

    @pytest.mark.pain(6)
    def test_an_all_day_series_keeps_its_dates(self, world: World) -> None:
        series = world.add(weekly("Bins", days(16)))
        world.move(series, "20260323", days(24))
        world.cancel(series, "20260330")
        copy = replica(world)

        copy.read()

        assert [start for start, _ in copy.happenings()] == [
            "2026-03-16T00:00:00+00:00",
            "2026-03-24T00:00:00+00:00",
            "2026-04-06T00:00:00+00:00",
        ]

    def test_a_deleted_series_is_gone_with_its_occurrences(self, world: World) -> None:
        series = world.add(weekly())
        world.move(series, MONDAYS[1], timed(at(25, 14)))
        copy = replica(world)
        copy.read()

        world.remove(series)
        copy.read()

        assert copy.happenings() == []
        assert world.provider.get(world.calendar_id, series, window=WINDOW) is None

    # Single events

    def test_an_event_that_is_not_there_is_none(self, world: World) -> None:
        event_id = world.add(event())
        world.remove(event_id)

        assert world.provider.get(world.calendar_id, event_id, window=WINDOW) is None
        assert world.provider.get(world.calendar_id, key(404), window=WINDOW) is None

    def test_an_event_is_got_as_it_is_listed(self, world: World) -> None:
        event_id = world.add(event("Dentist", text=Text(title="Dentist", location="Zürich")))
        copy = replica(world)
        copy.read()

        unit = get(world, event_id)

        assert unit == Unit(root=copy.roots[event_id])
