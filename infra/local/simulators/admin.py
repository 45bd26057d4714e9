"""The /_sim routes: how tests, oracles and the local cloud look into a simulator and turn its switches.

The same at every provider. JSON in and out, loopback only. What acts on events acts as the person who owns the
calendar, so guests would get mail, webhooks are told, and the write is journalled with origin `person`.
"""

import ipaddress
import json
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from typing import Any

from aiohttp import web
from pydantic import BaseModel, ConfigDict, ValidationError

from infra.local.simulators import exchange
from infra.local.simulators.credentials import Account
from infra.local.simulators.holds import Wanted
from infra.local.simulators.port import NotFoundError, Provider

_LONGEST_WAIT_SECONDS = 60.0

type _Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class _NewAccount(BaseModel):
    model_config = ConfigDict(extra="forbid")

    email: str
    name: str = ""
    tenant: str = ""
    testing_mode: bool = False
    needs_admin_consent: bool = False


class _NewClient(BaseModel):
    model_config = ConfigDict(extra="forbid")

    client_id: str
    client_secret: str
    redirect_uris: list[str] = []


@web.middleware
async def guard(request: web.Request, handler: _Handler) -> web.StreamResponse:
    """Refuse strangers at /_sim and at the pages, and say in JSON what a /_sim request got wrong."""
    if not request.path.startswith("/_sim"):
        return await handler(request)
    if request.remote is not None and not ipaddress.ip_address(request.remote).is_loopback:
        return web.json_response({"error": "/_sim answers loopback addresses only"}, status=403)
    try:
        return await handler(request)
    except NotFoundError as error:
        return web.json_response({"error": str(error)}, status=404)
    except exchange.Refused as refused:
        return exchange.response(refused.answer)
    except ValidationError as error:
        wrong = [f"{'.'.join(map(str, item['loc']))}: {item['msg']}" for item in error.errors()]
        return web.json_response({"error": "; ".join(wrong)}, status=400)
    except json.JSONDecodeError as error:
        return web.json_response({"error": f"the body is not JSON: {error}"}, status=400)


def routes(provider: Provider) -> list[web.RouteDef]:
    """The routes of one simulator."""
    admin = _Admin(provider)
    calendar, event = "/_sim/calendars/{calendar}", "/_sim/calendars/{calendar}/events/{event}"
    return [
        web.post("/_sim/reset", admin.reset),
        web.get("/_sim/accounts", admin.accounts),
        web.post("/_sim/accounts", admin.add_account),
        web.get("/_sim/accounts/{email}/calendars", admin.calendars),
        web.post("/_sim/accounts/{email}/calendars", admin.add_calendar),
        web.post("/_sim/clients", admin.add_client),
        web.get(f"{calendar}/events", admin.items),
        web.post(f"{calendar}/events", admin.insert),
        web.post(f"{calendar}/events:bulk", admin.insert_many),
        web.patch(event, admin.patch),
        web.delete(event, admin.delete),
        web.post(event + "/instances/{original_start}", admin.edit_occurrence),
        web.get("/_sim/writes", admin.writes),
        web.get("/_sim/requests", admin.requests),
        web.post("/_sim/requests/reset", admin.forget_requests),
        web.get("/_sim/mail", admin.mail),
        web.get("/_sim/faults", admin.faults),
        web.put("/_sim/faults", admin.set_faults),
        web.get("/_sim/injected", admin.injected),
        web.get("/_sim/holds", admin.holds),
        web.post("/_sim/holds", admin.hold),
        web.delete("/_sim/holds/{hold}", admin.release),
        web.post("/_sim/expire-cursors", admin.expire_cursors),
        web.post("/_sim/tokens/expire", admin.expire_tokens),
        web.post("/_sim/tokens/revoke", admin.revoke_tokens),
        web.get("/_sim/channels", admin.channels),
        web.post("/_sim/channels/drop", admin.drop_channels),
        web.get("/_sim/deliveries", admin.deliveries),
    ]


class _Admin:
    def __init__(self, provider: Provider) -> None:
        self._provider = provider
        self._parts = provider.parts

    async def reset(self, request: web.Request) -> web.Response:
        self._provider.reset()
        return _json({})

    async def accounts(self, request: web.Request) -> web.Response:
        return _json({"accounts": [asdict(account) for account in self._parts.authorization.accounts.values()]})

    async def add_account(self, request: web.Request) -> web.Response:
        new = _NewAccount.model_validate(await _body(request))
        account = Account(
            email=new.email,
            name=new.name or new.email.partition("@")[0].capitalize(),
            subject=str(10**20 + secrets.randbelow(10**20)),
            tenant=new.tenant,
            testing_mode=new.testing_mode,
            needs_admin_consent=new.needs_admin_consent,
        )
        self._provider.add_account(account)
        return _json(asdict(self._parts.authorization.accounts[new.email]), status=201)

    async def calendars(self, request: web.Request) -> web.Response:
        return _json({"calendars": self._provider.calendars(request.match_info["email"])})

    async def add_calendar(self, request: web.Request) -> web.Response:
        return _json(self._provider.add_calendar(request.match_info["email"], await _body(request)), status=201)

    async def add_client(self, request: web.Request) -> web.Response:
        new = _NewClient.model_validate(await _body(request))
        client = self._parts.authorization.add_client(new.client_id, new.client_secret, new.redirect_uris)
        return _json({"client_id": client.client_id, "redirect_uris": client.redirect_uris}, status=201)

    async def items(self, request: web.Request) -> web.Response:
        return _json({"events": self._provider.items(request.match_info["calendar"])})

    async def insert(self, request: web.Request) -> web.Response:
        body = await _body(request)
        return _json(self._provider.insert(request.match_info["calendar"], body), status=201)

    async def insert_many(self, request: web.Request) -> web.Response:
        body = await _body(request)
        events = body.get("events")
        if not isinstance(events, list):
            return _json({"error": 'the body must be {"events": [...]}'}, status=400)
        return _json({"events": self._provider.insert_many(request.match_info["calendar"], events)}, status=201)

    async def patch(self, request: web.Request) -> web.Response:
        found = request.match_info
        return _json(self._provider.patch(found["calendar"], found["event"], await _body(request)))

    async def delete(self, request: web.Request) -> web.Response:
        self._provider.delete(request.match_info["calendar"], request.match_info["event"])
        return web.Response(status=204)

    async def edit_occurrence(self, request: web.Request) -> web.Response:
        found, body = request.match_info, await _body(request)
        return _json(self._provider.edit_occurrence(found["calendar"], found["event"], found["original_start"], body))

    async def writes(self, request: web.Request) -> web.Response:
        try:
            after = int(request.query.get("after", "0"))
            seconds = min(float(request.query.get("wait", "0")), _LONGEST_WAIT_SECONDS)
        except ValueError:
            return _json({"error": "after and wait must be numbers"}, status=400)
        calendar = request.query.get("calendar")
        writes = await self._parts.journal.wait_for_writes(after, seconds, calendar)
        return _json({"writes": [asdict(write) for write in writes], "last": self._parts.journal.last})

    async def requests(self, request: web.Request) -> web.Response:
        return _json({"requests": self._parts.journal.requests()})

    async def forget_requests(self, request: web.Request) -> web.Response:
        self._parts.journal.forget_requests()
        return _json({})

    async def mail(self, request: web.Request) -> web.Response:
        return _json({"mail": self._parts.journal.mails()})

    async def faults(self, request: web.Request) -> web.Response:
        return _json(self._parts.switchboard.settings.model_dump())

    async def set_faults(self, request: web.Request) -> web.Response:
        return _json(self._parts.switchboard.merge(await _body(request)).model_dump())

    async def injected(self, request: web.Request) -> web.Response:
        counts = self._parts.deliveries.counts
        notified = {f"notification_{name}": getattr(counts, name) for name in ("dropped", "duplicated", "reordered")}
        tokens = {"token_refreshed": self._parts.authorization.refreshes}
        return _json({"injected": self._parts.journal.injected() | notified | tokens})

    async def holds(self, request: web.Request) -> web.Response:
        return _json({"holds": self._parts.holds.listed()})

    async def hold(self, request: web.Request) -> web.Response:
        return _json(self._parts.holds.arm(Wanted.model_validate(await _body(request))).told(), status=201)

    async def release(self, request: web.Request) -> web.Response:
        number = request.match_info["hold"]
        if not number.isdecimal() or not self._parts.holds.release(int(number)):
            raise NotFoundError(f"there is no hold {number!r}")
        return web.Response(status=204)

    async def expire_cursors(self, request: web.Request) -> web.Response:
        self._provider.expire_cursors()
        return _json({})

    async def expire_tokens(self, request: web.Request) -> web.Response:
        email = self._person(await _body(request))
        return _json({"expired": self._parts.authorization.expire_access_tokens(email)})

    async def revoke_tokens(self, request: web.Request) -> web.Response:
        email = self._person(await _body(request))
        return _json({"revoked": self._parts.authorization.revoke_all(email)})

    async def channels(self, request: web.Request) -> web.Response:
        return _json({"channels": self._provider.channels()})

    async def drop_channels(self, request: web.Request) -> web.Response:
        return _json({"dropped": self._provider.drop_channels()})

    async def deliveries(self, request: web.Request) -> web.Response:
        return _json(asdict(self._parts.deliveries.counts))

    def _person(self, body: dict[str, Any]) -> str:
        email = str(body.get("email", ""))
        if email not in self._parts.authorization.accounts:
            raise NotFoundError(f"there is no account {email!r}")
        return email


async def _body(request: web.Request) -> dict[str, Any]:
    body = json.loads(await request.read() or b"{}")
    if not isinstance(body, dict):
        raise json.JSONDecodeError("expected an object", "", 0)
    return body


def _json(value: Any, status: int = 200) -> web.Response:
    return web.json_response(value, status=status)
