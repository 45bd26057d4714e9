"""The batch endpoint."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from tests.simulators.google.samples import timed

if TYPE_CHECKING:
    from tests.simulators.google.api import Api
    from tests.simulators.running import Simulator


async def _post(api: Api, parts: list[str], *, token: str | None = None) -> tuple[int, str]:
    body = "".join(f"--x\r\nContent-Type: application/http\r\n{part}\r\n" for part in parts) + "--x--\r\n"
    headers = {"Content-Type": "multipart/mixed; boundary=x", "Authorization": f"Bearer {token or api.token}"}
    url = f"{api.simulator.base}/batch/calendar/v3"
    async with api.simulator.session.post(url, data=body.encode(), headers=headers) as answer:
        return answer.status, await answer.text()


def _part(method: str, path: str, body: Any = None, *, content_id: str = "<item-1>", headers: str = "") -> str:
    payload = json.dumps(body, ensure_ascii=False) if body is not None else ""
    return (
        f"Content-ID: {content_id}\r\n\r\n"
        f"{method} /calendar/v3{path} HTTP/1.1\r\nContent-Type: application/json\r\n{headers}\r\n{payload}"
    )


async def test_calls_are_answered_in_order_with_their_content_ids(alex: Api) -> None:
    parts = [
        _part("POST", alex.events(), timed(id="event1", summary="Zahnärztin 🦷"), content_id="<a>"),
        _part("GET", alex.events("event1") + "?fields=summary", content_id="<b>"),
        _part("GET", alex.events("event2"), content_id="<c>"),
        _part("DELETE", alex.events("event1"), content_id="<d>"),
    ]

    status, text = await _post(alex, parts)

    assert status == 200
    pieces = text.split("--batch_")[1:-1]
    assert [piece.split("Content-ID: ")[1].split("\r\n")[0] for piece in pieces] == [
        "<response-a>",
        "<response-b>",
        "<response-c>",
        "<response-d>",
    ]
    assert [piece.split("HTTP/1.1 ")[1][:3] for piece in pieces] == ["200", "200", "404", "204"]
    assert json.loads(pieces[1].strip().split("\r\n\r\n")[-1]) == {"summary": "Zahnärztin 🦷"}


async def test_preconditions_hold_inside_a_batch(alex: Api) -> None:
    await alex.insert(timed(id="event1"))

    _, text = await _post(alex, [_part("PATCH", alex.events("event1"), {"summary": "x"}, headers='If-Match: "1"\r\n')])

    assert "HTTP/1.1 412" in text


async def test_each_call_counts_and_is_authenticated(alex: Api, simulator: Simulator) -> None:
    await simulator.sim("POST", "/requests/reset", {})

    _, text = await _post(alex, [_part("GET", "/colors")] * 3)
    _, refused = await _post(alex, [_part("GET", "/colors")], token="guess")

    counted = (await simulator.sim("GET", "/requests"))["requests"]
    assert text.count("HTTP/1.1 200") == 3
    assert refused.count("HTTP/1.1 401") == 1
    assert {"route": "GET /colors", "status": 200, "count": 3} in counted


async def test_quotas_are_charged_by_call(alex: Api, simulator: Simulator) -> None:
    await simulator.faults(quota={"per_user_minute": 2})

    _, text = await _post(alex, [_part("GET", "/colors")] * 3)

    assert (text.count("HTTP/1.1 200"), text.count("HTTP/1.1 403")) in ((2, 1), (3, 0))  # the minute may have turned


async def test_more_than_fifty_calls_are_refused(alex: Api) -> None:
    fifty, _ = await _post(alex, [_part("GET", "/colors")] * 50)
    more, _ = await _post(alex, [_part("GET", "/colors")] * 51)
    none, _ = await _post(alex, [])

    assert (fifty, more, none) == (200, 400, 400)


async def test_writes_in_a_batch_may_conflict_by_switch(alex: Api, simulator: Simulator) -> None:
    await simulator.faults(batch_conflict=1)

    _, text = await _post(alex, [_part("POST", alex.events(), timed()), _part("GET", "/colors")])

    assert "HTTP/1.1 409" in text
    assert '"reason": "conflict"' in text
    assert "HTTP/1.1 200" in text
