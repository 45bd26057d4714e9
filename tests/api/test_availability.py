"""When somebody is busy, by API and command line: each event once, and no gap called free that nobody knows."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest

from shared.calendar.event import Availability, Response, Status
from shared.connections import store as connections
from shared.core import clock
from shared.core.errors import ReauthRequiredError
from shared.sync.views import availability
from tests.sync.world import NOW, event

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from shared.sync.links import Link
    from tests.api.conftest import Caller
    from tests.sync.world import World

BEGIN = NOW + timedelta(hours=24)


@pytest.fixture
def link(world: World) -> Link:
    return world.link(world.calendar("home"), world.calendar("work"))


def put(world: World, calendar_id: UUID, *events: Any) -> None:
    for one in events:
        world.put(calendar_id, one)
    world.look(calendar_id)
    world.run()


def asked(ada: Caller, *, hours: float = 24, calendars: Sequence[UUID] = ()) -> dict[str, Any]:
    query: list[tuple[str, str]] = [("from", BEGIN.isoformat()), ("to", (BEGIN + timedelta(hours=hours)).isoformat())]
    answer = ada.get("/api/availability", params=query + [("calendars", str(one)) for one in calendars])
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def told(found: dict[str, Any]) -> list[tuple[str, str, str]]:
    """What is told, in hours from BEGIN."""
    return [(hours(one["start"]), hours(one["end"]), one["kind"]) for one in found["intervals"]]


def hours(text: str) -> str:
    return f"{(datetime.fromisoformat(text) - BEGIN) / timedelta(hours=1):g}"


def test_the_times_of_all_calendars_are_one_answer_with_each_event_counted_once(
    ada: Caller, world: World, link: Link
) -> None:
    put(world, link.source_calendar_id, event("a", hours=25, length=2))
    put(
        world,
        link.target_calendar_id,
        event("b", hours=26, length=2),
        event("c", hours=30, availability=Availability.OUT_OF_OFFICE),
        event("d", hours=32, response=Response.NEEDS_ACTION),
        event("free", hours=35, availability=Availability.FREE),
        event("declined", hours=36, response=Response.DECLINED),
    )

    found = asked(ada, hours=14)

    assert found["complete"] is True
    assert told(found) == [
        ("0", "1", "free"),
        ("1", "4", "busy"),
        ("4", "6", "free"),
        ("6", "7", "out_of_office"),
        ("7", "8", "free"),
        ("8", "9", "tentative"),
        ("9", "14", "free"),
    ]
    assert {one["name"]: one["problem"] for one in found["sources"]} == {"home": None, "work": None}
    assert all(one["proven_at"] for one in found["sources"])


def test_a_series_takes_time_where_its_occurrences_are(ada: Caller, world: World, link: Link) -> None:
    master = event("daily", hours=0, recurrence=("RRULE:FREQ=DAILY;COUNT=9",))
    assert master.span is not None
    second, third = (master.span.start + timedelta(days=days) for days in (2, 3))
    put(
        world,
        link.source_calendar_id,
        master,
        replace(event("moved", hours=50), series_id="daily", original_start=second),
        replace(event("gone", status=Status.CANCELLED), series_id="daily", original_start=third),
    )

    found = asked(ada, hours=80)

    assert [one for one in told(found) if one[2] != "free"] == [
        ("0", "1", "busy"),
        ("26", "27", "busy"),
        ("72", "73", "busy"),
    ]


def test_a_mirrors_time_is_told_of_its_calendar_alone_as_well(ada: Caller, world: World, link: Link) -> None:
    put(world, link.source_calendar_id, event("a", hours=25))

    found = asked(ada, hours=3, calendars=[link.target_calendar_id])

    assert told(found) == [("0", "1", "free"), ("1", "2", "busy"), ("2", "3", "free")]
    assert [one["name"] for one in found["sources"]] == ["work"]


def test_several_calendars_can_be_named(ada: Caller, world: World, link: Link) -> None:
    both = [link.source_calendar_id, link.target_calendar_id]

    assert {one["calendar_id"] for one in asked(ada, calendars=both)["sources"]} == {str(one) for one in both}
    assert ada.get(
        "/api/availability",
        params={
            "from": BEGIN.isoformat(),
            "to": (BEGIN + timedelta(1)).isoformat(),
            "calendars": ",".join(map(str, both)),
        },
    ).json()["complete"]


class TestPartialDataNeverPassesAsComplete:
    @pytest.fixture
    def booked(self, world: World, link: Link) -> Link:
        put(world, link.source_calendar_id, event("a", hours=25))
        return link

    def problems(self, found: dict[str, Any]) -> set[str]:
        assert found["complete"] is False
        assert told(found)[0] == ("0", "1", "unknown")
        assert not [one for one in found["intervals"] if one["kind"] == "free"]
        return {one["problem"] for one in found["sources"] if one["problem"]}

    def test_an_account_that_no_longer_lets_us_in_is_named(self, ada: Caller, world: World, booked: Link) -> None:
        with world.database.person(world.user_id) as conn:
            connections.mark_failure(conn, world.connection_id, ReauthRequiredError("revoked"), clock.now())

        found = asked(ada)

        assert self.problems(found) == {"CONNECTION.NEEDS_REAUTH"}
        assert ("1", "2", "busy") in told(found)

    @pytest.mark.parametrize(
        ("change", "problem"),
        [
            ("last_synced_at = now() - interval '3 hours'", "CALENDAR.STALE"),
            ("last_synced_at = NULL", "CALENDAR.NEVER_READ"),
            ("window_start = now() + interval '30 hours'", "CALENDAR.OUTSIDE_WINDOW"),
        ],
    )
    @pytest.mark.pain(19)
    def test_a_calendar_that_was_not_read_so_far_or_so_lately_is_named(
        self, ada: Caller, world: World, booked: Link, change: str, problem: str
    ) -> None:
        world.rows(f"UPDATE calendar_sync_state SET {change} RETURNING 1")  # noqa: S608

        assert self.problems(asked(ada)) == {problem}

    def test_a_calendar_that_nobody_reads_is_named_when_it_is_asked_for(
        self, ada: Caller, world: World, booked: Link
    ) -> None:
        other = world.calendar("other")

        assert self.problems(asked(ada, calendars=[booked.source_calendar_id, other])) == {"CALENDAR.NOT_LINKED"}

    def test_an_item_that_cannot_be_read_and_a_rule_nobody_can_expand_are_counted(
        self, ada: Caller, world: World, booked: Link
    ) -> None:
        put(world, booked.source_calendar_id, event("odd", recurrence=("RRULE:FREQ=SECONDLY",)))

        found = asked(ada)

        assert self.problems(found) == {"EVENT.UNREADABLE"}
        assert [one["unreadable"] for one in found["sources"]] == [1, 0]

    def test_without_any_source_nothing_is_known(self, ada: Caller, world: World) -> None:
        found = asked(ada, hours=2)

        assert (found["complete"], told(found), found["sources"]) == (False, [("0", "2", "unknown")], [])


def test_ranges_are_bounded_and_unknown_calendars_refused(ada: Caller, link: Link) -> None:
    def refusal(**query: str) -> tuple[int, str]:
        answer = ada.get("/api/availability", params={"from": BEGIN.isoformat(), **query})
        return answer.status_code, answer.json()["code"]

    later = (BEGIN + timedelta(days=1)).isoformat()

    assert refusal(to=(BEGIN + timedelta(days=63)).isoformat()) == (400, "AVAILABILITY.RANGE")
    assert refusal(to=BEGIN.isoformat()) == (400, "AVAILABILITY.RANGE")
    assert refusal(to="2026-01-01T00:00:00") == (400, "REQUEST.INVALID")
    assert refusal(to=later, calendars=str(uuid4()))[0] == 404


def test_ten_thousand_events_are_one_answer(world: World, link: Link) -> None:
    with world.database.everyone() as conn:
        conn.execute(
            """
            INSERT INTO external_calendar_events (provider_id, calendar_provider, calendar_id, external_event_id,
                   start_time, end_time, checksum, sync_status, details)
            SELECT %(user)s, 'google', %(calendar)s, 'e' || n, %(begin)s + n * interval '8 minutes',
                   %(begin)s + n * interval '8 minutes' + interval '5 minutes', '', 'CREATED', jsonb_build_object(
                   'span', jsonb_build_object('start', %(begin)s + n * interval '8 minutes', 'end',
                           %(begin)s + n * interval '8 minutes' + interval '5 minutes', 'zone', 'UTC'),
                   'status', 'confirmed', 'availability', 'busy', 'visibility', 'default', 'event_type', 'default',
                   'response', 'none', 'recurrence', '[]'::jsonb)
              FROM generate_series(1, 10000) n
            """,
            {"user": world.user_id, "calendar": link.source_calendar_id, "begin": BEGIN},
        )

    with world.database.person(world.user_id) as conn:
        found = availability.read(
            conn,
            user_id=world.user_id,
            flags=world.engine.flags,
            start=BEGIN,
            end=BEGIN + timedelta(days=62),
            calendar_ids=None,
            now=clock.now(),
        )

    assert len(found.intervals) == 20_001
