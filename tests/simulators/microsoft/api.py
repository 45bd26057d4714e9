"""A plain client of the simulated Graph, every answer of which is parsed by msgraph-sdk's models."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, quote, urlencode, urlsplit

from infra.local.simulators import microsoft
from tests.simulators.microsoft import models

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.simulators.running import Simulator

REDIRECT = "http://127.0.0.1:9/auth/microsoft/callback"
SCOPES = "openid profile email offline_access User.Read MailboxSettings.Read Calendars.ReadWrite"
ALEX, SAM, KIM = "alex@contoso.example", "sam@contoso.example", "kim@outlook.example"
IMMUTABLE = {"Prefer": 'IdType="ImmutableId"'}
MARKER = "String {5f2ac1ba-9f4a-4d5b-8d6f-0a3b1c2d3e4f} Name kalends"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """Status, headers and JSON (None when empty)."""

    status: int
    headers: Mapping[str, str]
    body: Any

    @property
    def code(self) -> str:
        """The code of an error."""
        return str(self.body["error"]["code"])

    @property
    def value(self) -> list[dict[str, Any]]:
        """The members of a collection."""
        return list(self.body["value"])


@dataclass(slots=True, kw_only=True)
class Api:
    """Speaks for one account."""

    simulator: Simulator
    token: str
    refresh_token: str = ""
    id_token: str = ""
    email: str = ALEX
    headers: dict[str, str] = field(default_factory=dict)

    async def call(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        headers: Mapping[str, str] | None = None,
        check: bool = True,
        **query: Any,
    ) -> Reply:
        """One call; `path` is below /v1.0, or a whole link. Underscores of query names stand for the dollar."""
        url = path if path.startswith("http") else f"{self.simulator.base}/v1.0{path}"
        if query:
            url += "?" + urlencode({key.replace("_", "$"): str(value) for key, value in query.items()})
        sent = {"Authorization": f"Bearer {self.token}", **self.headers, **(headers or {})}
        async with self.simulator.session.request(method, url, json=body, headers=sent) as answer:
            raw = await answer.read()
            if check and raw:
                models.check(method, url.removeprefix(f"{self.simulator.base}/v1.0"), answer.status, raw)
            return Reply(status=answer.status, headers=answer.headers, body=json.loads(raw) if check and raw else raw)

    async def create(self, body: Mapping[str, Any], *, calendar: str | None = None, **headers: str) -> dict[str, Any]:
        """Create an event that must be accepted."""
        path = f"/me/calendars/{quote(calendar)}/events" if calendar else "/me/events"
        reply = await self.call("POST", path, body, headers=headers)
        assert reply.status == 201, reply.body
        return dict(reply.body)

    async def get(self, event_id: str, **query: Any) -> dict[str, Any]:
        """Get an event that must exist."""
        reply = await self.call("GET", event_path(event_id), **query)
        assert reply.status == 200, reply.body
        return dict(reply.body)

    async def patch(self, event_id: str, body: Mapping[str, Any], **headers: str) -> Reply:
        """Change an event."""
        return await self.call("PATCH", event_path(event_id), body, headers=headers)

    async def delete(self, event_id: str) -> None:
        """Delete an event that must exist."""
        reply = await self.call("DELETE", event_path(event_id))
        assert reply.status == 204, reply.body

    async def instances(self, event_id: str, first: str, last: str) -> list[dict[str, Any]]:
        """Every instance of a series in a window."""
        reply = await self.call(
            "GET", event_path(event_id) + "/instances", startDateTime=first, endDateTime=last, _top=1000
        )
        assert reply.status == 200, reply.body
        return reply.value

    async def calendar_id(self, name: str) -> str:
        """The id of a calendar by its name."""
        reply = await self.call("GET", "/me/calendars")
        return next(str(one["id"]) for one in reply.value if one["name"] == name)

    async def round(
        self, start: str, *, headers: Mapping[str, str] | None = None, **window: str
    ) -> tuple[list[list[dict[str, Any]]], str]:
        """A delta round from a path or a link: its pages and the delta link."""
        pages = []
        reply = await self.call("GET", start, headers=headers, **window)
        while True:
            assert reply.status == 200, reply.body
            assert ("@odata.nextLink" in reply.body) != ("@odata.deltaLink" in reply.body)
            pages.append(reply.value)
            if "@odata.deltaLink" in reply.body:
                return pages, str(reply.body["@odata.deltaLink"])
            reply = await self.call("GET", reply.body["@odata.nextLink"], headers=headers)


def event_path(event_id: str) -> str:
    """The path of an event, its id encoded."""
    return f"/me/events/{quote(event_id, safe='')}"


def at(moment: str, zone: str = "UTC") -> dict[str, str]:
    """A dateTimeTimeZone."""
    return {"dateTime": moment, "timeZone": zone}


def timed(subject: str = "Meeting", start: str = "2026-03-02T09:00:00", end: str = "", **more: Any) -> dict[str, Any]:
    """A timed event in Berlin, an hour long unless `end` says otherwise."""
    end = end or start.replace("T09", "T10")
    zone = more.pop("zone", "W. Europe Standard Time")
    return {"subject": subject, "start": at(start, zone), "end": at(end, zone), **more}


def weekly(*days: str, start: str = "2026-03-02", interval: int = 1, **bounds: Any) -> dict[str, Any]:
    """A weekly recurrence without an end."""
    pattern = {"type": "weekly", "interval": interval, "daysOfWeek": list(days), "firstDayOfWeek": "monday"}
    return {"pattern": pattern, "range": {"type": "noEnd", "startDate": start, **bounds}}


async def authorize(
    simulator: Simulator, *, account: str = ALEX, tenant: str = "common", decision: str = "allow", **parameters: str
) -> tuple[int, str]:
    """Click through the consent page: the status, and the address it leads to or the page's text."""
    query = {
        "client_id": microsoft.CLIENT_ID,
        "redirect_uri": REDIRECT,
        "response_type": "code",
        "scope": SCOPES,
        "state": "s1",
        **parameters,
    }
    address = f"{simulator.base}/{tenant}/oauth2/v2.0/authorize?{urlencode(query)}"
    form = {"account": account, "decision": decision}
    async with simulator.session.post(address, data=form, allow_redirects=False) as answer:
        return answer.status, answer.headers.get("Location") or await answer.text()


async def token(simulator: Simulator, *, tenant: str = "common", **form: str) -> Reply:
    """Ask the token endpoint, as the registered client unless the form says otherwise."""
    sent = {"client_id": microsoft.CLIENT_ID, "client_secret": microsoft.CLIENT_SECRET, **form}
    async with simulator.session.post(f"{simulator.base}/{tenant}/oauth2/v2.0/token", data=sent) as answer:
        return Reply(status=answer.status, headers=answer.headers, body=await answer.json())


def parameter(address: str, name: str) -> str:
    """A parameter of an address; empty when it has none."""
    return parse_qs(urlsplit(address).query).get(name, [""])[0]


async def sign_in(simulator: Simulator, email: str = ALEX, **parameters: str) -> Api:
    """A client with a person's consent."""
    _, address = await authorize(simulator, account=email, **parameters)
    code = parameter(address, "code")
    reply = await token(simulator, grant_type="authorization_code", code=code, redirect_uri=REDIRECT)
    assert reply.status == 200, reply.body
    return Api(
        simulator=simulator,
        token=reply.body["access_token"],
        refresh_token=reply.body.get("refresh_token", ""),
        id_token=reply.body.get("id_token", ""),
        email=email,
    )
