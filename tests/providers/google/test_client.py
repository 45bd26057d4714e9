"""What is Google's own, beyond the contract: costs, ids, access, and answers that no simulator gives."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import pytest

from shared.core.errors import (
    ConflictError,
    ForbiddenError,
    InvalidError,
    NotFoundError,
    RateLimitedError,
    ReauthRequiredError,
    TransientError,
)
from shared.providers.google import service
from shared.providers.google.client import GoogleCalendar
from shared.providers.port import CancelOccurrence, Delete, Failed, Insert, Update, Write, WriteOccurrence, Written
from tests.providers.google import payloads
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
from tests.providers.scripted import Say, scripted

if TYPE_CHECKING:
    from tests.providers.google.conftest import GoogleWorld
    from tests.providers.scripted import Script

CALENDAR = "work@group.calendar.google.com"
LISTED = {"items": [], "nextSyncToken": "next"}


def client(script: Script) -> GoogleCalendar:
    return GoogleCalendar(access_token="ya29.secret", api_endpoint=f"{script.base}/")


def inserts(count: int) -> list[Write]:
    return [Insert(key=key(number), marker=MARKER, appearance=event("Busy")) for number in range(count)]


def multipart(*parts: tuple[str, bytes], ids: list[int] | None = None) -> Say:
    """A batch answer: status line and body of each part; Content-IDs count from 1 unless told otherwise."""
    numbered = zip(ids or range(1, len(parts) + 1), parts, strict=True)
    content = b"".join(
        f"--cut\r\nContent-Type: application/http\r\nContent-ID: <response-x + {number}>\r\n\r\nHTTP/1.1 {status}\r\n"
        f"Content-Type: application/json\r\n\r\n".encode()
        + body
        + b"\r\n"
        for number, (status, body) in numbered
    )
    return Say(200, content + b"--cut--\r\n", {"content-type": 'multipart/mixed; boundary="cut"'})


# Costs


def test_each_call_costs_what_the_port_says(world: GoogleWorld) -> None:
    single, series = world.add(event()), world.add(weekly())
    world.cancel(series, MONDAYS[1])
    copy = replica(world)
    costs: dict[str, int] = {}

    def count(what: str, call: Any) -> Any:
        world.requests()
        answer = call()
        costs[what] = world.requests()
        return answer

    count("read", copy.read)
    count("nothing new", copy.read)
    count("get", lambda: get(world, single))
    count("get series", lambda: get(world, series))
    written = count("insert", lambda: insert(world, event("Busy")))
    count("again", lambda: insert(world, event("Busy")))
    count("update", lambda: write(world, Update(event_id=written.id, marker=MARKER, appearance=event("Busier"))))
    etag = get(world, written.id).root.etag
    count("delete", lambda: write(world, Delete(event_id=written.id, marker=MARKER, etag=etag)))
    other = insert(world, event("Busy"), 2)
    count("delete without etag", lambda: write(world, Delete(event_id=other.id, marker=MARKER)))

    assert costs == {
        "read": 1,
        "nothing new": 1,
        "get": 1,
        "get series": 2,
        "insert": 1,
        "again": 3,
        "update": 1,
        "delete": 1,
        "delete without etag": 2,
    }


def test_fifty_writes_share_a_round_trip() -> None:
    parts = [("200 OK", b'{"id": "x", "start": {"date": "2026-03-02"}, "end": {"date": "2026-03-03"}}')] * 50

    with scripted(multipart(*parts), multipart(*parts), Say(200, {})) as script:
        outcomes = client(script).write(CALENDAR, inserts(101))

    assert [urlsplit(asked.target).path for asked in script.asked] == [
        "/batch/calendar/v3",
        "/batch/calendar/v3",
        f"/calendar/v3/calendars/{CALENDAR.replace('@', '%40')}/events",
    ]
    assert [type(outcome) for outcome in outcomes] == [Written] * 100 + [Failed]


@pytest.mark.slow
def test_ten_thousand_events_are_read_in_four_requests(world: GoogleWorld) -> None:
    resources = [world.resource(event(f"Event {number}", timed(at(1 + number % 28))), None) for number in range(10_000)]
    world.sim("POST", world.events() + ":bulk", {"events": resources})
    world.requests()
    copy = replica(world)

    pages = copy.read()

    assert world.requests() == sum(page.requests for page in pages) == 4
    assert len(copy.roots) == 10_000


# Ids and ownership


def test_a_key_that_somebody_else_took_is_left_alone(world: GoogleWorld) -> None:
    world.sim("POST", world.events(), world.resource(event("Not ours"), None) | {"id": key(1)})

    outcome = write(world, Insert(key=key(1), marker=MARKER, appearance=event("Busy")))[0]

    assert isinstance(refused(outcome), ConflictError)
    assert world.titles() == ["Not ours"]


def test_a_copy_of_a_mirror_claims_to_be_one(world: GoogleWorld) -> None:
    insert(world, event("Busy"))
    mirror = next(item for item in world.items() if item["id"] == key(1))
    signs = {"kalendsMirror": "1"}
    world.sim(
        "POST",
        world.events(),
        {name: mirror[name] for name in ("summary", "start", "end")} | {"extendedProperties": {"private": signs}},
    )
    copy = replica(world)

    copy.read()

    claims = {root.id == key(1): root.claims_marker for root in copy.roots.values()}
    assert claims == {True: False, False: True}
    assert [one.id for one in world.provider.find_marked(world.calendar_id)] == [key(1)]


# Occurrences


def test_a_cancelled_occurrence_returns_when_it_is_written(world: GoogleWorld) -> None:
    series = insert(world, weekly("Busy"))
    write(world, CancelOccurrence(series_id=series.id, key=MONDAYS[1]))

    one = WriteOccurrence(series_id=series.id, key=MONDAYS[1], appearance=event("Busy", timed(at(23))))
    accepted(write(world, one)[0])

    assert len(happenings(get(world, series.id))) == 4


def test_an_occurrence_may_become_all_day_and_timed_again(world: GoogleWorld) -> None:
    series = insert(world, weekly("Busy"))

    def become(span: Any) -> Any:
        one = WriteOccurrence(series_id=series.id, key=MONDAYS[1], appearance=event("Busy", span))
        written = accepted(write(world, one)[0]).event
        assert written is not None
        return written.span

    assert become(days(24)) == days(24)
    assert become(timed(at(24))).starts_at() == at(24)


def test_an_occurrence_that_the_rule_does_not_make_is_not_found(world: GoogleWorld) -> None:
    series = insert(world, weekly("Busy"))

    one = WriteOccurrence(series_id=series.id, key="20260324T080000Z", appearance=event("Busy"))
    outcome = write(world, one)[0]

    assert isinstance(refused(outcome), NotFoundError | InvalidError)


def test_overrides_of_a_series_carry_its_marker(world: GoogleWorld) -> None:
    series = insert(world, weekly("Busy"))

    one = WriteOccurrence(series_id=series.id, key=MONDAYS[1], appearance=event("Busy", timed(at(24))))
    written = accepted(write(world, one)[0]).event

    assert written is not None
    assert (written.series_id, written.marker) == (series.id, MARKER)


# Access


def test_losing_a_calendar_does_not_prove_that_its_events_are_gone(world: GoogleWorld) -> None:
    with pytest.raises(NotFoundError):
        world.provider.get("lost@group.calendar.google.com", key(1), window=WINDOW)


def test_roles_and_owners_decide_what_may_be_written_and_who_reads_it() -> None:
    with scripted(Say(200, payloads.load("calendar_list"))) as script:
        calendars = {calendar.name: calendar for calendar in client(script).list_calendars()}

    assert {name: calendar.can_write for name, calendar in calendars.items()} == {
        "alex@example.com": True,
        "Mine": True,
        "Team": True,
        "Sam": False,
        "Holidays in Switzerland": False,
    }
    assert [name for name, calendar in calendars.items() if calendar.is_shared] == [
        "Team",
        "Sam",
        "Holidays in Switzerland",
    ]
    assert [name for name, calendar in calendars.items() if not calendar.supports_push] == ["Holidays in Switzerland"]
    assert calendars["alex@example.com"].is_primary
    assert calendars["alex@example.com"].color == "#9fe1e7"


def test_a_calendar_that_may_only_be_read_refuses_writes() -> None:
    _, body = payloads.load("errors")["forbiddenForNonOrganizer"]

    with scripted(Say(403, body)) as script:
        outcome = client(script).write(CALENDAR, inserts(1))[0]

    assert isinstance(refused(outcome), ForbiddenError)


# Listings


def test_the_parameters_of_the_first_call_are_repeated() -> None:
    pages = [Say(200, {"items": [], "nextPageToken": "page-2"}), Say(200, LISTED), Say(200, LISTED)]

    with scripted(*pages) as script:
        provider = client(script)
        first = provider.changes(CALENDAR, cursor=None, page=None, window=WINDOW)
        second = provider.changes(CALENDAR, cursor=None, page=first.next_page, window=WINDOW)
        provider.changes(CALENDAR, cursor=second.cursor, page=None, window=WINDOW)

    asked = [parse_qs(urlsplit(asked.target).query) for asked in script.asked]
    assert asked[0].pop("timeMin") == asked[1].pop("timeMin") == ["2026-01-01T00:00:00Z"]
    assert asked[1].pop("pageToken") == ["page-2"]
    assert asked[2].pop("syncToken") == ["next"]
    assert asked[0] == asked[1] == asked[2]
    assert asked[0]["singleEvents"] == ["false"]
    assert asked[0]["showDeleted"] == ["true"]
    assert asked[0]["maxResults"] == ["2500"]


@pytest.mark.parametrize(
    "answer", [{}, {"items": []}, {"items": {}}, {"items": [], "nextSyncToken": 7}, {"items": [], "nextPageToken": 7}]
)
def test_a_listing_that_neither_ends_nor_goes_on_is_no_listing(answer: Any) -> None:
    with scripted(Say(200, answer)) as script, pytest.raises(TransientError):
        client(script).changes(CALENDAR, cursor=None, page=None, window=WINDOW)


def test_bad_items_are_skipped_alone() -> None:
    good = payloads.load("single")
    items = [7, {"id": "broken", "start": "Zahnarzt"}, good]

    with scripted(Say(200, LISTED | {"items": items})) as script:
        page = client(script).changes(CALENDAR, cursor=None, page=None, window=WINDOW)

    assert [skipped.event_id for skipped in page.skipped] == ["", "broken"]
    assert len(page.changes) == 1


# Answers that are none


@pytest.mark.parametrize(
    "said",
    [
        Say(200, b"<html>Zahnarzt</html>"),
        Say(200, b'{"items": ['),
        Say(200, b""),
        Say(200, b'{"items": []}', cut=True),
        Say(200, b"\xff\xfe"),
        Say(200, b"[]"),
        Say(302, b"", {"location": "http://127.0.0.1:9/"}),
        Say(500, b"<html>Zahnarzt</html>"),
        Say(403, b"<html>Zahnarzt</html>"),
    ],
)
def test_no_answer_is_repeated_in_errors_or_logs(said: Say, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)

    with scripted(said) as script:
        provider = client(script)
        for call in (
            provider.account,
            provider.list_calendars,
            lambda: provider.changes(CALENDAR, cursor="c", page=None, window=WINDOW),
            lambda: provider.write(CALENDAR, inserts(2)),
        ):
            with pytest.raises((TransientError, ForbiddenError)) as failed:
                call()
            assert "Zahnarzt" not in failed.value.message

    assert "Zahnarzt" not in caplog.text
    assert "ya29.secret" not in caplog.text


def test_nobody_listening_is_transient() -> None:
    with scripted(Say()) as script:
        provider = client(script)

    with pytest.raises(TransientError):
        provider.account()


def test_a_late_answer_is_not_taken_for_the_next(world: GoogleWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "TIMEOUT_SECONDS", 0.3)
    provider = world.connect_again()
    first, second = world.add(event("First")), world.add(event("Second"))
    provider.get(world.calendar_id, first, window=WINDOW)
    world.faults(slow={"rate": 1.0, "seconds": 1})
    with pytest.raises(TransientError):
        provider.get(world.calendar_id, first, window=WINDOW)
    world.faults(slow={"rate": 0.0, "seconds": 0})

    unit = provider.get(world.calendar_id, second, window=WINDOW)

    assert unit is not None
    assert unit.root.id == second


@pytest.mark.parametrize("claims", [{}, {"sub": "1"}, {"sub": 1, "email": "alex@example.com"}])
def test_claims_without_subject_or_address_name_nobody(claims: dict[str, Any]) -> None:
    with scripted(Say(200, claims)) as script, pytest.raises(TransientError):
        client(script).account()


# Batches


def test_a_part_that_fails_leaves_the_others_unharmed() -> None:
    ok = b'{"id": "x", "start": {"date": "2026-03-02"}, "end": {"date": "2026-03-03"}}'
    limited = str(payloads.load("errors")["userRateLimitExceeded"][1]).replace("'", '"').encode()

    broken = [("200 OK", b"[]"), ("200 OK", b'{"id":'), ("200 OK", b""), ("200 OK", b"{}")]

    with scripted(multipart(("200 OK", ok), ("403 Forbidden", limited), *broken)) as script:
        outcomes = client(script).write(CALENDAR, inserts(6))

    assert isinstance(outcomes[0], Written)
    assert isinstance(refused(outcomes[1]), RateLimitedError)
    assert {type(refused(outcome)) for outcome in outcomes[2:]} == {TransientError}


def test_a_refused_token_in_a_part_is_raised() -> None:
    with (
        scripted(multipart(("200 OK", b"{}"), ("401 Unauthorized", b"{}"))) as script,
        pytest.raises(ReauthRequiredError, match="invalid_token"),
    ):
        client(script).write(CALENDAR, inserts(2))


@pytest.mark.parametrize(
    "said",
    [
        Say(500),
        Say(200, {}),
        multipart(("200 OK", b"{}")),
        multipart(("200 OK", b"{}"), ("200 OK", b"{}"), ids=[1, 7]),
        multipart(("nonsense", b"{}"), ("200 OK", b"{}")),
    ],
    ids=["500", "no multipart", "a part missing", "another id", "no status"],
)
def test_a_batch_that_fails_as_a_whole_is_raised(said: Say) -> None:
    with scripted(said) as script, pytest.raises(TransientError):
        client(script).write(CALENDAR, inserts(2))


def test_what_was_answered_before_a_failure_is_not_lost() -> None:
    ok = ("200 OK", b'{"id": "x", "start": {"date": "2026-03-02"}, "end": {"date": "2026-03-03"}}')

    with scripted(multipart(*[ok] * 50), Say(503, headers={"retry-after": "3"})) as script:
        outcomes = client(script).write(CALENDAR, inserts(52))

    assert [type(outcome) for outcome in outcomes] == [Written] * 50 + [Failed] * 2
    assert isinstance(refused(outcomes[51]), RateLimitedError)


# Push


def test_a_channel_id_is_used_once(world: GoogleWorld) -> None:
    def watch() -> Any:
        return world.provider.watch(
            world.calendar_id, channel_id="once", address=world.hook_address, token="t", expires_at=at(2)
        )

    watch()

    with pytest.raises(ConflictError):
        watch()


@pytest.mark.parametrize("answer", [{}, {"resourceId": "r"}, {"resourceId": "r", "expiration": "soon"}])
def test_a_channel_needs_a_resource_and_an_end(answer: dict[str, str]) -> None:
    with scripted(Say(200, answer)) as script, pytest.raises(TransientError):
        client(script).watch(CALENDAR, channel_id="c", address="https://x/", token="t", expires_at=at(2))


def test_a_calendar_that_cannot_be_watched_says_so() -> None:
    status, body = payloads.load("errors")["pushNotSupported"]

    with scripted(Say(status, body)) as script, pytest.raises(InvalidError) as unsupported:
        client(script).watch(CALENDAR, channel_id="c", address="https://x/", token="t", expires_at=at(2))

    assert unsupported.value.error_code == "PROVIDER.PUSH"
