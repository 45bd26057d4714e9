"""What is Google's own, beyond the contract: costs, ids, occurrences, access, push."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from shared.core.errors import (
    ConflictError,
    ForbiddenError,
    InvalidError,
    NotFoundError,
    TransientError,
)
from shared.providers.google.client import GoogleCalendar
from shared.providers.port import CancelOccurrence, Delete, Insert, Update, Write, WriteOccurrence
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
    assert {name: calendar.readers for name, calendar in calendars.items()} == {
        "alex@example.com": None,  # with whom one shares one's own is not told to whom may not read access lists
        "Mine": None,
        "Team": ("sam@example.com",),
        "Sam": ("sam@example.com",),
        "Holidays in Switzerland": ("en.swiss#holiday@group.v.calendar.google.com",),
    }
    assert [name for name, calendar in calendars.items() if not calendar.supports_push] == ["Holidays in Switzerland"]
    assert calendars["alex@example.com"].is_primary
    assert calendars["alex@example.com"].color == "#9fe1e7"


def test_a_calendar_that_may_only_be_read_refuses_writes() -> None:
    _, body = payloads.load("errors")["forbiddenForNonOrganizer"]

    with scripted(Say(403, body)) as script:
        outcome = client(script).write(CALENDAR, inserts(1))[0]

    assert isinstance(refused(outcome), ForbiddenError)


def test_an_error_names_the_event_and_not_the_calendar() -> None:
    status, body = payloads.load("errors")["backendError"]

    with scripted(Say(status, body)) as script:
        outcome = client(script).write(CALENDAR, [Delete(event_id=key(1), marker=MARKER)])[0]

    assert f"calendar.events.get of event {key(1)}" in str(refused(outcome))
    assert CALENDAR not in str(refused(outcome))


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
