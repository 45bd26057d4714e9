"""A plain client of the simulated Google, every answer of which is checked against the discovery document."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, quote, urlencode, urlsplit

from infra.local.simulators import google
from tests.simulators.google import discovery

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.simulators.running import Simulator

REDIRECT = "http://127.0.0.1:9/oauth/google/callback"
CALENDAR_SCOPE = "https://www.googleapis.com/auth/calendar"
ALEX, SAM = "alex@example.com", "sam@example.com"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """Status, headers and JSON (None when empty)."""

    status: int
    headers: Mapping[str, str]
    body: Any

    @property
    def reason(self) -> str:
        """Google's reason of an error."""
        return str(self.body["error"]["errors"][0]["reason"])


@dataclass(slots=True, kw_only=True)
class Api:
    """Speaks for one account."""

    simulator: Simulator
    token: str
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
        """One call; `path` is below /calendar/v3."""
        url = f"{self.simulator.base}/calendar/v3{path}"
        if query:
            url += "?" + urlencode({key: _text(value) for key, value in query.items()}, doseq=True)
        sent = {"Authorization": f"Bearer {self.token}", **self.headers, **(headers or {})}
        async with self.simulator.session.request(method, url, json=body, headers=sent) as answer:
            raw = await answer.read()
            if check:
                discovery.check(method, path, answer.status, raw, partial="fields" in query)
            return Reply(status=answer.status, headers=answer.headers, body=json.loads(raw) if check and raw else raw)

    def events(self, *rest: str, calendar: str = "primary") -> str:
        """The path of a calendar's events, or of one, or of something of it."""
        return "/".join([f"/calendars/{quote(calendar, safe='')}/events", *(quote(part, safe="") for part in rest)])

    async def insert(self, body: Mapping[str, Any], *, calendar: str = "primary", **query: Any) -> dict[str, Any]:
        """Insert an event that must be accepted."""
        reply = await self.call("POST", self.events(calendar=calendar), body, **query)
        assert reply.status == 200, reply.body
        return dict(reply.body)

    async def get(self, event_id: str, *, calendar: str = "primary", **query: Any) -> dict[str, Any]:
        """Get an event that must be there."""
        reply = await self.call("GET", self.events(event_id, calendar=calendar), **query)
        assert reply.status == 200, reply.body
        return dict(reply.body)

    async def patch(self, event_id: str, body: Mapping[str, Any], *, calendar: str = "primary") -> dict[str, Any]:
        """Patch an event, which must be accepted."""
        reply = await self.call("PATCH", self.events(event_id, calendar=calendar), body)
        assert reply.status == 200, reply.body
        return dict(reply.body)

    async def delete(self, event_id: str, *, calendar: str = "primary") -> None:
        """Delete an event, which must be accepted."""
        reply = await self.call("DELETE", self.events(event_id, calendar=calendar))
        assert reply.status == 204, reply.body

    async def pages(self, *, calendar: str = "primary", **query: Any) -> list[dict[str, Any]]:
        """Every page of a listing."""
        found: list[dict[str, Any]] = []
        while True:
            more = {"pageToken": found[-1]["nextPageToken"]} if found else {}
            reply = await self.call("GET", self.events(calendar=calendar), **query, **more)
            assert reply.status == 200, reply.body
            found.append(reply.body)
            if "nextPageToken" not in reply.body:
                return found

    async def list(self, *, calendar: str = "primary", **query: Any) -> tuple[list[dict[str, Any]], str]:
        """Every item of a listing, and the sync token (empty when there is none)."""
        pages = await self.pages(calendar=calendar, **query)
        return [item for page in pages for item in page["items"]], pages[-1].get("nextSyncToken", "")


async def sign_in(simulator: Simulator, email: str = ALEX, *, scopes: str = f"openid email {CALENDAR_SCOPE}") -> Api:
    """Click through the consent page and answer a client that speaks for the account."""
    code = (await consent(simulator, email, scope=scopes))["code"]
    tokens = await exchange(simulator, code)
    return Api(simulator=simulator, token=tokens["access_token"], email=email)


def authorization_url(simulator: Simulator, **parameters: str) -> str:
    """The address a product sends the person to."""
    query = {
        "client_id": google.CLIENT_ID,
        "redirect_uri": REDIRECT,
        "response_type": "code",
        "scope": CALENDAR_SCOPE,
        "state": "the-state",
        **parameters,
    }
    return f"{simulator.base}/o/oauth2/v2/auth?{urlencode({key: value for key, value in query.items() if value})}"


async def consent(
    simulator: Simulator,
    email: str = ALEX,
    *,
    decision: str = "allow",
    ticked: list[str] | None = None,
    **parameters: str,
) -> dict[str, str]:
    """Press a button of the consent page and answer what the redirect's query says."""
    url = authorization_url(simulator, **parameters)
    wanted = parse_qs(urlsplit(url).query)["scope"][0].split() if ticked is None else ticked
    form = [("account", email), ("decision", decision), *(("scope", scope) for scope in wanted)]
    async with simulator.session.post(url, data=form, allow_redirects=False) as answer:
        assert answer.status == 302, await answer.text()
        target = urlsplit(answer.headers["Location"])
    assert f"{target.scheme}://{target.netloc}{target.path}" == REDIRECT
    return {key: values[0] for key, values in parse_qs(target.query).items()}


async def exchange(simulator: Simulator, code: str, *, expect: int = 200, **form: str) -> dict[str, Any]:
    """Trade a code for tokens."""
    fields = {"grant_type": "authorization_code", "code": code, "redirect_uri": REDIRECT, **form}
    return await token_endpoint(simulator, fields, expect=expect)


async def token_endpoint(simulator: Simulator, fields: Mapping[str, str], *, expect: int = 200) -> dict[str, Any]:
    """Post a form to the token endpoint as the registered client."""
    form = {"client_id": google.CLIENT_ID, "client_secret": google.CLIENT_SECRET, **fields}
    async with simulator.session.post(f"{simulator.base}/token", data=form) as answer:
        body = await answer.json()
        assert answer.status == expect, body
        return dict(body)


def _text(value: Any) -> Any:
    if isinstance(value, bool):
        return str(value).lower()
    return value
