"""Listings, batches and answers that no simulator gives."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import pytest

from shared.core.errors import (
    CursorExpiredError,
    ForbiddenError,
    RateLimitedError,
    ReauthRequiredError,
    TransientError,
)
from shared.providers.google import service
from shared.providers.google.client import MAX_PAGES, GoogleCalendar
from shared.providers.patience import REPEATS
from shared.providers.port import Failed, Insert, Write, Written
from tests.providers.google import payloads
from tests.providers.replica import WINDOW, Replica
from tests.providers.samples import (
    MARKER,
    event,
    key,
    refused,
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


@pytest.mark.parametrize("page", ["nonsense", "7", "[]", "{}", '["only", "three", "things"]'])
def test_a_page_that_is_not_ours_starts_a_full_read(page: str) -> None:
    with scripted(Say(200, LISTED)) as script, pytest.raises(CursorExpiredError):
        client(script).changes(CALENDAR, cursor="c", page=page, window=WINDOW)


def test_mirrors_are_found_on_every_page() -> None:
    mirror = payloads.load("mirror")
    pages = [Say(200, {"items": [mirror], "nextPageToken": "2"}), Say(200, {"items": [mirror | {"id": "other"}]})]

    with scripted(*pages) as script:
        found = client(script).find_marked(CALENDAR, window=WINDOW)

    assert [one.id for one in found] == [mirror["id"], "other"]
    asked = [parse_qs(urlsplit(asked.target).query) for asked in script.asked]
    assert asked[0]["privateExtendedProperty"] == ["kalendsMirror=1"]
    assert (asked[0]["timeMin"], asked[0]["timeMax"]) == (["2026-01-01T00:00:00Z"], ["2028-01-01T00:00:00Z"])
    assert asked[1]["pageToken"] == ["2"]


@pytest.mark.parametrize("answer", [{"items": []}, {}, {"items": [{"summary": "no id"}]}, {"items": [7]}])
def test_a_list_without_calendars_is_no_list(answer: Any) -> None:
    with scripted(Say(200, answer)) as script, pytest.raises(TransientError):
        client(script).list_calendars()


def test_a_list_that_goes_round_in_circles_ends() -> None:
    with scripted(Say(200, {"items": [], "nextPageToken": "again"})) as script, pytest.raises(TransientError):
        client(script).find_marked(CALENDAR)

    assert len(script.asked) == 2


def test_pages_that_alternate_without_end_are_noticed() -> None:
    circle = [Say(200, {"items": [], "nextPageToken": token}) for token in ("a", "b")] * (MAX_PAGES // 2 + 5)

    with scripted(*circle) as script, pytest.raises(TransientError):
        Replica(provider=client(script), calendar_id=CALENDAR).read()

    assert len(script.asked) == MAX_PAGES + 1


def test_another_event_than_the_one_asked_for_is_no_answer() -> None:
    with scripted(Say(200, payloads.load("single"))) as script, pytest.raises(TransientError):
        client(script).get(CALENDAR, "somethingelse", window=WINDOW)


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


def test_a_part_that_fails_leaves_the_others_unharmed() -> None:
    ok = b'{"id": "x", "start": {"date": "2026-03-02"}, "end": {"date": "2026-03-03"}}'
    limited = str(payloads.load("errors")["userRateLimitExceeded"][1]).replace("'", '"').encode()

    bad = [("403 Forbidden", limited), *[("200 OK", body) for body in (b"[]", b'{"id":', b"")]]

    with scripted(multipart(("200 OK", ok), *bad, ("200 OK", b"{}")), *[multipart(*bad)] * REPEATS) as script:
        outcomes = client(script).write(CALENDAR, inserts(6))

    assert isinstance(outcomes[0], Written)
    assert isinstance(refused(outcomes[1]), RateLimitedError)
    assert {type(refused(outcome)) for outcome in outcomes[2:]} == {TransientError}


def test_only_parts_that_fail_are_sent_again() -> None:
    ok = b'{"id": "x", "start": {"date": "2026-03-02"}, "end": {"date": "2026-03-03"}}'
    first = multipart(
        ("200 OK", ok), ("503 Service Unavailable", b""), ("503 Service Unavailable", b""), ("200 OK", ok)
    )

    with scripted(first, multipart(("200 OK", ok), ("200 OK", ok))) as script:
        outcomes = client(script).write(CALENDAR, inserts(4))

    assert [type(outcome) for outcome in outcomes] == [Written] * 4
    assert [asked.body.count(b"POST /calendar/v3/") for asked in script.asked] == [4, 2]


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
