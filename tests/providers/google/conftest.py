"""A world inside the Google simulator."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit
from zoneinfo import ZoneInfo

import httpx
import pytest

from infra.local.simulators import google
from shared import providers
from shared.calendar.event import Availability, Status
from shared.calendar.span import AllDaySpan
from shared.providers import Endpoints, OAuthClient
from tests.providers import simulated
from tests.providers.simulated import REDIRECT, SimulatedWorld

if TYPE_CHECKING:
    from collections.abc import Iterator

    from shared.calendar.mirror import Appearance
    from shared.calendar.span import Span
    from shared.providers.port import Authorizer, CalendarProvider, Tokens

VERIFIER = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"


class GoogleWorld(SimulatedWorld):
    """An account at the simulated Google."""

    __slots__ = ()

    @property
    def endpoints(self) -> Endpoints:
        """The simulator's addresses."""
        return Endpoints(
            google_api=f"{self.base}/",
            google_auth=f"{self.base}/o/oauth2/v2/auth",
            google_token=f"{self.base}/token",
            google_revoke=f"{self.base}/revoke",
            microsoft_graph="",
            microsoft_authority="",
        )

    def authorizer(self, **changes: str) -> Authorizer:
        """The OAuth side under test, with the registered app."""
        app = {"client_id": google.CLIENT_ID, "client_secret": google.CLIENT_SECRET} | changes
        return providers.authorizer("google", client=OAuthClient(**app), endpoints=self.endpoints)

    def consent(self, url: str) -> dict[str, str]:
        """Press "Allow" on the consent page; answers the query of the redirect."""
        wanted = parse_qs(urlsplit(url).query)["scope"][0].split()
        answer = self.http.post(url, data={"account": self.email, "decision": "allow", "scope": wanted})
        assert answer.status_code == httpx.codes.FOUND, answer.text
        return {name: values[0] for name, values in parse_qs(urlsplit(answer.headers["location"]).query).items()}

    def tokens(self, *, now: datetime | None = None) -> Tokens:
        """A grant, by the whole dance."""
        authorizer = self.authorizer()
        url = authorizer.authorization_url(
            state="the-state", code_verifier=VERIFIER, redirect_uri=REDIRECT, login_hint=self.email
        )
        code = self.consent(url)["code"]
        return authorizer.exchange(
            code=code, code_verifier=VERIFIER, redirect_uri=REDIRECT, now=now or datetime.now(UTC)
        )

    def connect_again(self) -> CalendarProvider:
        """Another adapter for the same account."""
        return providers.connect("google", access_token=self.tokens().access_token, endpoints=self.endpoints)

    def resource(self, appearance: Appearance, guest: str | None) -> dict[str, Any]:
        """Google's event resource."""
        return {
            "summary": appearance.text.title,
            "description": appearance.text.description,
            "location": appearance.text.location,
            "status": "tentative" if appearance.status is Status.TENTATIVE else "confirmed",
            "transparency": "transparent" if appearance.availability is Availability.FREE else "opaque",
            **self.times(appearance.span),
            **({"recurrence": list(appearance.recurrence)} if appearance.recurrence else {}),
            **({"attendees": [{"email": guest}]} if guest else {}),
        }

    def invite(self, appearance: Appearance) -> tuple[str, str]:
        """An invitation stands in the primary calendar of whoever is invited, under the organizer's id."""
        host = "host@example.com"
        self.sim("POST", "/accounts", {"email": host, "name": "Host"})
        made = self.sim("POST", f"/calendars/{host}/events", self.resource(appearance, self.email))
        return self.email, str(made["id"])

    def times(self, span: Span) -> dict[str, Any]:
        """Start and end."""
        if isinstance(span, AllDaySpan):
            return {"start": {"date": span.start.isoformat()}, "end": {"date": span.end.isoformat()}}
        zone = ZoneInfo(span.zone)
        return {
            name: {"dateTime": moment.astimezone(zone).isoformat(), "timeZone": span.zone}
            for name, moment in (("start", span.start), ("end", span.end))
        }

    def title(self, item: dict[str, Any]) -> str | None:
        """The summary of what is there."""
        gone = item.get("status") == "cancelled" or "recurringEventId" in item
        return None if gone else str(item.get("summary", ""))

    def titled(self, title: str) -> dict[str, Any]:
        """A summary."""
        return {"summary": title}


@pytest.fixture(scope="session")
def google_base() -> Iterator[str]:
    """The address of one running simulator; each world begins by resetting it."""
    with simulated.serve(lambda: google.build(redirect_uris=[REDIRECT])) as base:
        yield base


@pytest.fixture
def world(google_base: str) -> Iterator[GoogleWorld]:
    """An account with an empty calendar at Google."""
    opened = GoogleWorld(base=google_base)
    yield opened
    opened.close()
