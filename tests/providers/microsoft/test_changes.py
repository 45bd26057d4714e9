"""What following an Outlook calendar has of its own, at the simulator and with answers written by hand."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from shared.calendar.event import Status, Text
from shared.calendar.span import Window
from shared.core.errors import CursorExpiredError, TransientError
from shared.providers.microsoft.client import MicrosoftCalendar
from shared.providers.microsoft.writing import CATEGORY, MARKER_PROPERTY
from shared.providers.port import Insert, Removed, Upserted
from tests.providers.microsoft import answers, scripted
from tests.providers.microsoft.scripted import Received, Reply
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


# Answers written by hand


class Service:
    """Answers a delta with these items, and a GET of an event with what `events` holds; anything else is not found."""

    def __init__(self, *items: Any, **events: Any) -> None:
        self.items, self.events, self.link = list(items), events, "?$deltatoken=next"

    def __call__(self, request: Received) -> Reply:
        base = f"http://{request.headers['host']}/v1.0"
        if "/delta" in request.path:
            link = f"{base}/me/calendars/CAL/calendarView/delta{self.link}"
            return Reply(body={"value": self.items, "@odata.deltaLink": link})
        if request.path.endswith("/$batch"):
            found = [self._get(item["url"]) for item in request.body["requests"]]
            return Reply(
                body={
                    "responses": [
                        {"id": str(number), "status": one.status, "body": one.body} for number, one in enumerate(found)
                    ]
                }
            )
        return self._get(request.path)

    def _get(self, url: str) -> Reply:
        event_id = url.partition("?")[0].rpartition("/")[2]
        status, body = self.events.get(event_id, answers.load("errors")["ErrorItemNotFound"])
        return Reply(body=body, status=status)


def changes(service: Service, *, cursor: str | None = None) -> Page:
    with scripted.serve(service) as server:
        provider = MicrosoftCalendar(access_token="t", graph_endpoint=f"{server.base}/v1.0")
        return provider.changes("CAL", cursor=cursor, page=None, window=WINDOW)


def single(event_id: str, **more: Any) -> dict[str, Any]:
    return answers.load("single") | {"id": event_id} | more


def test_a_removed_event_is_gone_only_if_its_own_get_says_so() -> None:
    removed = [{"id": name, "@removed": {"reason": "deleted"}} for name in ("GONE", "MOVED")]

    page = changes(Service(*removed, MOVED=(200, single("MOVED"))))

    assert [change.event_id for change in page.changes if isinstance(change, Removed)] == ["GONE"]
    assert [change.event.id for change in page.changes if isinstance(change, Upserted)] == ["MOVED"]


@pytest.mark.parametrize("name", ["UnknownError", "ErrorInternalServerError", "GatewayTimeout", "ApplicationThrottled"])
def test_without_proof_the_cursor_stays_where_it_is(name: str) -> None:
    removed = {"id": "A", "@removed": {"reason": "deleted"}}

    with pytest.raises(TransientError):
        changes(Service(removed, A=tuple(answers.load("errors")[name])))


def test_a_removed_occurrence_makes_its_series_be_read() -> None:
    occurrence = single("OCC", type="exception", seriesMasterId="SERIES", originalStart="2026-03-06T01:00:00Z")
    master = answers.load("series") | {"id": "SERIES"}

    page = changes(Service({"id": "OCC", "@removed": {}}, OCC=(200, occurrence), SERIES=(200, master)))

    assert only(page).event.id == "SERIES"


def test_repeats_are_told_once_and_the_newest_wins() -> None:
    old, new = (
        single("A", subject=text, lastModifiedDateTime=f"2026-01-0{day}T00:00:00Z")
        for text, day in (("old", 1), ("new", 2))
    )

    page = changes(Service(new, old, new, old))

    assert only(page).event.text is not None
    assert only(page).event.text.title == "new"  # type: ignore[union-attr]


def test_what_is_both_there_and_removed_is_asked_for() -> None:
    page = changes(Service(single("A"), {"id": "A", "@removed": {}}))

    assert page.changes == (Removed(event_id="A"),)


def test_one_bad_item_is_skipped_alone_and_its_text_is_not_told() -> None:
    custom = "tzone://Microsoft/Custom"
    series = answers.load("series")
    unknown = series | {
        "id": "CUSTOM",
        "originalStartTimeZone": custom,
        "recurrence": {
            "pattern": series["recurrence"]["pattern"],
            "range": {"type": "noEnd", "recurrenceTimeZone": custom},
        },
    }
    items = [
        single("GOOD"),
        single("BAD", start="Dentist"),
        single("NO-TIME", start=None),
        {"subject": "Dentist"},
        {"id": "X", "seriesMasterId": "CUSTOM", "type": "occurrence"},
        {"id": "Y", "seriesMasterId": "FORBIDDEN", "type": "occurrence"},
    ]
    forbidden = tuple(answers.load("errors")["ErrorAccessDenied"])

    page = changes(Service(*items, CUSTOM=(200, unknown), FORBIDDEN=forbidden))

    assert only(page).event.id == "GOOD"
    assert [skipped.event_id for skipped in page.skipped] == ["BAD", "", "NO-TIME", "FORBIDDEN", "CUSTOM"]
    assert not any("Dentist" in skipped.reason for skipped in page.skipped)


def test_a_series_that_became_a_single_event_meanwhile_is_told_as_it_is() -> None:
    page = changes(Service({"id": "O", "seriesMasterId": "A", "type": "occurrence"}, A=(200, single("A"))))

    assert only(page).event.id == "A"
    assert not only(page).event.is_series


def test_the_cursor_holds_no_address_so_that_it_outlives_a_move() -> None:
    page = changes(Service())

    assert page.cursor == "/me/calendars/CAL/calendarView/delta?$deltatoken=next"
    assert changes(Service(), cursor=page.cursor).cursor == page.cursor


@pytest.mark.parametrize("cursor", ["x", "nonsense", "https://elsewhere.test/calendarView/delta"])
def test_a_cursor_that_is_not_graphs_is_not_sent(cursor: str) -> None:
    with pytest.raises(CursorExpiredError):
        changes(Service(), cursor=cursor)


def test_a_page_that_is_not_ours_is_not_sent() -> None:
    provider = MicrosoftCalendar(access_token="t", graph_endpoint="http://127.0.0.1:9/v1.0")

    for page in ("/me/calendars", "one /me/calendars", "2 https://elsewhere.test/"):
        with pytest.raises(CursorExpiredError):
            provider.changes("CAL", cursor=None, page=page, window=WINDOW)


def test_a_delta_link_that_graph_calls_malformed_has_expired() -> None:
    malformed = Reply(body={"error": {"code": "BadRequest", "message": "Badly formed token."}}, status=400)
    with scripted.serve(lambda _: malformed) as server:
        provider = MicrosoftCalendar(access_token="t", graph_endpoint=f"{server.base}/v1.0")

        with pytest.raises(CursorExpiredError):
            provider.changes(
                "CAL", cursor="/me/calendars/CAL/calendarView/delta?$deltatoken=x", page=None, window=WINDOW
            )


@pytest.mark.parametrize("links", [{}, {"@odata.nextLink": "x", "@odata.deltaLink": "x"}])
def test_a_page_that_does_not_say_how_to_go_on_is_passing(links: dict[str, str]) -> None:
    def script(request: Received) -> Reply:
        base = f"http://{request.headers['host']}/v1.0/me/calendars/CAL/calendarView/delta?"
        return Reply(body={"value": [], **{name: base + value for name, value in links.items()}})

    with scripted.serve(script) as server:
        provider = MicrosoftCalendar(access_token="t", graph_endpoint=f"{server.base}/v1.0")

        with pytest.raises(TransientError):
            provider.changes("CAL", cursor=None, page=None, window=WINDOW)


def test_a_marked_event_that_cannot_be_read_is_still_found() -> None:
    unreadable = single("A", start=None, singleValueExtendedProperties=[{"id": MARKER_PROPERTY, "value": "m"}])

    def script(request: Received) -> Reply:
        if "$filter" in request.path and "/events?" in request.path:
            return Reply(body={"value": [{"id": "A"}]})
        return Reply(body=unreadable)

    with scripted.serve(script) as server:
        provider = MicrosoftCalendar(access_token="t", graph_endpoint=f"{server.base}/v1.0")
        (found,) = provider.find_marked("CAL", window=WINDOW)

    assert (found.id, found.span, found.marker) == ("A", None, "m")
    assert json.dumps(server.received[0].path)
