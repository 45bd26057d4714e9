"""JSON batches: up to 20 calls in one (vendor doc: json-batching, throttling-limits).

Calls that depend on none run four at a time; those over that wait, or are refused as was observed
(`batch_concurrency`). A call whose predecessor failed is 424.
"""

import asyncio
import base64
import binascii
import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

from multidict import CIMultiDict, MultiDict

from infra.local.simulators.exchange import Answer, Call, Refused
from infra.local.simulators.microsoft import errors, requests
from infra.local.simulators.microsoft.faults import MicrosoftFaults
from infra.local.simulators.port import Parts

_MOST = 20
_AT_ONCE = 4
_METHODS = {"GET", "POST", "PATCH", "PUT", "DELETE"}

type Respond = Callable[[Call], Awaitable[Answer]]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Part:
    id: str
    call: Call
    after: tuple[str, ...]


class Batch:
    """Answers $batch; `respond` answers one call."""

    def __init__(self, parts: Parts, respond: Respond) -> None:
        self._parts = parts
        self._respond = respond

    async def answer(self, call: Call) -> Answer:
        """200 with a response for each call, in any order; 400 when the batch cannot be read."""
        answer = await self._answer(call)
        self._parts.journal.request("POST /$batch", answer.status)
        return answer

    @property
    def _faults(self) -> MicrosoftFaults:
        settings: MicrosoftFaults = self._parts.switchboard.settings
        return settings

    async def _answer(self, call: Call) -> Answer:
        try:
            parts = _parts(call)
        except Refused as refused:
            return refused.answer
        faults = self._faults
        turn = asyncio.Semaphore(_AT_ONCE)
        free = [part.id for part in parts if not part.after]
        over = set(free[_AT_ONCE:]) if faults.batch_concurrency == "refuse" else set()
        done: dict[str, asyncio.Task[Answer]] = {}

        async def run(part: _Part) -> Answer:
            for answer in await asyncio.gather(*(done[other] for other in part.after)):
                if answer.status >= 400:
                    return errors.answer(424, "FailedDependency", "A request that this one depends on failed.")
            if part.id in over:
                wait = {"Retry-After": str(faults.retry_after)}
                message = "Application is over its MailboxConcurrency limit."
                return errors.answer(429, "ApplicationThrottled", message, wait)
            async with turn:
                return await self._respond(part.call)

        async with asyncio.TaskGroup() as group:
            for part in parts:
                done[part.id] = group.create_task(run(part))
        responses = [_response(part.id, done[part.id].result()) for part in parts]
        return requests.answer({"responses": responses})


def _parts(call: Call) -> list[_Part]:
    """The calls of a batch, each after those it depends on. Raises Refused with Graph's 400."""
    given = requests.body(call).get("requests")
    if not isinstance(given, list) or not given:
        raise errors.refused(400, "BadRequest", "Invalid batch payload format.")
    if len(given) > _MOST:
        raise errors.refused(400, "BadRequest", f"Number of batch request steps exceeds the maximum value of {_MOST}.")
    parts: list[_Part] = []
    for one in given:
        part = _part(one, call)
        known = {other.id for other in parts}
        if part.id.lower() in {id_.lower() for id_ in known}:
            raise errors.refused(400, "BadRequest", f"Request id '{part.id}' is not unique in the batch.")
        if missing := [id_ for id_ in part.after if id_ not in known]:
            message = f"Request '{part.id}' depends on '{missing[0]}', which does not stand before it."
            raise errors.refused(400, "BadRequest", message)
        parts.append(part)
    return parts


def _part(one: Any, outer: Call) -> _Part:
    id_, method, url = (one.get(key) if isinstance(one, dict) else None for key in ("id", "method", "url"))
    if not isinstance(id_, str) or not isinstance(method, str) or not isinstance(url, str) or not id_:
        raise errors.refused(400, "BadRequest", "Each request of a batch needs an id, a method and a url.")
    if method.upper() not in _METHODS:
        raise errors.refused(400, "BadRequest", f"The method '{method}' cannot be batched.")
    headers = CIMultiDict({key: str(value) for key, value in (one.get("headers") or {}).items()})
    body = one.get("body")
    if body is not None and "Content-Type" not in headers:
        raise errors.refused(400, "BadRequest", f"Request '{id_}' has a body and needs a Content-Type header.")
    headers.setdefault("Authorization", outer.headers.get("Authorization", ""))
    path, _, query = url.partition("?")
    return _Part(
        id=id_,
        after=tuple(one.get("dependsOn") or ()),
        call=Call(
            method=method.upper(),
            path="/" + path.removeprefix("/").removeprefix("v1.0/"),
            query=MultiDict(parse_qsl(query, keep_blank_values=True)),
            headers=headers,
            body=_bytes(body),
            base=outer.base,
            port=outer.port,
        ),
    )


def _bytes(body: Any) -> bytes:
    if body is None:
        return b""
    if isinstance(body, str):
        try:
            return base64.urlsafe_b64decode(body)
        except binascii.Error:
            return body.encode()
    return json.dumps(body).encode()


def _response(id_: str, answer: Answer) -> Mapping[str, Any]:
    headers = {"Cache-Control": "private", **answer.headers}
    response: dict[str, Any] = {"id": id_, "status": answer.status, "headers": headers}
    if answer.body:
        headers["Content-Type"] = answer.content_type
        try:
            response["body"] = json.loads(answer.body)
        except json.JSONDecodeError:
            response["body"] = base64.b64encode(answer.body).decode()
    return response
