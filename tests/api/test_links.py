"""Links through the API."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest

from tests.sync.world import event

if TYPE_CHECKING:
    from tests.api.conftest import Caller
    from tests.sync.world import World


def new(ada: Caller, world: World, **options: Any) -> dict[str, Any]:
    body = {
        "source_calendar_id": str(world.calendar("home")),
        "target_calendar_id": str(world.calendar("work")),
        **options,
    }
    answer = ada.post("/api/links", body)
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


class TestCreating:
    def test_a_link_is_busy_unless_somebody_says_otherwise_and_copies_at_once(self, ada: Caller, world: World) -> None:
        source, target = world.calendar("home"), world.calendar("work")
        world.put(source, event("dentist", title="Dentist"))

        answer = ada.post("/api/links", {"source_calendar_id": str(source), "target_calendar_id": str(target)})
        world.run()

        link = answer.json()
        assert (answer.status_code, link["privacy"], link["state"], link["days_ahead"]) == (201, "busy", "active", 365)
        assert answer.headers["etag"] == '"1"'
        assert [mirror.text and mirror.text.title for mirror in world.mirrors(target)] == ["Busy"]

    @pytest.mark.parametrize(
        ("asked", "kept", "codes"),
        [
            ({"privacy": "full"}, ("busy", {}, None), ["LINK.STARTS_BUSY"]),
            ({"show": {"location": True}}, ("busy", {}, None), ["LINK.STARTS_BUSY"]),
            ({"title_template": "({account})"}, ("busy", {}, None), ["LINK.STARTS_BUSY"]),
            ({"busy_title": "Taken"}, ("busy", {}, None), ["LINK.OTHERS_READ"]),
            ({"privacy": "full", "others_may_read": True}, ("full", {}, None), ["LINK.OTHERS_READ"]),
        ],
    )
    def test_into_a_calendar_that_others_can_read_a_link_starts_as_busy_unless_one_insists(
        self, ada: Caller, world: World, asked: dict[str, Any], kept: tuple[Any, ...], codes: list[str]
    ) -> None:
        source, target = world.calendar("home"), world.calendar("work")
        world.rows("UPDATE calendars SET readers = '{bob@example.com}' WHERE id = %s RETURNING 1", target)
        ends = {"source_calendar_id": str(source), "target_calendar_id": str(target)}

        plan = ada.post("/api/plans", {"create": {**ends, **asked}}).json()
        link = ada.post("/api/links", {**ends, **asked}).json()

        own = {field: shows for field, shows in link["show"].items() if shows is not None}
        assert (link["privacy"], own, link["title_template"]) == kept
        assert [one["code"] for one in link["warnings"]] == codes
        assert plan["warnings"] == link["warnings"]
        assert "Others can read work" in link["warnings"][0]["message"]

    def test_into_a_calendar_of_ones_own_nothing_is_warned_of(self, ada: Caller, world: World) -> None:
        link = new(ada, world, privacy="full")

        assert (link["privacy"], link["warnings"]) == ("full", [])

    def test_showing_more_to_others_later_is_done_and_warned_of(self, ada: Caller, world: World) -> None:
        link = new(ada, world)
        world.rows("UPDATE calendars SET readers = '{bob@example.com}' WHERE name = 'work' RETURNING 1")

        changed = ada.http.patch(f"/api/links/{link['id']}", json={"privacy": "title"}).json()

        assert changed["privacy"] == "title"
        assert "they see: title" in changed["warnings"][0]["message"]

    def test_the_same_idempotency_key_makes_one_link(self, ada: Caller, world: World) -> None:
        body = {
            "source_calendar_id": str(world.calendar("home")),
            "target_calendar_id": str(world.calendar("work")),
        }
        first = ada.post("/api/links", body, headers={"idempotency-key": "k"})

        again = ada.post("/api/links", body, headers={"idempotency-key": "k"})
        other = ada.post("/api/links", {**body, "privacy": "full"}, headers={"idempotency-key": "k"})

        assert (again.status_code, again.json(), again.headers["etag"]) == (201, first.json(), '"1"')
        assert again.headers["idempotency-replayed"] == "true"
        assert (other.status_code, other.json()["code"]) == (400, "IDEMPOTENCY.REUSED")
        assert len(ada.json("/api/links")["items"]) == 1

    def test_a_failed_request_leaves_its_key_free(self, ada: Caller, world: World) -> None:
        source, target = str(world.calendar("home")), str(world.calendar("work"))
        headers = {"idempotency-key": "k"}

        failed = ada.post("/api/links", {"source_calendar_id": source, "target_calendar_id": source}, headers=headers)
        answer = ada.post("/api/links", {"source_calendar_id": source, "target_calendar_id": target}, headers=headers)

        assert (failed.status_code, failed.json()["code"]) == (400, "LINK.SAME_CALENDAR")
        assert answer.status_code == 201

    def test_a_second_link_between_the_same_calendars_conflicts(self, ada: Caller, world: World) -> None:
        link = new(ada, world)

        again = ada.post("/api/links", {key: link[key] for key in ("source_calendar_id", "target_calendar_id")})

        assert (again.status_code, again.json()["code"]) == (409, "LINK.EXISTS")
        assert again.headers["content-type"] == "application/problem+json"

    def test_bad_fields_are_named(self, ada: Caller) -> None:
        for change, field in (
            ({"privacy": "naked"}, "body.privacy"),
            ({"days_ahead": 0}, "body.days_ahead"),
            ({"days_ahead": 731}, "body.days_ahead"),
            ({"busy_title": ""}, "body.busy_title"),
            ({"busy_title": "a\nb"}, "body.busy_title"),
            ({"unknown": 1}, "body.unknown"),
            ({"source_calendar_id": "mine"}, "body.source_calendar_id"),
        ):
            body = {"source_calendar_id": str(uuid4()), "target_calendar_id": str(uuid4()), **change}

            answer = ada.post("/api/links", body)

            assert (answer.status_code, answer.json()["code"]) == (400, "REQUEST.INVALID")
            assert list(answer.json()["fields"]) == [field]
            assert "naked" not in answer.text

    def test_a_calendar_that_is_not_there_is_not_found(self, ada: Caller) -> None:
        answer = ada.post("/api/links", {"source_calendar_id": str(uuid4()), "target_calendar_id": str(uuid4())})

        assert answer.status_code == 404


class TestReading:
    def test_pages_lead_through_all_of_them(self, ada: Caller, world: World) -> None:
        calendars = [world.calendar(name) for name in "abcd"]
        made = [str(world.link(source, target).id) for source, target in pairwise(calendars)]

        first = ada.json("/api/links", limit=2)
        second = ada.json("/api/links", limit=2, after=first["next"])

        assert [link["id"] for link in first["items"] + second["items"]] == made
        assert (first["next"], second["next"]) == (made[1], None)

    def test_its_etag_is_its_version(self, ada: Caller, world: World) -> None:
        link = new(ada, world)

        answer = ada.get(f"/api/links/{link['id']}")

        assert answer.json() == link
        assert answer.headers["etag"] == '"1"'

    def test_an_id_that_is_none_is_refused_by_name(self, ada: Caller) -> None:
        answer = ada.get("/api/links/17")

        assert (answer.status_code, list(answer.json()["fields"])) == (400, ["path.link_id"])


class TestChanging:
    def test_a_stricter_privacy_rewrites_every_mirror(self, ada: Caller, world: World) -> None:
        source, target = world.calendar("home"), world.calendar("work")
        world.put(source, event("dentist", title="Dentist"))
        link = world.link(source, target, privacy="full")

        answer = ada.http.patch(f"/api/links/{link.id}", json={"privacy": "busy"}, headers={"if-match": '"1"'})
        world.run()

        assert (answer.status_code, answer.json()["version"], answer.headers["etag"]) == (200, 2, '"2"')
        assert [mirror.text and mirror.text.title for mirror in world.mirrors(target)] == ["Busy"]

    def test_whoever_read_an_older_version_is_told(self, ada: Caller, world: World) -> None:
        link = new(ada, world)
        ada.http.patch(f"/api/links/{link['id']}", json={"privacy": "title"})

        answer = ada.http.patch(f"/api/links/{link['id']}", json={"privacy": "full"}, headers={"if-match": '"1"'})
        gone = ada.http.delete(f"/api/links/{link['id']}?delete_mirrors=false", headers={"if-match": '"1"'})

        assert (answer.status_code, answer.json()["code"], gone.status_code) == (412, "PRECONDITION_FAILED", 412)
        assert ada.json(f"/api/links/{link['id']}")["privacy"] == "title"

    def test_what_is_left_out_stays_and_null_ahead_is_without_bound(self, ada: Caller, world: World) -> None:
        link = new(ada, world, busy_title="Taken")

        changed = ada.http.patch(f"/api/links/{link['id']}", json={"days_ahead": None}).json()
        refused = ada.http.patch(f"/api/links/{link['id']}", json={"privacy": None})

        assert (changed["days_ahead"], changed["busy_title"], changed["privacy"]) == (None, "Taken", "busy")
        assert refused.status_code == 400

    def test_pausing_and_resuming_may_be_repeated(self, ada: Caller, world: World) -> None:
        link = new(ada, world)

        states = [
            ada.post(f"/api/links/{link['id']}/{verb}").json()["state"]
            for verb in ("pause", "pause", "resume", "resume")
        ]

        assert states == ["paused", "paused", "active", "active"]

    def test_a_paused_link_writes_when_it_is_resumed(self, ada: Caller, world: World) -> None:
        source, target = world.calendar("home"), world.calendar("work")
        link = world.link(source, target)
        ada.post(f"/api/links/{link.id}/pause")
        world.put(source, event("dentist"))
        world.look(source)
        world.run()

        before = len(world.mirrors(target))
        ada.post(f"/api/links/{link.id}/resume")
        world.run()

        assert (before, len(world.mirrors(target))) == (0, 1)


class TestDeleting:
    @pytest.mark.parametrize(("delete_mirrors", "removed", "left"), [("true", 1, 0), ("false", 0, 1)])
    def test_mirrors_go_or_stay_as_asked(
        self, ada: Caller, world: World, delete_mirrors: str, removed: int, left: int
    ) -> None:
        source, target = world.calendar("home"), world.calendar("work")
        world.put(source, event("dentist"))
        link = world.link(source, target)

        answer = ada.http.delete(f"/api/links/{link.id}", params={"delete_mirrors": delete_mirrors})
        world.run()

        assert (answer.status_code, answer.json()) == (200, {"mirrors": removed})
        assert len(world.mirrors(target)) == left
        assert ada.get(f"/api/links/{link.id}").status_code == 404

    def test_nobody_guesses_what_becomes_of_the_mirrors(self, ada: Caller, world: World) -> None:
        link = new(ada, world)

        answer = ada.http.delete(f"/api/links/{link['id']}")

        assert (answer.status_code, list(answer.json()["fields"])) == (400, ["query.delete_mirrors"])

    def test_whatever_is_asked_for_is_recorded(self, ada: Caller, world: World) -> None:
        link = new(ada, world)
        ada.http.patch(f"/api/links/{link['id']}", json={"privacy": "title"})
        ada.http.delete(f"/api/links/{link['id']}?delete_mirrors=false")

        recorded = world.rows("SELECT actor, action, entity FROM audit_log WHERE action LIKE 'link.%%' ORDER BY id")

        actions = ("link.created", "link.changed", "link.deleted")
        assert recorded == [(f"person:{ada.user_id}", action, f"link:{link['id']}") for action in actions]


class TestSettings:
    def test_nested_settings_keep_what_is_not_named(self, ada: Caller, world: World) -> None:
        link = new(ada, world, show={"location": True}, filters={"title_exclude": "lunch", "skip_private": True})
        body = {"show": {"description": True}, "filters": {"title_exclude": None, "declined": "free"}}

        changed = ada.http.patch(f"/api/links/{link['id']}", json=body, headers={"if-match": '"1"'})
        stale = ada.http.patch(f"/api/links/{link['id']}", json=body, headers={"if-match": '"1"'})

        assert changed.json()["show"] == {"title": None, "description": True, "location": True, "availability": None}
        filters = changed.json()["filters"]
        assert (filters["title_exclude"], filters["skip_private"], filters["declined"]) == (None, True, "free")
        assert filters["skip_event_types"] == ["working_location", "birthday"]
        assert stale.status_code == 412

    @pytest.mark.parametrize(
        ("body", "code"),
        [
            ({"title_template": "{title}"}, "LINK.TITLE_TEMPLATE"),
            ({"title_template": "{guests}"}, "LINK.TITLE_TEMPLATE"),
            ({"filters": {"title_include": "(?=x)"}}, "REQUEST.INVALID"),
            ({"filters": {"working_hours": {"zone": "Atlantis"}}}, "REQUEST.INVALID"),
            ({"filters": {"unknown": 1}}, "REQUEST.INVALID"),
            ({"on_delete": "burn"}, "REQUEST.INVALID"),
            ({"show": {"guests": True}}, "REQUEST.INVALID"),
            ({"days_ahead": 731}, "REQUEST.INVALID"),
        ],
    )
    def test_what_cannot_be_is_refused_and_nothing_repeated(
        self, ada: Caller, world: World, body: dict[str, Any], code: str
    ) -> None:
        link = new(ada, world)

        answer = ada.http.patch(f"/api/links/{link['id']}", json=body)

        assert (answer.status_code, answer.json()["code"]) == (400, code)
        assert "Atlantis" not in answer.text
        assert ada.json(f"/api/links/{link['id']}")["version"] == 1


class TestPreview:
    def test_it_bears_the_names_and_fields_of_the_link_to_be(self, ada: Caller, world: World) -> None:
        body = {
            "privacy": "busy",
            "title_template": "Busy ({calendar}, {account})",
            "show": {"location": True},
            "source_calendar_id": str(world.calendar("home")),
        }

        seen = ada.post("/api/links/preview", body).json()["seen"]

        assert seen["title"] == "Busy (home, someone@x.example)"
        assert seen["location"] == "St. Mary's Hospital, Room 4.12"

    @pytest.mark.parametrize(
        ("privacy", "title", "place"),
        [
            ("busy", "Engaged", ""),
            ("title", "Second opinion with Prof. Lindqvist", ""),
            ("full", "Second opinion with Prof. Lindqvist", "St. Mary's Hospital, Room 4.12"),
        ],
    )
    def test_it_is_what_others_will_see(self, ada: Caller, privacy: str, title: str, place: str) -> None:
        answer = ada.post("/api/links/preview", {"privacy": privacy, "busy_title": "Engaged"}).json()

        assert (answer["seen"]["title"], answer["seen"]["location"]) == (title, place)
        assert answer["original"]["location"] == "St. Mary's Hospital, Room 4.12"
        assert answer["seen"]["when"] == answer["original"]["when"]
        assert answer["seen"]["visibility"] == "private"
        assert "guests" in answer["never_shown"]
