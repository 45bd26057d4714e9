"""Graph v1.0 over HTTP: its routes, its refusals, and what every answer carries."""

import json
import uuid
from dataclasses import replace
from typing import Any

from aiohttp import web
from multidict import CIMultiDict, MultiDict

from infra.local.simulators import exchange
from infra.local.simulators.credentials import Caller
from infra.local.simulators.exchange import Answer, Call, Exchange, Handler, Refusal, Route
from infra.local.simulators.microsoft import errors, identifiers
from infra.local.simulators.microsoft.batch import Batch
from infra.local.simulators.microsoft.calendars import Calendars
from infra.local.simulators.microsoft.delta import Delta
from infra.local.simulators.microsoft.events import Events
from infra.local.simulators.microsoft.sharing import Sharing
from infra.local.simulators.microsoft.subscriptions import Subscriptions
from infra.local.simulators.port import Parts

_ROOT = "/v1.0"
_CHALLENGE = (
    'Bearer realm="", authorization_uri="https://login.microsoftonline.com/common/oauth2/authorize", '
    'client_id="00000003-0000-0000-c000-000000000000"'
)


class Graph:
    """The API: one exchange for calls that come alone or in a batch."""

    def __init__(
        self,
        parts: Parts,
        *,
        events: Events,
        delta: Delta,
        calendars: Calendars,
        sharing: Sharing,
        subscriptions: Subscriptions,
    ) -> None:
        self._parts = parts
        own = _own_routes(events, delta, calendars, sharing)
        self._exchange = Exchange(
            routes=[*own, *map(self._of_user, own), *_subscription_routes(subscriptions)],
            refuse=_refuse,
            authorization=parts.authorization,
            switchboard=parts.switchboard,
            journal=parts.journal,
            holds=parts.holds,
            clock=parts.clock,
        )
        self._batch = Batch(parts, self.answer)

    def routes(self) -> list[web.AbstractRouteDef]:
        """Everything below /v1.0."""
        return [web.post(f"{_ROOT}/$batch", self._serve_batch), web.route("*", _ROOT + "/{path:.*}", self._serve)]

    async def answer(self, call: Call) -> Answer:
        """The answer to one call, with the headers that all have."""
        return self._stamped(await self._exchange.answer(call), call)

    async def _serve(self, request: web.Request) -> web.Response:
        return exchange.response(await self.answer(await _call(request)))

    async def _serve_batch(self, request: web.Request) -> web.Response:
        call = await _call(request)
        return exchange.response(self._stamped(await self._batch.answer(call), call))

    def _stamped(self, answer: Answer, call: Call) -> Answer:
        """Request ids and the date, in the headers and inside an error (vendor doc: errors)."""
        request_id = str(uuid.uuid4())
        client_id = call.headers.get("client-request-id") or request_id
        headers = {**answer.headers, "request-id": request_id, "client-request-id": client_id}
        body = answer.body
        if answer.status >= 400 and body:
            resource = json.loads(body)
            date = f"{self._parts.clock.now():%Y-%m-%dT%H:%M:%S}"
            inner = {"date": date, "request-id": request_id, "client-request-id": client_id}
            resource["error"]["innerError"] = inner
            body = json.dumps(resource).encode()
        return replace(answer, headers=headers, body=body)

    def _of_user(self, route: Route) -> Route:
        """The same route for /users/{id or address}, which must be the caller's own."""

        def handler(call: Call, caller: Caller, user: str, *parameters: str) -> Any:
            account = self._parts.authorization.accounts[caller.email]
            if user.lower() not in {account.email.lower(), identifiers.guid("user", account.subject)}:
                raise errors.refused(403, "ErrorAccessDenied", "Access is denied. Check credentials and try again.")
            return route.handler(call, caller, *parameters)

        return replace(route, template=route.template.replace("/me", "/users/{user}", 1), handler=handler)


async def _call(request: web.Request) -> Call:
    return Call(
        method=request.method,
        path=request.rel_url.raw_path.removeprefix(_ROOT),
        query=MultiDict(request.query),
        headers=CIMultiDict(request.headers),
        body=await request.read(),
        base=f"{request.scheme}://{request.host}",
        port=exchange.client_port(request),
    )


def _own_routes(events: Events, delta: Delta, calendars: Calendars, sharing: Sharing) -> list[Route]:
    """What /me has. Fixed names stand before ids, so that they win."""
    zones = "/me/outlook/supportedTimeZones"
    single: list[tuple[str, str, Handler]] = [
        ("GET", "/me", calendars.me),
        ("GET", "/me/mailboxSettings", calendars.mailbox_settings),
        ("GET", zones, calendars.time_zones),
        ("GET", zones + "(TimeZoneStandard=microsoft.graph.timeZoneStandard'{standard}')", calendars.time_zones),
        ("GET", "/me/calendars", calendars.list_all),
        ("POST", "/me/calendars", calendars.create),
        ("GET", "/me/calendar", calendars.get),
        ("PATCH", "/me/calendar", calendars.update),
        ("GET", "/me/calendar/calendarPermissions", sharing.permissions),
        ("GET", "/me/calendars/{calendar}/calendarPermissions", sharing.permissions),
        ("POST", "/me/calendar/getSchedule", calendars.schedule),
        ("POST", "/me/calendar/microsoft.graph.getSchedule", calendars.schedule),
        ("GET", "/me/calendars/{calendar}", calendars.get),
        ("PATCH", "/me/calendars/{calendar}", calendars.update),
        ("DELETE", "/me/calendars/{calendar}", calendars.delete),
        ("POST", "/me/events/{event}/extensions", events.add_extension),
        ("GET", "/me/events/{event}/extensions/{extension}", events.get_extension),
        ("PATCH", "/me/events/{event}/extensions/{extension}", events.update_extension),
        ("DELETE", "/me/events/{event}/extensions/{extension}", events.delete_extension),
    ]
    routes = [Route(method=method, template=template, handler=handler) for method, template, handler in single]
    for place in ("/me", "/me/calendar", "/me/calendars/{calendar}"):
        in_place = _in_calendar if "{" in place else _as_is
        for method, path, handler in (
            ("GET", "/events/delta", delta.refuse_events),
            ("GET", "/events/delta()", delta.refuse_events),
            ("GET", "/events/microsoft.graph.delta()", delta.refuse_events),
            ("GET", "/events", events.list_all),
            ("POST", "/events", events.create),
            ("GET", "/events/{event}", events.get),
            ("PATCH", "/events/{event}", events.update),
            ("DELETE", "/events/{event}", events.delete),
            ("POST", "/events/{event}/decline", events.decline),
            ("GET", "/events/{event}/instances", events.list_instances),
            ("GET", "/calendarView", events.list_view),
            ("GET", "/calendarView/delta", delta.page),
            ("GET", "/calendarView/delta()", delta.page),
            ("GET", "/calendarView/microsoft.graph.delta()", delta.page),
        ):
            routes.append(Route(method=method, template=place + path, handler=in_place(handler)))
    return routes


def _as_is(handler: Handler) -> Handler:
    return handler


def _in_calendar(handler: Handler) -> Handler:
    """Handlers take the calendar by name, since most paths have none."""

    def in_calendar(call: Call, caller: Caller, calendar: str, *parameters: str) -> Any:
        return handler(call, caller, *parameters, calendar=calendar)

    return in_calendar


def _subscription_routes(subscriptions: Subscriptions) -> list[Route]:
    paths: list[tuple[str, str, Handler]] = [
        ("POST", "/subscriptions", subscriptions.create),
        ("GET", "/subscriptions", subscriptions.list_all),
        ("GET", "/subscriptions/{subscription}", subscriptions.get),
        ("PATCH", "/subscriptions/{subscription}", subscriptions.renew),
        ("DELETE", "/subscriptions/{subscription}", subscriptions.delete),
        ("POST", "/subscriptions/{subscription}/reauthorize", subscriptions.reauthorize),
        ("POST", "/subscriptions/{subscription}/microsoft.graph.reauthorize", subscriptions.reauthorize),
    ]
    return [Route(method=method, template=template, handler=handler) for method, template, handler in paths]


def _refuse(refusal: Refusal, retry_after: int) -> Answer:
    """A refusal in Graph's words (vendor docs: errors, throttling)."""
    wait = {"Retry-After": str(retry_after)}
    match refusal:
        case Refusal.NO_ROUTE:
            return errors.answer(404, "ResourceNotFound", "Resource could not be discovered.")
        case Refusal.NO_CREDENTIALS:
            message = "Access token is empty."
            return errors.answer(401, "InvalidAuthenticationToken", message, {"WWW-Authenticate": _CHALLENGE})
        case Refusal.BAD_CREDENTIALS:
            message = "Access token has expired or is not yet valid."
            return errors.answer(401, "InvalidAuthenticationToken", message, {"WWW-Authenticate": _CHALLENGE})
        case Refusal.RATE_403:
            return errors.answer(403, "ErrorAccessDenied", "Access is denied. Check credentials and try again.")
        case Refusal.SERVER_ERROR:
            return errors.answer(503, "ServiceUnavailable", "The service is temporarily unavailable.", wait)
        case Refusal.GATEWAY_TIMEOUT:
            return errors.answer(504, "GatewayTimeout", "The gateway did not receive a response in time.")
        case Refusal.CONCURRENT_PER_MAILBOX:
            message = "Application is over its MailboxConcurrency limit."
            return errors.answer(429, "ApplicationThrottled", message, wait)
        case Refusal.RATE_429 | Refusal.PER_USER_MINUTE | Refusal.PER_PROJECT_MINUTE | Refusal.PER_MAILBOX_10MIN:
            message = "Application is over its RequestRate limit."
            return errors.answer(429, "ApplicationThrottled", message, wait)
