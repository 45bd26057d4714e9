"""Feeds through the API, and what stands at their addresses."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest

from shared.control import gates
from shared.control.gates import Operation
from shared.core import clock
from tests.sync.world import event

if TYPE_CHECKING:
    from collections.abc import Iterator
    from uuid import UUID

    import httpx

    from shared.wiring import App
    from tests.api.conftest import Caller
    from tests.edge import Edge
    from tests.sync.world import World


@pytest.fixture
def home(world: World, app: App) -> UUID:
    app.data_key = world.engine.data_key  # type: ignore[method-assign]
    home = world.calendar("home")
    world.put(home, event("a", title="Dentist"))
    return home


@pytest.fixture
def reader(served: Edge) -> Iterator[httpx.Client]:
    with served.client() as client:
        yield client


def publish(ada: Caller, world: World, home: UUID, **options: Any) -> Any:
    answer = ada.post("/api/feeds", {"name": "Mine", "calendar_ids": [str(home)], **options})
    assert answer.status_code == 201, answer.text
    world.run()
    return answer.json()


def path(made: Any) -> str:
    return urlsplit(made["url"]).path


def test_a_calendar_program_reads_what_was_published(
    ada: Caller, world: World, home: UUID, reader: httpx.Client
) -> None:
    made = publish(ada, world, home, privacy="title")

    answer = reader.get(path(made))

    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/calendar; charset=utf-8"
    assert "SUMMARY:Dentist\r\n" in answer.text
    assert answer.headers["cache-control"] == "private, no-cache"
    assert reader.head(path(made)).status_code == 200


def test_what_a_reader_has_already_is_not_sent_again(
    ada: Caller, world: World, home: UUID, reader: httpx.Client
) -> None:
    made = publish(ada, world, home)
    first = reader.get(path(made))

    by_tag = reader.get(path(made), headers={"if-none-match": f'"other", W/{first.headers["etag"]}'})
    by_time = reader.get(path(made), headers={"if-modified-since": first.headers["last-modified"]})
    changed = reader.get(path(made), headers={"if-none-match": '"other"'})
    nonsense = reader.get(path(made), headers={"if-modified-since": "yesterday"})

    assert [one.status_code for one in (by_tag, by_time, changed, nonsense)] == [304, 304, 200, 200]
    assert by_tag.content == b""
    assert by_tag.headers["etag"] == first.headers["etag"]


def test_every_address_that_opens_nothing_answers_alike(
    ada: Caller, world: World, home: UUID, reader: httpx.Client
) -> None:
    revoked, rotated = publish(ada, world, home), publish(ada, world, home)
    assert ada.http.delete(f"/api/feeds/{revoked['id']}").status_code == 204
    again = ada.post(f"/api/feeds/{rotated['id']}/rotate").json()
    strange = ["/feeds/" + "x" * 43 + ".ics", "/feeds/short", "/feeds/" + "ü" * 43]

    answers = [reader.get(one) for one in (path(revoked), path(rotated), *strange)]

    assert {(one.status_code, one.text) for one in answers} == {(404, "Not found\n")}
    assert reader.get(path(again)).status_code == 200


def test_the_address_is_shown_once_and_stands_in_no_list_and_no_log(
    ada: Caller, world: World, home: UUID, reader: httpx.Client, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, logger="functions")
    caplog.set_level(logging.DEBUG, logger="shared")
    headers = {"idempotency-key": "k"}
    body = {"name": "Mine", "calendar_ids": [str(home)]}
    made = ada.post("/api/feeds", body, headers=headers).json()
    token = path(made).removeprefix("/feeds/").removesuffix(".ics")
    reader.get(path(made))

    again = ada.post("/api/feeds", body, headers=headers).json()
    listed = ada.get("/api/feeds").text

    assert again == {**made, "url": None}
    assert token not in listed
    assert json.loads(listed)["items"][0]["hint"] == f"{token[:6]}…"
    ours = [record for record in caplog.records if record.name.startswith(("functions", "shared"))]
    assert ours
    assert not any(token in str(record.__dict__) for record in ours)


def test_the_preview_is_what_readers_see(ada: Caller, world: World, home: UUID) -> None:
    made = publish(ada, world, home, privacy="busy", busy_title="Away")

    seen = ada.json(f"/api/feeds/{made['id']}/preview")

    assert seen["events"] == 1
    assert (seen["first"][0]["title"], seen["first"][0]["location"]) == ("Away", "")


def test_nobody_sees_or_ends_somebody_elses_feed(ada: Caller, call: Any, world: World, home: UUID) -> None:
    made = publish(ada, world, home)
    eve = call(email="eve@example.com")

    answers = [
        eve.get(f"/api/feeds/{made['id']}"),
        eve.get(f"/api/feeds/{made['id']}/preview"),
        eve.post(f"/api/feeds/{made['id']}/rotate"),
        eve.http.delete(f"/api/feeds/{made['id']}"),
        eve.post("/api/feeds", {"name": "Mine", "calendar_ids": [str(home)]}),
    ]

    assert [one.status_code for one in answers] == [404] * 5
    assert eve.json("/api/feeds")["items"] == []


def test_while_syncing_is_switched_off_nothing_is_published_and_what_is_can_be_revoked(
    ada: Caller, reader: httpx.Client, world: World, home: UUID
) -> None:
    made = publish(ada, world, home)
    address = f"/api/feeds/{made['id']}"
    with world.database.everyone() as conn:
        gates.set_gate(conn, Operation.SYNC, opened=False, actor="test", reason="test", now=clock.now())

    refused = [
        ada.get("/api/feeds"),
        ada.post("/api/feeds", {"name": "Other", "calendar_ids": [str(home)]}),
        ada.get(address),
        ada.get(f"{address}/preview"),
        ada.post(f"{address}/rotate"),
    ]
    before = world.rows("SELECT name, rotated_at, revoked_at FROM feeds")
    revoked = ada.http.delete(address)

    told = {(one.status_code, one.json()["code"], one.json()["gate"]) for one in refused}
    assert told == {(403, "GATE.CLOSED", "CALENDAR_SYNC_ENABLED")}
    assert before == [("Mine", None, None)]
    assert (revoked.status_code, reader.get(path(made)).status_code) == (204, 404)
