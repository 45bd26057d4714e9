"""A feed over real HTTP: conditional requests, refusals, and what its silence proves."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from shared import providers
from shared.core.errors import ForbiddenError, InvalidError, KalendsError, RateLimitedError, ReauthRequiredError
from shared.net.egress import Egress
from shared.providers.ics import fetching
from shared.providers.ics.client import CALENDAR_ID, IcsFeed
from shared.providers.port import UNREADABLE, Delete, Page, Removed, Upserted
from tests.providers.ics.feed import published
from tests.providers.replica import WINDOW
from tests.providers.samples import MARKER, MONDAYS, at, event, timed, weekly

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.providers.ics.feed import FeedWorld


@pytest.fixture
def world() -> Iterator[FeedWorld]:
    with published() as world:
        yield world


def read(world: FeedWorld, cursor: str | None = None) -> Page:
    return world.connect_again().changes(CALENDAR_ID, cursor=cursor, page=None, window=WINDOW)


def after(world: FeedWorld, cursor: str | None) -> tuple[set[str], set[str]]:
    """The ids that a look since `cursor` tells as there, and as gone."""
    changes = read(world, cursor).changes
    return (
        {one.event.id for one in changes if isinstance(one, Upserted)},
        {one.event_id for one in changes if isinstance(one, Removed)},
    )


def failure(world: FeedWorld, cursor: str | None = None) -> KalendsError:
    with pytest.raises(KalendsError) as caught:
        read(world, cursor)
    assert "secret" not in caught.value.message
    return caught.value


def test_a_feed_that_did_not_change_is_asked_conditionally_and_tells_nothing(world: FeedWorld) -> None:
    world.add(event())
    cursor = read(world).cursor

    again = read(world, cursor)

    assert world.answered == [200, 304]
    assert (again.changes, again.cursor) == ((), cursor)


def test_last_modified_serves_where_there_is_no_etag(world: FeedWorld) -> None:
    world.add(event())
    world.conditional, world.headers = False, {"Last-Modified": "Sun, 01 Mar 2026 00:00:00 GMT"}

    read(world, read(world).cursor)

    assert world.server.asked[-1][1]["if-modified-since"] == "Sun, 01 Mar 2026 00:00:00 GMT"


def test_a_server_without_validators_changes_nothing_but_bytes(world: FeedWorld) -> None:
    world.add(event())
    world.conditional = False

    page = read(world, read(world).cursor)

    assert world.answered == [200, 200]
    assert page.changes == ()


def test_what_vanishes_from_a_whole_feed_is_gone(world: FeedWorld) -> None:
    lost, kept = world.add(event("Lost")), world.add(event("Kept"))
    cursor = read(world).cursor
    world.remove(lost)

    assert after(world, cursor) == (set(), {lost})
    assert kept in world.mirrors


def test_what_is_past_may_be_forgotten_by_a_feed_without_being_gone(world: FeedWorld) -> None:
    past, _ = world.add(event("Past", timed(at(2, month=2)))), world.add(event("Kept"))
    cursor = read(world).cursor
    world.remove(past)

    assert after(world, cursor) == (set(), set())


@pytest.mark.promise(1)
@pytest.mark.pain(1)
def test_a_feed_that_is_suddenly_empty_deletes_nothing_and_goes_on_when_it_is_back(world: FeedWorld) -> None:
    first, second = world.add(event("First")), world.add(event("Second"))
    cursor = read(world).cursor
    kept, world.mirrors = world.mirrors, {}

    empty = read(world, cursor)
    world.mirrors = kept
    world.remove(first)

    assert empty.changes == ()
    assert after(world, empty.cursor) == (set(), {first})
    assert second in world.mirrors


@pytest.mark.promise(1)
@pytest.mark.pain(1)
def test_a_feed_that_breaks_off_deletes_nothing_wherever_it_does(world: FeedWorld) -> None:
    for number in range(5):
        world.add(event(f"Event {number}"))
    cursor = read(world).cursor
    whole = world.content()

    for length in range(whole.index(b"END:VEVENT"), len(whole) - 3, 37):
        world.body = whole[:length]
        page = read(world, cursor)
        assert not any(isinstance(change, Removed) for change in page.changes)


def test_after_a_feed_that_broke_off_a_whole_one_tells_what_is_gone(world: FeedWorld) -> None:
    gone, *_ = (world.add(event(f"Event {number}")) for number in range(3))
    cursor = read(world).cursor
    world.remove(gone)
    world.body = world.content()[:-20]
    broken = read(world, cursor)
    world.body = None

    assert after(world, broken.cursor) == (set(), {gone})


@pytest.mark.promise(10)
@pytest.mark.pain(20)
def test_an_item_that_became_unreadable_is_skipped_once_and_not_gone(world: FeedWorld) -> None:
    bad, _ = world.add(event("Bad")), world.add(event("Good"))
    cursor = read(world).cursor
    world.body = world.content().replace(b"DTSTART:20260302T080000Z", b"DTSTART:nonsense", 1)

    page = read(world, cursor)
    again = read(world, page.cursor)
    world.body = None

    assert page.changes == again.changes == again.skipped == ()
    assert [one.event_id for one in page.skipped] == [bad]
    assert after(world, page.cursor) == (set(), set())


def test_an_item_that_nobody_can_tell_from_others_proves_that_nothing_is_gone(world: FeedWorld) -> None:
    gone, _ = world.add(event("Gone")), world.add(event("Kept"))
    cursor = read(world).cursor
    world.remove(gone)
    world.body = world.content().replace(
        b"END:VCALENDAR", b"BEGIN:VEVENT\r\nno uid, no time\r\nEND:VEVENT\r\nEND:VCALENDAR"
    )

    assert after(world, cursor) == (set(), set())
    with pytest.raises(InvalidError):
        world.connect_again().get(CALENDAR_ID, gone, window=WINDOW)


def test_an_event_that_says_itself_that_it_is_cancelled_is_gone(world: FeedWorld) -> None:
    gone, _ = world.add(event("Gone")), world.add(event("Kept"))
    cursor = read(world).cursor
    world.body = world.content().replace(b"STATUS:CONFIRMED", b"STATUS:CANCELLED", 1)

    assert after(world, cursor) == (set(), {gone})
    assert world.connect_again().get(CALENDAR_ID, gone, window=WINDOW) is None


@pytest.mark.pain(19)
def test_an_override_that_became_unreadable_leaves_its_occurrence_as_it_was_known(world: FeedWorld) -> None:
    series = world.add(weekly())
    world.move(series, MONDAYS[1], timed(at(25, 14)))
    world.move(series, MONDAYS[2], timed(at(1, 14, month=4)))
    cursor = read(world).cursor
    world.body = world.content().replace(b"DTSTART;TZID=Europe/Berlin:20260325T140000", b"DTSTART:nonsense")

    page = read(world, cursor)

    # Not "these are all its overrides", for then the moved occurrence would go back to its place.
    told = [change for change in page.changes if isinstance(change, Upserted)]
    assert [change.overrides for change in told] == [None, None]
    assert len(page.skipped) == 1


def test_a_feed_that_changes_between_two_pages_is_told_in_the_end(world: FeedWorld) -> None:
    ids = [world.add(event(f"Event {number}")) for number in range(4)]
    first = world.connect_again().changes(CALENDAR_ID, cursor=None, page=None, window=WINDOW, page_size=2)
    world.retitle(ids[0], "New name")
    seen: list[str] = []
    page, cursor = first, first.cursor
    while cursor is None:
        page = world.connect_again().changes(CALENDAR_ID, cursor=None, page=page.next_page, window=WINDOW, page_size=2)
        seen += [one.event.id for one in page.changes if isinstance(one, Upserted)]
        cursor = page.cursor

    assert sorted(seen) == sorted(ids[:1] + ids[2:])
    assert after(world, cursor) == (set(), set())


@pytest.mark.parametrize(
    ("status", "kind", "code"),
    [
        (401, ReauthRequiredError, "AUTH.INVALID_TOKEN"),
        (403, ReauthRequiredError, "AUTH.INVALID_TOKEN"),
        (404, KalendsError, "FEED.NOT_FOUND"),
        (410, KalendsError, "FEED.NOT_FOUND"),
        (429, RateLimitedError, "RATE_LIMITED"),
        (500, KalendsError, "TRANSIENT"),
        (503, RateLimitedError, "RATE_LIMITED"),
        (204, KalendsError, "TRANSIENT"),
    ],
)
def test_refusals_say_what_to_do_and_delete_nothing(world: FeedWorld, status: int, kind: type, code: str) -> None:
    world.add(event())
    cursor = read(world).cursor
    world.status, world.headers = status, {"Retry-After": "120"}

    error = failure(world, cursor)

    assert isinstance(error, kind)
    assert error.error_code == code
    if isinstance(error, RateLimitedError):
        assert error.retry_after == 120


@pytest.mark.parametrize("body", [b"", b"<html>Sign in</html>", b"\x00\xff\xfe", b"BEGIN:VCARD\r\nEND:VCARD\r\n"])
def test_what_is_no_calendar_is_a_passing_failure(world: FeedWorld, body: bytes) -> None:
    world.body = body

    assert failure(world).error_code == UNREADABLE


def test_the_calendar_is_listed_read_only_by_the_name_that_it_gives_itself(world: FeedWorld) -> None:
    (listed,) = world.provider.list_calendars()

    assert (listed.id, listed.name, listed.can_write, listed.supports_push) == (CALENDAR_ID, "Team", False, False)
    assert world.provider.account().email == "localhost"
    assert world.provider.account().id == world.connect_again().account().id


def test_nobody_writes_to_a_feed_or_watches_it(world: FeedWorld) -> None:
    write = Delete(event_id="a", marker=MARKER)
    with pytest.raises(ForbiddenError):
        world.provider.write(CALENDAR_ID, [write])
    with pytest.raises(ForbiddenError):
        world.provider.watch(CALENDAR_ID, channel_id="c", address="https://x.example", token="t", expires_at=at(9))

    assert world.provider.find_marked(CALENDAR_ID) == []


@pytest.mark.parametrize(
    ("given", "asked"),
    [
        ("webcal://Example.com/a.ics", "https://Example.com/a.ics"),
        ("WEBCALS://example.com/a.ics", "https://example.com/a.ics"),
        (" https://example.com/a.ics#part ", "https://example.com/a.ics"),
    ],
)
def test_addresses_are_taken_as_calendar_programs_give_them(given: str, asked: str) -> None:
    assert fetching.normalise(given) == asked


@pytest.mark.parametrize(
    "address", ["", "example.com/a.ics", "ftp://example.com/a", "https://", "https://[", "file:///a"]
)
def test_what_is_no_address_is_refused(address: str) -> None:
    with pytest.raises(InvalidError):
        IcsFeed(address=address, egress=Egress())


def test_the_product_reaches_feeds_through_the_guard(world: FeedWorld) -> None:
    endpoints = providers.Endpoints(
        google_api="", google_auth="", google_token="", google_revoke="", microsoft_graph="", microsoft_authority=""
    )
    feed = providers.connect(
        "ics", access_token=world.server.url("/x").replace("http", "https", 1), endpoints=endpoints
    )

    with pytest.raises(InvalidError) as caught:
        feed.list_calendars()

    assert caught.value.error_code == "EGRESS.PRIVATE_ADDRESS"


def test_five_thousand_events_make_a_cursor_that_a_row_holds(world: FeedWorld) -> None:
    start = datetime(2026, 3, 1, tzinfo=UTC)
    for number in range(5_000):
        world.add(event(f"Event {number}", timed(start.replace(tzinfo=at(2).tzinfo) + timedelta(minutes=number))))

    provider = world.connect_again()
    first = provider.changes(CALENDAR_ID, cursor=None, page=None, window=WINDOW)
    last = provider.changes(CALENDAR_ID, cursor=None, page=first.next_page, window=WINDOW)

    assert len(first.changes) + len(last.changes) == 5_000
    assert last.cursor is not None
    assert len(last.cursor) < 200_000
