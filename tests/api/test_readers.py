"""Who else reads what a link writes: asked when it turns out later, and said through the API."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.sync.world import event

if TYPE_CHECKING:
    from uuid import UUID

    from tests.api.conftest import Caller
    from tests.sync.world import World

BOB, EVE = "bob@example.com", "eve@example.com"


@pytest.fixture
def link(ada: Caller, world: World) -> dict[str, Any]:
    """From home to work, in full, made while nobody else read work; one mirror stands."""
    return linked(ada, world)


def linked(ada: Caller, world: World, **options: Any) -> dict[str, Any]:
    home, work = world.calendar("home"), world.calendar("work")
    world.put(home, event("dentist", title="Dentist"))
    body = {"source_calendar_id": str(home), "target_calendar_id": str(work), "privacy": "full", **options}
    made = ada.post("/api/links", body)
    world.run()
    return dict(made.json())


def id_of(world: World, name: str) -> UUID:
    return next(calendar_id for calendar_id, remote in world.remote.items() if remote == name)


def share(world: World, *readers: str, calendar: str = "work") -> None:
    """What discovery would find."""
    world.rows("UPDATE calendars SET readers = %s WHERE name = %s RETURNING 1", list(readers), calendar)


def asked(ada: Caller) -> list[dict[str, Any]]:
    return [one for one in ada.json("/api/attention")["items"] if one["code"] == "LINK.NEW_READERS"]


def decide(ada: Caller, link: dict[str, Any], *, may_read: bool) -> Any:
    answer = ada.post(f"/api/links/{link['id']}/readers", {"may_read": may_read})
    assert answer.status_code == 200, answer.text
    return answer.json()


class TestSharedLater:
    def test_it_needs_the_person_who_is_told_who_reads_and_what(
        self, ada: Caller, world: World, link: dict[str, Any]
    ) -> None:
        before = asked(ada)
        share(world, BOB)

        (told,) = asked(ada)
        (state,) = ada.json("/api/status")["links"]

        assert before == []
        assert (told["kind"], told["id"], told["page"]) == ("link", link["id"], f"/links/{link['id']}")
        assert told["command"] == f"kalends links readers {link['id']}"
        assert f"{BOB} can now read work" in told["message"]
        assert "title, description, location, availability (1 mirror so far)" in told["message"]
        assert state["state"] == "attention"

    def test_may_read_silences_it_until_somebody_else_reads(
        self, ada: Caller, world: World, link: dict[str, Any]
    ) -> None:
        share(world, BOB)

        allowed = decide(ada, link, may_read=True)
        silent = asked(ada)
        share(world, BOB, EVE)
        (again,) = asked(ada)

        assert [one["code"] for one in allowed["warnings"]] == ["LINK.OTHERS_READ"]
        assert silent == []
        assert again["message"].startswith(f"{EVE} can now read")
        assert ada.json(f"/api/links/{link['id']}/readers") == {
            "readers": [BOB, EVE],
            "new": [EVE],
            "see": ["title", "description", "location", "availability"],
        }

    def test_who_stops_reading_and_begins_again_is_new(self, ada: Caller, world: World, link: dict[str, Any]) -> None:
        share(world, BOB, EVE)
        decide(ada, link, may_read=True)
        share(world, EVE)
        fewer = asked(ada)

        share(world, BOB, EVE)

        assert fewer == []
        assert asked(ada)[0]["message"].startswith(f"{BOB} can now read")

    def test_only_busy_hides_every_mirror(self, ada: Caller, world: World, link: dict[str, Any]) -> None:
        ada.http.patch(f"/api/links/{link['id']}", json={"show": {"location": True}, "title_template": "({calendar})"})
        share(world, BOB)

        masked = decide(ada, link, may_read=False)
        world.run()

        assert (masked["privacy"], set(masked["show"].values()), masked["title_template"]) == ("busy", {None}, None)
        (mirror,) = world.mirrors(id_of(world, "work"))
        assert mirror.text is not None
        assert (mirror.text.title, mirror.text.description) == ("Busy", "")
        assert asked(ada) == []

    def test_a_link_that_shows_only_busy_is_nothing_to_ask_about(self, ada: Caller, world: World) -> None:
        link = linked(ada, world, privacy="busy")
        share(world, BOB)

        silent = asked(ada)
        shown = ada.http.patch(f"/api/links/{link['id']}", json={"privacy": "title"}).json()

        assert silent == []
        assert [one["code"] for one in shown["warnings"]] == ["LINK.OTHERS_READ"]
        assert asked(ada) == []  # whoever shows more is told who reads

    def test_a_change_of_anything_else_answers_nothing(self, ada: Caller, world: World, link: dict[str, Any]) -> None:
        share(world, BOB)

        ada.http.patch(f"/api/links/{link['id']}", json={"days_ahead": 30})

        assert len(asked(ada)) == 1

    def test_each_link_into_a_group_is_asked_about_and_changed_with_it(self, ada: Caller, world: World) -> None:
        ids = [str(world.calendar(name)) for name in ("home", "work", "club")]
        group = ada.post("/api/link-groups", {"calendar_ids": ids, "privacy": "title"}).json()
        share(world, BOB)
        links = asked(ada)

        refused = ada.post(f"/api/links/{links[0]['id']}/readers", {"may_read": False})
        decide(ada, links[0], may_read=True)
        left = asked(ada)
        ada.http.patch(f"/api/link-groups/{group['id']}", json={"privacy": "busy"})

        assert len(links) == 2
        assert "which is set for the whole group" in links[0]["message"]
        assert (refused.status_code, refused.json()["code"]) == (409, "LINK.IN_GROUP")
        assert [one["id"] for one in left] == [links[1]["id"]]
        assert asked(ada) == []


class TestKnownAtOnce:
    @pytest.mark.parametrize("insists", [True, False])
    def test_a_link_made_into_a_shared_calendar_asks_nothing_more(
        self, ada: Caller, world: World, insists: bool
    ) -> None:
        home, work = world.calendar("home"), world.calendar("work")
        share(world, BOB)
        ends = {"source_calendar_id": str(home), "target_calendar_id": str(work)}

        made = ada.post("/api/links", {**ends, "privacy": "full", "others_may_read": insists}).json()

        assert (made["privacy"], asked(ada)) == ("full" if insists else "busy", [])

    def test_a_target_of_which_nobody_knows_is_warned_of_and_asked_about_once_it_is_known(
        self, ada: Caller, world: World
    ) -> None:
        ends = {"source_calendar_id": str(world.calendar("home")), "target_calendar_id": str(world.calendar("work"))}
        world.rows("UPDATE calendars SET readers = NULL RETURNING 1")

        made = ada.post("/api/links", {**ends, "privacy": "full", "others_may_read": True}).json()
        unknown = ada.json(f"/api/links/{made['id']}/readers")["readers"]
        silent = asked(ada)
        share(world, BOB)

        assert (made["privacy"], [one["code"] for one in made["warnings"]]) == ("full", ["LINK.READERS_UNKNOWN"])
        assert (unknown, silent) == (None, [])
        assert len(asked(ada)) == 1


def test_whose_link_it_is_decides_who_may_say(ada: Caller, call: Any, world: World, link: dict[str, Any]) -> None:
    share(world, BOB)
    bob = call(email=BOB)

    answer = bob.post(f"/api/links/{link['id']}/readers", {"may_read": True})

    assert (answer.status_code, bob.get(f"/api/links/{link['id']}/readers").status_code) == (404, 404)
    assert len(asked(ada)) == 1
