"""One call to a provider's API, whether it came alone or as a part of a batch.

`Exchange.answer` does what is the same for every call: finds the route, counts it, checks the bearer, charges
the quotas, plays the faults, and runs the handler. Handlers are plain functions
`handler(call, caller, *path_parameters) -> Answer` that may raise `Refused`; one that waits for others is a
coroutine function.
"""

import asyncio
import re
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum, auto
from typing import Any
from urllib.parse import unquote

from aiohttp import web
from multidict import CIMultiDict, MultiDict

from infra.local.simulators.authorization import AuthorizationServer
from infra.local.simulators.clock import Clock
from infra.local.simulators.credentials import Caller, TokenRejectedError
from infra.local.simulators.faults import FaultSettings, Switchboard, mangle
from infra.local.simulators.holds import Holds
from infra.local.simulators.journal import Journal


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A request below the API's root. `path` is still percent-encoded; `base` is the simulator's own origin."""

    method: str
    path: str
    query: MultiDict[str] = field(default_factory=MultiDict)
    headers: Mapping[str, str] = field(default_factory=CIMultiDict)
    body: bytes = b""
    base: str = ""
    port: int = 0
    """The client's, on this machine."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A response: JSON unless `content_type` says otherwise, empty when `body` is."""

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    content_type: str = "application/json"


class Refused(Exception):  # noqa: N818  # it carries a provider's answer and is not a defect of ours
    """Raised by a handler to end the call with an answer in the provider's own error shape."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer.status)
        self.answer = answer


class Refusal(StrEnum):
    """Why a call was refused before, or instead of, its handler's answer."""

    NO_ROUTE = auto()
    NO_CREDENTIALS = auto()
    BAD_CREDENTIALS = auto()
    RATE_429 = auto()
    RATE_403 = auto()
    SERVER_ERROR = auto()
    GATEWAY_TIMEOUT = auto()
    PER_USER_MINUTE = auto()
    PER_PROJECT_MINUTE = auto()
    PER_MAILBOX_10MIN = auto()
    CONCURRENT_PER_MAILBOX = auto()


type Handler = Callable[..., Answer | Awaitable[Answer]]
type Refuse = Callable[[Refusal, int], Answer]


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """A method and a path template such as `/calendars/{calendar}/events`, and who answers it."""

    method: str
    template: str
    handler: Handler

    def compiled(self) -> re.Pattern[str]:
        """The template as an expression over the percent-encoded path."""
        return re.compile(re.sub(r"\\{\w+\\}", "([^/]+)", re.escape(self.template)))


class Exchange:
    """Answers calls. `refuse(refusal, retry_after_seconds)` gives an answer in the provider's error shape."""

    def __init__(
        self,
        *,
        routes: Iterable[Route],
        refuse: Refuse,
        authorization: AuthorizationServer,
        switchboard: Switchboard[Any],
        journal: Journal,
        holds: Holds,
        clock: Clock,
    ) -> None:
        self._routes: dict[tuple[str, int], list[tuple[re.Pattern[str], Route]]] = {}
        for route in routes:
            key = route.method, route.template.count("/")
            self._routes.setdefault(key, []).append((route.compiled(), route))
        self._refuse = refuse
        self._authorization = authorization
        self._switchboard = switchboard
        self._journal = journal
        self._holds = holds
        self._clock = clock
        self._in_flight: Counter[tuple[str, str]] = Counter()

    async def answer(self, call: Call) -> Answer:
        """The provider's answer to one call, faults included."""
        route, parameters = self._find(call)
        answer = await self._answer(call, route, parameters)
        template = f"{call.method} {route.template if route else '?'}"
        self._journal.request(template, answer.status)
        return answer

    def _find(self, call: Call) -> tuple[Route | None, list[str]]:
        for pattern, route in self._routes.get((call.method, call.path.count("/")), ()):
            if match := pattern.fullmatch(call.path):
                return route, [unquote(group) for group in match.groups()]
        return None, []

    async def _answer(self, call: Call, route: Route | None, parameters: list[str]) -> Answer:
        faults: FaultSettings = self._switchboard.settings
        scheme, _, bearer = call.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not bearer:
            return self._refuse(Refusal.NO_CREDENTIALS, 0)
        try:
            caller = self._authorization.authenticate(bearer.strip(), self._clock.now())
        except TokenRejectedError:
            self._journal.inject("token_refused")
            return self._refuse(Refusal.BAD_CREDENTIALS, 0)
        if route is None:
            return self._refuse(Refusal.NO_ROUTE, 0)
        if refusal := self._refusal_by_limits(caller) or self._refusal_by_chance():
            self._journal.inject(refusal)
            return self._refuse(refusal, faults.retry_after)
        before = self._journal.last
        self._in_flight[caller.client_id, caller.email] += 1
        try:
            if self._switchboard.happens(faults.slow.rate):
                self._journal.inject("slow")
                await asyncio.sleep(faults.slow.seconds)
            result = route.handler(call, caller, *parameters)
            answer = result if isinstance(result, Answer) else await result
            written = [write for write in self._journal.writes_after(before) if write.client_id == caller.client_id]
            if await self._holds.keep(written, port=call.port):
                self._journal.inject("held")
        except Refused as refused:
            if refused.answer.status == 410 and call.method == "GET":
                self._journal.inject("cursor_expired")
            return refused.answer
        finally:
            self._in_flight[caller.client_id, caller.email] -= 1
        if call.method != "GET" and self._switchboard.happens(faults.commit_then_504):
            self._journal.inject("commit_then_504")
            return self._refuse(Refusal.GATEWAY_TIMEOUT, 0)
        if faults.answer is not None and answer.status < 300 and answer.body:
            content_type, body = mangle(faults.answer, answer.body)
            return Answer(status=answer.status, body=body, content_type=content_type)
        return answer

    def _refusal_by_limits(self, caller: Caller) -> Refusal | None:
        quota = self._switchboard.settings.quota
        now_running = self._in_flight[caller.client_id, caller.email]
        if quota.concurrent_per_mailbox is not None and now_running >= quota.concurrent_per_mailbox:
            return Refusal.CONCURRENT_PER_MAILBOX
        used_up = self._switchboard.charge(client_id=caller.client_id, mailbox=caller.email, now=self._clock.now())
        return Refusal(used_up) if used_up else None

    def _refusal_by_chance(self) -> Refusal | None:
        faults = self._switchboard.settings
        for rate, refusal in (
            (faults.rate_429, Refusal.RATE_429),
            (faults.rate_403, Refusal.RATE_403),
            (faults.rate_5xx, Refusal.SERVER_ERROR),
        ):
            if self._switchboard.happens(rate):
                return refusal
        return None

    async def serve(self, request: web.Request, root: str) -> web.Response:
        """The aiohttp handler of every path below `root` (such as `/calendar/v3`)."""
        call = Call(
            method=request.method,
            path=request.rel_url.raw_path.removeprefix(root),
            query=MultiDict(request.query),
            headers=request.headers,
            body=await request.read(),
            base=f"{request.scheme}://{request.host}",
            port=client_port(request),
        )
        return response(await self.answer(call))


def client_port(request: web.Request) -> int:
    """The port at the other end of the connection; 0 when it is closed already."""
    peer = request.transport.get_extra_info("peername") if request.transport is not None else None
    return int(peer[1]) if peer else 0


def response(answer: Answer) -> web.Response:
    """An answer as aiohttp sends it."""
    headers = dict(answer.headers)
    if answer.body:
        headers["Content-Type"] = (
            f"{answer.content_type}; charset=UTF-8" if "charset" not in answer.content_type else answer.content_type
        )
    return web.Response(status=answer.status, body=answer.body, headers=headers)
