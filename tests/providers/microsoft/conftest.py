"""A world inside the Microsoft simulator."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit
from zoneinfo import ZoneInfo

import httpx
import pytest

from infra.local.simulators import microsoft
from shared import providers
from shared.calendar import zones
from shared.calendar.event import Availability
from shared.calendar.span import AllDaySpan
from shared.providers import Endpoints, OAuthClient
from shared.providers.microsoft import recurrence
from tests.providers import simulated
from tests.providers.simulated import REDIRECT, SimulatedWorld

if TYPE_CHECKING:
    from collections.abc import Iterator

    from shared.calendar.mirror import Appearance
    from shared.calendar.span import Span
    from shared.providers.port import Authorizer, CalendarProvider, Tokens

VERIFIER = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"


def endpoints(base: str) -> Endpoints:
    """Microsoft's addresses below one base."""
    return Endpoints(
        google_api="",
        google_auth="",
        google_token="",
        google_revoke="",
        microsoft_graph=f"{base}/v1.0",
        microsoft_authority=base,
    )


class MicrosoftWorld(SimulatedWorld):
    """An account at the simulated Microsoft."""

    __slots__ = ()

    @property
    def endpoints(self) -> Endpoints:
        """The simulator's addresses."""
        return endpoints(self.base)

    def authorizer(self, **changes: str) -> Authorizer:
        """The OAuth side under test, with the registered app."""
        app = {"client_id": microsoft.CLIENT_ID, "client_secret": microsoft.CLIENT_SECRET, "tenant": "common"} | changes
        return providers.authorizer("microsoft", client=OAuthClient(**app), endpoints=self.endpoints)

    def consent(self, url: str) -> dict[str, str]:
        """Press "Allow" on the consent page; answers the query of the redirect."""
        answer = self.http.post(url, data={"account": self.email, "decision": "allow"})
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
        return providers.connect("microsoft", access_token=self.tokens().access_token, endpoints=self.endpoints)

    def resource(self, appearance: Appearance, guest: str | None) -> dict[str, Any]:
        """Graph's event resource."""
        times = self.times(appearance.span)
        resource: dict[str, Any] = {
            "subject": appearance.text.title,
            "body": {"contentType": "text", "content": appearance.text.description},
            "location": {"displayName": appearance.text.location},
            "showAs": "free" if appearance.availability is Availability.FREE else "busy",
            **times,
        }
        if appearance.recurrence:
            patterned = recurrence.from_lines(appearance.recurrence, appearance.span)
            zone = times["start"]["timeZone"]
            resource["recurrence"] = patterned | {"range": patterned["range"] | {"recurrenceTimeZone": zone}}
        if guest:
            resource["attendees"] = [{"type": "required", "emailAddress": {"address": guest, "name": "Guest"}}]
        return resource

    def invite(self, appearance: Appearance) -> tuple[str, str]:
        """An event whose organizer is somebody else."""
        meeting = {
            "isOrganizer": False,
            "organizer": {"emailAddress": {"name": "Host", "address": "host@example.com"}},
            "responseStatus": {"response": "notResponded", "time": "0001-01-01T00:00:00Z"},
        }
        made = self.sim("POST", self.events(), {**self.resource(appearance, self.email), **meeting})
        return self.calendar_id, str(made["id"])

    def times(self, span: Span) -> dict[str, Any]:
        """Start, end and whether that is whole days."""
        if isinstance(span, AllDaySpan):
            return {
                "isAllDay": True,
                "start": {"dateTime": f"{span.start}T00:00:00", "timeZone": "UTC"},
                "end": {"dateTime": f"{span.end}T00:00:00", "timeZone": "UTC"},
            }
        clock, zone = ZoneInfo(span.zone), zones.to_windows(span.zone)
        return {
            "isAllDay": False,
            **{
                name: {"dateTime": moment.astimezone(clock).replace(tzinfo=None).isoformat(), "timeZone": zone}
                for name, moment in (("start", span.start), ("end", span.end))
            },
        }

    def title(self, item: dict[str, Any]) -> str | None:
        """The subject of an event or master."""
        return None if item.get("type") in ("occurrence", "exception") else str(item.get("subject") or "")

    def titled(self, title: str) -> dict[str, Any]:
        """A subject."""
        return {"subject": title}

    def make(self, **properties: Any) -> str:
        """The person adds an event in Graph's own shape: an hour on the 2nd of March unless told otherwise."""
        hour = {
            name: {"dateTime": f"2026-03-02T{at}:00:00", "timeZone": "UTC"}
            for name, at in (("start", "09"), ("end", "10"))
        }
        return str(self.sim("POST", self.events(), {"subject": "Lunch", **hour, **properties})["id"])

    def change(self, event_id: str, **properties: Any) -> None:
        """The person changes an event."""
        self.sim("PATCH", self.events(event_id), properties)

    def change_occurrence(self, series_id: str, original: str, **properties: Any) -> None:
        """The person changes the occurrence with that original start (RFC 3339, or a date)."""
        self.sim("POST", self.events(series_id, "instances", original), properties)


@pytest.fixture(scope="session")
def microsoft_base() -> Iterator[str]:
    """The address of one running simulator; each world begins by resetting it."""
    with simulated.serve(lambda: microsoft.build(redirect_uris=[REDIRECT])) as base:
        yield base


@pytest.fixture
def world(microsoft_base: str) -> Iterator[MicrosoftWorld]:
    """An account with an empty calendar at Microsoft."""
    opened = MicrosoftWorld(base=microsoft_base)
    yield opened
    opened.close()
