"""What the API tells of calendars, links and what happened."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from shared.calendar.span import AllDaySpan
from shared.connections import store as connections
from shared.core import clock
from shared.core.errors import ReauthRequiredError, TransientError
from tests.sync.world import NOW, event

if TYPE_CHECKING:
    from uuid import UUID

    from shared.sync.links import Link
    from tests.api.conftest import Caller
    from tests.sync.world import World


@pytest.fixture
def calendars(world: World) -> tuple[UUID, UUID]:
    return world.calendar("home"), world.calendar("work")


@pytest.fixture
def link(world: World, calendars: tuple[UUID, UUID]) -> Link:
    world.put(calendars[0], event("dentist", title="Dentist"))
    return world.link(*calendars, privacy="title")


def state_of(ada: Caller, link: Link) -> dict[str, Any]:
    (found,) = [one for one in ada.json("/api/status")["links"] if one["link"]["id"] == str(link.id)]
    return dict(found)


class TestStatus:
    def test_a_quiet_link_is_current(self, ada: Caller, link: Link) -> None:
        status = ada.json("/api/status")

        (found,) = status["links"]
        assert (found["source_name"], found["target_name"], found["state"]) == ("home", "work", "current")
        assert (found["counts"]["mirrors"], found["counts"]["due"], found["skipped"]) == (1, 0, {})
        assert found["last_written_at"] is not None
        assert {one["state"] for one in status["calendars"]} == {"current"}
        assert all(one["proven_at"] and one["requested"] == one["done"] for one in status["calendars"])
        assert status["connections"][0]["status"] == "active"
        assert status["attention"] == []

    def test_it_is_told_while_work_waits(self, ada: Caller, world: World, link: Link) -> None:
        world.put(link.source_calendar_id, event("lunch"))
        ada.post("/api/sync", {"link_id": str(link.id)})

        before = state_of(ada, link)["state"]
        world.run()

        assert (before, state_of(ada, link)["state"]) == ("behind", "current")

    def test_a_full_read_is_told(self, ada: Caller, world: World, calendars: tuple[UUID, UUID]) -> None:
        answer = ada.post(
            "/api/links", {"source_calendar_id": str(calendars[0]), "target_calendar_id": str(calendars[1])}
        )

        states = {one["name"]: one["state"] for one in ada.json("/api/status")["calendars"]}

        assert answer.status_code == 201
        assert states == {"home": "reading", "work": "reading"}

    def test_paused_links_and_unlinked_calendars_are_called_so(self, ada: Caller, world: World, link: Link) -> None:
        world.calendar("other")
        ada.post(f"/api/links/{link.id}/pause")

        status = ada.json("/api/status")

        assert status["links"][0]["state"] == "paused"
        assert {one["name"]: one["state"] for one in status["calendars"]}["other"] == "unlinked"

    def test_what_cannot_be_mirrored_is_counted_by_reason_and_listed(
        self, ada: Caller, world: World, link: Link
    ) -> None:
        world.put(link.source_calendar_id, event("odd", title="Odd", recurrence=("RRULE:FREQ=SECONDLY",)))
        world.look(link.source_calendar_id)
        world.run()

        (skipped,) = ada.json(f"/api/links/{link.id}/skipped")["items"]

        assert state_of(ada, link)["skipped"] == {skipped["reason"]: 1}
        assert (skipped["source_event_id"], skipped["title"], skipped["has_mirror"]) == ("odd", "Odd", False)
        assert skipped["message"]

    def test_a_lost_permission_is_told_with_what_to_do(self, ada: Caller, world: World, link: Link) -> None:
        with world.database.person(world.user_id) as conn:
            connections.mark_failure(conn, world.connection_id, ReauthRequiredError("revoked"), clock.now())

        status = ada.json("/api/status")

        assert [(one["kind"], one["code"]) for one in status["attention"]] == [
            ("connection", "CONNECTION.NEEDS_REAUTH")
        ]
        assert "Connect it again" in status["attention"][0]["message"]
        assert status["links"][0]["state"] == "waiting"
        assert status["connections"][0]["last_error"]["code"] == "AUTH.INVALID_TOKEN"

    def test_a_backoff_is_told_with_its_end(self, ada: Caller, world: World, link: Link) -> None:
        with world.database.person(world.user_id) as conn:
            connections.mark_failure(conn, world.connection_id, TransientError("down"), clock.now())

        status = ada.json("/api/status")

        assert status["attention"][0]["code"] == "CONNECTION.BACKING_OFF"
        assert status["connections"][0]["backoff_until"] > status["at"]

    def test_a_vanished_calendar_and_a_failing_one_are_told(self, ada: Caller, world: World, link: Link) -> None:
        world.rows("UPDATE calendars SET vanished_at = now() WHERE name = 'work' RETURNING id")
        world.rows(
            """
            UPDATE calendar_sync_state SET requested = requested + 1, sync_errors = 3, last_error = 'TRANSIENT',
                   last_synced_at = now() - interval '20 minutes'
             WHERE calendar_id = %s RETURNING 1
            """,
            link.source_calendar_id,
        )

        status = ada.json("/api/status")

        assert {one["code"] for one in status["attention"]} == {"CALENDAR.VANISHED", "CALENDAR.FAILING"}
        assert status["links"][0]["state"] == "attention"


class TestEvents:
    def test_a_links_agenda_shows_both_sides(self, ada: Caller, link: Link) -> None:
        items = ada.json("/api/events", link_id=str(link.id))["items"]

        assert [(one["kind"], one["title"], one["location"] or None) for one in items] == [
            ("mirror", "Dentist", None),
            ("source", "Dentist", "Main Street 1"),
        ]
        mirror, source = items
        assert (mirror["link_id"], mirror["source_event_id"]) == (str(link.id), "dentist")
        assert mirror["when"] == source["when"]
        assert (mirror["when"]["time_zone"], mirror["when"]["all_day"]) == ("Europe/Berlin", False)

    def test_a_busy_link_keeps_no_text_to_show(self, ada: Caller, world: World, calendars: tuple[UUID, UUID]) -> None:
        world.put(calendars[0], event("dentist", title="Dentist"))
        link = world.link(*calendars)

        items = ada.json("/api/events", link_id=str(link.id))["items"]

        assert [(one["kind"], one["title"]) for one in items] == [("mirror", "Busy"), ("source", None)]

    def test_a_series_shows_as_its_occurrences_with_what_differs(
        self, ada: Caller, world: World, calendars: tuple[UUID, UUID]
    ) -> None:
        master = event("standup", title="Stand-up", recurrence=("RRULE:FREQ=DAILY;COUNT=4",))
        assert master.span is not None
        world.put(calendars[0], master)
        second, third = (master.span.start + timedelta(days=days) for days in (1, 2))
        moved = event("moved", hours=24 + 24 + 3, title="Stand-up (late)")
        world.put(calendars[0], replace(moved, series_id="standup", original_start=second))
        world.put(
            calendars[0],
            replace(moved, id="gone", series_id="standup", original_start=third, status=type(moved.status).CANCELLED),
        )
        link = world.link(*calendars, privacy="title")

        items = ada.json("/api/events", link_id=str(link.id), days=10)["items"]

        for kind in ("source", "mirror"):
            shown = [(one["title"], one["when"]["start"]) for one in items if one["kind"] == kind]
            starts = [NOW + timedelta(hours=hours) for hours in (24, 51, 96)]
            assert shown == [
                (title, start.isoformat().replace("+00:00", "Z"))
                for title, start in zip(("Stand-up", "Stand-up (late)", "Stand-up"), starts, strict=True)
            ]
        assert all(one["repeats"] and one["occurrence"] for one in items)

    def test_all_day_events_are_dates(self, ada: Caller, world: World, calendars: tuple[UUID, UUID]) -> None:
        day = datetime.now(UTC).date() + timedelta(days=3)
        world.put(
            calendars[0],
            replace(event("fair"), span=AllDaySpan(start=day, end=day + timedelta(days=2))),
        )
        world.link(*calendars)

        (item,) = ada.json("/api/events", calendar_id=str(calendars[1]))["items"]

        assert item["when"] == {
            "start": day.isoformat(),
            "end": (day + timedelta(days=2)).isoformat(),
            "all_day": True,
            "time_zone": None,
        }

    def test_pages_lead_through_the_window_and_no_further(
        self, ada: Caller, world: World, calendars: tuple[UUID, UUID]
    ) -> None:
        for number in range(5):
            world.put(calendars[0], event(f"e{number}", hours=24 * (number + 1)))
        world.link(*calendars)

        found, after = [], None
        while True:
            params = {"calendar_id": str(calendars[0]), "days": 4, "limit": 2, **({"after": after} if after else {})}
            page = ada.json("/api/events", **params)
            found += [one["event_id"] for one in page["items"]]
            after = page["next"]
            if after is None:
                break

        assert found == ["e0", "e1", "e2", "e3"]

    def test_something_must_be_named_and_places_are_checked(self, ada: Caller, link: Link) -> None:
        nothing = ada.get("/api/events")
        naive = ada.get("/api/events", params={"link_id": str(link.id), "start": "2026-01-01T00:00:00"})
        places = [
            ada.get("/api/events", params={"link_id": str(link.id), "after": after}) for after in ("x", "W10", "é")
        ]

        assert (nothing.status_code, naive.status_code) == (400, 400)
        assert {(answer.status_code, answer.json()["code"]) for answer in places} == {(400, "REQUEST.CURSOR")}


class TestChanges:
    def test_every_write_is_told_newest_first(self, ada: Caller, world: World, link: Link) -> None:
        world.put(link.source_calendar_id, event("dentist", title="Dentist, later", hours=30))
        world.look(link.source_calendar_id)
        world.run()
        world.server.remove("home", "dentist")
        world.look(link.source_calendar_id)
        world.run()

        changes = ada.json("/api/changes")["items"]

        assert [one["operation"] for one in changes] == ["delete", "update", "insert"]
        assert changes[0]["title"] == "Dentist, later"
        assert {(one["source_name"], one["target_name"]) for one in changes} == {("home", "work")}
        assert ada.json("/api/changes", link_id=str(link.id), limit=2, after=changes[0]["id"])["items"] == changes[1:]


class TestHeld:
    @pytest.mark.parametrize(("verb", "resolution", "left"), [("approve", "approved", 5), ("discard", "discarded", 20)])
    def test_so_many_deletions_wait_for_a_decision(
        self, ada: Caller, world: World, calendars: tuple[UUID, UUID], verb: str, resolution: str, left: int
    ) -> None:
        for number in range(20):
            world.put(calendars[0], event(f"e{number}", hours=24 + number))
        link = world.link(*calendars)
        for number in range(15):
            world.server.remove("home", f"e{number}")
        world.look(calendars[0])
        world.run()

        (held,) = ada.json("/api/held")["items"]
        status = ada.json("/api/status")
        decided = ada.post(f"/api/held/{held['id']}/{verb}").json()
        world.run()

        assert (held["deletions"], held["mirrors"], held["link_id"]) == (15, 20, str(link.id))
        assert status["attention"][0]["code"] == "LINK.DELETIONS_HELD"
        assert decided["resolution"] == resolution
        assert len(world.mirrors(calendars[1])) == left
        assert ada.json("/api/held")["items"] == []
        assert [one["id"] for one in ada.json("/api/held", state="all")["items"]] == [held["id"]]
        assert ada.post(f"/api/held/{held['id']}/{verb}").status_code == 409


class TestSyncNow:
    def test_everything_one_link_or_one_calendar(self, ada: Caller, world: World, link: Link) -> None:
        ends = {str(link.source_calendar_id), str(link.target_calendar_id)}

        everything = ada.post("/api/sync", {})
        by_link = ada.post("/api/sync", {"link_id": str(link.id)})
        by_calendar = ada.post("/api/sync", {"calendar_id": str(link.source_calendar_id)})

        assert {answer.status_code for answer in (everything, by_link, by_calendar)} == {202}
        assert {one["calendar_id"] for one in everything.json()["items"]} == ends
        assert {one["calendar_id"] for one in by_link.json()["items"]} == ends
        assert [one["calendar_id"] for one in by_calendar.json()["items"]] == [str(link.source_calendar_id)]

    def test_it_brings_what_no_notification_told_of_and_says_when_it_is_done(
        self, ada: Caller, world: World, link: Link
    ) -> None:
        world.put(link.source_calendar_id, event("lunch"))

        asked = ada.post("/api/sync", {}).json()["items"]
        world.run()

        done = {one["id"]: one["done"] for one in ada.json("/api/status")["calendars"]}
        assert all(done[one["calendar_id"]] >= one["requested"] for one in asked)
        assert len(world.mirrors(link.target_calendar_id)) == 2

    def test_an_unlinked_calendar_and_two_answers_at_once_are_refused(
        self, ada: Caller, world: World, link: Link
    ) -> None:
        other = world.calendar("other")

        unlinked = ada.post("/api/sync", {"calendar_id": str(other)})
        both = ada.post("/api/sync", {"calendar_id": str(other), "link_id": str(link.id)})

        assert (unlinked.status_code, unlinked.json()["code"]) == (409, "CALENDAR.NOT_LINKED")
        assert both.status_code == 400

    def test_a_queue_that_refuses_changes_nothing_but_time(
        self, ada: Caller, world: World, link: Link, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def refuse(lane: object, messages: object) -> None:
            raise TransientError("down")

        monkeypatch.setattr(type(world.lanes.pull), "send", refuse)

        answer = ada.post("/api/sync", {})

        assert answer.status_code == 202
        assert world.rows("SELECT bool_and(requested > done) FROM calendar_sync_state") == [(True,)]


class TestExplanation:
    def test_every_link_says_why_in_sentences(self, ada: Caller, link: Link) -> None:
        (found,) = ada.json("/api/events/explanation", event="dentist")["items"]

        assert (found["title"], found["calendar_name"], found["mirror_of"]) == ("Dentist", "home", None)
        (told,) = found["links"]
        assert (told["verdict"], told["hidden"]) == ("mirrored", ["description", "location"])
        assert told["sentences"] == ["It is mirrored, and its mirror is up to date."]

    def test_an_event_that_nobody_knows_is_not_found(self, ada: Caller, link: Link) -> None:
        unknown = ada.get("/api/events/explanation", params={"event": "nothing"})
        unnamed = ada.get("/api/events/explanation")

        assert (unknown.status_code, unknown.json()["code"]) == (404, "EVENT.NOT_FOUND")
        assert (unnamed.status_code, list(unnamed.json()["fields"])) == (400, ["query.event"])

    def test_somebody_elses_is_not_found(self, call: Any, link: Link) -> None:
        eve = call(email="eve@example.com")

        assert eve.get("/api/events/explanation", params={"event": "dentist"}).status_code == 404
