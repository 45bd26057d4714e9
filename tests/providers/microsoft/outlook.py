"""A person's Outlook at the simulator: what they do by hand, and the adapter that has their consent."""

from __future__ import annotations

import asyncio
import threading
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, quote, urlsplit

import httpx

from infra.local.simulators import microsoft
from shared.providers import Endpoints, OAuthClient
from shared.providers.microsoft.client import MicrosoftCalendar
from shared.providers.microsoft.oauth import MicrosoftAuthorizer
from tests.simulators import running

if TYPE_CHECKING:
    from collections.abc import Iterator

    from shared.providers.port import Tokens

ALEX, SAM = "alex@contoso.example", "sam@contoso.example"
REDIRECT = "http://127.0.0.1:9/oauth/microsoft/callback"
VERIFIER = "a-verifier-that-is-long-enough-for-rfc-7636-1234567890"


@contextmanager
def simulator() -> Iterator[str]:
    """A Microsoft in a thread of its own; gives its base address."""
    started, stop, loop = threading.Event(), asyncio.Event(), asyncio.new_event_loop()
    bases: list[str] = []

    async def serve() -> None:
        async with running.serve(microsoft.build(redirect_uris=[REDIRECT])) as base:
            bases.append(base)
            started.set()
            await stop.wait()

    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),), name="microsoft")
    thread.start()
    try:
        assert started.wait(20), "the simulator did not start"
        yield bases[0]
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(20)
        loop.close()


def endpoints(base: str) -> Endpoints:
    """The simulator's addresses; Google's lead nowhere."""
    nowhere = "http://127.0.0.1:9/"
    return Endpoints(
        google_api=nowhere,
        google_auth=nowhere,
        google_token=nowhere,
        google_revoke=nowhere,
        microsoft_graph=f"{base}/v1.0",
        microsoft_authority=base,
    )


def authorizer(base: str, *, tenant: str = "common", secret: str = microsoft.CLIENT_SECRET) -> MicrosoftAuthorizer:
    """The adapter's OAuth side for the simulator's registered app."""
    client = OAuthClient(client_id=microsoft.CLIENT_ID, client_secret=secret, tenant=tenant)
    return MicrosoftAuthorizer(client=client, endpoints=endpoints(base))


def consent(url: str, email: str) -> dict[str, str]:
    """What the person's click on Allow sends back to the redirect address."""
    answer = httpx.post(url, data={"account": email, "decision": "allow"}, follow_redirects=False)
    assert answer.status_code in (302, 303), answer.text
    return {name: values[0] for name, values in parse_qs(urlsplit(answer.headers["location"]).query).items()}


def sign_in(base: str, email: str = ALEX, *, now: datetime | None = None) -> Tokens:
    """Consent and redeem the code."""
    side = authorizer(base)
    url = side.authorization_url(state="s", code_verifier=VERIFIER, redirect_uri=REDIRECT, login_hint=email)
    code = consent(url, email)["code"]
    return side.exchange(code=code, code_verifier=VERIFIER, redirect_uri=REDIRECT, now=now or datetime.now(UTC))


@dataclass(slots=True, kw_only=True)
class Outlook:
    """One account: `provider` is the adapter under test, everything else the person and the simulator's admin."""

    base: str
    email: str
    provider: MicrosoftCalendar
    calendar: str

    @classmethod
    def open(cls, base: str, email: str = ALEX) -> Outlook:
        """Sign in and take the primary calendar."""
        tokens = sign_in(base, email)
        provider = MicrosoftCalendar(access_token=tokens.access_token, graph_endpoint=f"{base}/v1.0")
        primary = next(calendar for calendar in provider.list_calendars() if calendar.is_primary)
        return cls(base=base, email=email, provider=provider, calendar=primary.id)

    def sim(self, method: str, path: str, body: Any = None) -> Any:
        """Call a /_sim route."""
        answer = httpx.request(method, f"{self.base}/_sim{path}", json=body)
        assert answer.is_success, f"{method} {path}: {answer.status_code} {answer.text}"
        return answer.json() if answer.content else None

    def faults(self, **switches: Any) -> None:
        """Turn switches."""
        self.sim("PUT", "/faults", switches)

    def make(self, subject: str = "Lunch", **properties: Any) -> str:
        """The person creates an event; returns its id."""
        body = {
            "subject": subject,
            "start": {"dateTime": "2026-03-02T09:00:00", "timeZone": "UTC"},
            "end": {"dateTime": "2026-03-02T10:00:00", "timeZone": "UTC"},
            **properties,
        }
        return str(self.sim("POST", self._events(), body)["id"])

    def change(self, event_id: str, **properties: Any) -> None:
        """The person changes an event."""
        self.sim("PATCH", f"{self._events()}/{quote(event_id, safe='')}", properties)

    def remove(self, event_id: str) -> None:
        """The person deletes an event."""
        self.sim("DELETE", f"{self._events()}/{quote(event_id, safe='')}")

    def change_occurrence(self, series_id: str, original: str, **properties: Any) -> None:
        """The person changes one occurrence, or takes it out with `cancelled=True`."""
        path = f"{self._events()}/{quote(series_id, safe='')}/instances/{original}"
        self.sim("POST", path, properties)

    def items(self) -> list[dict[str, Any]]:
        """Everything in the calendar, as the provider keeps it."""
        answer = self.sim("GET", self._events())
        return list(answer["events"] if "events" in answer else answer["value"])

    def counted(self) -> dict[str, Any]:
        """The simulator's own count of requests."""
        return dict(self.sim("GET", "/requests"))

    def _events(self) -> str:
        return f"/calendars/{quote(self.calendar, safe='')}/events"
