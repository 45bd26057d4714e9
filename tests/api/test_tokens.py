"""API tokens through the API."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.api.conftest import Caller
    from tests.sync.world import World


def test_a_made_token_signs_in_and_a_revoked_one_does_not(ada: Caller) -> None:
    made = ada.post("/api/tokens", {"name": "laptop"}).json()
    headers = {"authorization": f"Bearer {made['token']}"}

    before = ada.get("/api/me", headers=headers)
    revoked = ada.http.delete(f"/api/tokens/{made['id']}")
    after = ada.get("/api/me", headers=headers)

    assert (before.status_code, revoked.status_code, after.status_code) == (200, 204, 401)
    assert revoked.content == b""


def test_lists_show_hints_and_never_tokens(ada: Caller) -> None:
    made = ada.post("/api/tokens", {"name": "laptop"}).json()

    answer = ada.get("/api/tokens", params={"limit": 1})

    (listed,) = answer.json()["items"]
    assert (listed["name"], listed["hint"], listed["revoked_at"]) == ("laptop", f"{made['token'][:8]}…", None)
    assert made["token"] not in answer.text
    assert [one["name"] for one in ada.json("/api/tokens", after=answer.json()["next"])["items"]] == ["tests"]


def test_a_repeated_request_makes_no_second_token_and_shows_the_first_no_more(ada: Caller, world: World) -> None:
    first = ada.post("/api/tokens", {"name": "laptop"}, headers={"idempotency-key": "k"})

    again = ada.post("/api/tokens", {"name": "laptop"}, headers={"idempotency-key": "k"})

    assert again.json() == {**first.json(), "token": None}
    assert first.json()["token"] not in str(world.rows("SELECT * FROM idempotency_keys"))
    assert len(ada.json("/api/tokens")["items"]) == 2


def test_an_end_in_the_past_and_a_place_in_another_list_are_refused(ada: Caller) -> None:
    past = (datetime.now(UTC) - timedelta(days=1)).isoformat()

    ended = ada.post("/api/tokens", {"name": "laptop", "expires_at": past})
    lost = ada.get("/api/tokens", params={"after": str(ada.user_id)})

    assert (ended.status_code, ended.json()["code"]) == (400, "API_TOKEN.INVALID")
    assert (lost.status_code, lost.json()["code"]) == (400, "REQUEST.CURSOR")
