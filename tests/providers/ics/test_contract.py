"""What the port promises of reading, held against a feed; what a feed cannot do is told below."""

from __future__ import annotations

import base64
import zlib
from typing import TYPE_CHECKING

import pytest

from shared.calendar.span import occurrence_key
from shared.core.errors import CursorExpiredError
from tests.providers.contract_reading import ReadingContract
from tests.providers.ics.feed import published
from tests.providers.replica import WINDOW, happenings
from tests.providers.samples import MONDAYS, at, event, get, key, replica, timed, weekly

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.providers.ics.feed import FeedWorld


@pytest.fixture
def world() -> Iterator[FeedWorld]:
    with published() as world:
        yield world


class TestIcs(ReadingContract):
    def test_a_cursor_that_was_forgotten_is_an_ordinary_event(self, world: FeedWorld) -> None:  # type: ignore[override]
        """A feed's cursor is ours and is never forgotten; one of another release is none of ours."""
        world.add(event("Before"))
        copy = replica(world)  # type: ignore[arg-type]
        copy.read()
        copy.cursor = base64.b64encode(zlib.compress(b'[0, "", "", {}, {}]')).decode()

        with pytest.raises(CursorExpiredError):
            copy.read()
        copy.cursor = None
        copy.read()

        assert copy.titles() == ["Before"]

    @pytest.mark.parametrize("reading", ["each time", "once"])
    def test_moved_and_cancelled_occurrences_are_read_in_every_order(  # type: ignore[override]
        self, world: FeedWorld, reading: str
    ) -> None:
        """As the contract has it, but that a cancelled occurrence is an EXDATE, and so no override."""
        series = world.add(weekly())
        copy = replica(world)  # type: ignore[arg-type]
        copy.read()

        for step in (
            lambda: world.move(series, MONDAYS[1], timed(at(25, 14))),
            lambda: world.cancel(series, MONDAYS[2]),
            lambda: world.retitle(series, "New name"),
        ):
            step()
            if reading == "each time":
                copy.read()
        copy.read()

        expected = [
            ("2026-03-16T08:00:00+00:00", "2026-03-16T09:00:00+00:00"),
            ("2026-03-25T13:00:00+00:00", "2026-03-25T14:00:00+00:00"),
            ("2026-04-06T07:00:00+00:00", "2026-04-06T08:00:00+00:00"),
        ]
        assert copy.happenings() == expected
        unit = get(world, series)  # type: ignore[arg-type]
        assert happenings(unit) == expected
        assert [occurrence_key(one.original_start) for one in unit.overrides if one.original_start] == MONDAYS[1:2]

    def test_a_deleted_series_is_gone_with_its_occurrences(self, world: FeedWorld) -> None:  # type: ignore[override]
        """As the contract has it, in a feed that still has another event: an empty one proves nothing."""
        series = world.add(weekly())
        world.add(event("Stays", timed(at(2))))
        world.move(series, MONDAYS[1], timed(at(25, 14)))
        copy = replica(world)  # type: ignore[arg-type]
        copy.read()

        world.remove(series)
        copy.read()

        assert copy.titles() == ["Stays"]
        assert len(copy.happenings()) == 1
        assert world.provider.get(world.calendar_id, series, window=WINDOW) is None

    def test_an_event_that_is_not_there_is_none(self, world: FeedWorld) -> None:  # type: ignore[override]
        event_id = world.add(event())
        world.add(event("Stays"))
        world.remove(event_id)

        assert world.provider.get(world.calendar_id, event_id, window=WINDOW) is None
        assert world.provider.get(world.calendar_id, key(404), window=WINDOW) is None
