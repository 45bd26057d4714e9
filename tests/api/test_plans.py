"""Plans through the API."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest

from tests.sync.two_way.pair import Pair
from tests.sync.world import event

if TYPE_CHECKING:
    from shared.sync.links import Link
    from tests.api.conftest import Caller
    from tests.sync.world import World


@pytest.fixture
def link(world: World) -> Link:
    home, work = world.calendar("home"), world.calendar("work")
    world.put(home, event("dentist", title="Dentist"))
    return world.link(home, work, privacy="title")


def change(ada: Caller, link: Link, **changes: Any) -> dict[str, Any]:
    answer = ada.post("/api/plans", {"link_id": str(link.id), "change": changes})
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


def test_a_plan_tells_what_would_be_written_and_its_samples_once(ada: Caller, link: Link) -> None:
    made = change(ada, link, privacy="busy")

    kept = ada.json(f"/api/plans/{made['id']}")

    (sample,) = made.pop("samples")
    assert (sample["before"]["title"], sample["after"]["title"], sample["kind"]) == ("Dentist", "Busy", "rewrite")
    assert (made["counts"]["rewrite"], made["counts"]["writes"], made["counts"]["unknown"]) == (1, 1, [])
    assert made == {**kept, "warnings": []}


def test_it_is_carried_out_by_its_id_once(ada: Caller, world: World, link: Link) -> None:
    made = change(ada, link, privacy="busy")

    done = ada.post(f"/api/plans/{made['id']}/apply")
    again = ada.post(f"/api/plans/{made['id']}/apply")
    world.run()

    assert (done.status_code, done.json()["link_id"]) == (200, str(link.id))
    assert (again.status_code, again.json()["code"]) == (409, "PLAN.APPLIED")
    assert [mirror.text and mirror.text.title for mirror in world.mirrors(link.target_calendar_id)] == ["Busy"]


def test_a_changed_world_conflicts(ada: Caller, link: Link) -> None:
    made = change(ada, link, privacy="busy")
    ada.http.patch(f"/api/links/{link.id}", json={"days_ahead": 30})

    answer = ada.post(f"/api/plans/{made['id']}/apply")

    assert (answer.status_code, answer.json()["code"]) == (409, "PLAN.OUTDATED")
    assert ada.json(f"/api/links/{link.id}")["privacy"] == "title"


def test_a_new_link_is_planned_and_made(ada: Caller, world: World) -> None:
    ends = {"source_calendar_id": str(world.calendar("a")), "target_calendar_id": str(world.calendar("b"))}

    made = ada.post("/api/plans", {"create": ends}, headers={"idempotency-key": "k"}).json()
    same = ada.post("/api/plans", {"create": ends}, headers={"idempotency-key": "k"}).json()
    done = ada.post(f"/api/plans/{made['id']}/apply").json()

    assert (made["link_id"], same["id"]) == (None, made["id"])
    assert [one["id"] for one in ada.json("/api/links")["items"]] == [done["link_id"]]


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"link_id": str(uuid4())},
        {"resync": True},
        {"link_id": str(uuid4()), "resync": True, "delete_mirrors": True},
        {"link_id": str(uuid4()), "change": {"privacy": "naked"}},
    ],
)
def test_what_is_not_one_thing_is_refused(ada: Caller, body: dict[str, Any]) -> None:
    assert (ada.post("/api/plans", body).status_code, ada.post("/api/plans", body).json()["code"]) == (
        400,
        "REQUEST.INVALID",
    )


def test_what_is_not_there_is_not_found(ada: Caller) -> None:
    unknown = [
        ada.get(f"/api/plans/{uuid4()}"),
        ada.post(f"/api/plans/{uuid4()}/apply"),
        ada.post("/api/plans", {"link_id": str(uuid4()), "resync": True}),
        ada.post(f"/api/links/{uuid4()}/resync"),
    ]

    assert [answer.status_code for answer in unknown] == [404] * 4


class TestGroups:
    def test_a_group_is_forecast_over_all_its_links_and_made_by_its_plan(self, ada: Caller, world: World) -> None:
        ids = [world.calendar(name) for name in ("home", "work", "club")]
        for number, calendar_id in enumerate(ids):
            for again in range(number + 1):
                world.put(calendar_id, event(f"e{number}{again}", hours=24 + number + 5 * again))

        plan = ada.post("/api/plans", {"create_group": {"calendar_ids": [str(one) for one in ids]}}).json()
        unmade = ada.json("/api/link-groups")["items"]
        done = ada.post(f"/api/plans/{plan['id']}/apply").json()
        world.run()

        assert (plan["counts"]["create"], plan["counts"]["writes"], unmade) == (12, 12, [])
        assert (plan["link_id"], plan["group_id"], plan["calendar_ids"]) == (None, None, [str(one) for one in ids])
        assert len(plan["samples"]) == 5
        group = ada.json(f"/api/link-groups/{done['group_id']}")
        first = ada.json(f"/api/links/{done['link_id']}")
        assert (first["source_calendar_id"], first["target_calendar_id"]) == (str(ids[0]), str(ids[1]))
        assert set(group["calendar_ids"]) == {str(one) for one in ids}
        assert len(world.server.writes) == 12

    def test_a_two_way_link_is_planned_both_ways_and_refused_when_either_side_has_changed(
        self, ada: Caller, world: World
    ) -> None:
        home, work = world.calendar("home"), world.calendar("work")
        world.put(home, event("mine"))
        world.put(work, event("theirs", hours=30))
        ends = {"source_calendar_id": str(home), "target_calendar_id": str(work), "two_way": True}
        plan = ada.post("/api/plans", {"create": ends}).json()
        world.rows("UPDATE calendars SET readers = '{bob@example.com}' WHERE name = 'home' RETURNING 1")

        refused = ada.post(f"/api/plans/{plan['id']}/apply")

        assert plan["counts"]["create"] == 2
        assert (refused.status_code, refused.json()["code"]) == (409, "PLAN.OUTDATED")
        again = ada.post("/api/plans", {"create": ends}).json()
        assert ada.post(f"/api/plans/{again['id']}/apply").json()["group_id"] is not None

    def test_one_thing_at_a_time(self, ada: Caller, world: World) -> None:
        ids = [str(world.calendar(name)) for name in ("home", "work")]
        ends = {"source_calendar_id": ids[0], "target_calendar_id": ids[1]}

        answer = ada.post("/api/plans", {"create": ends, "create_group": {"calendar_ids": ids}})

        assert (answer.status_code, answer.json()["code"]) == (400, "REQUEST.INVALID")


class TestChangesOfAGroup:
    """Ada's home, work and club are linked with each other; there is an event in each."""

    @pytest.fixture
    def trio(self, world: World) -> Pair:
        pair = Pair(world, ("home", "work", "club"), privacy="title")
        for number, name in enumerate(pair.names):
            world.put(pair.ids[name], event(f"at {name}", hours=24 + 3 * number, title=f"At {name}"))
        pair.sync()
        return pair

    def plan(self, ada: Caller, trio: Pair, **wish: Any) -> dict[str, Any]:
        answer = ada.post("/api/plans", {"group_id": str(trio.group.id), **wish})
        assert answer.status_code == 201, answer.text
        return dict(answer.json())

    def apply(self, ada: Caller, trio: Pair, plan: dict[str, Any]) -> tuple[dict[str, Any], int]:
        """What is answered, and how much is then written."""
        answer = ada.post(f"/api/plans/{plan['id']}/apply")
        assert answer.status_code == 200, answer.text
        before = len(trio.writes())
        trio.sync()
        return dict(answer.json()), len(trio.writes()) - before

    @pytest.mark.parametrize(
        ("wish", "action", "counts"),
        [
            ({"change_group": {"privacy": "busy"}}, "change", {"rewrite": 6, "writes": 6}),
            ({"change_group": {"days_ahead": 1, "name": "Mine"}}, "change", {"leave": 6}),
            ({"change_group": {"name": "Mine"}}, "change", {"leave": 6}),
            ({"resync": True}, "resync", {"leave": 6}),
            ({"delete_mirrors": True}, "delete", {"remove": 6, "writes": 6}),
            ({"delete_mirrors": False}, "delete", {"leave": 6}),
            ({"remove_calendar_id": "club", "delete_mirrors": True}, "remove", {"remove": 4, "writes": 4}),
            ({"remove_calendar_id": "club", "delete_mirrors": False}, "remove", {"leave": 4}),
            # two events of its own at three places, and three of theirs here
            ({"add_calendar_id": "choir"}, "add", {"create": 9, "writes": 9}),
        ],
    )
    def test_what_is_shown_is_what_happens(
        self, ada: Caller, world: World, trio: Pair, wish: dict[str, Any], action: str, counts: dict[str, int]
    ) -> None:
        trio.ids["choir"] = world.calendar("choir")
        for number in range(2):
            world.put(trio.ids["choir"], event(f"choir {number}", hours=50 + 2 * number))
        named = {name: str(trio.ids[value]) if name.endswith("_id") else value for name, value in wish.items()}

        plan = self.plan(ada, trio, **named)
        untouched = ada.json(f"/api/link-groups/{trio.group.id}")
        done, written = self.apply(ada, trio, plan)

        told = {name: plan["counts"][name] for name in ("create", "rewrite", "remove", "leave", "held", "writes")}
        assert told == {**dict.fromkeys(told, 0), **counts}
        assert (plan["action"], plan["group_id"], plan["link_id"]) == (action, str(trio.group.id), None)
        assert (untouched["version"], untouched["privacy"], len(untouched["calendar_ids"])) == (1, "title", 3)
        assert written == counts.get("writes", 0)
        assert (done["action"], done["group_id"]) == (action, str(trio.group.id))
        assert done["mirrors"] == counts.get("remove", 0)

    def test_samples_show_the_mirrors_before_and_after(self, ada: Caller, trio: Pair) -> None:
        plan = self.plan(ada, trio, change_group={"privacy": "busy", "busy_title": "Away"})

        looks = {(one["before"]["title"], one["after"]["title"]) for one in plan["samples"]}

        assert looks <= {("At home", "Away"), ("At work", "Away"), ("At club", "Away")}
        assert len(looks) >= 2
        assert self.apply(ada, trio, plan)[1] == 6
        assert ada.json(f"/api/link-groups/{trio.group.id}")["busy_title"] == "Away"

    @pytest.mark.parametrize("what", ["group", "event", "joined", "sharing", "mirror"])
    def test_it_is_refused_when_the_world_has_changed(self, ada: Caller, world: World, trio: Pair, what: str) -> None:
        address = f"/api/link-groups/{trio.group.id}"
        plan = self.plan(ada, trio, change_group={"privacy": "busy"})
        match what:
            case "group":
                ada.http.patch(address, json={"name": "Ours"})
            case "event":
                trio.put("club", event("new"))
            case "joined":
                ada.post(f"{address}/calendars", {"calendar_id": str(world.calendar("choir"))})
            case "sharing":
                world.rows("UPDATE calendars SET readers = '{bob@example.com}' WHERE name = 'club' RETURNING 1")
            case _:
                world.rows("UPDATE event_mappings SET state = 'frozen' RETURNING 1")

        answer = ada.post(f"/api/plans/{plan['id']}/apply")

        assert (answer.status_code, answer.json()["code"]) == (409, "PLAN.OUTDATED")
        assert ada.json(address)["privacy"] == "title"

    def test_what_cannot_be_done_cannot_be_planned(self, ada: Caller, world: World, trio: Pair) -> None:
        shared = str(world.calendar("shared"))
        world.rows("UPDATE calendars SET readers = '{bob@example.com}' WHERE name = 'shared' RETURNING 1")
        group = {"group_id": str(trio.group.id)}

        answers = [
            ada.post("/api/plans", {"group_id": str(uuid4()), "resync": True}),
            ada.post("/api/plans", {**group, "add_calendar_id": shared}),
            ada.post("/api/plans", {**group, "remove_calendar_id": shared, "delete_mirrors": True}),
            ada.post("/api/plans", {**group, "remove_calendar_id": shared}),
            ada.post("/api/plans", {**group, "change": {"privacy": "busy"}}),
            ada.post("/api/plans", {**group, "resync": True, "change_group": {"privacy": "busy"}}),
            ada.post("/api/plans", {**group, "link_id": str(trio.group.links[0].id), "resync": True}),
        ]

        assert [(one.status_code, one.json()["code"]) for one in answers] == [
            (404, "GROUP.NOT_FOUND"),
            (400, "GROUP.OTHERS_READ"),
            (404, "GROUP.NOT_IN_IT"),
            *[(400, "REQUEST.INVALID")] * 4,
        ]

    def test_the_calendar_that_joins_and_its_link_are_named(self, ada: Caller, world: World, trio: Pair) -> None:
        choir = str(world.calendar("choir"))

        plan = self.plan(ada, trio, add_calendar_id=choir)
        done, _ = self.apply(ada, trio, plan)

        link = ada.json(f"/api/links/{done['link_id']}")
        assert (plan["source_calendar_id"], plan["calendar_ids"][-1]) == (choir, choir)
        assert (link["source_calendar_id"], link["group_id"]) == (choir, str(trio.group.id))
        assert link["target_calendar_id"] == plan["target_calendar_id"]
