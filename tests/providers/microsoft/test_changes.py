"""What following an Outlook calendar has of its own, at the simulator and with answers written by hand."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from shared.calendar.event import Status, Text
from shared.calendar.span import Window
from shared.core.errors import CursorExpiredError
from shared.providers.microsoft.writing import CATEGORY
from shared.providers.port import Insert, Removed, Upserted
from tests.providers.replica import WINDOW, Replica
from tests.providers.samples import MARKER, accepted, at, event, key, timed, weekly

if TYPE_CHECKING:
    from shared.calendar.event import Event
    from shared.providers.port import Page
    from tests.providers.microsoft.conftest import MicrosoftWorld

PACIFIC = "Pacific Standard Time"


def evenings(**changes: Any) -> dict[str, Any]:
    """Five in the afternoon in Los Angeles, every day for a month: the next day in UTC."""
    return {
        "start": {"dateTime": "2026-03-02T17:00:00", "timeZone": PACIFIC},
        "end": {"dateTime": "2026-03-02T18:00:00", "timeZone": PACIFIC},
        "recurrence": {
            "pattern": {"type": "daily", "interval": 1},
            "range": {
                "type": "numbered",
                "startDate": "2026-03-02",
                "numberOfOccurrences": 30,
                "recurrenceTimeZone": PACIFIC,
            },
        },
        **changes,
    }


def read(world: MicrosoftWorld, *, cursor: str | None = None, window: Window = WINDOW) -> Page:
    return world.provider.changes(world.calendar_id, cursor=cursor, page=None, window=window)


def only(page: Page) -> Upserted:
    (change,) = page.changes
    assert isinstance(change, Upserted)
    return change


def insert(world: MicrosoftWorld) -> Event:
    write = Insert(key=key(1), marker=MARKER, appearance=event("Busy"))
    (outcome,) = world.provider.write(world.calendar_id, [write])
    written = accepted(outcome).event
    assert written is not None
    return written


# Markers


def test_the_marker_of_a_mirror_is_read_although_a_delta_leaves_it_out(world: MicrosoftWorld) -> None:
    insert(world)

    found = only(read(world)).event

    assert (found.marker, found.claims_marker) == (MARKER, False)


def test_a_foreign_event_in_our_category_claims_a_marker_it_does_not_have(world: MicrosoftWorld) -> None:
    world.make(categories=[CATEGORY])

    found = only(read(world)).event

    assert (found.marker, found.claims_marker) == (None, True)


def test_a_window_leaves_out_marked_single_events_beyond_it(world: MicrosoftWorld) -> None:
    insert(world)
    year = datetime(2027, 1, 1, tzinfo=UTC)

    assert len(world.provider.find_marked(world.calendar_id, window=WINDOW)) == 1
    assert world.provider.find_marked(world.calendar_id, window=Window(start=year, end=None)) == []


def test_the_marker_of_a_mirrored_series_is_read(world: MicrosoftWorld) -> None:
    write = Insert(key=key(1), marker=MARKER, appearance=weekly("Busy"))
    world.provider.write(world.calendar_id, [write])

    assert only(read(world)).event.marker == MARKER


def test_a_mirror_reads_the_same_from_the_write_and_from_the_changes(world: MicrosoftWorld) -> None:
    written = insert(world)

    found = only(read(world)).event

    assert (found.span, found.text, found.availability, found.visibility) == (
        written.span,
        written.text,
        written.availability,
        written.visibility,
    )


# Requests


def test_single_events_cost_one_request_a_page(world: MicrosoftWorld) -> None:
    for number in range(50):
        world.make(subject=str(number))
    world.requests()

    page = read(world)

    assert (len(page.changes), page.requests, world.requests()) == (50, 1, 1)


def test_a_quiet_calendar_costs_one_request(world: MicrosoftWorld) -> None:
    world.make()
    cursor = read(world).cursor
    world.requests()

    page = read(world, cursor=cursor)

    assert (page.changes, page.requests, world.requests()) == ((), 1, 1)


def test_a_series_costs_one_request_however_many_occurrences_it_has(world: MicrosoftWorld) -> None:
    world.make(**evenings())

    assert read(world).requests == 2


# Series


def test_a_cancelled_evening_is_the_right_one_although_its_day_differs_in_utc(world: MicrosoftWorld) -> None:
    series = world.make(**evenings())
    world.change_occurrence(series, "2026-03-11T00:00:00Z", cancelled=True)  # 17:00 on the 10th there

    overrides = only(read(world)).overrides

    assert overrides is not None
    assert [(one.status, one.original_start) for one in overrides] == [
        (Status.CANCELLED, datetime(2026, 3, 11, 0, tzinfo=UTC))
    ]


def test_overrides_are_complete_beyond_the_window(world: MicrosoftWorld) -> None:
    series = world.make(**evenings())
    for day in (4, 29):
        world.change_occurrence(
            series, f"2026-03-{day + 1:02}T0{1 if day < 8 else 0}:00:00Z", subject=f"On the {day}th"
        )
    window = Window(start=datetime(2026, 3, 10, tzinfo=UTC), end=datetime(2026, 3, 20, tzinfo=UTC))

    overrides = only(read(world, window=window)).overrides

    assert overrides is not None
    assert [one.text.title for one in overrides if one.text] == ["On the 4th", "On the 29th"]


def test_a_changed_occurrence_is_told_with_its_series_once(world: MicrosoftWorld) -> None:
    series = world.make(**evenings(subject="Stand-up"))
    cursor = read(world).cursor
    world.change_occurrence(series, "2026-03-05T01:00:00Z", subject="Longer")

    page = read(world, cursor=cursor)

    assert only(page).event.id == series
    assert [one.text for one in only(page).overrides or ()] == [Text(title="Longer")]


# What the delta may do


@pytest.mark.parametrize(
    "switches",
    [{"replay_delta": True}, {"empty_pages": True}, {"split_series": True}, {"newer_fields": True}],
    ids=lambda switches: next(iter(switches)),
)
def test_replays_empty_pages_and_split_series_change_nothing(world: MicrosoftWorld, switches: dict[str, Any]) -> None:
    world.faults(**switches)
    series = world.add(weekly("Series"))
    kept = [world.add(event(f"Event {number}", timed(at(2 + number)))) for number in range(5)]
    replica = Replica(provider=world.provider, calendar_id=world.calendar_id, page_size=2)
    replica.read()

    world.cancel(series, "20260323T080000Z")
    world.remove(kept[0])
    world.retitle(kept[1], "Renamed")
    for _ in range(3):
        replica.read()

    assert replica.titles() == ["Event 2", "Event 3", "Event 4", "Renamed", "Series"]
    assert len(replica.happenings()) == 4 + 3
    assert not replica.skipped


def test_an_event_that_leaves_the_window_is_not_gone(world: MicrosoftWorld) -> None:
    event_id = world.make()
    cursor = read(world).cursor
    year = {
        name: {"dateTime": f"2030-03-02T{at_}:00:00", "timeZone": "UTC"}
        for name, at_ in (("start", "09"), ("end", "10"))
    }
    world.change(event_id, **year)

    page = read(world, cursor=cursor)

    assert not any(isinstance(change, Removed) for change in page.changes)
    assert [
        change.event.span.starts_at().year
        for change in page.changes
        if isinstance(change, Upserted) and change.event.span
    ] in ([2030], [])


@pytest.mark.parametrize("gone", ["syncStateNotFound", "resyncRequired"])
def test_a_forgotten_cursor_has_expired_however_graph_says_so(world: MicrosoftWorld, gone: str) -> None:
    world.faults(gone=gone)
    cursor = read(world).cursor
    world.forget_cursors()

    with pytest.raises(CursorExpiredError):
        read(world, cursor=cursor)


def test_a_window_needs_an_end_that_is_known(world: MicrosoftWorld) -> None:
    world.make()
    start = datetime(2026, 1, 1, tzinfo=UTC)

    assert len(read(world, window=Window(start=start, end=None)).changes) == 1
    assert len(read(world, window=Window(start=None, end=start.replace(year=2027))).changes) == 1
    with pytest.raises(ValueError, match="start or an end"):
        read(world, window=Window(start=None, end=None))
