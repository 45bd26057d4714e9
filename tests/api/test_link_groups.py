"""Calendars that are linked with each other, through the API."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest

from tests.sync.world import event

if TYPE_CHECKING:
    from uuid import UUID

    from tests.api.conftest import Caller
    from tests.sync.world import World


@pytest.fixture
def three(world: World) -> list[UUID]:
    return [world.calendar(name) for name in ("home", "work", "club")]


def new(ada: Caller, calendars: list[UUID], **options: Any) -> dict[str, Any]:
    answer = ada.post("/api/link-groups", {"calendar_ids": [str(one) for one in calendars], **options})
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


def titles(world: World, calendar_id: UUID) -> list[str]:
    return sorted(one.text.title if one.text else "" for one in world.server.visible(world.remote[calendar_id]))


class TestCreating:
    def test_what_happens_in_one_appears_in_all_others_and_edits_are_merged(
        self, ada: Caller, world: World, three: list[UUID]
    ) -> None:
        world.put(three[0], event("dentist", title="Dentist"))

        group = new(ada, three, privacy="title", name="All of me")
        world.run()

        assert [titles(world, one) for one in three] == [["Dentist"]] * 3
        assert (group["name"], group["state"], group["privacy"]) == ("All of me", "active", "title")
        assert (group["on_edit"], group["on_conflict"], group["version"]) == ("merge", "newest", 1)
        assert set(group["calendar_ids"]) == {str(one) for one in three}
        links = ada.json("/api/links")["items"]
        assert {one["id"] for one in links} == set(group["link_ids"])
        assert {(one["group_id"], one["direction"]) for one in links} == {(group["id"], "two_way")}
        assert ada.json("/api/link-groups")["items"] == [
            {name: value for name, value in group.items() if name != "warnings"}
        ]

    def test_a_two_way_link_is_a_group_of_two(self, ada: Caller, world: World, three: list[UUID]) -> None:
        ends = {"source_calendar_id": str(three[1]), "target_calendar_id": str(three[0])}

        link = ada.post("/api/links", {**ends, "two_way": True, "privacy": "title"}).json()

        group = ada.json(f"/api/link-groups/{link['group_id']}")
        assert {name: link[name] for name in ends} == ends
        assert (link["direction"], link["on_edit"], link["privacy"]) == ("two_way", "merge", "title")
        assert set(group["calendar_ids"]) == set(ends.values())
        assert len(group["link_ids"]) == 2

    def test_one_that_others_can_read_starts_all_as_busy(self, ada: Caller, world: World, three: list[UUID]) -> None:
        world.rows("UPDATE calendars SET readers = '{bob@example.com}' WHERE name = 'club' RETURNING 1")

        group = new(ada, three, privacy="full")

        assert group["privacy"] == "busy"
        assert [one["code"] for one in group["warnings"]] == ["LINK.STARTS_BUSY"]
        assert "club" in group["warnings"][0]["message"]

    def test_the_same_idempotency_key_makes_one_group(self, ada: Caller, three: list[UUID]) -> None:
        body = {"calendar_ids": [str(one) for one in three]}
        first = ada.post("/api/link-groups", body, headers={"idempotency-key": "k"})

        again = ada.post("/api/link-groups", body, headers={"idempotency-key": "k"})

        assert (again.status_code, again.json(), again.headers["etag"]) == (201, first.json(), '"1"')
        assert len(ada.json("/api/link-groups")["items"]) == 1

    def test_pages_follow_each_other(self, ada: Caller, world: World, three: list[UUID]) -> None:
        made = [new(ada, three[:2])["id"], new(ada, three[1:])["id"]]

        first = ada.json("/api/link-groups", limit=1)
        second = ada.json("/api/link-groups", limit=1, after=first["next"])

        assert [one["id"] for one in (*first["items"], *second["items"])] == made
        assert second["next"] is None

    def test_what_makes_no_sense_is_refused(self, ada: Caller, world: World, three: list[UUID]) -> None:
        home, work, _ = map(str, three)
        world.link(*three[:2])
        reader = world.calendar("read-only")
        world.rows("UPDATE calendars SET can_write = false WHERE name = 'read-only' RETURNING 1")

        found = [
            (answer.status_code, answer.json()["code"])
            for answer in (
                ada.post("/api/link-groups", {"calendar_ids": ids})
                for ids in ([home], [home, home], [home, work], [home, str(reader)], [home, str(uuid4())])
            )
        ]

        assert found == [
            (400, "REQUEST.INVALID"),
            (400, "GROUP.SIZE"),
            (409, "LINK.EXISTS"),
            (400, "LINK.TARGET_READ_ONLY"),
            (404, "NOT_FOUND"),
        ]
        assert ada.json("/api/link-groups")["items"] == []


class TestChanging:
    def test_settings_are_changed_for_all_links_and_a_stale_change_is_refused(
        self, ada: Caller, world: World, three: list[UUID]
    ) -> None:
        world.put(three[0], event("dentist", title="Dentist"))
        group = new(ada, three)
        world.run()
        path = f"/api/link-groups/{group['id']}"
        body = {"privacy": "title", "on_conflict": "ask", "name": "Mine"}

        changed = ada.http.patch(path, json=body, headers={"if-match": '"1"'})
        stale = ada.http.patch(path, json={"privacy": "full"}, headers={"if-match": '"1"'})
        world.run()

        assert (changed.status_code, changed.headers["etag"], changed.json()["name"]) == (200, '"2"', "Mine")
        assert stale.status_code == 412
        assert [titles(world, one) for one in three] == [["Dentist"]] * 3
        assert {one["on_conflict"] for one in ada.json("/api/links")["items"]} == {"ask"}

    def test_a_name_alone_is_a_change_too(self, ada: Caller, three: list[UUID]) -> None:
        path = f"/api/link-groups/{new(ada, three)['id']}"

        named = ada.http.patch(path, json={"name": "Mine"}).json()
        unnamed = ada.http.patch(path, json={"name": None})

        assert (named["name"], named["version"]) == ("Mine", 2)
        assert (unnamed.status_code, list(unnamed.json()["fields"])) == (400, ["body"])

    def test_pause_stops_all_and_resume_goes_on(self, ada: Caller, world: World, three: list[UUID]) -> None:
        path = f"/api/link-groups/{new(ada, three, privacy='title')['id']}"
        world.run()

        paused = ada.post(f"{path}/pause").json()
        world.put(three[0], event("dentist", title="Dentist"))
        world.look(three[0])
        world.run()
        meanwhile = titles(world, three[1])
        resumed = ada.post(f"{path}/resume").json()
        world.run()

        assert (paused["state"], meanwhile, resumed["state"]) == ("paused", [], "active")
        assert titles(world, three[1]) == titles(world, three[2]) == ["Dentist"]

    def test_resync_reads_all_anew(self, ada: Caller, world: World, three: list[UUID]) -> None:
        path = f"/api/link-groups/{new(ada, three)['id']}"
        world.run()

        answer = ada.post(f"{path}/resync")

        assert answer.status_code == 200
        assert world.rows("SELECT count(*) FROM calendar_sync_state WHERE needs_full_sync") == [(3,)]

    def test_a_link_of_a_group_is_not_changed_by_itself(self, ada: Caller, three: list[UUID]) -> None:
        group = new(ada, three)
        path = f"/api/links/{group['link_ids'][0]}"

        answers = [
            ada.http.patch(path, json={"privacy": "full"}),
            ada.post(f"{path}/pause"),
            ada.http.delete(path, params={"delete_mirrors": True}),
        ]

        assert {(one.status_code, one.json()["code"]) for one in answers} == {(409, "LINK.IN_GROUP")}
        assert group["id"] in answers[0].json()["detail"]


class TestCalendars:
    def test_one_more_is_linked_with_all(self, ada: Caller, world: World, three: list[UUID]) -> None:
        world.put(three[0], event("dentist", title="Dentist"))
        path = f"/api/link-groups/{new(ada, three[:2], privacy='title')['id']}"
        world.run()

        grown = ada.post(f"{path}/calendars", {"calendar_id": str(three[2])}).json()
        world.run()

        assert (len(grown["calendar_ids"]), len(grown["link_ids"]), grown["version"]) == (3, 6, 2)
        assert titles(world, three[2]) == ["Dentist"]

    def test_one_more_in_a_paused_group_waits_as_the_others_do(
        self, ada: Caller, world: World, three: list[UUID]
    ) -> None:
        world.put(three[0], event("dentist", title="Dentist"))
        path = f"/api/link-groups/{new(ada, three[:2])['id']}"
        ada.post(f"{path}/pause")

        ada.post(f"{path}/calendars", {"calendar_id": str(three[2])})
        world.run()

        assert {one["state"] for one in ada.json("/api/links")["items"]} == {"paused"}
        assert titles(world, three[2]) == []

    def test_one_that_others_can_read_is_not_added_to_a_group_that_tells(
        self, ada: Caller, world: World, three: list[UUID]
    ) -> None:
        path = f"/api/link-groups/{new(ada, three[:2], privacy='full')['id']}"
        world.rows("UPDATE calendars SET readers = '{bob@example.com}' WHERE name = 'club' RETURNING 1")

        answer = ada.post(f"{path}/calendars", {"calendar_id": str(three[2])})

        assert (answer.status_code, answer.json()["code"]) == (400, "GROUP.OTHERS_READ")

    def test_one_is_taken_out_with_what_stands_between_it_and_the_others(
        self, ada: Caller, world: World, three: list[UUID]
    ) -> None:
        world.put(three[0], event("dentist", title="Dentist"))
        group = new(ada, three, privacy="title")
        world.run()
        path = f"/api/link-groups/{group['id']}"

        gone = ada.http.delete(f"{path}/calendars/{three[2]}", params={"delete_mirrors": True})
        world.run()
        last = ada.http.delete(f"{path}/calendars/{three[1]}", params={"delete_mirrors": True})

        assert gone.json() == {"mirrors": 1}
        assert (titles(world, three[2]), titles(world, three[1])) == ([], ["Dentist"])
        assert ada.json(path)["version"] == 2
        assert (last.status_code, last.json()["code"]) == (409, "GROUP.TOO_SMALL")

    @pytest.mark.parametrize("delete_mirrors", [True, False])
    def test_a_group_goes_with_its_mirrors_or_without(
        self, ada: Caller, world: World, three: list[UUID], delete_mirrors: bool
    ) -> None:
        world.put(three[0], event("dentist", title="Dentist"))
        path = f"/api/link-groups/{new(ada, three, privacy='title')['id']}"
        world.run()

        stale = ada.http.delete(path, params={"delete_mirrors": True}, headers={"if-match": '"7"'})
        gone = ada.http.delete(path, params={"delete_mirrors": delete_mirrors}, headers={"if-match": '"1"'})
        world.run()

        assert (stale.status_code, gone.json()) == (412, {"mirrors": 2 if delete_mirrors else 0})
        assert titles(world, three[0]) == ["Dentist"]
        assert titles(world, three[1]) == ([] if delete_mirrors else ["Dentist"])
        assert (ada.http.get(path).status_code, ada.json("/api/links")["items"]) == (404, [])
