from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from shared.core.errors import (
    CursorExpiredError,
    InvalidError,
    NotFoundError,
    RateLimitedError,
    ReauthRequiredError,
    TransientError,
)
from shared.providers import patience
from shared.providers.microsoft.graph import Answer, Graph, Request
from tests.providers.microsoft import answers, scripted
from tests.providers.microsoft.scripted import Received, Reply, Server

if TYPE_CHECKING:
    from shared.core.errors import KalendsError


def graph(server: Server) -> Graph:
    return Graph(access_token="secret-token", endpoint=f"{server.base}/v1.0/")


def gets(count: int) -> list[Request]:
    return [Request(method="GET", path=f"/me/events/{number}", what=f"event {number}") for number in range(count)]


def item(number: int | str, status: int = 200, **more: Any) -> dict[str, Any]:
    return {"id": str(number), "status": status, "headers": {}, "body": {"id": str(number)}, **more}


def refusal(name: str, number: int | str, **headers: str) -> dict[str, Any]:
    status, body = answers.load("errors")[name]
    return {"id": str(number), "status": status, "headers": headers, "body": body}


def statuses(found: list[Answer | KalendsError]) -> list[int]:
    return [answer.status for answer in found if isinstance(answer, Answer)]


def test_every_request_asks_for_immutable_ids_and_utc_and_carries_the_token() -> None:
    with scripted.serve(lambda _: Reply(body={})) as server:
        graph(server).get("/me", what="the account", prefer="odata.maxpagesize=7")

    sent = server.received[0].headers
    assert sent["prefer"] == 'IdType="ImmutableId", outlook.timezone="UTC", odata.maxpagesize=7'
    assert sent["authorization"] == "Bearer secret-token"


@pytest.mark.parametrize(
    "reply",
    [
        Reply(body=b"<html>Sign in to the hotel's network</html>", headers={"Content-Type": "text/html"}),
        Reply(body=b'{"value": [{"id": "AAMk'),
        Reply(body=None),
        Reply(body=[]),
        Reply(body=b""),
        Reply(body=b"\xff\xfe", headers={"Content-Type": "application/json"}),
        Reply(body=b"not gzip", headers={"Content-Encoding": "gzip"}),
        Reply(body={}, status=302, headers={"Location": "https://elsewhere.test/"}),
        Reply(body=b"Bad gateway", status=502),
    ],
)
def test_an_answer_that_was_not_promised_is_passing(reply: Reply) -> None:
    with scripted.serve(lambda _: reply) as server, pytest.raises(TransientError):
        graph(server).get("/me", what="the account")


def test_a_service_out_of_reach_is_passing_and_the_token_is_not_told() -> None:
    with pytest.raises(TransientError) as failed:
        Graph(access_token="secret-token", endpoint="http://127.0.0.1:9/v1.0").get("/me", what="the account")

    assert "secret-token" not in failed.value.message
    assert "the account" in failed.value.message


def test_a_listing_is_read_to_its_end() -> None:
    def script(request: Received) -> Reply:
        if "skip" in request.path:
            return Reply(body={"value": [{"id": "2"}]})
        return Reply(body={"value": [{"id": "1"}], "@odata.nextLink": f"{server.base}/v1.0/me/calendars?$skip=1"})

    with scripted.serve(script) as server:
        found = list(graph(server).pages("/me/calendars", what="the calendars"))

    assert [one["id"] for one in found] == ["1", "2"]


def test_pages_that_run_in_a_circle_are_left() -> None:
    def script(_: Received) -> Reply:
        return Reply(body={"value": [], "@odata.nextLink": f"{server.base}/v1.0/me/calendars?$skip=1"})

    with scripted.serve(script) as server, pytest.raises(TransientError):
        list(graph(server).pages("/me/calendars", what="the calendars"))


@pytest.mark.parametrize("link", ["https://elsewhere.test/v1.0/me", "/me", 7, "http://127.0.0.1:1/v1.0/me"])
def test_a_link_to_another_place_is_never_followed_with_our_token(link: Any) -> None:
    with scripted.serve(lambda _: Reply(body={"value": [], "@odata.nextLink": link})) as server:
        with pytest.raises(TransientError):
            list(graph(server).pages("/me/calendars", what="the calendars"))

        assert len(server.received) == 1


@pytest.mark.parametrize("value", [None, "x", {}, [1], [None]])
def test_a_listing_without_its_items_is_passing(value: Any) -> None:
    with scripted.serve(lambda _: Reply(body={"value": value})) as server, pytest.raises(TransientError):
        list(graph(server).pages("/me/calendars", what="the calendars"))


# Batches


def test_requests_travel_by_twenty_and_answers_keep_their_order() -> None:
    def script(request: Received) -> Reply:
        asked = request.body["requests"]
        return Reply(body={"responses": [item(one["id"], body={"id": one["url"]}) for one in reversed(asked)]})

    with scripted.serve(script) as server:
        client = graph(server)
        found = client.batch(gets(45))

    assert [len(request.body["requests"]) for request in server.received] == [20, 20, 5]
    assert [answer.result()["id"] for answer in found if isinstance(answer, Answer)] == [
        f"/me/events/{number}" for number in range(45)
    ]
    assert client.calls == 45


def test_items_of_a_batch_carry_the_preferences_themselves() -> None:
    request = Request(method="PATCH", path="/me/events/1", what="event 1", body={"a": 1}, headers={"If-Match": "W/x"})
    with scripted.serve(lambda _: Reply(body={"responses": [item(0), item(1)]})) as server:
        graph(server).batch([*gets(1), request])

    first, second = server.received[0].body["requests"]
    assert first == {
        "id": "0",
        "method": "GET",
        "url": "/me/events/0",
        "headers": {"Prefer": 'IdType="ImmutableId", outlook.timezone="UTC"'},
    }
    assert second["headers"]["If-Match"] == "W/x"
    assert second["headers"]["Content-Type"] == "application/json"
    assert second["body"] == {"a": 1}


def test_one_request_needs_no_batch() -> None:
    with scripted.serve(lambda _: Reply(body={"id": "0"})) as server:
        graph(server).batch(gets(1))

    assert server.received[0].path == "/v1.0/me/events/0"


def test_nothing_to_ask_asks_nothing() -> None:
    assert Graph(access_token="t", endpoint="http://127.0.0.1:9").batch([]) == []


def test_only_items_told_to_wait_are_sent_again() -> None:
    seen: Counter[str] = Counter()

    def script(request: Received) -> Reply:
        if request.method == "GET":
            return Reply(body={"id": "1"})
        asked = [one["url"] for one in request.body["requests"]]
        seen.update(asked)
        throttled = {"Retry-After": "1"}
        return Reply(
            body={
                "responses": [
                    item(0),
                    refusal("ApplicationThrottled", 1, **throttled) if seen[asked[1]] < 2 else item(1),
                    item(2),
                ]
            }
        )

    with scripted.serve(script) as server:
        found = graph(server).batch(gets(3))

    assert statuses(found) == [200, 200, 200]
    assert [request.path for request in server.received] == ["/v1.0/$batch", "/v1.0/me/events/1"]


def test_a_wait_that_is_too_long_is_the_items_own_refusal() -> None:
    throttled = refusal("ApplicationThrottled", 1, **{"Retry-After": "120"})
    with scripted.serve(lambda _: Reply(body={"responses": [item(0), throttled]})) as server:
        found = graph(server).batch(gets(2))

    assert statuses(found) == [200, 429]
    assert isinstance(found[1], Answer)
    error = found[1].error()
    assert isinstance(error, RateLimitedError)
    assert error.retry_after == 120


def test_patience_ends() -> None:
    def script(request: Received) -> Reply:
        count = len(request.body["requests"]) if request.method == "POST" else 1
        throttled = [refusal("ApplicationThrottled", number, **{"Retry-After": "2"}) for number in range(count)]
        return Reply(body={"responses": throttled})

    with scripted.serve(script) as server:
        found = graph(server).batch(gets(2))

    assert statuses(found) == [429, 429]
    assert len(server.received) == 1 + patience.REPEATS


def test_a_request_that_fails_once_is_sent_again_and_nobody_hears_of_it() -> None:
    def script(_: Received) -> Reply:
        return Reply(body=b"Bad gateway", status=502) if len(server.received) == 1 else Reply(body={"id": "0"})

    with scripted.serve(script) as server:
        found = graph(server).get("/me/events/0", what="event 0")

    assert found == {"id": "0"}
    assert len(server.received) == 2


def test_items_that_fail_or_are_forbidden_once_are_sent_again() -> None:
    def script(_: Received) -> Reply:
        if len(server.received) == 1:
            failed = {"id": "0", "status": 503, "headers": {}, "body": None}
            return Reply(body={"responses": [failed, refusal("ErrorAccessDenied", 1), item(2)]})
        return Reply(body={"responses": [item(0), item(1)]})

    with scripted.serve(script) as server:
        found = graph(server).batch(gets(3))

    assert statuses(found) == [200, 200, 200]
    assert len(server.received) == 2


def test_what_stays_forbidden_is_asked_a_few_times() -> None:
    denied = [refusal("ErrorAccessDenied", number) for number in range(2)]
    with scripted.serve(lambda _: Reply(body={"responses": denied})) as server:
        found = graph(server).batch(gets(2))

    assert statuses(found) == [403, 403]
    assert len(server.received) == 1 + patience.FORBIDDEN_REPEATS


def test_writes_to_one_series_run_in_order_and_a_failure_does_not_hold_up_the_rest() -> None:
    requests = [
        Request(method="DELETE", path=f"/me/events/{number}", what=f"event {number}", serial="series")
        for number in range(3)
    ]

    def script(request: Received) -> Reply:
        if len(server.received) == 1:
            gone = refusal("ErrorItemNotFound", 0)
            return Reply(body={"responses": [gone, refusal("Locked", 1) | {"status": 424}, item(2, status=424)]})
        return Reply(body={"responses": [item(number, status=204) for number in range(2)]})

    with scripted.serve(script) as server:
        found = graph(server).batch(requests)

    assert [one.get("dependsOn") for one in server.received[0].body["requests"]] == [None, ["0"], ["1"]]
    assert statuses(found) == [404, 204, 204]


def test_writes_to_different_series_run_side_by_side() -> None:
    requests = [Request(method="DELETE", path=f"/{number}", what="x", serial=str(number)) for number in range(3)]
    with scripted.serve(lambda _: Reply(body={"responses": [item(n, status=204) for n in range(3)]})) as server:
        graph(server).batch(requests)

    assert all("dependsOn" not in one for one in server.received[0].body["requests"])


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"responses": None},
        {"responses": [item(0)]},
        {"responses": [item(0), {"id": "1"}]},
        {"responses": [item(0), {"id": "1", "status": "200"}]},
        {"responses": ["x", None]},
        None,
        [],
    ],
)
def test_a_batch_with_missing_answers_fails_as_a_whole(body: Any) -> None:
    with scripted.serve(lambda _: Reply(body=body)) as server:
        found = graph(server).batch(gets(2))

    assert [type(one) for one in found] == [TransientError, TransientError]


def test_once_graph_cannot_be_reached_nothing_further_is_sent_and_earlier_answers_stand() -> None:
    def script(_: Received) -> Reply:
        if len(server.received) > 1:
            return Reply(body=b"Bad gateway", status=502)
        return Reply(body={"responses": [item(number) for number in range(20)]})

    with scripted.serve(script) as server:
        found = graph(server).batch(gets(60))

    assert len(server.received) == 2 + patience.REPEATS
    assert statuses(found) == [200] * 20
    assert [type(one) for one in found[20:]] == [TransientError] * 40


@pytest.mark.parametrize("as_item", [True, False])
def test_a_dead_token_is_raised(as_item: bool) -> None:
    status, body = answers.load("errors")["InvalidAuthenticationToken"]
    reply = Reply(body=body, status=status)
    if as_item:
        reply = Reply(body={"responses": [item(0), refusal("InvalidAuthenticationToken", 1)]})

    with scripted.serve(lambda _: reply) as server, pytest.raises(ReauthRequiredError, match="invalid_token"):
        graph(server).batch(gets(2))


def test_only_graphs_own_word_proves_that_an_item_is_gone() -> None:
    codes = {
        name: answers.load("errors")[name] for name in ("ErrorItemNotFound", "UnknownError", "ErrorFolderNotFound")
    }
    request = gets(1)[0]

    found = {
        name: Answer(request=request, status=status, headers={}, body=body).is_gone
        for name, (status, body) in codes.items()
    }

    assert found == {"ErrorItemNotFound": True, "UnknownError": False, "ErrorFolderNotFound": False}


def test_a_refusal_is_raised_when_its_result_is_asked_for() -> None:
    status, body = answers.load("errors")["ErrorItemNotFound"]
    answer = Answer(request=gets(1)[0], status=status, headers={}, body=body)

    with pytest.raises(NotFoundError, match="event 0"):
        answer.result()


def test_no_content_is_an_empty_result() -> None:
    assert Answer(request=gets(1)[0], status=204, headers={}, body=None).result() == {}


def test_odd_headers_of_an_item_do_no_harm() -> None:
    odd = item(0, status=429, headers={"Retry-After": 900}), item(1, headers=None)
    with scripted.serve(lambda _: Reply(body={"responses": list(odd)})) as server:
        found = graph(server).batch(gets(2))

    assert isinstance(found[0], Answer)
    error = found[0].error()
    assert isinstance(error, RateLimitedError)
    assert error.retry_after == 900


def test_errors_of_the_wire_are_of_the_house() -> None:
    for kind in (CursorExpiredError, InvalidError):
        name = {"CursorExpiredError": "syncStateNotFound", "InvalidError": "ErrorPropertyValidationFailure"}
        status, body = answers.load("errors")[name[kind.__name__]]
        reply = Reply(body=body, status=status)
        with scripted.serve(lambda _, reply=reply: reply) as server, pytest.raises(kind):
            graph(server).get("/me", what="the account")
