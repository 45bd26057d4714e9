"""Browsers in front of the pages, with one person's calendars in memory behind them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.api.conftest import HASHED, PASSWORD, app, served, world
from tests.portal.browser import Browser
from tests.sync.two_way.pair import Pair
from tests.sync.world import event

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from uuid import UUID

    from shared.store.database import Database
    from shared.sync.links import Link
    from tests.edge import Edge
    from tests.sync.world import World

__all__ = ["app", "served", "world"]


@pytest.fixture
def stranger(served: Edge) -> Iterator[Browser]:
    with served.client() as client:
        yield Browser(client)


@pytest.fixture
def person(database: Database) -> Callable[..., str]:
    """Give somebody an e-mail address and a password, by which they can sign in."""

    def make(user_id: UUID | None = None, *, email: str = "ada@example.com") -> str:
        with database.everyone() as conn:
            if user_id is None:
                conn.execute("INSERT INTO profiles (email, password_hash) VALUES (%s, %s)", (email, HASHED))
            else:
                conn.execute(
                    "UPDATE profiles SET email = %s, password_hash = %s WHERE id = %s", (email, HASHED, user_id)
                )
        return email

    return make


@pytest.fixture
def ada(stranger: Browser, world: World, person: Callable[..., str]) -> Browser:
    """The world's person, signed in."""
    page = stranger.sign_in(person(world.user_id), PASSWORD)
    assert page.path == "/", page.text
    return stranger


@pytest.fixture
def calendars(world: World) -> tuple[UUID, UUID]:
    return world.calendar("home"), world.calendar("work")


@pytest.fixture
def link(world: World, calendars: tuple[UUID, UUID]) -> Link:
    world.put(calendars[0], event("dentist", title="Dentist"))
    return world.link(*calendars, privacy="title")


def hold(world: World, link: Link) -> str:
    """Many events vanish at once; answers the id of what is held."""
    for number in range(20):
        world.put(link.source_calendar_id, event(f"e{number}", hours=24 + number))
    world.look(link.source_calendar_id)
    world.run()
    for number in range(15):
        world.server.remove("home", f"e{number}")
    world.look(link.source_calendar_id)
    world.run()
    ((held,),) = world.rows("SELECT id FROM held_changes")
    return str(held)


def planned_and_written(ada: Browser, world: World, link: Link) -> dict[str, object]:
    """Ada was shown what a change writes, and something was written; answers the ids of plan and run."""
    address = f"/links/{link.id}/edit"
    ada.send(ada.open(address), address)
    ((plan,),) = world.rows("SELECT id FROM sync_plans")
    ((run,),) = world.rows("SELECT run_id FROM sync_journal ORDER BY id LIMIT 1")
    return {"plan_id": plan, "run_id": run}


def doubled(world: World, link: Link) -> str:
    """Another event is at the dentist's time; answers the overlap's id."""
    world.put(link.target_calendar_id, event("review"))
    world.look(link.target_calendar_id)
    world.run()
    ((overlap, *_), *_) = world.rows(
        "SELECT id FROM double_bookings WHERE 'review' IN (first_event_id, second_event_id) AND resolved_at IS NULL"
    )
    return str(overlap)


def at_odds(world: World) -> Pair:
    """Two calendars in step, where the same lunch was called two names; the conflict waits."""
    pair = Pair(world, ("club", "choir"), privacy="full", on_conflict="ask")
    pair.put("club", event("lunch", hours=90, title="Lunch"))
    pair.edit("club", title="Lunch with Bo")
    pair.edit("choir", title="Lunch with Cy")
    pair.sync()
    return pair


def ids_of(world: World, pair: Pair) -> dict[str, object]:
    """Of the group and of the conflict in it."""
    ((conflict,),) = world.rows("SELECT id FROM conflicts")
    return {"group_id": pair.group.id, "conflict_id": conflict}
