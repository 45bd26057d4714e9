"""Nobody reaches what belongs to somebody else, by any route that the description knows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from functions.api import description
from functions.api.guard import ADMINISTRATORS
from shared.core import clock
from shared.sync.publishing import feeds
from tests.sync.two_way.pair import Pair
from tests.sync.world import event

if TYPE_CHECKING:
    from collections.abc import Callable
    from uuid import UUID

    from shared.store.database import Database
    from tests.api.conftest import Caller
    from tests.sync.world import World

DOCUMENT = description.document()
OPERATIONS = [
    (method.upper(), path, operation)
    for path, methods in DOCUMENT["paths"].items()
    for method, operation in methods.items()
]


@pytest.fixture
def hers(world: World, ada: Caller) -> dict[str, str]:
    """Ada has one of everything; answers their ids."""
    source, target = world.calendar("Ada's home"), world.calendar("Ada's work")
    for number in range(20):
        world.put(source, event(f"appointment{number}", hours=24 + number, title="Ada's secret"))
    link = world.link(source, target, privacy="full")
    for number in range(15):
        world.server.remove("Ada's home", f"appointment{number}")
    world.look(source)
    world.run()
    with world.database.person(world.user_id) as conn:
        feed, _ = feeds.create(conn, user_id=world.user_id, name="Ada's", calendar_ids=[source], now=clock.now())
    world.run()
    ((held,),) = world.rows("SELECT id FROM held_changes")
    world.put(target, event("same time", hours=40, title="Ada's other secret"))
    world.look(target)
    world.run()
    ((overlap,), *_) = world.rows("SELECT id FROM double_bookings WHERE resolved_at IS NULL")
    pair = Pair(world, ("Ada's club", "Ada's choir"), privacy="full", on_conflict="ask")
    pair.put("Ada's club", event("match", hours=90, title="Ada's secret match"))
    pair.edit("Ada's club", title="Ada's home match")
    pair.edit("Ada's choir", title="Ada's away match")
    pair.sync()
    ((conflict,),) = world.rows("SELECT id FROM conflicts")
    ((token,),) = world.rows("SELECT id FROM api_tokens")
    ((run,),) = world.rows("SELECT run_id FROM sync_journal ORDER BY id DESC LIMIT 1")
    plan = ada.post("/api/plans", {"link_id": str(link.id), "change": {"privacy": "busy"}}).json()["id"]
    return {
        "link_id": str(link.id),
        "group_id": str(pair.group.id),
        "conflict_id": str(conflict),
        "held_id": str(held),
        "plan_id": plan,
        "run_id": str(run),
        "overlap_id": str(overlap),
        "feed_id": str(feed.id),
        "token_id": str(token),
        "connection_id": str(world.connection_id),
        "calendar_id": str(source),
        "source_calendar_id": str(source),
        "target_calendar_id": str(target),
        "provider_id": str(world.user_id),
    }


@pytest.fixture
def eve(call: Callable[..., Caller], hers: dict[str, str]) -> Caller:
    return call(email="eve@example.com")


def everything_of(database: Database, user_id: UUID) -> dict[str, list[Any]]:
    """Every row of a person, as they see them."""
    with database.person(user_id) as conn:
        tables = conn.execute(
            "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'"
            " AND relrowsecurity ORDER BY 1"
        ).fetchall()
        return {
            table: [row[0] for row in conn.execute(f"SELECT to_jsonb(t) FROM {table} t ORDER BY 1")]  # noqa: S608
            for (table,) in tables
        }


def body_of(operation: dict[str, Any], hers: dict[str, str]) -> dict[str, Any] | None:
    content = operation.get("requestBody", {}).get("content", {}).get("application/json")
    if content is None:
        return None
    schema = content["schema"]
    name = schema.get("$ref", schema.get("allOf", [{}])[0].get("$ref", "")).rpartition("/")[2]
    fields = DOCUMENT["components"]["schemas"][name]["properties"]
    chosen: dict[str, Any] = {field: hers[field] for field in fields if field in hers}
    if "calendar_ids" in fields:
        chosen["calendar_ids"] = [hers["source_calendar_id"], hers["target_calendar_id"]]
    if name == "NewPlan":
        return {"link_id": hers["link_id"], "resync": True}
    if name == "SyncRequest":
        chosen = {"link_id": hers["link_id"]}
    others = {
        "name": "x",
        "winner": "source",
        "privacy": "full",
        "may_read": True,
        "address": "https://feeds.example/a.ics",
    }
    return {**chosen, **{field: value for field, value in others.items() if field in fields}}


def test_a_stranger_sees_and_changes_nothing_of_hers(
    hers: dict[str, str], eve: Caller, ada: Caller, database: Database
) -> None:
    before = everything_of(database, ada.user_id)
    for method, path, operation in OPERATIONS:
        queries = {one["name"] for one in operation.get("parameters", []) if one["in"] == "query"}
        query = {name: hers[name] for name in queries & hers.keys()}
        body = body_of(operation, hers)

        answer = eve.http.request(
            method,
            path.format_map(hers),  # a KeyError here: tell this test whose the new parameter is
            params={**query, **({"delete_mirrors": "true"} if "delete_mirrors" in queries else {})},
            json=body,
        )

        where = (method, path, answer.text)
        sent = {one for one in hers.values() if one in str([query, body, path.format_map(hers)])}
        if path.startswith(ADMINISTRATORS):
            assert answer.status_code == 403, where
        elif sent and path != "/api/calendars":  # which filters, and finds nothing
            assert answer.status_code == 404, where
        else:
            assert answer.status_code < 500, where
        assert not [name for name, value in hers.items() if value in answer.text and value not in sent], where
        assert "Ada" not in answer.text, where
        assert everything_of(database, ada.user_id) == before, where


def test_there_is_something_to_see(hers: dict[str, str], ada: Caller, database: Database) -> None:
    rows = everything_of(database, ada.user_id)
    agenda = ada.json("/api/events", link_id=hers["link_id"])["items"]

    filled = {table for table, found in rows.items() if found}
    assert filled >= {
        "api_tokens", "calendars", "event_mappings", "external_calendar_events", "feed_calendars", "feeds",
        "conflicts", "held_changes", "link_groups", "links", "sync_journal",
    }  # fmt: skip
    assert {item["title"] for item in agenda} == {"Ada's secret"}
